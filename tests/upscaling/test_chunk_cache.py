"""Chunks of a dask array that are kept while parts of it are read."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
from dask.callbacks import Callback

from src_models import upscale, upscale_to_zarr
from src_models.images.ome_zarr import read_zarr_image
from src_models.upscaling import chunk_cache as kept_chunks
from src_models.upscaling.chunk_cache import KeptChunks


def counted(image: Any, chunks: Any) -> tuple[da.Array, Counter[tuple[int, ...]]]:
    """Return a dask array of an image, and how often each of its chunks was made."""
    made: Counter[tuple[int, ...]] = Counter()

    def make(part: Any, block_id: tuple[int, ...] = ()) -> Any:
        made[block_id] += 1
        return part

    return da.from_array(image, chunks=chunks).map_blocks(make, meta=image[:0, :0, :0]), made


@pytest.mark.slow
def test_parts_are_those_of_the_array_and_chunks_are_made_once() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 65535, (5, 31, 40)).astype(np.uint16)
    array, made = counted(image, (2, 7, (3, 30, 7)))
    kept = KeptChunks(array)
    for _ in range(100):
        z, y, x = (int(rng.integers(0, n)) for n in image.shape)
        deep, rows, columns = (slice(n, n + int(rng.integers(1, 20))) for n in (z, y, x))
        for index in (
            (deep, rows, columns),
            (z, slice(None), columns),
            (z - 5, rows, slice(None)),
        ):
            part = kept[index]
            np.testing.assert_array_equal(part, image[index])
            assert part.dtype == image.dtype
    assert set(made) == {(z, y, x) for z in range(3) for y in range(5) for x in range(3)}
    assert set(made.values()) == {1}


def test_no_more_is_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.arange(4 * 10 * 10, dtype=np.uint8).reshape(4, 10, 10)
    monkeypatch.setattr(kept_chunks, "_MOST_BYTES", 200)
    array, made = counted(image, (1, 10, 10))
    kept = KeptChunks(array)
    for z in (0, 1, 0, 2, 0):  # the one that was read last stays
        np.testing.assert_array_equal(kept[z, 2:5, :], image[z, 2:5])
    assert made == {(0, 0, 0): 1, (1, 0, 0): 1, (2, 0, 0): 1}
    np.testing.assert_array_equal(kept[1:4, :, 3:4], image[1:4, :, 3:4])  # more than there is room
    assert kept[0, :, :].sum() == image[0].sum()
    assert made[0, 0, 0] == 1


def test_reading_changes_nothing_for_what_else_dask_computes_meanwhile() -> None:
    image = np.random.default_rng(0).integers(0, 4096, (2, 60, 60)).astype(np.uint16)
    array, seen, called = da.from_array(image, chunks=(1, 30, 60)), [], []

    def make(part: Any) -> Any:
        seen.append(dask.config.get("optimization.fuse.active", None))
        return part

    before = dask.config.get("optimization.fuse.active", None)
    kept = KeptChunks(array.map_blocks(make, meta=image[:0, :0, :0]))
    with Callback(start=called.append):  # somebody's own, which is told of all that is computed
        np.testing.assert_array_equal(kept[:, 10:50, 3:9], image[:, 10:50, 3:9])
        assert len(called) == 1
    assert seen == [before] * 4
    assert not Callback.active


def test_two_images_are_upscaled_at_once(tiny_network: Any, tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 4096, (2, 60, 60)).astype(np.uint16)
    network, names = tiny_network(), ("a.zarr", "b.zarr")

    def write(name: str) -> Any:
        array = da.from_array(image, chunks=(1, 10, 10)) + (name == "b.zarr")
        return upscale_to_zarr(array, tmp_path / name, network, axes="ZYX", tile_size=20)

    with ThreadPoolExecutor(2) as threads:
        written = [read_zarr_image(path).array[...] for path in threads.map(write, names)]
    for number, result in enumerate(written):
        alone = upscale(image + number, network, axes="ZYX", tile_size=20)
        np.testing.assert_array_equal(result, alone)
