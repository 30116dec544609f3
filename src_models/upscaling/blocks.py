"""Blocks of whole tiles, in which images too large for memory are upscaled piece by piece.

The grid follows from the image's size and the tiles alone. So neither the chunks that an image is
stored in, nor the order in which blocks are done, nor who does them can change the result; and
every tile is the one that `upscale` of an image in memory runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from src_models.images.tiling import Region, split

# About the side of a block in input pixels: few files and tasks, little memory each.
_SIDE = 512


@dataclass(frozen=True, slots=True)
class BlockGrid:
    """Where the blocks of an image lie, and the tiles in each.

    Attributes
    ----------
    rows, columns : tuple of int
        Where blocks begin along Y and X, and at last where the image ends. All blocks are
        equally long but the last one, which is shorter if any.
    tile_shape : tuple of int
        Height and width of a tile, without its overlap.
    depth : tuple of int
        How far beyond a block pixels are read, at most, along Y and X.
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    tile_shape: tuple[int, int]
    depth: tuple[int, int]

    @classmethod
    def of(cls, size: tuple[int, int], tile_size: int, overlap: int, reflect: bool) -> BlockGrid:
        """Lay a grid over an image.

        Parameters
        ----------
        size : tuple of int
            Height and width of the image.
        tile_size : int
            Most pixels of a tile along an axis.
        overlap : int
            Input pixels of context around a tile.
        reflect : bool
            Whether the image goes on past its border, as for `Tile.around`.
        """
        (rows, height, down), (columns, width, right) = (
            _cut(length, tile_size, overlap, reflect) for length in size
        )
        return cls(rows, columns, (height, width), (down, right))

    @property
    def regions(self) -> Iterator[Region]:
        """The blocks, row by row."""
        for y0, y1 in pairwise(self.rows):
            for x0, x1 in pairwise(self.columns):
                yield Region(y0, y1, x0, x1)

    def tiles(self, block: Region) -> list[Region]:
        """Return the tiles of a block, row by row."""
        height, width = self.tile_shape
        return [
            Region(y, min(y + height, block.y1), x, min(x + width, block.x1))
            for y in range(block.y0, block.y1, height)
            for x in range(block.x0, block.x1, width)
        ]


def _cut(
    length: int, tile_size: int, overlap: int, reflect: bool
) -> tuple[tuple[int, ...], int, int]:
    """Return where blocks begin along one axis, how long a tile is, and how far one reads."""
    tiles = list(split(0, length, tile_size))
    tile = tiles[0][1]
    last = tiles[-1][1] - tiles[-1][0]
    # Tiles at a bare border read more of the inside, and a short last one still more.
    depth = overlap if reflect else 2 * overlap + tile - last
    count = max(_SIDE // tile, 1)
    # Blocks hand their rims to neighbours: none may be shorter than what the next one reads.
    while count < len(tiles) and min(count * tile, (length - 1) % (count * tile) + 1) < depth:
        count += 1
    starts = [start for start, _ in tiles[::count]]
    return (*starts, length), tile, depth if len(starts) > 1 else 0
