"""How close images are: the usual figures, as others compute them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from src_models.quality.metrics import psnr, robust_range


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3)])
@pytest.mark.slow
def test_psnr_is_that_of_scikit_image(
    rng: np.random.Generator, dtype: str, shape: tuple[int, ...]
) -> None:
    truth = (rng.random(shape) * 255).astype(dtype)
    image = (rng.random(shape) * 255).astype(dtype)
    expected = peak_signal_noise_ratio(truth, image, data_range=255)
    assert psnr(truth, image, data_range=255) == pytest.approx(
        expected, rel=1e-6
    )  # it computes in float32


def test_psnr_of_bytes_does_not_wrap() -> None:
    assert psnr(np.array([[0]], "u1"), np.array([[255]], "u1"), data_range=255) == 0


def test_equal_images_are_infinitely_close() -> None:
    assert psnr(np.ones((3, 3)), np.ones((3, 3)), data_range=1) == math.inf


def test_ten_times_the_range_is_twenty_decibels() -> None:
    truth, image = np.zeros((4, 4)), np.ones((4, 4))
    gain = psnr(truth, image, data_range=10) - psnr(truth, image, data_range=1)
    assert gain == pytest.approx(20)


def test_the_robust_range_ignores_a_thousandth_at_each_end() -> None:
    image = np.arange(100_001, dtype=np.float64)
    image[-50:] = 1e9
    assert robust_range(image) == pytest.approx(99_800, rel=1e-6)
    assert robust_range(np.full((5, 5), 7)) == 0
