"""How pictures are turned that a camera took on its side. Free of Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# The tag of Exif and of TIFF, and its values that swap width and height.
ORIENTATION = 0x0112
SIDEWAYS = (5, 6, 7, 8)


def upright(pixels: NDArray[Any], orientation: int, y: int = 0) -> NDArray[Any]:
    """Turn pixels as their orientation asks for.

    Parameters
    ----------
    pixels : ndarray
        With Y at `y` and X after it.
    orientation : int
        The value of the tag, 1 to 8 of Exif; others turn nothing.
    y : int
        Number of the Y axis.

    Returns
    -------
    ndarray
        Of the same pixels.
    """
    if orientation in SIDEWAYS:
        pixels = np.swapaxes(pixels, y, y + 1)
    mirrored = {2: (1,), 3: (0, 1), 4: (0,), 6: (1,), 7: (0, 1), 8: (0,)}.get(orientation, ())
    turned: NDArray[Any] = np.flip(pixels, tuple(y + axis for axis in mirrored))
    return turned
