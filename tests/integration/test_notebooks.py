"""The tutorials run from top to bottom, and are stored without what they answer."""

from __future__ import annotations

import runpy
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


@pytest.mark.slow
def test_there_are_two_tutorials():
    assert [path.stem for path in NOTEBOOKS] == ["predict", "train"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_output(path):
    for cell in nbformat.read(path, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.slow
def test_a_notebook_runs_from_top_to_bottom(path, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_ISR_CACHE", str(tmp_path))
    answered = runpy.run_path(str(ROOT / "scripts" / "notebooks.py"))["run"](path)
    outputs = [cell.get("outputs", []) for cell in nbformat.read(answered, as_version=4).cells]
    kinds = {kind for cell in outputs for output in cell for kind in output.get("data", {})}
    assert "image/png" in kinds
