"""Run the tiles of one call: the network in one thread, reading and writing in another."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.engines.opening import Engine
from src_models.errors import OutOfMemoryError
from src_models.images.intensity import check_no_mask
from src_models.progress import with_progress
from src_models.upscaling.back_projection import keep_intensities_steps
from src_models.upscaling.tiles import Batch, Places, TileWork

# How long a closed generator may go on, where the engine can be stopped.
_PATIENCE_S = 0.25


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the work is.

    Attributes
    ----------
    done, total : int
        Tiles; `total` grows if tiles must be made smaller on the way.
    begun : float
        How many tiles' worth of the work in hand is done, where the engine tells.
    """

    done: int
    total: int
    begun: float = 0.0


def run_tiles(work: TileWork, network: Engine) -> Generator[Progress, None, None]:
    """Run all tiles; the next ones are read and the last ones written while the network runs.

    Parameters
    ----------
    work : TileWork
        The tiles; its result is complete in the end.
    network : Engine
        What runs them.

    Yields
    ------
    Progress
        After every batch, and now and then while one takes long. Closing the generator stops
        the batch in work, if the engine can.
    """
    files = ThreadPoolExecutor(1, thread_name_prefix="tiles")
    running = ThreadPoolExecutor(1, thread_name_prefix="network")
    reading: deque[tuple[Places, Future[Batch]]] = deque()
    writing: Future[None] | None = None
    batch: Batch | None = None
    try:
        while work.pending or reading:
            while work.pending and len(reading) < 2:
                places = work.next_batch()
                reading.append((places, files.submit(work.read, places)))
            try:
                batch = reading[0][1].result()
                output = running.submit(network.run, batch.tiles)
                while not wait([output], _PATIENCE_S).done:
                    # A self-ensemble asks the network several times and knows how far it is.
                    begun = getattr(network, "share", 0.0) * len(batch.places)
                    yield Progress(work.done, work.total, begun)
                outputs = output.result()
            except (OutOfMemoryError, MemoryError) as error:
                wait([future for _, future in reading])
                work.retry_smaller([place for places, _ in reading for place in places], error)
                reading.clear()
            else:
                reading.popleft()
                if writing is not None:
                    writing.result()
                writing = files.submit(work.keep, batch, outputs)
                work.done += len(batch.places)
            yield Progress(work.done, work.total)
        if writing is not None:
            writing.result()
    finally:
        if batch is not None:
            network.stop(batch.tiles)
        running.shutdown(cancel_futures=True)
        files.shutdown(cancel_futures=True)
        network.release()


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
