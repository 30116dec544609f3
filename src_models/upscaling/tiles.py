"""The tiles of one call to `upscale`: which are left, how one is read, where answers go."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from src_models.checks import check_whole
from src_models.engines.memory import choose_tile_size
from src_models.errors import (
    InvalidInputError,
    NetworkError,
    OutOfMemoryError,
    warn,
)
from src_models.images.axes import ImageStack, Plane
from src_models.images.intensity import IntensityRange, as_dtype
from src_models.images.tiling import Region, Tile, split, split_region
from src_models.models.description import ModelDescription
from src_models.upscaling.intensity_ranges import UnreliablePixels

_BLOCK = 1024
# Pixels of the result that are mapped to the stored intensities at a time.
_STRIP = 2**16


Places = list[tuple[Plane, Region]]


@dataclass(frozen=True, slots=True)
class Batch:
    """Tiles that were read.

    Attributes
    ----------
    places : list of (Plane, Region)
        Where they are.
    tiles : ndarray
        For the network, float32 ``(B, H, W, C)``; the last ones may be there to fill up.
    plans : list of Tile
        How each place was read and is to be written.
    residuals : list of ndarray
        What goes round the network, for each place.
    """

    places: Places
    plans: list[Tile]
    tiles: NDArray[np.float32]
    residuals: list[NDArray[np.float64]]


@dataclass(slots=True)
class TileLimit:
    """How large tiles and batches may be since memory ran out; None while it did not."""

    longest: int | None = None
    batch_size: int = 1


class TileWork:
    """The tiles of one call: those to do, how one is read and written, and the result."""

    def __init__(
        self,
        stack: ImageStack,
        description: ModelDescription,
        tile_size: int | None,
        overlap: int | None,
        batch_size: int | None,
        region: Region | None,
        planes: dict[str, int] | None,
        engine: str = "keras",
    ) -> None:
        self.stack = stack
        self.ranges: dict[int, IntensityRange] = {}
        self.scale, self.channels = description.scale, description.channels
        self.reflect = description.reflects
        # Farther out nothing can count: a larger overlap would only cost time and memory.
        self.overlap = min(
            description.default_overlap if overlap is None else check_whole("overlap", overlap, 0),
            description.config.receptive_radius,
        )
        batch_size = 1 if batch_size is None else check_whole("batch_size", batch_size)
        usual = choose_tile_size(description.config, self.overlap, batch_size, engine)
        size = usual if tile_size is None else check_whole("tile_size", tile_size)
        if (largest := description.largest_tile) is not None:
            self.overlap = min(self.overlap, (largest - 1) // 4)
            size = min(size, largest - 2 * self.overlap)
        self.tile_size, self.wanted_batch = size, batch_size
        self.is_part = region is not None or planes is not None
        self.region = _check_region(region, stack.size)
        self.planes = _check_planes(planes or {}, stack)
        self.out = self._allocate()
        tiles = list(split_region(self.region, size))
        self._fit_shape(tiles)
        chosen = [plane for plane in stack.planes() if self._is_chosen(plane)]
        self.pending = deque((plane, tile) for plane in chosen for tile in tiles)
        self.done = 0
        self.total = len(self.pending)
        self.batch_size = min(batch_size, self.total)
        self.unreliable = UnreliablePixels()
        self.limit = TileLimit()

    def use_tiles(self, tiles: list[Region], shape: tuple[int, int]) -> None:
        """Do these tiles of the region, run in this shape, instead of its own."""
        planes = list(dict.fromkeys(plane for plane, _ in self.pending))
        self.tile_shape = shape
        self.longest = max(max(tile.shape) for tile in tiles)
        self.pending = deque((plane, tile) for plane in planes for tile in tiles)
        self.total = len(self.pending)
        self.batch_size = min(self.wanted_batch, self.total)

    def _fit_shape(self, tiles: list[Region]) -> None:
        """Find the one shape that every tile is read in, without twice the overlap."""
        self.longest = max(max(tile.shape) for tile in tiles)
        if self.reflect:
            self.tile_shape = (
                max(tile.shape[0] for tile in tiles),
                max(tile.shape[1] for tile in tiles),
            )
            return
        # Past a bare border nothing is read, so fewer pixels than overlap on both sides will do.
        spans = zip(*[((t.y0, t.y1), (t.x0, t.x1)) for t in tiles], strict=True)
        height, width = (
            max(min(b + self.overlap, length) - max(a - self.overlap, 0) for a, b in span)
            for span, length in zip(spans, self.stack.size, strict=True)
        )
        self.tile_shape = height - 2 * self.overlap, width - 2 * self.overlap

    def _is_chosen(self, plane: Plane) -> bool:
        index = dict(zip(self.stack.axes, plane.index, strict=True))
        return all(index[axis] == i for axis, i in self.planes.items())

    def _allocate(self) -> NDArray[Any]:
        height, width = self.region.shape
        sizes = {"Y": height * self.scale, "X": width * self.scale} | dict.fromkeys(self.planes, 1)
        pairs = zip(self.stack.axes, self.stack.array.shape, strict=True)
        shape = tuple(sizes.get(axis, length) for axis, length in pairs)
        dtype = np.dtype(self.stack.array.dtype)
        try:
            return np.empty(shape, dtype)
        except (MemoryError, ValueError) as error:  # numpy's word for beyond all addresses
            gigabytes = math.prod(shape) * dtype.itemsize / 2**30
            raise OutOfMemoryError(
                f"The result of shape {shape} takes {gigabytes:,.1f} GiB, more than there is: "
                "upscale a part of the image, or fewer planes at a time."
            ) from error

    def next_batch(self) -> Places:
        """Take the next tiles."""
        return [self.pending.popleft() for _ in range(min(self.batch_size, len(self.pending)))]

    def _tile(self, region: Region) -> Tile:
        return Tile.around(
            region, self.stack.size, self.tile_shape, self.overlap, self.scale, self.reflect
        )

    def read(self, places: Places) -> Batch:
        """Read tiles for the network; changes nothing here, so it may be done ahead."""
        plans = [self._tile(region) for _, region in places]
        tiles, residuals = [], []
        for (plane, region), tile in zip(places, plans, strict=True):
            unit, residual = self.ranges[plane.channel].to_unit(self.stack.read(plane, *tile.read))
            rows, columns = (read.start for read in tile.read)
            inner = region.shifted(-rows, -columns)
            residuals.append(residual[inner.slices])
            unit = tile.take(unit)
            if unit.shape[-1] < self.channels:  # grey to a network of colours
                unit = np.repeat(unit, self.channels, axis=-1)
            tiles.append(unit)
        # The last batch is filled up, so that the backend compiles one shape and no more.
        tiles += tiles[-1:] * (self.batch_size - len(tiles))
        return Batch(places, plans, np.stack(tiles), residuals)

    def keep(self, batch: Batch, outputs: NDArray[np.float32]) -> None:
        """Write the network's answers into the result.

        Raises
        ------
        NetworkError
            If an answer is not finite.
        """
        if not np.isfinite(outputs).all():
            raise NetworkError(
                "The network answered a finite image with values that are not finite: its weights "
                "are damaged or its training went astray. Choose another model."
            )
        for number, (plane, _) in enumerate(batch.places):
            tile, residual = batch.plans[number], batch.residuals[number]
            self.unreliable.note(residual, self.ranges[plane.channel])
            unit = outputs[number][tile.crop]
            if residual.shape[-1] < self.channels:
                unit = unit.mean(axis=-1, keepdims=True)
            self._write(unit, residual, plane, tile)

    def _write(
        self,
        unit: NDArray[np.float32],
        residual: NDArray[np.float64],
        plane: Plane,
        tile: Tile,
    ) -> None:
        """Map an answer to the stored intensities, strip by strip: the steps stay in the cache."""
        levels, place = self.ranges[plane.channel], self._plane_in_out(plane)
        rows, columns = self._in_out(tile)
        height = max(_STRIP // (residual.shape[1] * self.scale**2), 1)
        for start, stop in split(0, len(residual), height):
            around = residual[start:stop].repeat(self.scale, axis=0).repeat(self.scale, axis=1)
            strip = slice(start * self.scale, stop * self.scale)
            stored = levels.to_stored(unit[strip], around, self.out.dtype)
            part = slice(rows.start + strip.start, rows.start + strip.stop)
            self.stack.write(self.out, place, part, columns, stored)

    def _in_out(self, tile: Tile) -> tuple[slice, slice]:
        """Shift a tile's place in the whole result to its place in the region's."""
        starts = (self.region.y0 * self.scale, self.region.x0 * self.scale)
        rows, columns = (
            slice(s.start - start, s.stop - start)
            for s, start in zip(tile.write, starts, strict=True)
        )
        return rows, columns

    def _plane_in_out(self, plane: Plane) -> Plane:
        index = tuple(
            0 if axis in self.planes else i
            for axis, i in zip(self.stack.axes, plane.index, strict=True)
        )
        return Plane(index, plane.channel)

    def retry_smaller(self, places: Places, error: Exception) -> None:
        """Put tiles back with half the tile size, and go on from there.

        Raises
        ------
        OutOfMemoryError
            If tiles are as small as they get.
        """
        longest = self.longest
        if self.batch_size == 1 and longest <= 8:
            raise OutOfMemoryError(
                f"Not even a tile of {longest} pixels with an overlap of {self.overlap} "
                "fits into memory: close other programs, or choose a smaller model."
            ) from error
        half = -(-longest // 2)
        # Others that share the limit may have found it meanwhile, and told.
        known = self.limit.longest
        if known is None:
            warn(
                f"Memory ran out with tiles of {longest} pixels; going on with smaller ones. "
                f"Set tile_size={half} or less to start there next time."
            )
        self.pending.extendleft(reversed(places))
        self.limit.longest = half if known is None else min(half, known)
        self.limit.batch_size = max(self.batch_size // 2, 1)
        self._shrink()

    def keep_within(self, limit: TileLimit) -> None:
        """Begin within a limit that other work on the same engine found, and share it."""
        self.limit = limit
        self._shrink()

    def _shrink(self) -> None:
        """Split what is left into tiles within the limit."""
        if self.limit.longest is None:
            return
        self.batch_size = min(self.batch_size, self.limit.batch_size)
        if self.longest <= self.limit.longest:
            return
        left = [
            (plane, part)
            for plane, region in self.pending
            for part in split_region(region, self.limit.longest)
        ]
        self.pending = deque(left)
        self.total = self.done + len(left)
        self._fit_shape([region for _, region in left])

    def resample_alpha(self) -> None:
        """Resample the alpha channel bilinearly: it is a mask, not a picture."""
        for plane in self.stack.planes(alpha=True):
            if not self._is_chosen(plane):
                continue
            for block in split_region(self.region, _BLOCK):
                tile = Tile.around(block, self.stack.size, block.shape, 1, self.scale)
                part = self.stack.read(plane, *tile.read)[..., 0].astype(np.float32)
                part = np.pad(part, tile.pad, mode="edge")
                size = (part.shape[1] * self.scale, part.shape[0] * self.scale)
                large = Image.fromarray(part).resize(size, Image.Resampling.BILINEAR)
                inner = np.asarray(large, np.float64)[tile.crop][..., None]
                stored = as_dtype(inner, self.out.dtype)
                self.stack.write(self.out, self._plane_in_out(plane), *self._in_out(tile), stored)


def _check_region(region: Region | None, size: tuple[int, int]) -> Region:
    height, width = size
    if region is None:
        return Region(0, height, 0, width)
    y0, y1, x0, x1 = region
    if not (0 <= y0 < y1 <= height and 0 <= x0 < x1 <= width):
        raise InvalidInputError(
            f"A region must lie within the image of {height} x {width} pixels and hold some. "
            f"Received: region={tuple(region)}."
        )
    return Region(*region)


def _check_planes(planes: dict[str, int], stack: ImageStack) -> dict[str, int]:
    together = "YXC" if stack.joint or stack.has_alpha else "YX"
    pairs = zip(stack.axes, stack.array.shape, strict=True)
    looped = {axis: length for axis, length in pairs if axis not in together}
    for axis, index in planes.items():
        if not 0 <= index < looped.get(axis, 0):
            raise InvalidInputError(
                "planes must give a position, counted from 0, along axes that are looped over, "
                f"which have the lengths {looped}. Received: planes={planes!r}."
            )
    return planes
