"""Engines at work: out of memory, broken caches, cancelling, and memory over many calls."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from src_models import upscale, upscale_steps
from src_models.engines import compiled_cache, openvino_engine
from src_models.engines import opening as engines
from src_models.engines.opening import open_engine
from src_models.errors import NetworkError, SuperResolutionWarning
from src_models.networks.backend import keras

MODEL = "microscopy-x2"
IMAGE = np.random.default_rng(0).integers(0, 4000, (40, 50)).astype(np.uint16)
# Half of what the features of 512x512 pixels take, as measured.
_HALF_MIB = 95


@pytest.fixture
def new_session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], None]:
    """Forget the open engines, as a new session would have none; with a cache of its own."""
    monkeypatch.setattr(compiled_cache, "compiled_folder", lambda: tmp_path / "compiled")
    return lambda: monkeypatch.setattr(engines, "_opened", type(engines._opened)())


class TestCompiledNetworks:
    @pytest.mark.slow
    def test_are_taken_from_the_cache(self, new_session: Any, tmp_path: Path) -> None:
        results = []
        for _ in range(2):
            new_session()
            results.append(upscale(IMAGE, MODEL, engine="openvino"))
            files = list((tmp_path / "compiled").iterdir())
            assert len(files) == 1
        np.testing.assert_array_equal(*results)

    @pytest.mark.parametrize(
        "damage", [lambda b: b"", lambda b: b[:1000], lambda b: b[:-9] + bytes(9), lambda b: b * 2]
    )
    def test_a_broken_entry_is_made_anew(
        self, new_session: Any, tmp_path: Path, damage: Callable[[bytes], bytes]
    ) -> None:
        new_session()
        expected = upscale(IMAGE, MODEL, engine="openvino")
        (path,) = (tmp_path / "compiled").iterdir()
        whole = path.read_bytes()
        path.write_bytes(damage(whole))
        new_session()
        np.testing.assert_array_equal(upscale(IMAGE, MODEL, engine="openvino"), expected)
        assert compiled_cache.load_compiled(path.name) is not None

    def test_an_entry_that_is_whole_yet_no_network_is_passed_over(
        self, new_session: Any, tmp_path: Path
    ) -> None:
        new_session()
        expected = upscale(IMAGE, MODEL, engine="openvino")
        (path,) = (tmp_path / "compiled").iterdir()
        compiled_cache.save_compiled(path.name, b"something else")
        new_session()
        np.testing.assert_array_equal(upscale(IMAGE, MODEL, engine="openvino"), expected)

    def test_a_folder_that_cannot_be_written_is_no_hindrance(
        self, new_session: Any, tmp_path: Path
    ) -> None:
        (tmp_path / "compiled").write_text("a file in its place")
        new_session()
        assert upscale(IMAGE, MODEL, engine="openvino").shape == (80, 100)

    def test_the_oldest_are_dropped_when_they_take_too_much_room(
        self, new_session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(compiled_cache, "_MOST_BYTES", 3000)
        for number in range(5):
            compiled_cache.save_compiled(str(number), bytes(1000))
            time.sleep(0.02)
        assert sorted(p.name for p in (tmp_path / "compiled").iterdir()) == ["3", "4"]


STARVED = f"""
import resource, sys, warnings
import numpy as np
import psutil
from src_models import upscale
from src_models.models.registry import describe_model
import src_models.engines.memory
image = np.random.default_rng(0).integers(0, 4000, (700, 700)).astype(np.uint16)
upscale(image[:64, :64], {MODEL!r}, engine=sys.argv[3])
if sys.argv[1] != "0":
    used = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[1]) * 2**20,) * 2)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    result = upscale(image, {MODEL!r}, engine=sys.argv[3], tile_size=700)
print([w.category.__name__ for w in caught])
np.save(sys.argv[2], result)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds the address space")
@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
@pytest.mark.slow
def test_where_memory_is_short_tiles_get_smaller_and_the_result_stays_right(
    tmp_path: Path, engine: str
) -> None:
    results, told = [], []
    for number, megabytes in enumerate(("0", "400")):
        file = tmp_path / f"{number}.npy"
        done = subprocess.run(
            [sys.executable, "-c", STARVED, megabytes, file, engine],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=Path(__file__).parents[2],
        )
        assert done.returncode == 0, done.stderr
        told.append(done.stdout.strip())
        results.append(np.load(file).astype(int))
    assert told == ["[]", "['SuperResolutionWarning']"]
    assert np.abs(results[0] - results[1]).max() <= 4000 / 255


class Narrow:
    """An engine that repeats pixels and has memory for so many."""

    name = "openvino"
    reason = ""

    def __init__(self, network: Any, pixels: int) -> None:
        self.description, self.pixels = network.description, pixels
        self.released = 0

    def run(self, batch: Any) -> Any:
        if batch[..., 0].size > self.pixels:
            raise MemoryError
        time.sleep(0.01)
        return batch.repeat(2, axis=1).repeat(2, axis=2)

    def stop(self, batch: Any) -> None:
        pass

    def release(self) -> None:
        self.released += 1


@pytest.mark.parametrize("pixels", [100, 500, 5000])
def test_one_warning_and_the_right_result_whatever_the_memory(
    repeating: Callable[..., Any], pixels: int
) -> None:
    engine = Narrow(repeating(), pixels)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = upscale(IMAGE, engine, overlap=2)
    assert [w.category for w in caught] == [SuperResolutionWarning] * (pixels < 44 * 54)
    np.testing.assert_array_equal(result, IMAGE.repeat(2, 0).repeat(2, 1))
    assert engine.released == 1


