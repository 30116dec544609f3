"""Upscale dask and zarr arrays lazily: nothing is computed but what is asked for.

The result is a dask array, so dask's schedulers do the rest: threads of this process, a cluster on
this machine, or one of many machines (`dask.distributed`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from src_models.engines.memory import choose_tile_size
from src_models.engines.opening import Engine, EngineName
from src_models.engines.self_ensemble import SelfEnsemble
from src_models.engines.shared_model import SharedModel
from src_models.errors import InvalidInputError
from src_models.images.axes import ArrayLike, ImageStack, check_axes, guess_axes
from src_models.images.intensity import IntensityRange, check_dtype, check_no_mask
from src_models.images.tiling import Region
from src_models.models.description import ModelDescription
from src_models.models.registry import DEFAULT_MODEL
from src_models.progress import drain
from src_models.upscaling.blocks import BlockGrid
from src_models.upscaling.chunk_cache import keeping_chunks
from src_models.upscaling.intensity_ranges import UnreliablePixels, measure_channels
from src_models.upscaling.pipeline import allocate_float_output, run_work
from src_models.upscaling.tiles import TileLimit, TileWork

if TYPE_CHECKING:
    import dask.array

    from src_models.networks.image_model import ImageModel

# What a network may take for one tile of a block: most machines have it for each worker.
_TILE_BYTES = 896 * 2**20
# A dask graph holds a few kilobytes for each.
_MOST_BLOCKS = 500_000
# By engine of this process: what one block found of its memory spares the others to try.
_limits: WeakKeyDictionary[Engine, TileLimit] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """How an image is upscaled block by block; the same for all of them.

    Attributes
    ----------
    description : ModelDescription
        The network.
    grid : BlockGrid
        Blocks and tiles.
    tile_size, overlap, batch_size : int
        As for `upscale`, decided.
    ranges : dict of int to IntensityRange
        By channel, for the whole image.
    self_ensemble, keep_intensities : bool
        As for `upscale`. Either is done block by block.
    """

    description: ModelDescription
    grid: BlockGrid
    tile_size: int
    overlap: int
    batch_size: int
    ranges: dict[int, IntensityRange]
    self_ensemble: bool = False
    keep_intensities: bool = False

    @classmethod
    def of(
        cls,
        stack: ImageStack,
        description: ModelDescription,
        tile_size: int | None,
        overlap: int | None,
        batch_size: int | None,
        engine: str,
    ) -> BlockPlan:
        """Decide how to upscale an image; its intensities are yet to be measured.

        Tiles follow from the network and not from the memory that happens to be free, so that
        the same image gives the same pixels on another day and on another machine.

        Raises
        ------
        InvalidInputError
            If a setting does not fit.
        """
        # A corner decides as the whole image would, without room for the whole result.
        corner = Region(0, 1, 0, 1)
        first = {
            axis: 0
            for axis, i in zip(stack.axes, next(stack.planes()).index, strict=True)
            if i is not None and not (axis == "C" and stack.has_alpha)
        }
        work = TileWork(stack, description, tile_size, overlap, batch_size, corner, first, engine)
        if tile_size is None:
            batch = work.wanted_batch
            size = choose_tile_size(description.config, work.overlap, batch, engine, _TILE_BYTES)
            work = TileWork(stack, description, size, overlap, batch, corner, first, engine)
        # The rim that alpha is interpolated over is one pixel wide.
        rim = max(work.overlap, int(stack.has_alpha))
        grid = BlockGrid.of(stack.size, work.tile_size, rim, description.reflects)
        return cls(description, grid, work.tile_size, work.overlap, work.wanted_batch, {})

    def run(
        self,
        stack: ImageStack,
        engine: Engine,
        block: Region,
        planes: dict[str, int] | None = None,
        unreliable: UnreliablePixels | None = None,
    ) -> NDArray[Any]:
        """Upscale one block.

        Parameters
        ----------
        stack : ImageStack
            The image, or a part of it that holds all that the block reads.
        engine : Engine
            What runs the network.
        block : Region
            Of the grid.
        planes : dict, optional
            As for `upscale_steps`.
        unreliable : UnreliablePixels, optional
            Of the whole image, to be counted on and told by the caller; without, this block tells
            its own.
        """
        work = TileWork(
            stack, self.description, self.tile_size, self.overlap, self.batch_size, block, planes
        )
        work.use_tiles(self.grid.tiles(block), self.grid.tile_shape)
        work.ranges = self.ranges
        work.unreliable = work.unreliable if unreliable is None else unreliable
        work.keep_within(_limits.setdefault(engine, TileLimit()))
        if self.self_ensemble:
            engine = SelfEnsemble(engine)
        if self.keep_intensities:
            allocate_float_output(work)
        result = drain(run_work(work, engine, keep_intensities=self.keep_intensities))
        if unreliable is None:
            work.unreliable.warn(counted=False)
        return result


def upscale_lazily(
    image: ArrayLike,
    model: str | Path | ImageModel | Engine = DEFAULT_MODEL,
    *,
    axes: str | None = None,
    tile_size: int | None = None,
    overlap: int | None = None,
    batch_size: int | None = None,
    engine: EngineName = "auto",
    self_ensemble: bool = False,
    keep_intensities: bool = False,
) -> dask.array.Array:
    """Upscale an array lazily.

    Parameters
    ----------
    image : array-like
        A dask, zarr or numpy array; of others parts must be readable from several threads.
    model, axes, tile_size, overlap, batch_size, engine, self_ensemble, keep_intensities
        As for `src_models.upscale`.

    Returns
    -------
    dask.array.Array
        As `upscale` returns of the image in memory: to the bit with the same `tile_size`, where
        the intensities are measured on all of it; else within a grey level of 255. Chunks are
        blocks of about 512 input pixels along Y and X and of one plane; they follow from the
        image's size, not from its chunks.

    Raises
    ------
    InvalidInputError
        As for `src_models.upscale`, and if the result has more blocks than dask can hold.

    Notes
    -----
    Only the intensities are measured at once: in full up to 32 megapixels a channel and in a
    numpy array of any size, otherwise on 32 blocks of 1024 x 1024 pixels spread evenly over the
    planes of a channel. Which blocks depends on the shape alone, so the result is the same
    however the image is chunked.
    """
    check_dtype(np.dtype(image.dtype))
    if keep_intensities:
        check_no_mask(np.dtype(image.dtype))
    letters = check_axes(guess_axes(image.shape) if axes is None else axes, image.shape)
    shared = SharedModel(model, engine)
    stack = ImageStack.of(image, letters, shared.description.channels)
    plan = BlockPlan.of(stack, shared.description, tile_size, overlap, batch_size, shared.engine)
    plan = replace(plan, self_ensemble=self_ensemble, keep_intensities=keep_intensities)
    _check_blocks(stack, plan)
    kept = replace(stack, array=keeping_chunks(stack.array))
    for ranges in measure_channels(kept, shared.description):
        plan = replace(plan, ranges=dict(ranges))
    return _mapped(stack, plan, shared)


def _check_blocks(stack: ImageStack, plan: BlockPlan) -> None:
    planes = sum(1 for _ in stack.planes())
    count = planes * (len(plan.grid.rows) - 1) * (len(plan.grid.columns) - 1)
    if count > _MOST_BLOCKS:
        raise InvalidInputError(
            f"A lazy result may have {_MOST_BLOCKS:,} blocks. Received: shape="
            f"{tuple(stack.array.shape)}, which has {count:,}: upscale a part of the image, or "
            "write it to a file with src_models.upscale_to_zarr."
        )


def _mapped(stack: ImageStack, plan: BlockPlan, shared: SharedModel) -> dask.array.Array:
    import dask
    import dask.array as da

    whole_channels = stack.joint or stack.has_alpha
    scale = plan.description.scale
    shape = stack.array.shape
    into: list[tuple[int, ...]] = []
    depth: list[int] = []
    for axis, length in zip(stack.axes, shape, strict=True):
        if axis in "YX":
            edges = plan.grid.rows if axis == "Y" else plan.grid.columns
            into.append(tuple(int(n) for n in np.diff(edges)))
            depth.append(plan.grid.depth["YX".index(axis)])
        else:
            together = axis == "C" and whole_channels
            into.append((length,) if together else (1,) * length)
            depth.append(0)
    out = tuple(
        tuple(n * scale for n in sizes) if axis in "YX" else sizes
        for axis, sizes in zip(stack.axes, into, strict=True)
    )
    array = _as_dask(stack.array, into).rechunk(tuple(into))
    # A task of its own, so that the model goes to each process once and not with each block.
    model = dask.delayed(shared, name=f"model-{shared.digest}", traverse=False)
    return da.map_overlap(
        _run_block,
        array,
        depth=dict(enumerate(depth)),
        boundary="none",
        trim=False,
        chunks=out,
        dtype=array.dtype,
        meta=np.empty((0,) * len(shape), array.dtype),
        name=f"upscaled-{dask.base.tokenize(array.name, shared.digest, plan, stack.axes)}",
        axes=stack.axes,
        size=stack.size,
        whole_channels=whole_channels,
        plan=plan,
        model=model,
    )


def _as_dask(array: ArrayLike, into: list[tuple[int, ...]]) -> dask.array.Array:
    """Return a dask array; what is read at a time holds whole chunks of a file."""
    import dask.array as da

    if isinstance(array, da.Array):
        return array
    stored = getattr(array, "chunks", None) or (1,) * len(array.shape)
    chunks = tuple(n * max(sizes[0] // n, 1) for n, sizes in zip(stored, into, strict=True))
    # Naming it by its pixels would read all of them.
    name = False if isinstance(array, np.ndarray) else None
    return da.from_array(array, chunks=chunks, name=name, inline_array=True)


def _run_block(
    part: NDArray[Any],
    axes: str,
    size: tuple[int, int],
    whole_channels: bool,
    plan: BlockPlan,
    model: SharedModel,
    block_id: tuple[int, ...] = (),
) -> NDArray[Any]:
    """Upscale the block of a number, given its pixels and the rim around them."""
    place = dict(zip(axes, block_id, strict=True))
    rows, columns = plan.grid.rows, plan.grid.columns
    y, x = place["Y"], place["X"]
    block = Region(rows[y], rows[y + 1], columns[x], columns[x + 1])
    start = tuple(
        first - depth if number else 0
        for first, depth, number in zip((block.y0, block.x0), plan.grid.depth, (y, x), strict=True)
    )
    window = _Window(part, axes, size, start)
    if not whole_channels:  # one channel, which has its own range
        plan = replace(plan, ranges={0: plan.ranges[place.get("C", 0)]})
    stack = ImageStack.of(window, axes, plan.description.channels)
    return plan.run(stack, model.open(), block)


class _Window:
    """A part of an image that is indexed as if it were the whole."""

    def __init__(
        self, part: NDArray[Any], axes: str, size: tuple[int, int], start: tuple[int, ...]
    ) -> None:
        self._part, self._axes = part, axes
        self._start = dict(zip("YX", start, strict=True))
        sizes = dict(zip("YX", size, strict=True))
        self.shape = tuple(
            sizes.get(axis, length) for axis, length in zip(axes, part.shape, strict=True)
        )
        self.dtype = part.dtype

    def __getitem__(self, index: tuple[Any, ...], /) -> NDArray[Any]:
        own = []
        for axis, item in zip(self._axes, index, strict=True):
            start = self._start.get(axis, 0)
            own.append(slice(item.start - start, item.stop - start) if axis in "YX" else item)
        part: NDArray[Any] = self._part[tuple(own)]
        return part
