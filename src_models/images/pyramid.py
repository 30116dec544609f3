"""Smaller copies of an image, for viewers that show it from afar."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.images.intensity import as_dtype


def halved(pixels: NDArray[Any], axes: str) -> NDArray[Any]:
    """Return the means of 2x2 pixels.

    Parameters
    ----------
    pixels : ndarray
        Axes as named.
    axes : str
        Such as ``"TCZYX"`` or ``"YXC"``; Y and X are neighbours.

    Returns
    -------
    ndarray
        Of the same type, half as large along Y and X, rounded up: an odd last row or column counts
        twice.
    """
    # Plane by plane, because means take eight times the room.
    y = axes.index("Y")
    rows, columns = (-(-n // 2) for n in pixels.shape[y : y + 2])
    small = np.empty((*pixels.shape[:y], rows, columns, *pixels.shape[y + 2 :]), pixels.dtype)
    for index in np.ndindex(pixels.shape[:y]):
        plane = pixels[index]
        odd = [(0, n % 2) for n in plane.shape[:2]] + [(0, 0)] * (plane.ndim - 2)
        even = np.pad(plane, odd, mode="edge")
        blocks = even.reshape(rows, 2, columns, 2, *even.shape[2:])
        small[index] = as_dtype(blocks.mean(axis=(1, 3), dtype=np.float64), pixels.dtype)
    return small
