"""How noisy an image is, in the photons that would explain it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    convolve,
    maximum_filter,
    median_filter,
    minimum_filter,
)

from src_models.images.intensity import fill_gaps

# Differences that cancel planes and edges alike (Immerkaer 1996), scaled to keep white noise.
_DIFFERENCES = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 6
_BLOCK, _PATCH, _STRIDE = 8, 5, 2
LEAST_SIDE = 32
_MOST_PATCHES = 40_000
# The eight pixels around one; noise that is normal lies within the factor in all images there are.
_RING = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)
_OUTLIER = 6.0
_LEAST_APART, _ENOUGH_APART = 0.1, 4000
_LEAST_TOLD = 0.5
# The recording that noise is compared with: photons at the top of the range, and read noise, which
# is that of rounding where the dark is blank.
_PHOTONS, _READ_NOISE, _ROUNDING = 200.0, 2.0, 0.3
# Found on the training images, degraded as such a camera would and merely binned.
_LOW_LIGHT, _QUIETEST, _EVENNESS = 0.65, 0.25, 0.25


@dataclass(frozen=True, slots=True)
class NoiseEstimate:
    """The noise of one plane.

    Attributes
    ----------
    sigma : float
        Standard deviation in the plane's units, averaged over what is not blank.
    photons : float
        Photons at the top of the range that photon and read noise of this strength come from;
        infinite without noise.
    is_everywhere : bool
        Whether even the quietest parts have about as much of it as their brightness explains.
        Texture and compression leave some parts quiet.
    """

    sigma: float
    photons: float
    is_uniform: bool

    @property
    def is_low_light(self) -> bool:
        """Whether it looks like a recording with few photons, which a denoising model suits."""
        return self.is_uniform and self.photons <= _PHOTONS / _LOW_LIGHT


def estimate_noise(plane: NDArray[Any]) -> NoiseEstimate:
    """Estimate the noise of an image from the image alone.

    Parameters
    ----------
    plane : ndarray
        ``(Y, X)``, one channel of any real dtype. Gaps, hot or dead pixels, and blank parts (8 x 8
        pixels and more of one value, such as margins) don't count.

    Returns
    -------
    NoiseEstimate
        Without any noise for images of fewer than 32 pixels along an axis, or constant ones.

    Notes
    -----
    The mean variance is the smallest eigenvalue of the covariance of 5 x 5 patches, which structure
    hardly reaches [1]_; the quiet parts are 8 x 8 blocks judged by second differences in both
    directions [2]_.

    References
    ----------
    .. [1] Pyatykh et al., IEEE TIP 22 (2013), https://doi.org/10.1109/TIP.2012.2221728
    .. [2] Immerkaer, CVIU 64 (1996), https://doi.org/10.1006/cviu.1996.0060
    """
    none = NoiseEstimate(0.0, np.inf, False)
    if min(plane.shape) < LEAST_SIDE or not np.isfinite(plane).any():
        return none
    values, is_filled = replace_outliers(plane)
    is_blank = _blank(values)
    is_left_out = is_filled | is_blank
    told = values[~is_left_out]
    low, high = np.percentile(told, (0.1, 99.9)) if told.size else (0.0, 0.0)
    if low == high:
        return none
    unit = (values - low) / (high - low)
    # Dark blank parts are nothing recorded; light without noise is quiet, though.
    is_nothing = is_blank & (values <= low)
    # A camera with noise of its own leaves none of the dark blank; one that counts photons does.
    read_noise = _ROUNDING if (values[is_nothing] == low).any() else _READ_NOISE
    variance = _least_variance(unit, is_left_out)
    blocks = _relative(unit, is_filled | is_nothing, read_noise)
    quietest, median = np.percentile(blocks, (2, 50)) if blocks.size else (0.0, 0.0)
    strength = variance / float(_expected(unit[~is_left_out].mean(), read_noise))
    return NoiseEstimate(
        sigma=float(np.sqrt(variance) * (high - low)),
        photons=float(_PHOTONS / strength) if strength > 0 else np.inf,
        is_uniform=bool(quietest >= max(_QUIETEST, _EVENNESS * median)),
    )


def rough_sigma(plane: NDArray[Any]) -> float:
    """Estimate noise from second differences alone, for images too small for `estimate_noise`.

    Parameters
    ----------
    plane : ndarray
        ``(Y, X)``, one channel of any real dtype. Gaps and hot or dead pixels don't count.

    Returns
    -------
    float
        Standard deviation in the image's units, fine structure included [1]_; 0 for images of fewer
        than 3 pixels along an axis.

    References
    ----------
    .. [1] Immerkaer, CVIU 64 (1996), https://doi.org/10.1006/cviu.1996.0060
    """
    if min(plane.shape) < 3 or not np.isfinite(plane).any():
        return 0.0
    values, is_filled = replace_outliers(plane)
    differences = convolve(values, _DIFFERENCES, mode="reflect")[1:-1, 1:-1]
    differences = differences[_apart(is_filled, 3)]
    # Of a normal distribution, whose mean magnitude is sqrt(2 / pi) of its deviation.
    return float(np.abs(differences).mean() * np.sqrt(np.pi / 2))


def replace_outliers(plane: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Fill gaps, and hot and dead pixels, with the median around them.

    Parameters
    ----------
    plane : ndarray
        ``(Y, X)``, one channel of any real dtype.

    Returns
    -------
    values : ndarray of float64
        Zeros if nothing is finite.
    is_filled : ndarray of bool
        Which pixels were.

    Notes
    -----
    A hot or dead pixel differs from the median of its eight neighbours by more than noise does: six
    times the deviation of which a hundredth of all pixels differ more than 2.58 times. So up to a
    hundredth of the pixels may be hot.
    """
    is_known = np.isfinite(plane)
    values = fill_gaps(np.asarray(plane, np.float64), is_known)
    median = median_filter(values, footprint=_RING, mode="reflect")
    far = np.abs(values - median)
    farthest = _OUTLIER / 2.58 * np.percentile(far[is_known], 99) if is_known.any() else 0.0
    is_filled = ~is_known | (far > farthest)
    return np.where(is_filled, median, values), is_filled


