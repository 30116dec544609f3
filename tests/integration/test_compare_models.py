"""The example that compares models makes its picture of whatever models there are."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from src_models.models.download import FOLDER_VARIABLE

SCRIPT = Path(__file__).parents[2] / "examples" / "compare_models.py"


@pytest.fixture(scope="module")
def example() -> Any:
    spec = spec_from_file_location("compare_models", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_it_compares_the_models_that_are_named(
    example: Any, write: Any, photo: Any, tmp_path: Path, capsys: Any
) -> None:
    files = [str(write(name)[0]) for name in ("rdn-x2", "rdn-x4", "rrdn-x3")]
    Image.fromarray(photo).save(tmp_path / "photo.png")
    out = tmp_path / "comparison.png"
    example.main(
        [str(tmp_path / "photo.png"), "--models", *files, "--size", "12", "--out", str(out)]
    )
    assert str(out) in capsys.readouterr().out
    with Image.open(out) as picture:
        columns, rows = 2 + len(files), 2
        assert picture.size == (columns * 246, rows * (246 + example.CAPTION))
        sheet = np.asarray(picture)
    clean = sheet[example.CAPTION : example.CAPTION + 240, :240]
    middle = photo[4:16, 7:19]
    assert np.array_equal(clean[::20, ::20], middle)
    # JPEG has left its traces in the second row.
    damaged = sheet[246 + 2 * example.CAPTION : 486 + 2 * example.CAPTION, :240]
    assert not np.array_equal(damaged[::20, ::20], middle)


def test_without_any_model_at_hand_it_says_so(
    example: Any, photo: Any, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    Image.fromarray(photo).save(tmp_path / "photo.png")
    out = tmp_path / "comparison.png"
    example.main([str(tmp_path / "photo.png"), "--out", str(out)])
    assert "No model is at hand" in capsys.readouterr().out
    assert out.is_file()
