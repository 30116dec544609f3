from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
from distributed import Client, LocalCluster, wait

from src_models import upscale, upscale_to_zarr
from src_models.images.ome_zarr import add_record, read_zarr_image
from src_models.images.ome_zarr_files import write_ome_zarr
from src_models.images.picture import Picture
from src_models.upscaling import blocks

pytestmark = [
    # Theirs: ports in use, the loop of a worker that was killed, and handles closed late.
    pytest.mark.filterwarnings("ignore::UserWarning:distributed"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_SIDE", 48)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Two processes with one thread each, which import this checkout as the tests do."""
    root = str(Path(__file__).parents[2])
    settings = {"distributed.nanny.environ.PYTHONPATH": root}
    with dask.config.set(settings):
        cluster = LocalCluster(
            n_workers=2, processes=True, threads_per_worker=1, dashboard_address=None
        )
        with cluster, Client(cluster) as client:
            yield client


def image_of(*shape: int) -> Any:
    smooth = np.cumsum(np.random.default_rng(0).normal(size=shape), axis=-1)
    return ((smooth - smooth.min()) / np.ptp(smooth) * 60000).astype(np.uint16)


def opened() -> tuple[int, int, int]:
    """What a worker says of itself: its process and how many models it opened and holds."""
    from src_models.engines import shared_model
    from src_models.networks import model_files as model_io

    return os.getpid(), len(shared_model._opened), model_io._load.cache_info().misses


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.slow
def test_two_processes_give_what_one_gives_and_open_the_model_once(
    tiny_network: Any, tmp_path: Path, client: Client, in_memory: bool
) -> None:
    image = image_of(200, 150)
    network = tiny_network()
    model = network if in_memory else network.save(tmp_path / "tiny.keras")
    expected = upscale(image, network, tile_size=24)
    for chunks in (200, 31):
        lazy = upscale(da.from_array(image, chunks=chunks), model, tile_size=24)
        np.testing.assert_array_equal(client.compute(lazy).result(timeout=120), expected)
    told = client.run(opened)
    assert len({process for process, _, _ in told.values()}) == 2
    assert all(count <= 2 for _, count, _ in told.values())
    if not in_memory:
        assert all(loads <= 1 for _, _, loads in told.values())


def slowly(block: Any) -> Any:
    time.sleep(0.05)
    return block


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_loses_nothing(tiny_network: Any, client: Client) -> None:
    image = image_of(600, 400)
    expected = upscale(image, tiny_network(), tile_size=24)
    lazy = upscale(da.from_array(image, chunks=100), tiny_network(), tile_size=24)
    slow = lazy.map_blocks(slowly, dtype=lazy.dtype)
    pids = [process for process, _, _ in client.run(opened).values()]
    result = slow.persist()
    futures = result.dask.values()
    watch = threading.Event()

    def finished() -> int:
        return sum(getattr(future, "done", bool)() for future in futures)

    while finished() < 20 and not watch.wait(0.02):
        pass
    before = finished()
    assert before < slow.npartitions - 20
    os.kill(pids[0], signal.SIGKILL)
    wait(result, timeout=120)
    np.testing.assert_array_equal(result.compute(), expected)
    after = [process for process, _, _ in client.run(opened).values()]
    assert pids[0] not in after


@pytest.mark.slow
def test_the_example_writes_what_upscale_to_zarr_does(tiny_network: Any, tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    model = tiny_network().save(tmp_path / "tiny.keras")
    source, target, expected = (tmp_path / f"{name}.zarr" for name in ("in", "out", "expected"))
    picture = Picture(
        array=image_of(2, 90, 70),
        axes="ZYX",
        pixel_size={"Y": 0.2, "X": 0.2},
        units={"Y": "micrometer", "X": "micrometer"},
    )
    write_ome_zarr(picture, source)
    add_record(source, {"model": "another"})
    script = root / "examples" / "upscale_on_cluster.py"
    options = {"env": os.environ | {"PYTHONPATH": str(root)}, "capture_output": True, "text": True}
    line = [sys.executable, script, source, target, "--model", model, "--workers", "2"]
    done = subprocess.run(line, timeout=240, **options)
    assert done.returncode == 0, done.stderr
    assert "something already" in subprocess.run(line, timeout=60, **options).stderr
    assert not list(tmp_path.glob(".unfinished-*"))
    upscale_to_zarr(source, expected, model)
    ours, theirs = read_zarr_image(target), read_zarr_image(expected)
    np.testing.assert_array_equal(ours.array[...], theirs.array[...])
    assert (ours.axes, ours.pixel_size, ours.units) == (theirs.axes, theirs.pixel_size, ours.units)
    assert ours.pixel_size["X"] == pytest.approx(0.1)
    assert ours.origin == theirs.origin
    assert ours.record == theirs.record
