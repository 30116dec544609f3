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
_FEW = 16


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


def largest_span(start: int, stop: int, size: int, length: int, overlap: int, reflect: bool) -> int:
    """Return how many pixels the network is given for the longest piece of `split`.

    Past a bare border there is nothing to read, so pieces there take less.
    """
    if reflect:
        return max(b - a for a, b in split(start, stop, size)) + 2 * overlap
    return max(min(b + overlap, length) - max(a - overlap, 0) for a, b in split(start, stop, size))


def fitting_tiles(
    region: Region, image_size: tuple[int, int], size: int, overlap: int, reflect: bool
) -> list[Region]:
    """Cover a region by tiles with the least work on their overlap.

    A tile of the image's whole width has no neighbours left and right, so what is best may be
    oblong: two halves of a square image need half the overlap of its four quarters.

    Parameters
    ----------
    region : Region
        What to cover.
    image_size : tuple of int
        Height and width of the image.
    size : int
        A square of this size, with overlap on all sides, is as many pixels as a tile may have.
    overlap : int
        Pixels of context on every side.
    reflect : bool
        Whether the image goes on past its border, as its reflection.

    Returns
    -------
    list of Region
        Row by row.
    """
    most = (size + 2 * overlap) ** 2
    lengths = []  # for Y and X: the length of pieces and of what is read for them, by their count
    for start, stop, whole in zip(region[::2], region[1::2], image_size, strict=True):
        # Among many tiles few are at the border, and squares are best.
        counts = {*range(1, _FEW + 1), -(-(stop - start) // size)}
        pieces = {-(-(stop - start) // count) for count in counts}
        lengths.append(
            [(n, largest_span(start, stop, n, whole, overlap, reflect)) for n in sorted(pieces)]
        )
    height, width = region.shape

    def work(choice: tuple[tuple[int, int], tuple[int, int]]) -> int:
        (rows, high), (columns, wide) = choice
        return -(-height // rows) * -(-width // columns) * high * wide

    fits = [(a, b) for a in lengths[0] for b in lengths[1] if a[1] * b[1] <= most]
    if not fits:
        return list(split_region(region, size))
    (rows, _), (columns, _) = min(fits, key=work)
    return [
        Region(y0, y1, x0, x1)
        for y0, y1 in split(region.y0, region.y1, rows)
        for x0, x1 in split(region.x0, region.x1, columns)
    ]


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
