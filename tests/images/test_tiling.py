"""Where tiles lie: every pixel once, and nothing but the image and its reflection around it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src_models.images.tiling import Region, Tile, split, split_region

SIDES = st.integers(1, 40)
SIZES = st.one_of(st.integers(1, 45), st.just(10**6))
OVERLAPS = st.integers(0, 60)


def common_shape(tiles: list[Region]) -> tuple[int, int]:
    return max(t.shape[0] for t in tiles), max(t.shape[1] for t in tiles)


@given(st.integers(0, 50), st.integers(1, 100), SIZES)
@pytest.mark.slow
def test_pieces_follow_each_other_and_are_at_most_so_long(
    start: int, length: int, size: int
) -> None:
    pieces = list(split(start, start + length, size))
    assert pieces[0][0] == start
    assert pieces[-1][1] == start + length
    assert all(a[1] == b[0] for a, b in pairwise(pieces))
    assert all(0 < b - a <= size for a, b in pieces)


@given(st.integers(1, 100), SIZES)
def test_pieces_are_as_few_as_can_be(length: int, size: int) -> None:
    assert len(list(split(0, length, size))) <= -(-length // size)


@given(SIDES, SIDES, SIZES, OVERLAPS, st.integers(1, 4))
def test_every_output_pixel_is_written_exactly_once(
    height: int, width: int, size: int, overlap: int, scale: int
) -> None:
    tiles = list(split_region(Region(0, height, 0, width), size))
    shape = common_shape(tiles)
    count = np.zeros((height * scale, width * scale), int)
    for region in tiles:
        tile = Tile.around(region, (height, width), shape, overlap, scale)
        count[tile.write] += 1
    assert (count == 1).all()


@given(SIDES, SIDES, SIZES, OVERLAPS)
def test_all_tiles_have_the_same_shape_and_lie_on_the_reflected_image(
    height: int, width: int, size: int, overlap: int
) -> None:
    image = np.arange(height * width).reshape(height, width, 1)
    tiles = list(split_region(Region(0, height, 0, width), size))
    shape = common_shape(tiles)
    padded = np.pad(image, ((overlap, overlap),) * 2 + ((0, 0),), mode="reflect")
    for region in tiles:
        tile = Tile.around(region, (height, width), shape, overlap, 1)
        part = image[tile.read]
        assert part.size > 0
        taken = tile.take(part)
        assert taken.shape == (shape[0] + 2 * overlap, shape[1] + 2 * overlap, 1)
        around = tuple(slice(0, n + 2 * overlap) for n in region.shape)
        y, x = region.y0, region.x0
        expected = padded[y : region.y1 + 2 * overlap, x : region.x1 + 2 * overlap]
        np.testing.assert_array_equal(taken[around], expected)
        np.testing.assert_array_equal(taken[tile.crop], image[tile.write])


@given(SIDES, SIDES, st.data())
def test_a_region_is_covered_and_nothing_else(height: int, width: int, data: Any) -> None:
    y0, x0 = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    y1, x1 = data.draw(st.integers(y0 + 1, height)), data.draw(st.integers(x0 + 1, width))
    region = Region(y0, y1, x0, x1)
    count = np.zeros((height, width), int)
    for tile in split_region(region, data.draw(SIZES)):
        count[tile.slices] += 1
    expected = np.zeros_like(count)
    expected[y0:y1, x0:x1] = 1
    np.testing.assert_array_equal(count, expected)


@pytest.mark.parametrize(("size", "tiles"), [(64, 1), (63, 4), (32, 4), (31, 9), (1, 4096)])
def test_tiles_are_about_equally_large(size: int, tiles: int) -> None:
    regions = list(split_region(Region(0, 64, 0, 64), size))
    assert len(regions) == tiles
    assert max(r.shape[0] for r in regions) - min(r.shape[0] for r in regions) <= 2
