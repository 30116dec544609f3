"""Results that keep the intensities of their image: binned, they are the image again.

Iterative back-projection [1]_: what the binned result lacks is interpolated and added, a few times,
and what is left then is added evenly. Whole numbers are rounded so that the sum over each pixel's
block stays. So sums over regions of whole input pixels are those of the input.

References
----------
.. [1] Irani and Peleg, CVGIP 53 (1991), https://doi.org/10.1016/1049-9652(91)90045-L
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.axes import ArrayLike, ImageStack, Plane, check_axes
from src_models.degrade import resize_bicubic
from src_models.errors import InvalidInputError
from src_models.intensity import as_dtype

# Interpolated and binned, an error of the finest pattern loses half of itself.
_ROUNDS = 10
_ROWS = 256
_ALL = slice(None)
_UNDEFINED: Any = {"invalid": "ignore", "over": "ignore"}  # NaN, infinities, and sums beyond floats


def keep_intensities(result: NDArray[Any], image: ArrayLike, axes: str, scale: int) -> NDArray[Any]:
    """Change a result as little as it takes to be `image` when binned.

    Parameters
    ----------
    result : ndarray
        An upscaled image, `scale` times larger along Y and X.
    image : array-like
        What was upscaled: integers or floats of the same dtype.
    axes : str
        Of both, such as ``"YX"``, ``"YXC"`` or ``"TZCYX"``.
    scale : int
        Output pixels per input pixel along each axis.

    Returns
    -------
    ndarray
        Same shape and dtype. The mean over each block of ``scale * scale`` pixels is the input
        pixel: exactly in integers (of up to 2**53), and to the rounding of the dtype in floats.
        Alpha and pixels that are not finite stay as they are.

    Raises
    ------
    InvalidInputError
        If shapes or dtypes do not fit, or the image is a mask.

    Notes
    -----
    Of integers no value leaves the range of the dtype; floats may get a little below 0 beside
    steep edges, as interpolation does. It takes float64 copies of one plane at a time.
    """
    letters = check_axes(axes, image.shape)
    check_scaled(result, image, letters, scale)
    dtype = np.dtype(image.dtype)
    if dtype.kind == "b" or result.dtype != dtype:
        raise InvalidInputError(
            "Only an image of integers or floats and a result of the same dtype can keep "
            f"intensities. Received: {dtype} and {result.dtype}. Convert the image beforehand."
        )
    out = result.copy()
    stack = ImageStack.of(image, letters, 1)  # channels one by one, alpha left out
    larger = ImageStack(result, letters, stack.joint, stack.colours)
    for plane in stack.planes():
        low = _read(stack, plane)
        high = _corrected(_read(larger, plane), low, scale)
        if dtype.kind in "iu":
            info = np.iinfo(dtype)
            for start in range(0, len(low), _ROWS):
                rows, large = slice(start, start + _ROWS), slice(start * scale, None)
                part = high[large][: _ROWS * scale]
                part[...] = _rounded(part, low[rows], scale, float(info.min), float(info.max))
        stack.write(out, plane, _ALL, _ALL, as_dtype(high, dtype)[..., None])
    return out


def check_scaled(result: NDArray[Any], image: ArrayLike, axes: str, scale: int) -> None:
    """Refuse a result that is not its image, `scale` times larger.

    Raises
    ------
    InvalidInputError
        If the shapes do not fit.
    """
    given: object = scale
    if not isinstance(given, int | np.integer) or isinstance(given, bool) or given < 1:
        raise InvalidInputError(f"scale must be a whole number from 1. Received: {scale!r}.")
    pairs = zip(axes, image.shape, strict=True)
    expected = tuple(int(n) * scale if axis in "YX" else int(n) for axis, n in pairs)
    if tuple(result.shape) != expected:
        raise InvalidInputError(
            f"A result must be its image, {scale} times larger along Y and X. Received: shape "
            f"{tuple(result.shape)} of an image of shape {tuple(image.shape)} with axes {axes!r}. "
            f"Give the image that was upscaled; its result has the shape {expected}."
        )


def binned_mean(high: NDArray[np.float64], scale: int) -> NDArray[np.float64]:
    """Return the means ``(Y, X)`` of blocks of `scale` x `scale` pixels, unrounded."""
    height, width = high.shape[0] // scale, high.shape[1] // scale
    with np.errstate(**_UNDEFINED):
        return np.asarray(high.reshape(height, scale, width, scale).mean(axis=(1, 3)))


def _read(stack: ImageStack, plane: Plane) -> NDArray[np.float64]:
    return stack.read(plane, _ALL, _ALL)[..., 0].astype(np.float64)


def _missing(
    high: NDArray[np.float64], low: NDArray[np.float64], scale: int
) -> NDArray[np.float64]:
    with np.errstate(**_UNDEFINED):
        missing = low - binned_mean(high, scale)
    return np.where(np.isfinite(missing), missing, 0.0)


def _corrected(
    high: NDArray[np.float64], low: NDArray[np.float64], scale: int
) -> NDArray[np.float64]:
    """Return `high` with the means of its blocks at `low`, smoothly where that is possible."""
    high = high.copy()
    for _ in range(_ROUNDS):
        missing = _missing(high, low, scale)
        largest = float(np.abs(missing).max())
        if largest == 0:
            return high
        high += resize_bicubic(missing / largest, high.shape).astype(np.float64) * largest
    high += _missing(high, low, scale).repeat(scale, axis=0).repeat(scale, axis=1)
    return high


def _rounded(
    high: NDArray[np.float64], low: NDArray[np.float64], scale: int, least: float, most: float
) -> NDArray[np.float64]:
    """Return whole numbers from `least` to `most` whose blocks have the means `low` exactly."""
    height, width = low.shape
    cells = high.reshape(height, scale, width, scale).swapaxes(1, 2).reshape(height, width, -1)
    total = low * scale**2
    cells = _within(cells, total, least, most)
    whole = np.floor(cells)
    # The largest fractions are rounded up, as many as the sum asks for.
    rank = np.argsort(np.argsort(whole - cells, axis=-1, kind="stable"), axis=-1, kind="stable")
    whole += rank < np.rint(total - whole.sum(axis=-1))[..., None]
    return np.asarray(whole.reshape(height, width, scale, scale).swapaxes(1, 2).reshape(high.shape))


def _within(
    cells: NDArray[np.float64], total: NDArray[np.float64], least: float, most: float
) -> NDArray[np.float64]:
    """Clip, and give what that takes from a block to the cells of it that have room."""
    if least <= cells.min() and cells.max() <= most:
        return cells
    cells = np.clip(cells, least, most)
    for _ in range(cells.shape[-1]):  # each round fills a cell of every block, or is the last
        missing = (total - cells.sum(axis=-1))[..., None]
        has_room = np.where(missing > 0, cells < most, cells > least)
        share = missing / np.maximum(has_room.sum(axis=-1, keepdims=True), 1)
        cells = np.clip(cells + has_room * share, least, most)
    return cells
