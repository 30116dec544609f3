"""Engines give the same answers, and the one that is chosen says why."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest

from src_models import RDN, RRDN, upscale, upscale_to_zarr
from src_models.engines import opening as engines
from src_models.engines.graph import walk
from src_models.engines.opening import choose_engine, open_engine
from src_models.errors import InvalidInputError, ModelFileError
from src_models.images.ome_zarr import read_zarr_image
from src_models.models.registry import BUNDLED
from src_models.networks.backend import keras

OTHERS = ["openvino", "onnxruntime"]


def largest_difference(network: Any, engine: str, shape: tuple[int, ...] = (2, 13, 10)) -> float:
    """Return how far an engine and Keras differ, as a share of the range of the answers."""
    batch = np.random.default_rng(0).random((*shape, network.description.channels), np.float32)
    expected = open_engine(network, "keras").run(batch)
    output = open_engine(network, engine).run(batch)
    assert output.shape == expected.shape
    assert output.dtype == np.float32
    return float(np.abs(output - expected).max() / np.ptp(expected))


@pytest.mark.parametrize("engine", OTHERS)
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", ["rdn", "rrdn"])
def test_all_engines_agree_on_networks_of_random_shape(engine: str, seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)
    arch = {symbol: int(rng.integers(1, 4)) for symbol in "CD"}
    arch |= {symbol: int(rng.integers(3, 9)) for symbol in ("G", "G0")} | {"x": 1 + seed % 4}
    common = {"c_dim": (1, 3)[seed // 2 % 2], "kernel_size": (3, 5)[seed // 4]}
    if kind == "rdn":
        upscaling = ("ups", "shuffle")[int(rng.integers(2))]
        network: Any = RDN(arch, upscaling=upscaling, init_extreme_val=0.2, **common)
    else:
        network = RRDN({**arch, "T": 2}, beta=0.3, init_val=0.2, **common)
    assert largest_difference(network, engine) < 1e-3


@pytest.mark.parametrize("engine", OTHERS)
@pytest.mark.parametrize("name", sorted(BUNDLED))
@pytest.mark.slow
def test_all_engines_agree_on_the_bundled_models(engine: str, name: str) -> None:
    image = np.random.default_rng(0).random((48, 40, 3), np.float32)
    expected = upscale(image, name, engine="keras")
    difference = np.abs(upscale(image, name, engine=engine) - expected).max()
    assert difference < 1e-3 * np.ptp(expected)


def test_a_walk_visits_each_convolution_once(tiny_network: Callable[..., Any]) -> None:
    class Notes:
        def __init__(self) -> None:
            self.convs: list[str] = []

        def conv(self, x: int, name: str, relu: bool = False) -> int:
            self.convs.append(name)
            return x

        def concat(self, parts: Any) -> int:
            return 0

        def fuse(self, parts: Any, name: str, factor: float = 1.0) -> int:
            return self.conv(0, name)

        def fuse_blocks(self, blocks: Any, name: str) -> int:
            return self.conv(0, name)

        def add(self, a: int, b: int, factor: float = 1.0) -> int:
            return 0

        shuffle = repeat = add

    for kind in ("rdn", "rrdn"):
        config, notes = tiny_network(kind).config, Notes()
        walk(config, 0, notes)
        assert notes.convs == [conv.name for conv in config.convs()]


def fresh(code: str) -> str:
    """Return what a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    return done.stdout.strip()


@pytest.mark.parametrize("engine", OTHERS)
def test_a_fresh_process_upscales_without_keras_and_its_backends(engine: str) -> None:
    code = f"""
import sys, numpy as np, napari_isr
from src_models import upscale
print(upscale(np.eye(64, dtype="u2"), "microscopy-x2", engine={engine!r}).shape)
print(sorted({{"keras", "tensorflow", "torch", "jax"}} & set(sys.modules)))
"""
    assert fresh(code).splitlines() == ["(128, 128)", "[]"]


