"""Which grey levels an image fills: where it is clipped, and how many it has."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# A pile at the top is this many times as high as the levels just below it are on average.
_PILE = 1.5
_JUST_BELOW = 0.02
_MOST_HOT = 0.0025


def saturation(pixels: NDArray[Any]) -> tuple[float, float]:
    """Return the share of pixels that are clipped at the brightest value, and that value.

    Parameters
    ----------
    pixels : ndarray
        Of one channel, any shape and real dtype, finite.

    Returns
    -------
    share : float
        Of the pixels at the highest value, if they are a pile: 1.5 times as many as have each of
        the values just below. Up to a quarter of a percent may be hot pixels above it. Otherwise
        0, as for a constant image.
    value : float
    """
    values = pixels.astype(np.float64).ravel()
    low = float(values.min())
    tops = float(values.max()), float(np.quantile(values, 1 - _MOST_HOT, method="nearest"))
    step = 1.0 if pixels.dtype.kind in "iu" else 0.0
    return max((_pile(values, low, top, step), top) for top in tops)


def _pile(values: NDArray[np.float64], low: float, top: float, step: float) -> float:
    """Return the share of pixels at a value, if they are a pile and nothing is just above it."""
    width = _JUST_BELOW * (top - low)
    if width == 0 or ((values > top) & (values <= top + width)).any():
        return 0.0
    share = float(np.mean(values == top))
    below = float(np.mean((values >= top - width) & (values < top)))
    steps = max(np.floor(width / step), 1.0) if step else np.inf
    return share if share > _PILE * below / steps else 0.0


def count_levels(pixels: NDArray[Any]) -> int:
    """Return how many different values there are."""
    return len(np.unique(pixels))


def span(pixels: NDArray[Any]) -> float:
    """Return the range of the central 99.8 % of the values."""
    low, high = np.percentile(pixels.astype(np.float64), (0.1, 99.9))
    return float(high - low)
