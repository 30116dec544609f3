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
    values, counts = np.unique(pixels.astype(np.float64), return_counts=True)
    shares = counts / pixels.size
    last = len(values) - 1
    almost = int(np.searchsorted(np.cumsum(shares), 1 - _MOST_HOT))
    tops = {last, min(almost, last)}
    return max((_pile(values, shares, top), float(values[top])) for top in tops)


def _pile(values: NDArray[np.float64], shares: NDArray[np.float64], top: int) -> float:
    """Return the share of pixels at a value, if they are a pile and nothing is just above it."""
    if top == 0:
        return 0.0
    # A dim image has fewer levels than fit into the width: one below is looked at in any case.
    width = max(_JUST_BELOW * (values[top] - values[0]), values[top] - values[top - 1])
    if top + 1 < len(values) and values[top + 1] <= values[top] + width:
        return 0.0
    below = shares[:top][values[:top] >= values[top] - width]
    return float(shares[top]) if shares[top] > _PILE * below.mean() else 0.0


def count_levels(pixels: NDArray[Any]) -> int:
    """Return how many different values there are."""
    return len(np.unique(pixels))


def span(pixels: NDArray[Any]) -> float:
    """Return the range of the central 99.8 % of the values."""
    low, high = np.percentile(pixels.astype(np.float64), (0.1, 99.9))
    return float(high - low)
