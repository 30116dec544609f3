"""How close an image is to the truth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def psnr(truth: NDArray[Any], image: NDArray[Any], *, data_range: float) -> float:
    """Peak signal-to-noise ratio.

    Parameters
    ----------
    truth, image : ndarray
        Of equal shape.
    data_range : float
        Largest intensity difference that counts as full, in the units of the images.

    Returns
    -------
    float
        In dB; infinite for equal images.
    """
    error = float(np.mean((truth.astype(np.float64) - image.astype(np.float64)) ** 2))
    return math.inf if error == 0 else 20 * math.log10(data_range) - 10 * math.log10(error)


def robust_range(image: NDArray[Any]) -> float:
    """Distance between the 0.1st and 99.9th percentiles of an image, as a `data_range`."""
    low, high = np.percentile(image, (0.1, 99.9))
    return float(high - low)


def luma(image: NDArray[Any]) -> NDArray[np.float64]:
    """Brightness of an image with intensities from 0 to 1, by ITU-R BT.601.

    Parameters
    ----------
    image : ndarray
        ``(..., 3)`` for RGB; any other number of channels is averaged.

    Returns
    -------
    ndarray of float64
        ``(...)``; for RGB between 16/255 and 235/255.
    """
    if image.shape[-1] != 3:
        return np.asarray(image.astype(np.float64).mean(axis=-1))
    weights = np.array([65.738, 129.057, 25.064])
    return np.asarray((16 + image.astype(np.float64) @ weights) / 255)


def psnr_y(truth: NDArray[Any], image: NDArray[Any], *, data_range: float) -> float:
    """Peak signal-to-noise ratio of the brightness, the usual figure for photos.

    Parameters
    ----------
    truth, image : ndarray
        ``(Y, X, C)``, intensities from 0 to 1.
    data_range : float
        Largest difference that counts as full.

    Returns
    -------
    float
        In dB.
    """
    return psnr(luma(truth), luma(image), data_range=data_range)


def ssim(truth: NDArray[Any], image: NDArray[Any], *, data_range: float) -> float:
    """Structural similarity with the paper's Gaussian window [1]_.

    Parameters
    ----------
    truth, image : ndarray
        ``(Y, X, C)``, at least 11 pixels high and wide.
    data_range : float
        Largest difference that counts as full.

    Returns
    -------
    float
        Mean over pixels and channels, 1 for equal images.

    References
    ----------
    .. [1] Wang et al., IEEE TIP 13 (2004), https://doi.org/10.1109/TIP.2003.819861
    """
    from skimage.metrics import structural_similarity

    return float(
        structural_similarity(
            truth.astype(np.float64),
            image.astype(np.float64),
            data_range=data_range,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def fit_gain_offset(image: NDArray[Any], truth: NDArray[Any]) -> tuple[float, float]:
    """Return the gain and offset that bring `image` closest to `truth` in squared error.

    Parameters
    ----------
    image, truth : ndarray
        Of equal shape.

    Returns
    -------
    gain, offset : float
        For ``gain * image + offset``; a constant image has a gain of 0.
    """
    values, target = image.astype(np.float64), truth.astype(np.float64)
    mean = float(values.mean())
    spread = float(np.sum((values - mean) ** 2))
    gain = float(np.sum((values - mean) * target)) / spread if spread > 0 else 0.0
    return gain, float(target.mean()) - gain * mean


def fit_intensity(image: NDArray[Any], truth: NDArray[Any]) -> NDArray[np.float64]:
    """Return `image` with the gain and offset that bring it closest to `truth`.

    The honest rival where two instruments took the pair: it knows the intensities, so what is
    left to win is resolution.

    Parameters
    ----------
    image, truth : ndarray
        Of equal shape.

    Returns
    -------
    ndarray of float64
        ``gain * image + offset`` with the least mean squared error.
    """
    gain, offset = fit_gain_offset(image, truth)
    return np.asarray(gain * image.astype(np.float64) + offset)
