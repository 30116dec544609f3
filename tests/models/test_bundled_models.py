"""What is promised of the models that come with the package."""

from __future__ import annotations

import numpy as np
import pytest

from napari_isr._sample_data import diatom_025, embl_plant_12bit, read_sample, skimage_skin
from src_models import load_model, model_names, read_description, upscale
from src_models.images.degradation import binned, resize_bicubic
from src_models.images.intensity import as_dtype, measure_range
from src_models.models.registry import BUNDLED, DEFAULT_MODEL
from src_models.quality.metrics import psnr, robust_range

SAMPLES = [embl_plant_12bit, skimage_skin, diatom_025]


@pytest.mark.slow
def test_the_default_model_is_bundled_and_small():
    description = read_description(BUNDLED[DEFAULT_MODEL])
    assert model_names()[0] == DEFAULT_MODEL
    assert (description.channels, description.scale, description.intensity) == (1, 2, "measured")
    assert description.config.num_parameters <= 250_000
    assert load_model(DEFAULT_MODEL).model.count_params() == description.config.num_parameters


@pytest.mark.parametrize("name", sorted(BUNDLED))
def test_a_description_tells_the_training(name):
    description = read_description(BUNDLED[name])
    assert description.name == name
    assert description.summary
    assert {"settings", "scores", "seconds", "trained_on"} <= set(description.training)


def test_the_default_model_beats_bicubic_on_a_confocal_image():
    image, truth = read_sample("embl_plant_12bit"), read_sample("embl_plant_12bit_truth")
    span = robust_range(truth)
    bicubic = as_dtype(resize_bicubic(image, truth.shape).astype(float), truth.dtype)
    gain = psnr(truth, upscale(image), data_range=span) - psnr(truth, bicubic, data_range=span)
    assert gain > 0.5


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.slow
def test_tiles_are_invisible_at_the_default_overlap(sample):
    image = sample()[0][0][:160, :160].astype(np.float32)
    grey_level = max(
        np.subtract(*[getattr(measure_range([c]), end) for end in ("high", "low")]) / 255
        for c in np.moveaxis(np.atleast_3d(image), -1, 0)
    )
    whole = upscale(image, tile_size=160)
    tiled = upscale(image, tile_size=37)
    assert np.abs(whole - tiled).max() < grey_level


@pytest.mark.parametrize("value", [0, 7, 200, 255])
def test_constants_stay_constant(value):
    flat = np.full((20, 30), value, np.uint8)
    np.testing.assert_array_equal(upscale(flat), np.full((40, 60), value))
    # With something in view that sets the range, too.
    flat[:8, :8] = 255 - value
    corner = upscale(flat)[-12:, -12:].astype(int)
    assert np.abs(corner - value).max() <= 1


def test_the_mean_of_binned_pixels_is_kept():
    image = embl_plant_12bit()[0][0]
    back = binned(upscale(image), 2).astype(float)
    assert np.abs(back - image).mean() < 0.02 * robust_range(image)
