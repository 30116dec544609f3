"""Results against their images, in units of the noise."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from src_models import describe_model, keep_intensities, measure_consistency
from src_models.errors import InvalidInputError, ModelFileError
from src_models.images.degradation import bicubic
from src_models.quality import consistency

Networks = Callable[..., Any]


def sharp(shape: tuple[int, ...] = (128, 160), seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return 1000 + 3000 * gaussian_filter(rng.normal(size=shape), 2)


def means(image: Any) -> Any:
    return image.reshape(image.shape[0] // 2, 2, image.shape[1] // 2, 2).mean(axis=(1, 3))


def test_the_truth_agrees_with_its_noisy_image_as_often_as_three_sigma_should() -> None:
    truth = sharp((512, 512))
    image = means(truth) + np.random.default_rng(1).normal(0, 20, (256, 256))
    found = measure_consistency(truth, image)
    assert 0.99 < found.share < 0.999
    assert found.sigmas == pytest.approx((20,), rel=0.15)
    assert found.residual.std() == pytest.approx(1, rel=0.15)
    assert found.residual.shape == image.shape
    assert found.degradation == "binned"
    assert found.in_words.endswith(" % of pixels agree within 3 sigma")


@pytest.mark.parametrize(
    ("dtype", "spoil"), [(np.uint16, "hot"), (np.float32, "hot"), (np.float32, "gaps")]
)
def test_hot_pixels_and_gaps_do_not_excuse_a_result(dtype: Any, spoil: str) -> None:
    rng = np.random.default_rng(0)
    truth = gaussian_filter(rng.random((256, 256)), 4) * 40_000
    image = (truth.reshape(128, 2, 128, 2).mean((1, 3)) + rng.normal(0, 20, (128, 128))).astype(
        dtype
    )
    expected = measure_consistency(truth, image).sigmas[0]
    chosen = rng.random(image.shape) < (0.003 if spoil == "hot" else 0.03)
    spoilt = np.where(chosen, 65535 if spoil == "hot" else np.nan, image).astype(dtype)
    found = measure_consistency(truth, spoilt)
    assert found.sigmas[0] == pytest.approx(expected, rel=0.1)
    assert measure_consistency(truth + 200, spoilt).share < 0.1


@pytest.mark.parametrize("unit", [1, 1e-6, 1e4])
def test_spots_on_nothing_are_signal_in_any_unit(unit: float) -> None:
    image = np.zeros((256, 256), np.float32)
    image.reshape(16, 16, 16, 16)[::4, 8:10, ::4, 8:10] = unit
    assert measure_consistency(image.repeat(2, 0).repeat(2, 1), image).share == 1
    assert measure_consistency(np.zeros((512, 512)), image).share < 1


def test_invented_structure_disagrees_where_it_is() -> None:
    truth = sharp()
    image = means(truth) + np.random.default_rng(1).normal(0, 20, (64, 80))
    truth[40:48, 60:68] += 1000
    found = measure_consistency(truth, image)
    assert (found.residual[20:24, 30:34] > 3).all()
    assert found.share < measure_consistency(sharp(), image).share


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_what_keeps_intensities_agrees_everywhere(dtype: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (2, 40, 36)).astype(dtype)
    other = np.random.default_rng(1).integers(0, 256, (2, 80, 72)).astype(dtype)
    kept = keep_intensities(other, image, "ZYX", 2)
    found = measure_consistency(kept, image, axes="ZYX")
    assert found.share == 1
    assert found.in_words == "100.0 % of pixels agree within 3 sigma"
    assert measure_consistency(other, image, axes="ZYX", sigma=1).share < 0.5


def test_all_but_a_few_is_never_told_as_all() -> None:
    image = np.zeros((100, 100), np.float32)
    result = image.repeat(2, 0).repeat(2, 1)
    result[:2, :2] = 9
    found = measure_consistency(result, image, sigma=1)
    assert found.share == pytest.approx(0.9999)
    assert found.in_words == "99.9 % of pixels agree within 3 sigma"
    assert (found.residual[0, 0], found.residual[1, 1]) == (9, 0)


def test_the_models_record_says_how_the_result_is_brought_back() -> None:
    truth = np.random.default_rng(0).random((64, 80, 3)).astype(np.float32)
    low = bicubic(truth, 2)
    by_model = measure_consistency(truth, low, model="photo-x2", sigma=1e-3)
    assert (by_model.degradation, by_model.share) == ("bicubic", 1)
    assert measure_consistency(truth, low, sigma=1e-3).share < 0.5
    ways = ("microscopy-x2", "microscopy-denoise-x2", "photo-artefact-x2")
    large = truth[..., 0]
    found = [measure_consistency(large, means(large), model=name).degradation for name in ways]
    assert found == ["binned", "microscope", "jpeg"]


@pytest.mark.parametrize("record", [{}, {"settings": 3}, {"settings": {"data": []}}])
def test_a_record_of_other_software_means_binning(
    tiny_network: Networks, record: dict[str, Any]
) -> None:
    from dataclasses import replace

    truth = sharp()
    for odd in (record, {"settings": {"data": {"degradations": [{"name": "lens"}, 3]}}}):
        model = replace(describe_model("microscopy-x2"), training=odd)
        assert measure_consistency(truth, means(truth), model=model).degradation == "binned"


def test_each_channel_has_noise_of_its_own_and_alpha_none() -> None:
    rng = np.random.default_rng(0)
    truth = np.stack([sharp(seed=c) for c in range(4)], axis=-1)
    image = truth.reshape(64, 2, 80, 2, 4).mean(axis=(1, 3))
    image += rng.normal(0, 1, image.shape) * (10, 20, 40, 0)
    found = measure_consistency(truth, image, axes="YXC")
    assert found.sigmas == pytest.approx((10, 20, 40), rel=0.25)
    assert not found.residual[..., 3].any()


def test_pixels_that_are_not_finite_are_left_out() -> None:
    image = np.ones((6, 8), np.float32)
    image[2, 3] = np.nan
    result = image.repeat(2, 0).repeat(2, 1)
    result[0, 0] = np.inf
    found = measure_consistency(result, image)
    assert found.share == 1
    assert np.isnan(found.residual).sum() == 2
    nothing = measure_consistency(np.full((4, 4), np.nan), np.ones((2, 2)).tolist())
    assert nothing.in_words == "no pixel can be compared"


@pytest.mark.parametrize(
    ("shape", "settings", "words"),
    [
        ((9, 10), {}, "must be its image, 1 times larger"),
        ((10,), {}, "times larger along Y and X"),
        ((8, 12), {}, "must be its image"),
        ((10, 12), {"sigma": 0}, "sigma must be above 0. Received: 0"),
        ((10, 12), {"axes": "YXC"}, "must name each of the 2 dimensions"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(
    shape: tuple[int, ...], settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidInputError, match=words):
        measure_consistency(np.zeros(shape), np.zeros((5, 6)), **settings)
    with pytest.raises(ModelFileError, match="no-such"):
        measure_consistency(np.zeros((10, 12)), np.zeros((5, 6)), model="no-such")


@pytest.mark.parametrize("way", ["binned", "bicubic", "microscope"])
def test_parts_are_those_of_the_whole(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    result, image = sharp((90, 64)), means(sharp((90, 64), seed=1))
    training = {"settings": {"data": {"degradations": [{"name": way}]}}}
    model = replace(describe_model("microscopy-x2"), training=training)
    whole = measure_consistency(result, image, model=model, sigma=20.0)
    assert whole.degradation == way
    monkeypatch.setattr(consistency, "_ROWS", 7)
    monkeypatch.setattr(consistency, "_COLUMNS", 9)
    in_parts = measure_consistency(result, image, model=model, sigma=20.0)
    np.testing.assert_allclose(in_parts.residual, whole.residual, atol=1e-3)
    assert in_parts.share == whole.share


def test_its_record_is_plain_json() -> None:
    image = means(sharp())
    record = json.loads(json.dumps(measure_consistency(sharp(), image).record))
    assert record["share"] == 1
    assert record["words"] == "100.0 % of pixels agree within 3 sigma"
    unknown = np.full(image.shape, np.nan)
    assert measure_consistency(sharp(), unknown).record["share"] is None


def test_a_plane_without_signal_does_not_decide_about_the_noise() -> None:
    rng = np.random.default_rng(0)
    truth = np.stack([sharp(seed=z) for z in range(5)])
    image = np.stack([means(plane) + rng.normal(0, 50, (64, 80)) for plane in truth])
    truth[2], image[2] = 0, 0
    found = measure_consistency(truth, image, axes="ZYX")
    assert found.sigmas[0] == pytest.approx(50, rel=0.2)
    assert found.share > 0.99


def test_noise_of_small_images_is_noise_too() -> None:
    image = np.random.default_rng(1).integers(0, 60000, (20, 30)).astype(np.uint16)
    result = np.kron(image, np.ones((2, 2), np.uint16)) + np.uint16(50)
    assert measure_consistency(result, image).share == 1