def resident() -> int:
    """Return this process' memory in MiB."""
    return int(psutil.Process().memory_info().rss) >> 20


@pytest.mark.parametrize("little", [True, False])
@pytest.mark.slow
def test_memory_for_features_is_kept_for_a_next_image_if_it_is_little(
    new_session: Any, monkeypatch: pytest.MonkeyPatch, little: bool
) -> None:
    new_session()
    monkeypatch.setattr(openvino_engine, "_IDLE_S", 1.0)
    monkeypatch.setattr(openvino_engine, "is_little", lambda size: little)
    image = np.zeros((512, 512), np.uint16)
    upscale(IMAGE, MODEL, engine="openvino")
    time.sleep(1.5)
    before = resident()
    upscale(image, MODEL, engine="openvino")
    assert (resident() - before > _HALF_MIB) == little
    end = time.monotonic() + 20
    while resident() - before > _HALF_MIB and time.monotonic() < end:
        time.sleep(0.1)
    assert resident() - before <= _HALF_MIB
    upscale(image, MODEL, engine="openvino")


def test_a_closed_call_stops_the_tile_in_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_engine, "is_little", lambda size: False)
    open_engine(MODEL, "openvino")  # OpenVINO has a thread of its own
    before = set(threading.enumerate())
    image = np.zeros((1500, 1500), np.float32)
    steps = upscale_steps(image, MODEL, engine="openvino", tile_size=1500)
    while open_engine(MODEL, "openvino")._running[1] is None:  # it is compiled for first
        next(steps)
    started = time.perf_counter()
    steps.close()
    assert time.perf_counter() - started < 1.5
    assert set(threading.enumerate()) <= before
    assert upscale(IMAGE, MODEL, engine="openvino").shape == (80, 100)


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_a_stopped_batch_ends_with_our_error(name: Any) -> None:
    engine = open_engine(MODEL, name)
    batch = np.zeros((1, 1200, 1200, 1), np.float32)
    timer = threading.Timer(0.3, engine.stop, [batch])
    timer.start()
    with pytest.raises(NetworkError):
        engine.run(batch)
    engine.stop(batch)  # of which there is none
    assert engine.run(batch[:, :8, :8]).shape == (1, 16, 16, 1)
    engine.release()


def test_a_batch_is_stopped_while_its_shape_is_compiled() -> None:
    engine: Any = open_engine(MODEL, "openvino")
    batch = np.zeros((1, 1000, 1008, 1), np.float32)
    with ThreadPoolExecutor(1) as thread:
        output = thread.submit(engine.run, batch)
        while engine._running[0] is None:
            pass
        engine.stop(batch)
        with pytest.raises(NetworkError, match="was stopped"):
            output.result()
    assert engine.run(batch[:, :8, :8]).shape == (1, 16, 16, 1)
    engine.release()


@pytest.mark.slow
def test_a_batch_is_stopped_while_it_waits_for_another() -> None:
    engine: Any = open_engine(MODEL, "openvino")
    first, second = np.zeros((1, 1200, 1200, 1), np.float32), np.zeros((1, 8, 8, 1), np.float32)
    with ThreadPoolExecutor(2) as threads:
        running = threads.submit(engine.run, first)
        while engine._running[1] is None:
            pass
        waiting = threads.submit(engine.run, second)
        while not waiting.running():
            pass
        time.sleep(0.05)  # until it waits
        engine.stop(second)
        with pytest.raises(NetworkError, match="was stopped"):
            waiting.result()
        assert running.result().shape == (1, 2400, 2400, 1)
    assert engine.run(second).shape == (1, 16, 16, 1)
    engine.release()


class Counting(keras.layers.Layer):
    """Pass on what comes, and count how often that is written down for the backend."""

    traces = 0

    def call(self, x: Any) -> Any:
        Counting.traces += 1
        return x


@pytest.mark.slow
def test_keras_traces_a_network_once_an_image_and_once_for_all_further_sizes(
    tiny_network: Callable[..., Any],
) -> None:
    from src_models.networks.model_files import new_model

    network = new_model(tiny_network().description)
    network.model = keras.Sequential([keras.Input((None, None, 1)), Counting(), network.model])
    upscale(np.ones((37, 53)), network, tile_size=16, overlap=4)  # 12 ragged tiles
    Counting.traces, first = 0, Counting.traces
    assert first <= 3  # two of which are Keras building the model
    for size in ((40, 61), (64, 64), (23, 90)):
        upscale(np.ones(size), network, tile_size=16, overlap=4)
    assert Counting.traces <= 1


@pytest.mark.parametrize("name", ["openvino", "keras"])
@pytest.mark.slow
def test_memory_stays_flat_over_many_calls(tiny_network: Callable[..., Any], name: Any) -> None:
    process, used = psutil.Process(), []
    for _ in range(200):
        upscale(IMAGE, tiny_network(), engine=name)
        used.append(process.memory_info().rss)
    gc.collect()
    after = np.asarray(used[10:], float) / 2**20
    slope = np.polyfit(np.arange(after.size), after, 1)[0]
    assert slope < 0.05, f"{slope:.3f} MiB a call"
    assert after[-1] - after[0] < 12
