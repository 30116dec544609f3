"""The other commands: train, models, info, compare."""

from __future__ import annotations

import json
import signal
import subprocess

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.ndimage import gaussian_filter

from src_models import export_model, read_description
from src_models.errors import InvalidInputError
from src_models.training.settings_file import read_training_file

SETTINGS = """
[model]
name = "cells"
summary = "For cells."

[network]
scale = 2
C = 1
D = 1
G = 8
G0 = 16

[data]
high = "images"

[training]
epochs = {epochs}
steps_per_epoch = 2
batch_size = 2
{more}

[training.patch]
size = 16
"""


@pytest.fixture
def project(tmp_path):
    """A folder with images and a settings file."""
    (tmp_path / "images").mkdir()
    for i in range(3):
        blurred = gaussian_filter(np.random.default_rng(i).random((80, 80)), 1.5)
        blurred = (blurred - blurred.min()) / (blurred.max() - blurred.min())
        Image.fromarray((blurred * 255).astype(np.uint8)).save(tmp_path / f"images/{i}.png")

    def write(epochs: int = 2, more: str = "") -> None:
        text = SETTINGS.format(epochs=epochs, more=more)
        (tmp_path / "cells.toml").write_text(text)

    write()
    return write


def test_a_training_joins_the_models_and_never_replaces_one(isr, project, tmp_path) -> None:
    done = isr("train", "cells.toml", "--json")
    assert done.returncode == 0, done.stderr
    *epochs, last = (json.loads(line) for line in done.stdout.splitlines())
    assert [record["epoch"] for record in epochs] == [1, 2]
    assert last["reason"] == "finished"
    description = read_description(last["model"])
    assert (description.name, description.summary) == ("cells", "For cells.")
    assert description.training["epochs"] == 2
    listed = json.loads(isr("models", "list", "--json").stdout)
    assert {"cells": "your own", "microscopy-x2": "comes along"}.items() <= {
        record["name"]: record["where"] for record in listed
    }.items()
    assert "there is a model 'cells' already" in isr("train", "cells.toml").stderr
    assert isr("models", "remove", "cells", "--yes").returncode == 0
    again = isr("train", "cells.toml")
    assert again.returncode == 2
    assert "go on with it by --resume" in again.stderr
    project(epochs=3)
    more = isr("train", "cells.toml", "--resume", "--json")
    assert json.loads(more.stdout.splitlines()[0])["epoch"] == 3
    assert more.returncode == 0


@pytest.mark.slow
def test_ctrl_c_ends_a_training_well(command, environment, project, tmp_path, isr) -> None:
    project(epochs=10_000)
    process = subprocess.Popen(
        [*command, "train", "cells.toml"],
        env=environment,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("Epoch 1 of 10000: loss"):
            break
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "Go on with: napari-isr train cells.toml --resume" in told
    assert "cells" not in isr("models", "list").stdout.split()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ('[model]\nname = "a"\n[data]\nhigh = "."\n[networks]\n', "networks"),
        ('[model]\nname = "a/b"\n[data]\nhigh = "."\n', "The name of a model has"),
        ('[model]\nname = "a"\n', "data"),
        ('[model]\nname = "a"\n[data]\nhigh = "."\n[network]\nC = 0\n', "C"),
        (
            '[model]\nname = "a"\nstart_from = "b"\n[data]\nhigh = "."\n[network]\n',
            "either starts from another one or has a",
        ),
        ("name = ", "is not a TOML file"),
        ("epochs = 1\n", "must be a section [model]. Received: epochs. Add it."),
        ('[model]\nsummary = "a"\n', "[model] must say 'name'. Received: summary. Add a line"),
        ('model = "a"\n', "[model], [data], [network], [training]. Received: 'model'."),
        ('[model]\nname = "a"\nsumary = "b"\n', "There is no 'sumary' in [model]."),
    ],
)
def test_what_a_settings_file_says_wrongly_is_named(tmp_path, wrong, words) -> None:
    (tmp_path / "a.toml").write_text(wrong)
    with pytest.raises(InvalidInputError, match=r"a\.toml") as error:
        read_training_file(tmp_path / "a.toml")
    assert words in str(error.value)


def test_models_are_imported_shown_and_removed(isr, tmp_path, tiny_network) -> None:
    tiny_network().save(tmp_path / "tiny")
    assert isr("models", "import", "tiny.keras").returncode == 0
    assert isr("models", "import", "tiny.keras").returncode == 1
    assert isr("models", "import", "tiny.keras", "--name", "gans").returncode == 2
    assert isr("models", "import", "tiny.keras", "--name", "mine").returncode == 0
    assert "Where: your own" in isr("models", "show", "mine").stdout
    assert json.loads(isr("models", "show", "mine", "--json").stdout)["scale"] == 2
    assert isr("models", "download", "mine").returncode == 0
    assert isr("models", "remove", "mine", "-y").returncode == 0
    assert isr("models", "remove", "mine", "-y").returncode == 2


