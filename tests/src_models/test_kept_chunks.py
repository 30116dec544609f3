"""Chunks of a dask array that are kept while parts of it are read."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest

from src_models import kept_chunks, upscale_to_zarr
from src_models.kept_chunks import KeptChunks


def counted(image: Any, chunks: Any) -> tuple[da.Array, Counter[tuple[int, ...]]]:
    """Return a dask array of an image, and how often each of its chunks was made."""
    made: Counter[tuple[int, ...]] = Counter()

    def make(part: Any, block_id: tuple[int, ...] = ()) -> Any:
        made[block_id] += 1
        return part

    return da.from_array(image, chunks=chunks).map_blocks(make, meta=image[:0, :0, :0]), made


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


def test_reading_touches_nothing_else_that_dask_computes(tiny_network: Any, tmp_path: Any) -> None:
    image = np.random.default_rng(0).integers(0, 4096, (2, 60, 60)).astype(np.uint16)
    other, network = da.ones((400, 400), chunks=20), tiny_network()
    before, failed, at_work = dict(dask.config.get("optimization", {})), [], threading.Event()

    def upscale(number: int) -> None:
        try:
            array = da.from_array(image, chunks=(1, 10, 10)) + 1
            upscale_to_zarr(array, tmp_path / str(number), network, axes="ZYX", tile_size=20)
        except KeyError as error:  # whatever dask's schedulers fall over
            failed.append(error)

    threads = [threading.Thread(target=upscale, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert (other + 1).sum().compute() == 2 * 400 * 400
        at_work.set()
    for thread in threads:
        thread.join()
    assert at_work.is_set()
    assert not failed
    assert dict(dask.config.get("optimization", {})) == before
    assert not dask.callbacks.Callback.active
