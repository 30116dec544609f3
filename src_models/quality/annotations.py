"""Scale bars, text and masks that were drawn over an image in its brightest value."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, label, maximum_filter

# Fewer pixels may be noise, whose neighbours tell nothing.
_LEAST_AREA = 9
# Around what is drawn so many percent of the pixels are below so much of the way to the top; around
# saturated areas of the test images they are not.
_MOST_AROUND, _RISE = 75, 0.25
_TOUCHING = np.ones((3, 3))


def drawn_over(plane: NDArray[Any]) -> NDArray[np.bool_]:
    """Find areas of the highest value that the image does not rise to.

    Light that saturates a camera rises towards it; what is drawn stands on anything.

    Parameters
    ----------
    plane : ndarray
        ``(Y, X)``, one channel of any real dtype, finite.

    Returns
    -------
    ndarray of bool
        True in areas of at least 9 pixels, touching each other and at the highest value, around
        which three quarters of the pixels are nearer to the median of the image than a quarter of
        the way up.
    """
    values = plane.astype(np.float64)
    top = values.max()
    is_top = values == top
    is_drawn = np.zeros(plane.shape, bool)
    if is_top.all():
        return is_drawn
    usual = float(np.median(values[~is_top]))
    high = usual + _RISE * (top - usual)
    areas, _ = label(is_top, _TOUCHING)
    sizes = np.bincount(areas.ravel())
    for number, (rows, columns) in enumerate(find_objects(areas), 1):
        if sizes[number] < _LEAST_AREA:
            continue
        part = _one_more(rows), _one_more(columns)
        inside = areas[part] == number
        around = maximum_filter(inside, 3) & ~is_top[part]
        if around.any() and np.percentile(values[part][around], _MOST_AROUND) < high:
            is_drawn[part] |= inside
    return is_drawn


def _one_more(side: slice) -> slice:
    return slice(max(side.start - 1, 0), side.stop + 1)
