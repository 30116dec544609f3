from __future__ import annotations

import os
import signal
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

from src_models import blocks, upscale

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
    from src_models import model_io, shared_model

    return os.getpid(), len(shared_model._opened), model_io._load.cache_info().misses


@pytest.mark.parametrize("in_memory", [True, False])
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
