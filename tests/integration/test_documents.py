"""Every block of Python and every command in README and docs runs as printed.

Blocks that cannot (they install something, need the network, a cluster or an hour) have
``<!-- skip: next -->`` above them.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from sybil import Document, Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

from napari_isr.cli.app import app
from src_models import RDN, upscale_to_zarr
from src_models.networks.initialization import start_as_interpolation
from src_models.training.settings_file import read_training_file

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SKIPPED = "<!-- skip: next -->"
# What may be left out: it installs, downloads, or needs more than a test has.
MAY_BE_SKIPPED = re.compile(
    r"pip install|napari-env|models download|make (demo|test|docs)|Cluster|on_cluster|benchmarks/|"
    r"training/|git clone"
)
TRAINING = """
[model]
name = "cells-x2"
[network]
C = 1
D = 1
G = 4
G0 = 4
[data]
high = "images"
[training]
epochs = 1
steps_per_epoch = 1
batch_size = 1
patch = { size = 8 }
validation = { patches = 1, size = 8 }
"""


def run_commands(example: Example) -> None:
    """Run lines of a shell: ``napari-isr`` in this process, which has loaded what it needs."""
    for line in example.parsed.splitlines():
        words = shlex.split(line, comments=True)
        if words:
            assert words[0] == "napari-isr", f"A block with {words[0]!r} needs {SKIPPED}: {line}"
            code = app(words[1:], standalone_mode=False)
            assert not code, f"exit code {code}: {line}"


def read_settings(example: Example) -> None:
    """Read the settings of a training."""
    tomllib.loads(example.parsed)
    Path("printed.toml").write_text(example.parsed)
    read_training_file("printed.toml")


def has_lines(example: Example) -> None:
    """Check that what a patch takes for granted is in the code."""
    for part in re.split(r"^--- a/", example.parsed, flags=re.MULTILINE)[1:]:
        name, *lines = part.splitlines()
        code = (ROOT / name).read_text(encoding="utf-8")
        for hunk in "\n".join(lines[1:]).split("@@\n")[1:]:
            old = "\n".join(line[1:] for line in hunk.splitlines() if line[:1] in " -")
            assert old in code, f"{name} has no such lines:\n{old}"


SYBIL = Sybil(
    parsers=[
        PythonCodeBlockParser(),
        CodeBlockParser("sh", run_commands),
        CodeBlockParser("toml", read_settings),
        CodeBlockParser("diff", has_lines),
        SkipParser(),
    ]
)


@pytest.fixture
def folder(tmp_path, monkeypatch, rng):
    """A folder with the files that the pages speak of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAPARI_ISR_MODELS", str(tmp_path / "models"))
    (tmp_path / "images").mkdir()
    (tmp_path / "my_folder").mkdir()
    cells = rng.integers(0, 4096, (3, 32, 40)).astype(np.uint16)
    tifffile.imwrite("cells.tif", cells, metadata={"axes": "ZYX"})
    for name in ("truth.tif", "result.tif", "my_folder/a.tif", "my_folder/b.tif"):
        tifffile.imwrite(name, rng.integers(0, 255, (24, 20)).astype(np.uint8))
    tifffile.imwrite("images/cells.tif", rng.integers(0, 255, (64, 64)).astype(np.uint8))
    Image.fromarray(rng.integers(0, 255, (24, 20, 3)).astype(np.uint8)).save("photo.png")
    Path("cells.toml").write_text(TRAINING)
    return tmp_path


def save_models() -> None:
    """Save the model files that the pages speak of."""
    from src_models import export_model

    for name, channels, symbols in (
        ("mine", 1, {"C": 1, "D": 1, "G": 4, "G0": 4, "x": 2}),
        ("anime_4x", 3, {"C": 1, "D": 1, "G": 4, "G0": 4, "x": 2}),
    ):
        network = RDN(symbols, c_dim=channels, upscaling="shuffle")
        start_as_interpolation(network)
        network.describe(name=name, intensity="measured", overlap=4)
        network.save(f"{name}.keras")
    export_model("anime_4x.keras", "onnx", "anime_4x.onnx")


def anchors(page: Path) -> list[str]:
    """Return what headings are called in links."""
    headings = re.findall(r"^#+ (.*)", page.read_text("utf-8"), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings]


def parsed(page: Path) -> Document:
    return SYBIL.parse(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
@pytest.mark.slow
def test_all_blocks_of_a_page_run(page, folder, rng, request, capsys):
    document = parsed(page)
    text = page.read_text(encoding="utf-8")
    if "mine.keras" in text or "anime_4x" in text:
        save_models()
    if "cells.zarr" in text:
        large = rng.integers(0, 4096, (5, 40, 50)).astype(np.uint16)
        upscale_to_zarr(large, "cells.zarr", "microscopy-x2", axes="ZYX")
    if "viewer" in "".join(str(example.parsed) for example in document):
        viewer = request.getfixturevalue("make_napari_viewer")()
        viewer.add_image(np.zeros((20, 30), np.uint8), name="cells")
        document.namespace["viewer"] = viewer
    for example in document:
        example.evaluate()
    if page.name == "README.md":
        assert "(3, 128, 160) uint16 For fluorescence" in capsys.readouterr().out
        assert viewer.layers[1].name == "cells x2 [microscopy-x2]"
        assert (folder / "results" / "b_x2.ome.tif").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_only_what_a_test_cannot_do_is_skipped(page):
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(rf"{SKIPPED}\n *```(.*?)```", text, re.DOTALL)
    assert len(blocks) == text.count(SKIPPED)
    assert all(MAY_BE_SKIPPED.search(block) for block in blocks)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_that_are_named_exist(page):
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)", page.read_text("utf-8")):
        if "://" not in target:
            file = page.parent / target if target else page
            assert file.exists(), target
            if anchor and file.suffix == ".md":
                assert anchor in anchors(file), f"{target}#{anchor}"
