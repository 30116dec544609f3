"""The same settings give the same pixels through widget, console, command and batch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

import napari_isr
from napari_isr.widgets.upscale.widget import UpscaleWidget
from src_models import RDN, export_model, read_image, upscale
from src_models.jobs.batch import run_batch
from src_models.jobs.batch_events import BatchSettings
from src_models.jobs.batch_plan import plan_jobs
from src_models.models.user_models import add_user_model

IMAGES = {
    "grey": ((40, 50), np.uint16, "YX"),
    "colours": ((30, 44, 3), np.uint8, "YXC"),
    "stack": ((3, 24, 31), np.uint16, "ZYX"),
    "floats": ((33, 26), np.float32, "YX"),
}
NAME = "mine"


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A tiny model among the user's own, from a file of ours or from an ONNX file."""
    monkeypatch.setenv("NAPARI_ISR_MODELS", str(tmp_path / "models"))
    network = RDN({"C": 1, "D": 1, "G": 4, "G0": 4, "x": 2}, c_dim=1, upscaling="shuffle")
    network.describe(name="tiny", intensity="measured", overlap=4)
    if request.param == "onnx":
        add_user_model(export_model(network, "onnx", tmp_path / "tiny"), NAME)
    else:
        add_user_model(network.save(tmp_path / "tiny"), NAME)
    return NAME


def through_widget(viewer, qtbot, pixels, axes, tile_size, engine, trust):
    viewer.add_image(pixels, rgb="C" in axes)
    widget = UpscaleWidget(viewer)
    viewer.window.add_dock_widget(widget)
    widget.model.value, widget.axes.value = NAME, axes
    widget.tile_size.value, widget.engine.value = tile_size, engine
    for name in trust:
        getattr(widget.trust, name).value = True
    widget.run.clicked.emit(True)
    qtbot.waitUntil(lambda: widget._worker is None, timeout=60_000)
    assert len(viewer.layers) == 2, widget.status.text
    return np.asarray(viewer.layers[-1].data)


def through_console(pixels, axes, tile_size, engine, trust):
    from napari.layers import Image

    layer = Image(pixels, rgb="C" in axes)
    settings = {"axes": axes, "tile_size": tile_size, "engine": engine} | trust
    return np.asarray(napari_isr.upscale(layer, NAME, **settings).data)


def through_command(file, folder, axes, tile_size, engine, trust):
    given = ["upscale", file, "-o", folder, "--model", NAME, "--axes", axes]
    given += ["--tile-size", tile_size, "--engine", engine]
    given += [f"--{name.replace('_', '-')}" for name in trust]
    command = [sys.executable, "-m", "napari_isr", *map(str, given)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    [result] = folder.glob("*.tif")
    return np.asarray(read_image(result).array)


def through_batch(file, folder, axes, tile_size, engine, trust):
    jobs = plan_jobs([file], folder, 2)
    settings = BatchSettings(
        model=NAME, axes=axes, tile_size=tile_size, engine=engine, journal=folder, **trust
    )
    for _ in run_batch(jobs, settings):
        pass
    return np.asarray(read_image(jobs[0].target).array)


@pytest.mark.parametrize(
    ("model", "engine", "kind", "trust"),
    [
        *(("keras", "openvino", kind, []) for kind in IMAGES),
        *(("onnx", "auto", kind, []) for kind in IMAGES),
        ("keras", "keras", "colours", ["self_ensemble"]),
        ("keras", "onnxruntime", "stack", ["self_ensemble", "keep_intensities"]),
    ],
    indirect=["model"],
)
@pytest.mark.slow
def test_widget_console_command_and_batch_give_the_same_pixels(
    make_napari_viewer, qtbot, tmp_path, model, engine, kind, trust
) -> None:
    shape, dtype, axes = IMAGES[kind]
    noise = np.random.default_rng(0).random(shape)
    pixels = (noise * (1 if dtype == np.float32 else np.iinfo(dtype).max / 3)).astype(dtype)
    file = tmp_path / "image.tif"
    photometric = "rgb" if "C" in axes else "minisblack"
    tifffile.imwrite(file, pixels, photometric=photometric)
    trust = dict.fromkeys(trust, True)
    settings = (axes, 16, engine, trust)
    results = {
        "library": upscale(pixels, model, axes=axes, tile_size=16, engine=engine, **trust),
        "widget": through_widget(make_napari_viewer(), qtbot, pixels, *settings),
        "console": through_console(pixels, *settings),
        "command": through_command(file, tmp_path / "command", *settings),
        "batch": through_batch(file, tmp_path / "batch", *settings),
    }
    expected = results.pop("library")
    assert expected.dtype == dtype
    for way, result in results.items():
        np.testing.assert_array_equal(result, expected, err_msg=way, strict=True)