class TestChoice:
    def test_openvino_is_chosen_on_a_processor(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(engines, "_keras_gpus", list)
        monkeypatch.setattr(engines, "_may_have_gpu", bool)
        choice = choose_engine()
        assert choice.name == "openvino"
        assert "cores" in choice.reason
        assert open_engine("microscopy-x2").reason == choice.reason

    def test_keras_is_chosen_on_a_graphics_processor(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(engines, "_keras_gpus", lambda: ["GPU:0"])
        assert choose_engine() == (
            "keras",
            "Runs on Keras, which finds a graphics processor (GPU:0).",
        )

    @pytest.mark.parametrize(
        ("missing", "next_best"), [(["openvino"], "onnxruntime"), ([*OTHERS], "keras")]
    )
    def test_without_one_the_next_best_is_chosen(
        self, monkeypatch: pytest.MonkeyPatch, missing: list[str], next_best: str
    ) -> None:
        monkeypatch.setattr(engines, "_keras_gpus", list)
        hide(monkeypatch, *missing)
        assert choose_engine().name == next_best
        assert "installed" in choose_engine().reason

    @pytest.mark.parametrize(("engine", "extra"), [("openvino", "fast"), ("onnxruntime", "onnx")])
    def test_a_named_engine_that_is_missing_says_what_to_install(
        self, monkeypatch: pytest.MonkeyPatch, engine: Any, extra: str
    ) -> None:
        hide(monkeypatch, engine)
        with pytest.raises(InvalidInputError, match=rf"not installed.*napari-isr\[{extra}\]"):
            upscale(np.eye(8), engine=engine)

    @pytest.mark.parametrize("engine", ["tensorrt", "", None, 3])
    def test_an_engine_that_does_not_exist_is_refused(self, engine: Any) -> None:
        with pytest.raises(InvalidInputError, match=r"engine must be one of.*openvino"):
            upscale(np.eye(8), engine=engine)

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            # A module, a shared library, one built for another numpy, and another protobuf.
            ("raise ImportError('libopenvino.so: invalid ELF header')", "invalid ELF"),
            ("raise OSError('libopenvino.so: invalid ELF header')", "invalid ELF"),
            ("raise RuntimeError('compiled against another ABI')", "another ABI"),
            ("raise TypeError('Descriptors cannot be created')", "Descriptors"),
            ("", "has no attribute 'Core'"),  # what was left behind
        ],
    )
    def test_an_engine_that_cannot_be_loaded_is_passed_over(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str, told: str
    ) -> None:
        monkeypatch.setattr(engines, "_keras_gpus", list)
        monkeypatch.setattr(engines, "_may_have_gpu", bool)
        damaged = tmp_path / "openvino" / "__init__.py"
        damaged.parent.mkdir()
        damaged.write_text(content)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "openvino", raising=False)
        image = np.eye(16, dtype="u2")
        assert open_engine("microscopy-x2").name == "onnxruntime"
        lazy = upscale(da.from_array(image), "microscopy-x2")
        np.testing.assert_array_equal(lazy, upscale(image, "microscopy-x2"))
        written = upscale_to_zarr(image, tmp_path / "a.zarr", "microscopy-x2")
        assert read_zarr_image(written).record["engine"] == "onnxruntime"
        for source in (image, da.from_array(image)):
            with pytest.raises(InvalidInputError, match=f"cannot be loaded.*{told}"):
                upscale(source, "microscopy-x2", engine="openvino")

    def test_every_engine_says_which_it_is(self, tiny_network: Callable[..., Any]) -> None:
        for name in ("keras", *OTHERS):
            engine = open_engine(tiny_network(), name)
            assert engine.name == name
            assert engine.reason.endswith("as asked for.")
            assert engine.description == tiny_network().description
            assert open_engine(engine) is engine


class TestNetworksInMemory:
    def test_changed_weights_count_at_once(self, tiny_network: Callable[..., Any]) -> None:
        network = tiny_network("rdn", 1, 3)
        image = np.random.default_rng(0).random((9, 9))
        before = upscale(image, network, engine="openvino")
        kernel, bias = network.model.get_layer("SR").get_weights()
        network.model.get_layer("SR").set_weights([kernel, bias + 0.1])
        after = upscale(image, network, engine="openvino")
        network.model.get_layer("SR").set_weights([kernel, bias])
        assert (after - before).min() > 0.01

    def test_the_same_weights_are_compiled_once(self, tiny_network: Callable[..., Any]) -> None:
        network = tiny_network()
        first = open_engine(network, "openvino")
        assert open_engine(network, "openvino") is first

    def test_a_model_replaced_by_hand_is_run_by_keras(self, repeating: Callable[..., Any]) -> None:
        engine = open_engine(repeating())
        assert engine.name == "keras"
        assert "replaced" in engine.reason
        with pytest.raises(InvalidInputError, match="replaced by hand"):
            open_engine(repeating(), "openvino")


@pytest.mark.parametrize("model", ["no-such-model", None, 3])
def test_what_is_no_model_is_refused(model: Any) -> None:
    with pytest.raises(ModelFileError, match="Received"):
        open_engine(model)


def hide(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Let packages look as if they were not installed."""
    found = util.find_spec
    monkeypatch.setattr(engines, "find_spec", lambda n: None if n in packages else found(n))
