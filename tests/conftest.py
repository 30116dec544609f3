"""What all tests share: fixed seeds and networks small enough to run in milliseconds."""

from __future__ import annotations

import copy
import gc
import os
import random
import subprocess
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

# Machines that run tests are busy: a slow example is no failure, and the same ones every time.
settings.register_profile("here", deadline=None, max_examples=60, derandomize=True)
settings.load_profile("here")

ARCH = {
    "rdn": {"C": 2, "D": 2, "G": 8, "G0": 8},
    "rrdn": {"C": 2, "D": 1, "G": 8, "G0": 8, "T": 2},
}

TESTS = Path(__file__).parent
REFERENCE = TESTS.parent.parent / "shared" / "reference"


@pytest.fixture(autouse=True, scope="session")
def _compiled_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep compiled networks out of the user's folders."""
    from src_models.engines import compiled_cache

    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled_cache, "compiled_folder", lambda: folder / "compiled")
        yield


@pytest.fixture(autouse=True, scope="module")
def _libraries_apart() -> Iterator[None]:
    """Spare the garbage collector what libraries hold: that took two fifths of widgets' tests."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _seed() -> None:
    random.seed(0)  # Keras' own initialisers draw their seeds from it
    np.random.seed(0)  # noqa: NPY002 - what has no generator of its own draws from it


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@lru_cache
def _new_network(kind: str, channels: int, scale: int, **settings: Any) -> Any:
    from src_models import RDN, RRDN
    from src_models.networks.backend import keras

    keras.utils.set_random_seed(1)
    arch = {**ARCH[kind], "x": scale}
    if kind == "rdn":
        return RDN(arch, c_dim=channels, **{"upscaling": "shuffle", **settings})
    return RRDN(arch, c_dim=channels, **settings)


def _set_kernel(network: Any, name: str, kernel: Any) -> None:
    layer = network.model.get_layer(name)
    layer.set_weights([kernel, np.zeros(kernel.shape[-1], np.float32)])


def _make_repeating(network: Any) -> Any:
    """Set the weights so that the answer is the input with every pixel repeated, exactly."""
    for conv in network.config.convs():
        kernel = np.zeros((conv.kernel, conv.kernel, conv.inputs, conv.filters), np.float32)
        middle = kernel[conv.kernel // 2, conv.kernel // 2]
        for c in range(network.c_dim):
            if conv.name in ("F_m1", "Pre_blocks_conv", "SR"):
                middle[c, c] = 1
            elif conv.name == "UPN1":  # each channel twice, of both signs, to pass the ReLU
                middle[c, 2 * c], middle[c, 2 * c + 1] = 1, -1
            elif conv.name == "UPN2":
                middle[2 * c, 2 * c] = middle[2 * c + 1, 2 * c + 1] = 1
            elif conv.name == "UPN3":
                middle[2 * c, c :: network.c_dim] = 1
                middle[2 * c + 1, c :: network.c_dim] = -1
            elif conv.name == "PreShuffle":
                middle[c, c :: network.c_dim] = 1
        _set_kernel(network, conv.name, kernel)
    return network


@pytest.fixture(scope="session")
def tiny_network() -> Callable[..., Any]:
    """Give a network with random weights: ``tiny_network("rdn", channels=1, scale=2)``.

    The weights start as interpolation with some noise added, so that the answer looks like an
    image, bends as networks do, and reaches several pixels far.
    """
    from src_models.networks.initialization import start_as_interpolation

    @lru_cache
    def make(kind: str = "rdn", channels: int = 1, scale: int = 2) -> Any:
        network = copy_of(_new_network(kind, channels, scale))
        network.describe(name="tiny", intensity="measured")
        start_as_interpolation(network)
        noise = np.random.default_rng(2)
        for name in ("UPN3",) if kind == "rdn" else ("post_blocks_conv", "PreShuffle"):
            kernel = np.asarray(network.model.get_layer(name).kernel)
            _set_kernel(network, name, kernel + noise.normal(0, 0.02, kernel.shape))
        return network

    return make


@pytest.fixture(scope="session")
def identity_network() -> Callable[..., Any]:
    """Give a Keras network that repeats pixels, for example ``identity_network("rdn", 1, 2)``."""

    @lru_cache
    def make(kind: str = "rdn", channels: int = 1, scale: int = 2) -> Any:
        return _make_repeating(copy_of(_new_network(kind, channels, scale)))

    return make


def copy_of(network: Any) -> Any:
    """Return a network of the same settings with weights of its own."""
    from src_models.networks.model_files import new_model

    return new_model(network.description)


class Repeat:
    """In place of a Keras model: repeats pixels, notes what it got, and can fail.

    Parameters
    ----------
    scale : int
        How often each pixel is repeated along each axis.
    memory : int, optional
        Most input pixels of a batch; more raise `error`.
    error : Exception
        What is raised.
    gain : float
        What the answer is multiplied by.
    """

    def __init__(
        self,
        scale: int,
        memory: int | None = None,
        error: Exception | None = None,
        gain: float = 1.0,
    ) -> None:
        self.scale, self.memory, self.error, self.gain = scale, memory, error, gain
        self.shapes: list[tuple[int, ...]] = []
        self.seen = (np.inf, -np.inf)

    def predict_on_batch(self, batch: Any) -> Any:
        assert batch.dtype == np.float32
        self.shapes.append(batch.shape)
        self.seen = (min(self.seen[0], batch.min()), max(self.seen[1], batch.max()))
        if self.memory is not None and np.prod(batch.shape[:3]) > self.memory:
            raise self.error or MemoryError
        return batch.repeat(self.scale, axis=1).repeat(self.scale, axis=2) * np.float32(self.gain)


@pytest.fixture(scope="session")
def repeating() -> Callable[..., Any]:
    """Give a network that repeats pixels without Keras, for thousands of tiles a second."""

    def make(channels: int = 1, scale: int = 2, **settings: Any) -> Any:
        network = copy.copy(_new_network("rdn", channels, scale))
        network.describe(intensity="measured")
        network.model = Repeat(scale, **settings)
        return network

    return make


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 200 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)]
    if os.name != "posix" or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small disk is not allowed here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.fixture(scope="session")
def maker() -> Any:
    """Give the script that makes weight files."""
    path = TESTS / "data_making" / "legacy_weights.py"
    spec = spec_from_file_location("legacy_weights", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def write(maker: Any, tmp_path: Path) -> Any:
    """Write a small file: ``write("rdn-x2")`` gives its path and tensors."""

    def make(name: str, filename: str | None = None, **layout: Any) -> tuple[Path, Any]:
        layers = maker.SMALL[name]
        tensors = maker.random_tensors(layers)
        path = tmp_path / (filename or f"{name}.hdf5")
        return maker.write(path, layers, tensors, **layout), tensors

    return make


@pytest.fixture(scope="session")
def reference() -> Path:
    """Give the folder of ISR's networks and of its answers."""
    if not (REFERENCE / "isr_outputs.npz").is_file():
        pytest.skip("needs ../shared/reference, beside the repository")
    return REFERENCE


@pytest.fixture
def photo() -> Any:
    """Give a small 8-bit RGB image."""
    y, x = np.mgrid[:20, :26]
    waves = np.stack([np.sin(y / 2), np.cos(x / 3), np.sin((x + y) / 4)], axis=-1)
    noise = np.random.default_rng(0).normal(0, 12, waves.shape)
    return np.clip(128 + 100 * waves + noise, 0, 255).astype(np.uint8)
