"""Which grey levels an image fills: where it is clipped, and how many it has."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# A pile at the top is this many times as high as the levels just below it are on average.
_PILE = 1.5
_JUST_BELOW = 0.02


def saturated_share(pixels: NDArray[Any]) -> float:
    """Return the share of pixels that are clipped at the brightest value.

    Parameters
    ----------
    pixels : ndarray
        Of one channel, any shape and real dtype, finite.

    Returns
    -------
    float
        Share of the pixels at the highest value, if they are a pile: 1.5 times as many as have
        each of the values just below. Otherwise 0, as for a constant image.
    """
    values = pixels.astype(np.float64).ravel()
    low, top = float(values.min()), float(values.max())
    if low == top:
        return 0.0
    width = _JUST_BELOW * (top - low)
    share = float(np.mean(values == top))
    below = float(np.mean((values >= top - width) & (values < top)))
    steps = max(np.floor(width), 1.0) if pixels.dtype.kind in "iu" else np.inf
    return share if share > _PILE * below / steps else 0.0


def count_levels(pixels: NDArray[Any]) -> int:
    """Return how many different values there are."""
    return len(np.unique(pixels))


def span(pixels: NDArray[Any]) -> float:
    """Return the range of the central 99.8 % of the values."""
    low, high = np.percentile(pixels.astype(np.float64), (0.1, 99.9))
    return float(high - low)