def _expected(brightness: Any, read_noise: float) -> Any:
    """Return the variance of the recording that noise is compared with, at a brightness."""
    return (np.clip(brightness, 0, None) * _PHOTONS + read_noise**2) / _PHOTONS**2


def _blank(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which pixels lie in any square, of a block's size, that has one value throughout."""
    lowest, highest = minimum_filter(values, _BLOCK), maximum_filter(values, _BLOCK)
    # Squares of even sides reach one further on one side, which is the other one the way back.
    return np.asarray(maximum_filter(lowest == highest, _BLOCK, mode="constant", origin=-1))


def _relative(
    unit: NDArray[np.float64], is_left_out: NDArray[np.bool_], read_noise: float
) -> NDArray[np.float64]:
    """Return the noise of blocks against what their brightness explains; of those half left in."""
    squares = convolve(unit, _DIFFERENCES, mode="reflect") ** 2
    is_told = _apart(np.pad(is_left_out, 1, mode="edge"), 3)
    share = _blocks(is_told.astype(np.float64))
    noise, light = (_blocks(np.where(is_told, values, 0)) for values in (squares, unit))
    some = share >= _LEAST_TOLD
    return np.asarray(noise[some] / share[some] / _expected(light[some] / share[some], read_noise))


def _blocks(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means of whole blocks."""
    height, width = (n // _BLOCK for n in image.shape)
    cut = image[: height * _BLOCK, : width * _BLOCK]
    return np.asarray(cut.reshape(height, _BLOCK, width, _BLOCK).mean(axis=(1, 3)))


def _least_variance(image: NDArray[np.float64], is_filled: NDArray[np.bool_]) -> float:
    """Return the variance along the direction of patch space that varies least."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (_PATCH, _PATCH))
    patches = windows[::_STRIDE, ::_STRIDE][_apart(is_filled, _PATCH)[::_STRIDE, ::_STRIDE]]
    patches = patches.reshape(-1, _PATCH**2)
    patches = patches[:: -(-len(patches) // _MOST_PATCHES)]
    return max(float(np.linalg.eigvalsh(np.cov(patches.T))[0]), 0.0)


def _apart(is_filled: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """Tell which squares of pixels are as recorded; all are taken if few and a small part are."""
    half = side // 2
    apart = np.logical_not(maximum_filter(is_filled, side)[half:-half, half:-half])
    is_enough = apart.mean() >= _LEAST_APART or apart.sum() >= _ENOUGH_APART
    return apart if is_enough else np.ones_like(apart)
