from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from src_models.quality.noise import estimate_noise, rough_sigma


def recorded(rng, photons, read_noise=2.0, size=128):
    """Blurred blobs as a camera records them, the brightest with so many photons."""
    image = gaussian_filter(rng.random((size, size)), 3)
    image = (image - image.min()) / np.ptp(image)
    return rng.poisson(image * photons) + rng.normal(0, read_noise, image.shape)


@pytest.mark.parametrize("photons", [50, 200, 1000])
def test_photons_are_counted(rng, photons):
    found = estimate_noise(recorded(rng, photons, read_noise=2 * photons / 200)).photons
    assert photons / 1.6 < found < photons * 1.6


def test_few_photons_are_low_light_and_many_are_not(rng):
    assert estimate_noise(recorded(rng, 100)).is_low_light
    assert not estimate_noise(recorded(rng, 5000)).is_low_light


def test_sigma_is_that_of_white_noise(rng):
    clean = np.add.outer(np.linspace(0, 1, 200), np.linspace(0, 1, 200))
    noisy = clean + rng.normal(0, 0.1, clean.shape)
    assert estimate_noise(noisy).sigma == pytest.approx(0.1, rel=0.1)
    assert estimate_noise(noisy * 3 + 1000).sigma == pytest.approx(0.3, rel=0.1)


def test_estimate_follows_no_change_of_units(rng):
    image = recorded(rng, 150)
    a, b = estimate_noise(image), estimate_noise(image * 17.0 + 300.0)
    assert a.photons == pytest.approx(b.photons, rel=1e-6)
    assert a.is_low_light == b.is_low_light


def test_texture_beside_a_quiet_background_is_no_noise(rng):
    image = rng.normal(0, 0.002, (128, 128))
    image[32:96, 32:96] = rng.random((64, 64))
    assert not estimate_noise(image).is_low_light


@pytest.mark.parametrize("width", [5, 10, 40])
@pytest.mark.parametrize("blank", [0.0, np.nan])
def test_a_blank_margin_hides_no_noise(rng, width, blank):
    image = recorded(rng, 100) + 50
    framed = image.copy()
    framed[:width] = framed[:, -width:] = blank
    alone, found = estimate_noise(image), estimate_noise(framed)
    assert found.is_low_light
    assert found.sigma == pytest.approx(alone.sigma, rel=0.15)
    assert found.photons == pytest.approx(alone.photons, rel=0.3)
    assert not estimate_noise(np.where(framed == framed, recorded(rng, 5000), blank)).is_low_light


@pytest.mark.parametrize("share", [0.05, 0.08, 0.15])
@pytest.mark.parametrize("blank", [0.0, np.nan])
def test_a_small_field_on_nothing_has_its_own_noise(rng, share, blank):
    rows, columns = np.mgrid[-256:256, -256:256]
    is_field = rows**2 + columns**2 < share * 512**2 / np.pi
    image = np.where(is_field, 2000 + 2 * rows + rng.normal(0, 20, rows.shape), blank)
    assert estimate_noise(image).sigma == pytest.approx(20, rel=0.15)


def test_photons_are_counted_on_nothing_at_all(rng):
    light = np.clip(gaussian_filter(rng.random((160, 160)), 5) - 0.51, 0, None)
    counts = rng.poisson(light / light.max() * 100)
    assert np.mean(counts == 0) > 0.5
    found = estimate_noise(counts)
    assert found.is_low_light
    assert 100 / 1.6 < found.photons < 100 * 1.6


def test_light_without_noise_is_quiet(rng):
    mask = gaussian_filter(rng.random((128, 128)), 4) > 0.5
    assert not estimate_noise(mask.astype(np.uint8)).is_low_light


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((64, 64), np.uint8),
        np.full((64, 64), np.nan),
        np.eye(8),
        np.tile(np.arange(64.0), (64, 1)),
    ],
    ids=["constant", "not finite", "tiny", "ramp"],
)
def test_nothing_to_see_is_no_noise(image):
    assert not estimate_noise(image).is_low_light


def test_gaps_do_not_count(rng):
    image = recorded(rng, 100)
    image[:4, :4] = np.nan
    assert estimate_noise(image).is_low_light


def with_hot_pixels(rng, image, share=0.003):
    return np.where(rng.random(image.shape) < share, 20 * image.max(), image)


def with_gaps(rng, image, share=0.03):
    return np.where(rng.random(image.shape) < share, np.nan, image)


@pytest.mark.parametrize("spoil", [with_hot_pixels, with_gaps])
@pytest.mark.parametrize("photons", [100, 5000])
def test_hot_pixels_and_gaps_are_no_noise(rng, spoil, photons):
    image = recorded(rng, photons)
    sigma, spoilt = (estimate_noise(part) for part in (image, spoil(rng, image)))
    assert spoilt.sigma == pytest.approx(sigma.sigma, rel=0.15)
    assert spoilt.is_low_light == (photons == 100)
    assert rough_sigma(spoil(rng, image)) == pytest.approx(rough_sigma(image), rel=0.15)


@pytest.mark.parametrize("shape", [(20, 24), (31, 200), (64, 64)])
def test_rough_sigma_is_that_of_white_noise_on_a_ramp_in_the_images_units(rng, shape):
    ramp = np.add.outer(np.arange(shape[0]), np.arange(shape[1]))
    noisy = ramp + rng.normal(0, 40.0, shape)
    assert rough_sigma(noisy) == pytest.approx(40.0, rel=0.2)
    assert rough_sigma(noisy * 3 + 1000) == pytest.approx(3 * rough_sigma(noisy))
    noisy[3, 4] = np.nan
    assert rough_sigma(noisy) == pytest.approx(40.0, rel=0.3)


def test_rough_sigma_of_what_has_no_differences_is_zero():
    assert rough_sigma(np.ones((2, 50))) == 0
    assert rough_sigma(np.full((9, 9), np.nan)) == 0
    assert rough_sigma(np.full((9, 9), 7, np.uint8)) == 0
