"""Results that keep intensities: binned, they are their image again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src_models import keep_intensities, upscale, upscale_steps
from src_models.errors import InvalidInputError
from src_models.images.tiling import Region
from src_models.upscaling import back_projection

Networks = Callable[..., Any]


def sums(result: Any, axes: str, scale: int) -> Any:
    """Add up blocks of pixels, in float64."""
    for axis in "YX":
        at = axes.index(axis)
        shape = (*result.shape[:at], -1, scale, *result.shape[at + 1 :])
        result = result.reshape(shape).astype(np.float64).sum(at + 1)
    return result


def assert_kept(result: Any, image: Any, axes: str, scale: int) -> None:
    found, expected = sums(result, axes, scale), image.astype(np.float64) * scale**2
    assert result.dtype == image.dtype
    if image.dtype.kind in "iu":
        np.testing.assert_array_equal(found, expected)
    else:
        largest = float(np.abs(result).max()) * scale**2
        np.testing.assert_allclose(found, expected, atol=float(np.finfo(image.dtype).eps) * largest)


@given(
    dtype=st.sampled_from(["u1", "u2", "i2", "f2", "f4"]),
    scale=st.integers(1, 4),
    size=st.tuples(st.integers(1, 7), st.integers(2, 8)),
    seed=st.integers(0, 1000),
)
@pytest.mark.slow
def test_whatever_the_result_it_is_its_image_when_binned(
    dtype: str, scale: int, size: tuple[int, int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    info: Any = np.finfo("f2") if dtype.startswith("f") else np.iinfo(dtype)
    # Many pixels at the ends of the dtype, where there is no room on one side.
    levels = np.array([info.min, info.max, *rng.uniform(info.min, info.max, 3)])
    image = rng.choice(levels, size).astype(dtype)
    result = rng.choice(levels, (size[0] * scale, size[1] * scale)).astype(dtype)
    assert_kept(keep_intensities(result, image, "YX", scale), image, "YX", scale)


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "f4", "f8"])
@pytest.mark.parametrize("axes", ["YX", "YXC", "CXY", "TZCYX"])
@pytest.mark.parametrize(("channels", "scale"), [(1, 3), (3, 2)])
def test_upscaled_images_keep_their_sums(
    tiny_network: Networks, dtype: str, axes: str, channels: int, scale: int
) -> None:
    lengths = {"Y": 9, "X": 6, "C": 3, "Z": 2, "T": 1}
    shape = tuple(lengths[axis] for axis in axes)
    image = np.random.default_rng(1).integers(0, 256, shape).astype(dtype)
    network = tiny_network("rdn", channels, scale)
    for self_ensemble in (False, True):
        result = upscale(
            image, network, axes=axes, self_ensemble=self_ensemble, keep_intensities=True
        )
        assert_kept(result, image, axes, scale)


def test_a_result_that_keeps_them_stays_as_it_is(identity_network: Networks) -> None:
    image = np.random.default_rng(0).integers(0, 256, (7, 8), np.uint8)
    repeated = image.repeat(3, 0).repeat(3, 1)
    np.testing.assert_array_equal(keep_intensities(repeated, image, "YX", 3), repeated)
    result = upscale(image, identity_network("rdn", 1, 3), keep_intensities=True)
    np.testing.assert_array_equal(result, repeated)


def test_no_truth_that_bins_to_the_image_is_farther_away_than_before() -> None:
    rng = np.random.default_rng(0)
    for scale in (2, 3):
        truth = rng.normal(1000, 300, (12 * scale, 9 * scale))
        image = sums(truth, "YX", scale) / scale**2
        result = truth + rng.normal(20, 50, truth.shape)
        kept = keep_intensities(result, image, "YX", scale)
        assert np.sum((kept - truth) ** 2) < np.sum((result - truth) ** 2)


def test_whole_numbers_are_rounded_once(tiny_network: Networks) -> None:
    image = np.random.default_rng(1).integers(0, 256, (20, 24), np.uint8)
    exact = upscale(image.astype(np.float64), tiny_network())
    expected = keep_intensities(exact, image, "YX", 2)
    found = upscale(image, tiny_network(), keep_intensities=True)
    assert found.dtype == expected.dtype == np.uint8
    assert (found != expected).mean() < 0.02, "floats of 32 bits differ in a digit, here and there"


def test_masks_are_refused_before_the_work(repeating: Networks) -> None:
    network = repeating()
    with pytest.raises(InvalidInputError, match=r"Received: dtype bool\. Convert it"):
        upscale(np.eye(8, dtype=bool), network, keep_intensities=True)
    assert not network.model.shapes


def test_what_is_not_finite_and_alpha_stay(tiny_network: Networks) -> None:
    rng = np.random.default_rng(0)
    image = rng.random((8, 9, 4)).astype(np.float32)
    image[2, 3, 0], image[5, 1, 1] = np.nan, np.inf
    with pytest.warns(UserWarning, match="finite"):
        plain = upscale(image, tiny_network(), axes="YXC")
    with pytest.warns(UserWarning, match="finite"):
        kept = upscale(image, tiny_network(), axes="YXC", keep_intensities=True)
    np.testing.assert_array_equal(kept[..., 3], plain[..., 3])
    np.testing.assert_array_equal(np.isfinite(kept), np.isfinite(plain))
    good = np.isfinite(image[..., :3])
    found = sums(kept[..., :3], "YXC", 2)
    np.testing.assert_allclose(found[good], image[..., :3][good] * 4.0, rtol=1e-5, atol=1e-5)


def test_a_part_keeps_the_sums_of_its_part(tiny_network: Networks) -> None:
    image = np.random.default_rng(0).integers(0, 4096, (3, 20, 24), np.uint16)
    steps = upscale_steps(
        image,
        tiny_network(),
        axes="ZYX",
        keep_intensities=True,
        region=Region(4, 12, 6, 20),
        planes={"Z": 1},
    )
    while True:
        try:
            next(steps)
        except StopIteration as end:
            assert_kept(end.value, image[1:2, 4:12, 6:20], "ZYX", 2)
            break


@pytest.mark.parametrize(
    ("result", "image", "axes", "scale", "words"),
    [
        (np.zeros((4, 5)), np.zeros((2, 3)), "YX", 2, "2 times larger along Y and X. Received"),
        (np.zeros((4, 6)), np.zeros((2, 3)), "YX", 0, "scale must be a whole number from 1"),
        (np.zeros((4, 6)), np.zeros((2, 3)), "YX", 2.0, "scale must be a whole number from 1"),
        (np.zeros((4, 6)), np.zeros((2, 3)), "YXC", 2, "must name each of the 2 dimensions"),
        (np.zeros((4, 6), "u1"), np.zeros((2, 3), "u2"), "YX", 2, "must have the dtype of its"),
        (np.zeros((4, 6), "?"), np.zeros((2, 3), "?"), "YX", 2, "image of integers or floats"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(
    result: Any, image: Any, axes: str, scale: Any, words: str
) -> None:
    with pytest.raises(InvalidInputError, match=words):
        keep_intensities(result, image, axes, scale)


def test_rows_at_a_time_are_the_rows_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    image, result = (
        rng.integers(0, 256, (23, 9), np.uint8),
        rng.integers(0, 256, (69, 27), np.uint8),
    )
    whole = keep_intensities(result, image, "YX", 3)
    monkeypatch.setattr(back_projection, "_ROWS", 4)
    np.testing.assert_array_equal(keep_intensities(result, image, "YX", 3), whole)


def test_floats_near_the_largest_are_kept_without_a_warning() -> None:
    image = np.full((3, 4), 1e308)
    kept = keep_intensities(image.repeat(2, 0).repeat(2, 1), image, "YX", 2)
    assert np.isfinite(kept).all()
    top = np.full((2, 2), np.finfo(np.float16).max)
    result = np.full((4, 4), 7e4)
    result[::2, ::2] = np.nan  # in every block
    kept = keep_intensities(result, top, "YX", 2)
    np.testing.assert_array_equal(np.isnan(kept), np.isnan(result))
