"""Small weight files as ISR wrote them, and the reference beside the repository."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest

TESTS = Path(__file__).parents[2]
REFERENCE = TESTS.parent.parent / "shared" / "reference"


@pytest.fixture(scope="session")
def maker() -> Any:
    """Give the script that makes weight files."""
    path = TESTS / "data-making" / "legacy_weights.py"
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
