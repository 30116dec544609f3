"""Images from files: PNG, JPEG and TIFF of any depth, as planes ``(H, W, C)``. Free of Keras."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from src_models.axes import check_axes, guess_axes
from src_models.errors import InvalidInputError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
# What Pillow and tifffile raise on damaged files; neither has one type for it.
_UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def list_images(folder: Path) -> list[Path]:
    """Return the image files of a folder, sorted by name; hidden ones do not count."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in EXTENSIONS and not path.name.startswith(".") and path.is_file()
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
    try:
        if path.stat().st_size == 0:
            raise InvalidInputError("the file is empty.")
        if path.suffix.lower() in (".tif", ".tiff"):
            array, axes = _read_tiff(path)
        else:
            array, axes = _read_with_pillow(path)
        return as_planes(array, axes)
    except InvalidInputError:
        raise
    except _UNREADABLE as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InvalidInputError(f"the file cannot be read ({first_line}).") from error


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
        raise InvalidInputError(f"pixels must be real numbers. Received: dtype {array.dtype}.")
    axes = check_axes(guess_axes(array.shape) if axes is None else axes, array.shape)
    loops = [axis for axis in axes if axis not in "YXC"]
    kept = [axis for axis in "YXC" if axis in axes]
    moved = np.transpose(array, [axes.index(axis) for axis in (*loops, *kept)])
    size = moved.shape[len(loops) : len(loops) + 2]
    planes = moved.reshape(-1, *size, moved.shape[-1] if "C" in axes else 1)
    is_rgba = axes.endswith("YXC") and planes.shape[-1] == 4
    return planes[..., :3] if is_rgba else planes


def _read_with_pillow(path: Path) -> tuple[NDArray[Any], str]:
    with Image.open(path) as image:
        if image.mode.startswith("I"):
            array = np.asarray(image)
            fits = array.dtype.kind == "i" and array.min() >= 0 and array.max() < 2**16
            return (array.astype(np.uint16) if fits else array), "YX"
        if image.mode in ("L", "F", "1"):
            return np.asarray(image.convert("L") if image.mode == "1" else image), "YX"
        if image.mode == "LA":
            return np.asarray(image)[..., 0], "YX"
        return np.asarray(image.convert("RGB")), "YXC"


def _read_tiff(path: Path) -> tuple[NDArray[Any], str]:
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            series = tiff.series[0]
            array, axes = np.asarray(series.asarray()), series.axes.replace("S", "C")
    except (ValueError, KeyError, IndexError, tifffile.TiffFileError) as error:
        # Some compressions need a codec that only Pillow brings along.
        try:
            return _read_with_pillow(path)
        except _UNREADABLE:
            raise error from None
    if axes.count("C") > 1 or not {"Y", "X"} <= set(axes) or len(set(axes)) != len(axes):
        return np.squeeze(array), guess_axes(np.squeeze(array).shape)
    return array, axes
