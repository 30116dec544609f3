"""Image files to learn from, as planes ``(H, W, C)``. Free of Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.errors import InvalidInputError
from src_models.images.axes import check_axes, guess_axes
from src_models.images.io import RASTER_ENDINGS, TIFF_ENDINGS, read_image

EXTENSIONS = (*RASTER_ENDINGS, *TIFF_ENDINGS)


def list_images(folder: Path) -> list[Path]:
    """Return the image files of a folder, sorted by name; hidden ones do not count.

    Links that lead nowhere do, so that whoever reads them says what is wrong with them.
    """
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in EXTENSIONS
        and not path.name.startswith(".")
        and (path.is_file() or (path.is_symlink() and not path.exists()))
    )


def read_planes(path: Path) -> NDArray[Any]:
    """Read all planes of an image file.

    Parameters
    ----------
    path : Path
        PNG, JPEG or TIFF; a TIFF may be a stack with any axes.

    Returns
    -------
    ndarray
        ``(N, H, W, C)`` in the stored dtype. A palette becomes RGB; alpha is left out.

    Raises
    ------
    InvalidInputError
        If the file is empty, damaged or not an image.
    """
    picture = read_image(path)
    return as_planes(np.asarray(picture.array), picture.axes)


def as_planes(array: NDArray[Any], axes: str | None = None) -> NDArray[Any]:
    """Return an array as planes ``(N, H, W, C)``.

    Parameters
    ----------
    array : ndarray
        Image or stack.
    axes : str, optional
        Its axes; guessed from the shape if None: a last axis of 3 or 4 holds RGB or RGBA.

    Raises
    ------
    InvalidInputError
        If axes and shape do not fit, or the pixels are not real numbers.
    """
    if array.dtype.kind not in "biuf":
        raise InvalidInputError(
            f"pixels must be real numbers. Received: dtype {array.dtype}. Take "
            "their magnitude, or their real part."
        )
    axes = check_axes(guess_axes(array.shape) if axes is None else axes, array.shape)
    loops = [axis for axis in axes if axis not in "YXC"]
    kept = [axis for axis in "YXC" if axis in axes]
    moved = np.transpose(array, [axes.index(axis) for axis in (*loops, *kept)])
    size = moved.shape[len(loops) : len(loops) + 2]
    planes = moved.reshape(-1, *size, moved.shape[-1] if "C" in axes else 1)
    is_rgba = axes.endswith("YXC") and planes.shape[-1] == 4
    return planes[..., :3] if is_rgba else planes
