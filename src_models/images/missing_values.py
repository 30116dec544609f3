"""Pixels without a value: filled from the nearest pixel that has one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def fill_gaps(plane: NDArray[Any], is_known: NDArray[np.bool_] | None = None) -> NDArray[Any]:
    """Give each gap of a plane the value of the nearest pixel that has one.

    Parameters
    ----------
    plane : ndarray
        ``(Y, X)``, of any real dtype.
    is_known : ndarray of bool, optional
        Which pixels have a value; by default the finite ones.

    Returns
    -------
    ndarray
        The plane itself if it has no gaps; zeros if it has nothing else.
    """
    from scipy.ndimage import distance_transform_edt

    if is_known is None:
        is_known = np.isfinite(plane)
    if is_known.all():
        return plane
    if not is_known.any():
        return np.zeros_like(plane)
    nearest = distance_transform_edt(~is_known, return_distances=False, return_indices=True)
    filled: NDArray[Any] = plane[tuple(nearest)]
    return filled
