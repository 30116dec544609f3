"""How far two images of the same field are shifted against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

_LARGEST = 768
# A shift counts only if it makes the images clearly more alike than no shift does.
_LEAST_GAIN = 0.005


def estimate_shift(
    reference: NDArray[Any], moved: NDArray[Any], *, largest: float = 16.0
) -> tuple[float, float]:
    """Estimate by phase correlation how far `moved` lies from `reference`.

    Parameters
    ----------
    reference, moved : ndarray
        ``(Y, X)``, of equal shape. They may differ in contrast and sharpness.
    largest : float
        Longer shifts, in pixels, are taken for a failure.

    Returns
    -------
    tuple of float
        Rows and columns: ``moved[y, x]`` shows what ``reference[y - rows, x - columns]`` shows.
        Zero where no shift makes the images clearly more alike.

    References
    ----------
    .. [1] Guizar-Sicairos et al., "Efficient subpixel image registration algorithms", Optics
       Letters 33 (2008), https://doi.org/10.1364/OL.33.000156, as scikit-image has it.
    """
    from skimage.registration import phase_cross_correlation

    a, b = (_flattened(_centre(image)) for image in (reference, moved))
    if not (a.any() and b.any()):
        return 0.0, 0.0
    window = np.outer(*(np.hanning(length) for length in a.shape))
    # Plain cross-correlation: white phases would give the noise of two instruments equal say.
    shift = phase_cross_correlation(b * window, a * window, upsample_factor=10, normalization=None)[
        0
    ]
    rows, columns = float(shift[0]), float(shift[1])
    if max(abs(rows), abs(columns)) > largest:
        return 0.0, 0.0
    whole = round(rows), round(columns)
    if any(whole) and _likeness(a, b, whole) < _likeness(a, b, (0, 0)) + _LEAST_GAIN:
        return 0.0, 0.0
    return rows, columns


def _centre(image: NDArray[Any]) -> NDArray[np.float64]:
    cuts = [slice((n - min(n, _LARGEST)) // 2, (n + min(n, _LARGEST)) // 2) for n in image.shape]
    return image[tuple(cuts)].astype(np.float64)


def _flattened(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take away slow shading and single-pixel noise, which say nothing of position."""
    return np.asarray(gaussian_filter(image, 1.5) - gaussian_filter(image, 15))


def correlation(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return how much alike the details of two images ``(Y, X)`` are, from -1 to 1.

    About 0 tells of images of different fields, or of a long shift.
    """
    return _likeness(_flattened(_centre(a)), _flattened(_centre(b)), (0, 0))


def _likeness(a: NDArray[Any], b: NDArray[Any], shift: tuple[int, int]) -> float:
    parts = []
    for image, sign in ((a, 1), (b, -1)):
        cuts = [
            slice(max(0, -sign * s), n - max(0, sign * s))
            for s, n in zip(shift, image.shape, strict=True)
        ]
        parts.append(image[tuple(cuts)].ravel())
    return float(np.corrcoef(parts[0], parts[1])[0, 1])
