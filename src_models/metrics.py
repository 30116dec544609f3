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
    return math.inf if error == 0 else 10 * math.log10(data_range**2 / error)


def robust_range(image: NDArray[Any]) -> float:
    """Distance between the 0.1st and 99.9th percentiles of an image, as a `data_range`."""
    low, high = np.percentile(image, (0.1, 99.9))
    return float(high - low)
