"""The tiles of one call to `upscale`: which are left, how one is read, where answers go."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from src_models.axes import ImageStack, Plane
from src_models.description import ModelDescription
from src_models.errors import InvalidInputError, OutOfMemoryError, SuperResolutionWarning
from src_models.intensity import IntensityRange, as_dtype, measure_range
from src_models.memory import choose_tile_size
from src_models.tiling import Region, Tile, split_region

# Enough context for most networks: the *effective* receptive field is far below the possible one.
_USUAL_OVERLAP = 16
_BLOCK = 1024
_SAMPLED_BLOCKS = 32


class TileWork:
    """The tiles of one call: those to do, how one is read and written, and the result."""

    def __init__(
        self,
        stack: ImageStack,
        description: ModelDescription,
        ranges: dict[int, IntensityRange],
        tile_size: int | None,
        overlap: int | None,
        batch_size: int | None,
        region: Region | None,
        planes: dict[str, int] | None,
    ) -> None:
        self.stack, self.ranges = stack, ranges
        self.scale, self.channels = description.scale, description.channels
        self.reflect = description.reflects
        self.overlap = _whole("overlap", overlap, 0, default_overlap(description))
        self.batch_size = _whole("batch_size", batch_size, 1, 1)
        usual = choose_tile_size(description.config, self.overlap, self.batch_size)
        size = _whole("tile_size", tile_size, 1, usual)
        self.region = region or Region(0, stack.size[0], 0, stack.size[1])
        chosen = [p for p in stack.planes() if self._is_chosen(p, planes or {})]
        tiles = list(split_region(self.region, size))
        self.tile_shape = (
            max(t.shape[0] for t in tiles),
            max(t.shape[1] for t in tiles),
        )
        self.pending = deque((plane, tile) for plane in chosen for tile in tiles)
        self.planes = planes or {}
        self.done = 0
        self.total = len(self.pending)
        self.out = np.empty(self._out_shape(), stack.array.dtype)
        self._not_finite = 0
        self._warned_of_memory = False

    def _is_chosen(self, plane: Plane, chosen: dict[str, int]) -> bool:
        index = dict(zip(self.stack.axes, plane.index, strict=True))
        return all(index.get(axis) in (None, i) for axis, i in chosen.items())

    def _out_shape(self) -> tuple[int, ...]:
        height, width = self.region.shape
        sizes = {"Y": height * self.scale, "X": width * self.scale} | dict.fromkeys(self.planes, 1)
        pairs = zip(self.stack.axes, self.stack.array.shape, strict=True)
        return tuple(sizes.get(axis, length) for axis, length in pairs)

    def next_batch(self) -> list[tuple[Plane, Region]]:
        """Take the next tiles."""
        return [self.pending.popleft() for _ in range(min(self.batch_size, len(self.pending)))]

    def _tile(self, region: Region) -> Tile:
        return Tile.around(
            region, self.stack.size, self.tile_shape, self.overlap, self.scale, self.reflect
        )

    def read(self, batch: list[tuple[Plane, Region]]) -> NDArray[np.float32]:
        """Return a batch for the network, ``(B, H, W, C)``."""
        self._residuals = []
        tiles = []
        for plane, region in batch:
            tile = self._tile(region)
            part = tile.take(self.stack.read(plane, *tile.read))
            unit, residual = self.ranges[plane.channel].to_unit(part)
            rows, columns = (slice(s.start // self.scale, s.stop // self.scale) for s in tile.crop)
            self._residuals.append(residual[rows, columns])
            if unit.shape[-1] < self.channels:  # grey to a network of colours
                unit = np.repeat(unit, self.channels, axis=-1)
            tiles.append(unit)
        return np.stack(tiles)

    def keep(self, batch: list[tuple[Plane, Region]], answers: NDArray[np.float32]) -> None:
        """Write the network's answers into the result."""
        for (plane, region), answer, residual in zip(batch, answers, self._residuals, strict=True):
            tile = self._tile(region)
            unit = answer[tile.crop]
            if residual.shape[-1] < self.channels:
                unit = unit.mean(axis=-1, keepdims=True)
            self._not_finite += residual.size - int(np.isfinite(residual).sum())
            around = residual.repeat(self.scale, axis=0).repeat(self.scale, axis=1)
            stored = self.ranges[plane.channel].to_stored(unit, around, self.out.dtype)
            self.stack.write(self.out, self._plane_in_out(plane), *self._in_out(tile), stored)
            self.done += 1

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

    def retry_smaller(self, batch: list[tuple[Plane, Region]], error: Exception) -> None:
        """Put a batch back with half the tile size, and go on from there.

        Raises
        ------
        OutOfMemoryError
            If tiles are as small as they get.
        """
        longest = max(self.tile_shape)
        if self.batch_size == 1 and longest <= 8:
            raise OutOfMemoryError(
                f"Not even a tile of {self.tile_shape} pixels with an overlap of {self.overlap} "
                "fits into memory: close other programs, or choose a smaller model."
            ) from error
        self.batch_size = max(self.batch_size // 2, 1)
        half = -(-longest // 2)
        left = [
            (plane, part)
            for plane, region in [*batch, *self.pending]
            for part in split_region(region, half)
        ]
        self.pending = deque(left)
        self.total = self.done + len(left)
        self.tile_shape = (
            max(region.shape[0] for _, region in left),
            max(region.shape[1] for _, region in left),
        )
        if not self._warned_of_memory:
            self._warned_of_memory = True
            warnings.warn(
                f"Memory ran out with tiles of {longest} pixels; going on with smaller ones. "
                f"Set tile_size={half} to start there next time.",
                SuperResolutionWarning,
                stacklevel=4,
            )

    def resample_alpha(self) -> None:
        """Resample the alpha channel bilinearly: it is a mask, not a picture."""
        rows, columns = slice(*self.region[:2]), slice(*self.region[2:])
        for plane in self.stack.planes(alpha=True):
            if not self._is_chosen(plane, self.planes):
                continue
            part = self.stack.read(plane, rows, columns)[..., 0].astype(np.float32)
            height, width = self.region.shape
            size = (width * self.scale, height * self.scale)
            large = Image.fromarray(part).resize(size, Image.Resampling.BILINEAR)
            stored = as_dtype(np.asarray(large, np.float64)[..., None], self.out.dtype)
            whole = (slice(0, size[1]), slice(0, size[0]))
            self.stack.write(self.out, self._plane_in_out(plane), *whole, stored)

    def warn(self) -> None:
        """Tell of what the result cannot be trusted in."""
        if self._not_finite:
            warnings.warn(
                f"{self._not_finite} pixels of the image are not finite (NaN or infinite). They "
                "stay so in the result; pixels around them are estimated as if the nearest "
                "finite one stood there.",
                SuperResolutionWarning,
                stacklevel=4,
            )


def measure_channels(stack: ImageStack, description: ModelDescription) -> dict[int, IntensityRange]:
    """Return the intensity range of each channel; of all of them together if they go jointly."""
    if description.intensity == "8-bit" and np.dtype(stack.array.dtype) == np.uint8:
        return dict.fromkeys(range(stack.colours), IntensityRange(0.0, 255.0))
    by_channel: dict[int, list[Plane]] = {}
    for plane in stack.planes():
        by_channel.setdefault(plane.channel, []).append(plane)
    return {
        channel: measure_range(_blocks(stack, planes)) for channel, planes in by_channel.items()
    }


def _blocks(stack: ImageStack, planes: list[Plane]) -> Iterator[NDArray[Any]]:
    """Yield the blocks to measure: all of an array in memory, a sample of a lazy one."""
    regions = list(split_region(Region(0, stack.size[0], 0, stack.size[1]), _BLOCK))
    blocks = [(plane, region) for plane in planes for region in regions]
    if not isinstance(stack.array, np.ndarray) and len(blocks) > _SAMPLED_BLOCKS:
        chosen = np.linspace(0, len(blocks) - 1, _SAMPLED_BLOCKS).round().astype(int)
        blocks = [blocks[i] for i in chosen]
    for plane, (y0, y1, x0, x1) in blocks:
        part = stack.read(plane, slice(y0, y1), slice(x0, x1))
        for c in range(part.shape[-1]):
            yield part[..., c]


def default_overlap(description: ModelDescription) -> int:
    """Return the overlap that a model needs for invisible seams, in input pixels."""
    if description.overlap is not None:
        return description.overlap
    return min(description.config.receptive_radius, _USUAL_OVERLAP)


def _whole(name: str, value: int | None, least: int, default: int) -> int:
    if value is None:
        return default
    # Comes from users: the annotation is a wish.
    given: object = value
    if isinstance(given, bool) or not isinstance(given, int | np.integer) or given < least:
        raise InvalidInputError(
            f"{name} must be a whole number of at least {least}, or None to have it chosen. "
            f"Received: {name}={value!r}."
        )
    return int(given)
