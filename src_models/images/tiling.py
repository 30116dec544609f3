"""Where tiles lie: what is read, what is cropped away, and where the rest is written.

A tile is the region of the input whose result is kept. Around it `overlap` pixels are read for
context and cropped away again, so every pair of tile size and overlap covers each pixel once.
Past the image's border the context is its reflection; or there is none, and tiles at the border
read more of the inside instead, so that all still have one shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Slices = tuple[slice, slice]


class Region(NamedTuple):
    """A rectangle of input pixels: rows `y0` to `y1` and columns `x0` to `x1`, ends excluded."""

    y0: int
    y1: int
    x0: int
    x1: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.y1 - self.y0, self.x1 - self.x0

    @property
    def slices(self) -> Slices:
        """Rows and columns, to index an array with."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def shifted(self, rows: int, columns: int) -> Region:
        """Return the rectangle moved down and right."""
        return Region(self.y0 + rows, self.y1 + rows, self.x0 + columns, self.x1 + columns)


def split(start: int, stop: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the fewest pieces of at most `size` that cover start to stop, about equally long."""
    count = -(-(stop - start) // size)
    step = -(-(stop - start) // count)
    for a in range(start, stop, step):
        yield a, min(a + step, stop)


def split_region(region: Region, tile_size: int) -> Iterator[Region]:
    """Yield the tiles of at most ``tile_size**2`` pixels that cover a region, row by row."""
    for y0, y1 in split(region.y0, region.y1, tile_size):
        for x0, x1 in split(region.x0, region.x1, tile_size):
            yield Region(y0, y1, x0, x1)


@dataclass(frozen=True, slots=True)
class Tile:
    """How one tile is read, cropped and written.

    Attributes
    ----------
    read : tuple of slice
        Rows and columns of the image to read; always inside it.
    pad : tuple of pair of int
        Pixels to add by reflection before and after what was read, along Y and X.
    crop : tuple of slice
        What to keep of the network's answer.
    write : tuple of slice
        Where it goes in the upscaled image.
    """

    read: Slices
    pad: tuple[tuple[int, int], tuple[int, int]]
    crop: Slices
    write: Slices

    @classmethod
    def around(
        cls,
        region: Region,
        image_size: tuple[int, int],
        shape: tuple[int, int],
        overlap: int,
        scale: int,
        reflect: bool = True,
    ) -> Tile:
        """Plan the tile of a region.

        Parameters
        ----------
        region : Region
            What the tile answers for.
        image_size : tuple of int
            Height and width of the image.
        shape : tuple of int
            Height and width that the network is given, without the overlap. At least the
            region's; equal for all tiles, so that the backend compiles once.
        overlap : int
            Pixels of context on every side.
        scale : int
            The network's.
        reflect : bool
            Whether the image goes on past its border, as its reflection.
        """
        plan = _plan_axis if reflect else _plan_axis_inside
        spans = ((region.y0, region.y1), (region.x0, region.x1))
        axes = [
            plan(start, stop, length, width, overlap, scale)
            for (start, stop), length, width in zip(spans, image_size, shape, strict=True)
        ]
        read, pad, crop, write = zip(*axes, strict=True)
        return cls(read, pad, crop, write)

    def take(self, part: NDArray[Any]) -> NDArray[Any]:
        """Pad what was read, ``(H, W, C)``, to the shape that the network is given."""
        return np.pad(part, (*self.pad, (0, 0)), mode="reflect")


def _plan_axis(
    start: int, stop: int, length: int, width: int, overlap: int, scale: int
) -> tuple[slice, tuple[int, int], slice, slice]:
    first, last = start - overlap, start + width + overlap
    read = slice(max(first, 0), min(last, length))
    pad = (read.start - first, last - read.stop)
    crop = slice(overlap * scale, (overlap + stop - start) * scale)
    return read, pad, crop, slice(start * scale, stop * scale)


def _plan_axis_inside(
    start: int, stop: int, length: int, width: int, overlap: int, scale: int
) -> tuple[slice, tuple[int, int], slice, slice]:
    size = min(width + 2 * overlap, length)
    first = min(max(start - overlap, 0), length - size)
    crop = slice((start - first) * scale, (stop - first) * scale)
    return slice(first, first + size), (0, 0), crop, slice(start * scale, stop * scale)
