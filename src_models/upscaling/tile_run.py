"""The tiles of one call from the first to the last, and the form that their result is given."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.engines.opening import Engine
from src_models.images.intensity import check_no_mask
from src_models.progress import with_progress
from src_models.upscaling.back_projection import keep_intensities_steps
from src_models.upscaling.pipeline import Progress, run_tiles
from src_models.upscaling.tiles import TileWork


def allocate_float_output(work: TileWork) -> None:
    """Make the result of floats, for `run_work` to round when intensities are kept.

    Raises
    ------
    InvalidInputError
        If the image is a mask.
    """
    dtype = work.out.dtype
    check_no_mask(dtype)
    narrow = dtype.itemsize <= 2 or dtype == np.float32
    work.out = np.empty(work.out.shape, np.float32 if narrow else np.float64)


def run_work(
    work: TileWork, network: Engine, *, keep_intensities: bool = False
) -> Generator[Progress, None, NDArray[Any]]:
    """Run all tiles.

    Parameters
    ----------
    work : TileWork
        Whose ranges are known; made ready by `allocate_float_output` if intensities are kept.
    network : Engine
        What runs them.
    keep_intensities : bool
        As for `src_models.upscale`.

    Yields
    ------
    Progress
        As `run_tiles`, and on while intensities are kept.

    Returns
    -------
    ndarray
        The result.
    """
    yield from run_tiles(work, network)
    work.resample_alpha()
    if not keep_intensities:
        return work.out
    steps = keep_intensities_steps(work.out, _part_of_image(work), work.stack.axes, work.scale)
    return (yield from with_progress(steps, lambda: Progress(work.done, work.total)))


def _part_of_image(work: TileWork) -> NDArray[Any]:
    """Return the pixels that were upscaled."""
    rows, columns = work.region.slices
    windows = {"Y": rows, "X": columns} | {a: slice(i, i + 1) for a, i in work.planes.items()}
    index = tuple(windows.get(axis, slice(None)) for axis in work.stack.axes)
    return np.asarray(work.stack.array[index])