def test_info_tells_of_images_and_models(isr, tmp_path, tiny_network) -> None:
    tiny_network().save(tmp_path / "tiny")
    told = {"axes": "ZYX", "unit": "um", "spacing": 0.5}
    pixels = np.zeros((3, 20, 30), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pixels, imagej=True, resolution=(10, 10), metadata=told)
    done = isr("info", "a.tif", "tiny.keras")
    assert done.returncode == 0, done.stderr
    for words in ("ZYX", "3 x 20 x 30", "uint16", "X 0.1 µm, Y 0.1 µm, Z 0.5 µm", "x2, 1 channel"):
        assert words in done.stdout
    records = [
        json.loads(line) for line in isr("info", "a.tif", "b.tif", "--json").stdout.splitlines()
    ]
    assert records[0]["shape"] == [3, 20, 30]
    assert records[1]["error"] == "there is no such file: check the path."


def test_compare_tells_how_close_images_are(isr, tmp_path) -> None:
    truth = np.random.default_rng(0).integers(0, 250, (30, 30)).astype(np.uint8)
    Image.fromarray(truth).save(tmp_path / "a.png")
    Image.fromarray(truth + 5).save(tmp_path / "b.png")
    Image.fromarray(truth[:20]).save(tmp_path / "c.png")
    record = json.loads(isr("compare", "a.png", "b.png", "--json").stdout)
    assert record["psnr"] == pytest.approx(20 * np.log10(255 / 5))
    assert record["mean_absolute_error"] == record["largest_error"] == 5
    assert record["psnr_fitted"] is None or record["psnr_fitted"] > 200
    assert 0.9 < record["ssim"] < 1
    assert record["nrmse"] == pytest.approx(5 / np.sqrt(np.mean(truth.astype(float) ** 2)))
    tifffile.imwrite(tmp_path / "b.tif", (truth + 5).astype(np.float32))
    as_floats = json.loads(isr("compare", "a.png", "b.tif", "--json").stdout)
    assert as_floats["psnr"] == pytest.approx(record["psnr"]), "the range is the truth's"
    assert "PSNR" in isr("compare", "a.png", "a.png").stdout
    for name, more in (("a", 0), ("b", 5)):
        grey = (truth[..., None].astype(np.uint16) + more).repeat(4, axis=-1)
        grey[..., 3] = 65535
        tifffile.imwrite(tmp_path / f"{name}4.tif", grey, photometric="rgb", extrasamples=[2])
    with_alpha = json.loads(isr("compare", "a4.tif", "b4.tif", "--json").stdout)
    assert with_alpha["psnr"] == pytest.approx(record["psnr"], abs=0.5), "alpha is no brightness"
    wrong = isr("compare", "a.png", "c.png")
    assert wrong.returncode == 2
    assert "equally large" in wrong.stderr


def test_a_model_is_exported_and_never_over_a_file(isr, tmp_path, tiny_network) -> None:
    import onnx

    tiny_network().save(tmp_path / "mine")
    done = isr("export", "mine.keras", "--to", "onnx")
    assert (done.returncode, done.stdout.strip()) == (0, "tiny.onnx"), done.stderr
    onnx.checker.check_model(onnx.load(tmp_path / "tiny.onnx"), full_check=True)
    again = isr("export", "mine.keras", "--to", "onnx")
    assert again.returncode == 2
    assert "nothing is overwritten unasked" in again.stderr
    assert isr("export", "mine.keras", "--to", "onnx", "--overwrite").returncode == 0
    assert isr("export", "mine.keras", "--to", "openvino", "-o", "out/other").returncode == 0
    assert (tmp_path / "out" / "other.bin").exists()


def test_an_onnx_file_is_used_and_imported(isr, tmp_path, tiny_network) -> None:
    export_model(tiny_network(), "onnx", tmp_path / "other.onnx")
    Image.fromarray(np.arange(400, dtype=np.uint8).reshape(20, 20)).save(tmp_path / "a.png")
    done = isr("upscale", "a.png", "-o", "out", "--model", "other.onnx")
    assert done.returncode == 0, done.stderr
    imported = isr("models", "import", "other.onnx", "--name", "foreign")
    assert imported.returncode == 0, imported.stderr
    assert "foreign: x2, 1 channel" in imported.stderr
    again = isr("upscale", "a.png", "-o", "again", "--model", "foreign")
    assert again.returncode == 0, again.stderr
    with Image.open(tmp_path / "out/a_x2.png") as a, Image.open(tmp_path / "again/a_x2.png") as b:
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    assert "'layout': 'NCHW'" in isr("models", "show", "foreign").stdout
    assert "x2, 1 channel" in isr("info", "other.onnx").stdout
    assert isr("upscale", "a.png", "-o", "c", "-m", "foreign", "--engine", "keras").returncode == 1
    (tmp_path / "bad.onnx").write_bytes(b"bad")
    refused = isr("models", "import", "bad.onnx")
    assert refused.returncode == 1
    assert "'bad.onnx' cannot be opened as an ONNX file" in refused.stderr
    assert isr("models", "remove", "foreign", "-y").returncode == 0
