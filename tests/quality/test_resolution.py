"""The resolution measures find cut-offs that are known, and depend on nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src_models import ResolutionCurve, decorrelation_analysis, fourier_ring_correlation
from src_models.errors import InvalidInputError

SHAPES = [(128, 128), (129, 161), (96, 240)]
Measure = Callable[..., ResolutionCurve]
ONE_IMAGE: list[Measure] = [fourier_ring_correlation, decorrelation_analysis]


def disk(frequency: np.ndarray, cutoff: float) -> np.ndarray:
    return (frequency < cutoff).astype(float)


def optics(frequency: np.ndarray, cutoff: float) -> np.ndarray:
    x = np.clip(frequency / cutoff, 0, 1)
    return 2 / np.pi * (np.arccos(x) - x * np.sqrt(1 - x**2))


def blurred(
    cutoff: float,
    shape: tuple[int, int] = (128, 128),
    blur: Callable[..., Any] = disk,
    seed: int = 0,
) -> np.ndarray:
    """Cut a part out of blurred speckle, so that its borders do not join."""
    larger = shape[0] + 32, shape[1] + 32
    frequency = np.hypot(np.fft.fftfreq(larger[0])[:, None], np.fft.rfftfreq(larger[1])[None])
    speckle = np.random.default_rng(seed).exponential(1, larger)
    image = np.fft.irfft2(np.fft.rfft2(speckle) * blur(frequency, cutoff), s=larger)
    return image[16:-16, 16:-16]


def noise(image: np.ndarray, ratio: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, image.std() / ratio, image.shape)


@pytest.mark.parametrize("measure", ONE_IMAGE)
@pytest.mark.parametrize("blur", [disk, optics])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cutoff", [0.12, 0.2, 0.3, 0.4])
def test_a_cut_off_without_noise_is_found_to_a_tenth(
    measure: Measure, blur: Callable[..., Any], shape: tuple[int, int], cutoff: float
) -> None:
    assert measure(blurred(cutoff, shape, blur)).resolution == pytest.approx(1 / cutoff, rel=0.1)


@pytest.mark.parametrize("ratio", [3, 10])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cutoff", [0.12, 0.2, 0.3, 0.4])
def test_a_cut_off_under_noise_is_found_to_a_tenth(
    shape: tuple[int, int], cutoff: float, ratio: float
) -> None:
    image = blurred(cutoff, shape)
    first, second = (image + noise(image, ratio, seed) for seed in (1, 2))
    for found in (
        fourier_ring_correlation(first),
        fourier_ring_correlation(first, second),
        decorrelation_analysis(first),
    ):
        assert found.resolution == pytest.approx(1 / cutoff, rel=0.1), found.method


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("ratio", [3, math.inf])
def test_a_slope_behind_the_image_changes_nothing(shape: tuple[int, int], ratio: float) -> None:
    image = blurred(0.3, shape, optics)
    slope = 200 * image.std() * np.add.outer(*(np.linspace(0, n, n) / min(shape) for n in shape))
    first, second = (image + noise(image, ratio, seed) for seed in (1, 2))
    for measure, recordings in (
        (fourier_ring_correlation, (first,)),
        (fourier_ring_correlation, (first, second)),
        (decorrelation_analysis, (first,)),
    ):
        found = measure(*(recorded + slope for recorded in recordings))
        assert found.resolution == pytest.approx(measure(*recordings).resolution, rel=0.01)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("cutoff", [0.15, 0.3])
def test_rounding_is_not_detail(cutoff: float, dtype: str) -> None:
    image = blurred(cutoff)
    unit = (image - image.min()) / np.ptp(image)
    rounded = np.rint(unit * np.iinfo(dtype).max).astype(dtype)
    for found in (
        fourier_ring_correlation(rounded),
        fourier_ring_correlation(rounded, rounded.copy()),
        decorrelation_analysis(rounded),
    ):
        assert found.resolution == pytest.approx(1 / cutoff, rel=0.1), found.method


def test_photons_leave_one_image_and_two_with_the_same_answer() -> None:
    clean = blurred(0.25, (192, 192), optics)
    light = (clean - clean.min()) * 500
    first, second = (np.random.default_rng(seed).poisson(light) for seed in (1, 2))
    one, two = fourier_ring_correlation(first), fourier_ring_correlation(first, second)
    assert one.resolution == pytest.approx(two.resolution, rel=0.1)
    assert 4 < two.resolution < 5.5


def test_detail_up_to_half_a_cycle_is_limited_by_sampling() -> None:
    object_ = np.random.default_rng(0).exponential(1, (128, 128))
    found = fourier_ring_correlation(object_, object_, pixel_size=0.5)
    assert found.resolution == 1.0
    assert found.is_limited_by_sampling
    assert "limit of sampling" in found.in_words


@pytest.mark.parametrize("measure", ONE_IMAGE)
def test_in_noise_and_in_a_constant_there_is_no_detail(measure: Measure) -> None:
    for image in (np.random.default_rng(0).normal(0, 1, (128, 128)), np.full((64, 64), 0.1)):
        found = measure(image)
        assert math.isnan(found.resolution)
        assert np.isfinite(found.curve).all()
        assert "No detail" in found.in_words


def test_two_recordings_of_nothing_have_nothing_in_common() -> None:
    first, second = np.random.default_rng(0).normal(0, 1, (2, 128, 128))
    assert math.isnan(fourier_ring_correlation(first, second).resolution)


@settings(deadline=None, max_examples=15)
@given(
    cutoff=st.floats(0.12, 0.4),
    gain=st.floats(1e-6, 1e6),
    offset=st.floats(-100, 100),
    size=st.floats(1e-3, 1e3),
    turns=st.integers(0, 3),
)
def test_contrast_brightness_turns_and_units_change_nothing_else(
    cutoff: float, gain: float, offset: float, size: float, turns: int
) -> None:
    image = blurred(cutoff, (64, 80))
    image += noise(image, 5, 1)
    changed = np.rot90((image + offset) * gain, turns)
    for measure in ONE_IMAGE:
        plain, other = measure(image), measure(changed, pixel_size=size)
        assert other.resolution == pytest.approx(plain.resolution * size, rel=1e-4)
        np.testing.assert_allclose(other.curve, plain.curve, atol=1e-4)
        np.testing.assert_allclose(other.frequencies * size, plain.frequencies)


def test_two_recordings_may_differ_in_contrast_and_change_places() -> None:
    image = blurred(0.2)
    first, second = (image + noise(image, 3, seed) for seed in (1, 2))
    plain = fourier_ring_correlation(first, second)
    assert fourier_ring_correlation(
        second.astype(np.float32) * 7 + 3, first
    ).resolution == pytest.approx(plain.resolution, rel=1e-4)


def test_curves_fit_together() -> None:
    image = blurred(0.2, (65, 90))
    for found in (fourier_ring_correlation(image, pixel_size=2.0), decorrelation_analysis(image)):
        assert found.frequencies.shape == found.curve.shape
        assert (np.diff(found.frequencies) > 0).all()
        assert np.abs(found.curve).max() <= 1
        assert f"{found.resolution:.3g} ({found.method})" in found.in_words
    assert fourier_ring_correlation(image).threshold is not None
    assert decorrelation_analysis(image).threshold is None


@pytest.mark.parametrize("measure", ONE_IMAGE)
@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((64, 64, 3), np.uint8), "one channel"),
        (np.zeros((5, 64, 64)), "one plane"),
        (np.zeros((31, 64)), "32 x 32 pixels"),
        (np.zeros((64, 64), complex), "real numbers"),
        (np.pad([[np.nan]], 32), "1 of its pixels NaN"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_words(
    measure: Measure, image: np.ndarray, words: str
) -> None:
    with pytest.raises(InvalidInputError, match=words):
        measure(image)


@pytest.mark.parametrize("size", [0, -1, math.nan, math.inf, None, "0.1", [1, 1]])
def test_a_pixel_has_a_size(size: Any) -> None:
    with pytest.raises(InvalidInputError, match="side above 0"):
        fourier_ring_correlation(np.eye(64), pixel_size=size)


def test_two_images_have_one_shape() -> None:
    with pytest.raises(InvalidInputError, match=r"\(64, 64\), other of shape \(64, 65\)"):
        fourier_ring_correlation(np.eye(64), np.eye(64, 65))


@pytest.mark.parametrize("dtype", ["bool", "int8", "float16", "uint64", "float64"])
def test_every_real_dtype_is_measured(dtype: str) -> None:
    image = (blurred(0.2) > 1).astype(dtype)
    for measure in ONE_IMAGE:
        assert measure(image).resolution > 0
    assert fourier_ring_correlation(image.astype(float) * 1e300).resolution > 0
