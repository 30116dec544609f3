"""Results that keep the intensities of their image: binned, they are the image again.

Back-projection [1]_ with binning as the camera: what the binned result lacks is added evenly to the
pixels of each block. That is done after one step, and it is the nearest image that bins to the
input: no truth that bins to it is farther away than before. Interpolating what is lacking, in ten
steps, was tried and is farther from the truth. Whole numbers are rounded so that the sum over
each block stays. So sums over regions of whole input pixels are those of the input.

References
----------
.. [1] Irani and Peleg, CVGIP 53 (1991), https://doi.org/10.1016/1049-9652(91)90045-L
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.errors import InvalidInputError
from src_models.images.axes import ArrayLike, ImageStack, Plane, check_axes, check_scaled
from src_models.images.degradation import binned_mean
from src_models.images.intensity import as_dtype, check_no_mask
from src_models.progress import drain

_ROWS = 256
_ALL = slice(None)
_UNDEFINED: Any = {"invalid": "ignore", "over": "ignore"}  # NaN, infinities, and sums beyond floats


def keep_intensities(result: NDArray[Any], image: ArrayLike, axes: str, scale: int) -> NDArray[Any]:
    """Change a result as little as it takes to be `image` when binned.

    Parameters
    ----------
    result : ndarray
        An upscaled image, `scale` times larger along Y and X: of the image's dtype, or floats that
        were not rounded yet.
    image : array-like
        What was upscaled: integers or floats.
    axes : str
        Of both, such as ``"YX"``, ``"YXC"`` or ``"TZCYX"``.
    scale : int
        Output pixels per input pixel along each axis.

    Returns
    -------
    ndarray
        Shape of the result, dtype of the image. The mean over each block of ``scale * scale``
        pixels is the input pixel: exactly in integers (of up to ``2**53 / scale**2``), and to the
        rounding of the dtype in floats (of float64 up to ``1e308 / scale**2``).
        Alpha and pixels that are not finite stay as they are.

    Raises
    ------
    InvalidInputError
        If shapes or dtypes do not fit, or the image is a mask.

    Notes
    -----
    Of integers no value leaves the range of the dtype; floats may get a little below 0 beside
    steep edges, as interpolation does. The noise of the input is kept as well: what a denoising
    model did is undone. It takes float64 copies of 256 rows at a time.
    """
    return drain(keep_intensities_steps(result, image, axes, scale))


def keep_intensities_steps(
    result: NDArray[Any], image: ArrayLike, axes: str, scale: int
) -> Generator[None, None, NDArray[Any]]:
    """Do the same step by step; closing the generator cancels."""
    letters = check_axes(axes, image.shape)
    check_scaled(result, image, letters, scale)
    dtype = np.dtype(image.dtype)
    check_no_mask(dtype)
    if result.dtype != dtype and result.dtype.kind != "f":
        raise InvalidInputError(
            "A result must have the dtype of its image, or be of floats. "
            f"Received: {result.dtype} and an image of {dtype}. Give the result as it was made."
        )
    out = result.copy() if result.dtype == dtype else as_dtype(result, dtype)
    stack = ImageStack.of(image, letters, 1)  # channels one by one, alpha left out
    larger = ImageStack(result, letters, stack.joint, stack.colours)
    for plane in stack.planes():
        for start in range(0, stack.size[0], _ROWS):
            rows, large = (slice(start * n, (start + _ROWS) * n) for n in (1, scale))
            low = _read(stack, plane, rows)
            high = _corrected(_read(larger, plane, large), low, scale)
            if dtype.kind in "iu":
                info = np.iinfo(dtype)
                high = _rounded(high, low, scale, float(info.min), float(info.max))
            else:
                high = _in_range(high, low, scale, float(np.finfo(dtype).max))
            stack.write(out, plane, large, _ALL, as_dtype(high, dtype)[..., None])
            yield
    return out


def _read(stack: ImageStack, plane: Plane, rows: slice) -> NDArray[np.float64]:
    return stack.read(plane, rows, _ALL)[..., 0].astype(np.float64)


def _corrected(
    high: NDArray[np.float64], low: NDArray[np.float64], scale: int
) -> NDArray[np.float64]:
    """Return `high` with the means of its blocks at `low`."""
    with np.errstate(**_UNDEFINED):
        missing = low - binned_mean(high, scale)
        missing = np.where(np.isfinite(missing), missing, 0.0)
        return np.asarray(high + missing.repeat(scale, axis=0).repeat(scale, axis=1))


def _rounded(
    high: NDArray[np.float64], low: NDArray[np.float64], scale: int, least: float, most: float
) -> NDArray[np.float64]:
    """Return whole numbers from `least` to `most` whose blocks have the means `low` exactly."""
    total = low * scale**2
    cells = _within(_cells(high, scale), total, least, most)
    whole = np.floor(cells)
    # The largest fractions are rounded up, as many as the sum asks for.
    rank = np.argsort(np.argsort(whole - cells, axis=-1, kind="stable"), axis=-1, kind="stable")
    whole += rank < np.rint(total - whole.sum(axis=-1))[..., None]
    return _of_cells(whole, scale)


def _in_range(
    high: NDArray[np.float64], low: NDArray[np.float64], scale: int, most: float
) -> NDArray[np.float64]:
    """Return floats from ``-most`` to `most` whose blocks have the means `low`."""
    if np.all(np.abs(high) <= most, where=np.isfinite(high)):
        return high
    cells = _cells(high, scale)
    known = np.isfinite(cells).all(axis=-1) & np.isfinite(low)
    if known.any():
        total = low[known] * scale**2
        cells[known] = _within(cells[known], total, -most, most)
    return _of_cells(cells, scale)


def _cells(high: NDArray[np.float64], scale: int) -> NDArray[np.float64]:
    """Return the pixels of each block side by side, ``(Y, X, scale * scale)``."""
    height, width = high.shape[0] // scale, high.shape[1] // scale
    blocks = high.reshape(height, scale, width, scale).swapaxes(1, 2)
    return blocks.reshape(height, width, scale**2)


def _of_cells(cells: NDArray[np.float64], scale: int) -> NDArray[np.float64]:
    """Return the image that `_cells` took apart."""
    height, width = cells.shape[:2]
    blocks = cells.reshape(height, width, scale, scale).swapaxes(1, 2)
    return blocks.reshape(height * scale, width * scale)


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
