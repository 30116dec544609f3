"""The README's Python runs as printed."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"(<!-- needs a viewer -->\n)?```python\n(.*?)```", README, re.DOTALL)


def test_there_is_something_to_run():
    assert len(BLOCKS) >= 2


@pytest.mark.parametrize("code", [code for viewer, code in BLOCKS if not viewer])
def test_scripts_run(code, capsys):
    exec(compile(code, "README.md", "exec"), {})
    assert "(3, 128, 160) uint16" in capsys.readouterr().out


@pytest.mark.parametrize("code", [code for viewer, code in BLOCKS if viewer])
def test_console_lines_run(code, make_napari_viewer):
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros((20, 30), np.uint8), name="cells")
    exec(compile(code, "README.md", "exec"), {"viewer": viewer})
    assert [layer.name for layer in viewer.layers] == ["cells", "cells x2 [microscopy-x2]"]


def test_files_that_are_named_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), target
