from __future__ import annotations

import gc
import threading
import time
from dataclasses import replace

import dask.array
import numpy as np
import psutil
import pytest
from qtpy.QtCore import Qt, QThreadPool
from qtpy.QtWidgets import QFileDialog
from scipy.ndimage import gaussian_filter

import src_models
from src_models.models import registry as pretrained
from src_models.networks.backend import keras


def click(qtbot, button):
    qtbot.mouseClick(button.native, Qt.MouseButton.LeftButton)


@pytest.fixture
def ready(make_napari_viewer, widget_in, tiny_model_file, image):
    """A viewer with an image, and the widget with the tiny model chosen."""
    viewer = make_napari_viewer(show=True)
    viewer.add_image(image, name="cells", scale=(0.5, 0.5))
    widget = widget_in(viewer)
    widget.open_model_file(tiny_model_file)
    return viewer, widget


@pytest.mark.slow
def test_run_adds_the_upscaled_layer_and_leaves_the_source(
    ready, qtbot, finish, image, tiny_model_file
):
    viewer, widget = ready
    click(qtbot, widget.run)
    finish(widget)
    assert [layer.name for layer in viewer.layers] == ["cells", "cells x2 [tiny]"]
    np.testing.assert_array_equal(viewer.layers[1].data, src_models.upscale(image, tiny_model_file))
    np.testing.assert_array_equal(viewer.layers[0].data, image)
    assert widget.layer.value.name == "cells"
    assert widget.status.text.startswith("Done in")


@pytest.mark.slow
def test_results_get_names_of_their_own(ready, qtbot, finish):
    viewer, widget = ready
    for _ in range(2):
        click(qtbot, widget.run)
        finish(widget)
    assert len({layer.name for layer in viewer.layers}) == 3


def test_the_layer_follows_the_active_one(ready):
    viewer, widget = ready
    rgb = viewer.add_image(np.zeros((9, 9, 3), np.uint8), name="colour", rgb=True)
    assert widget.layer.value.name == "colour"
    assert widget.axes.value == "YXC"
    viewer.layers.selection.active = viewer.layers["cells"]
    assert widget.layer.value.name == "cells"
    viewer.layers.remove(rgb)
    assert widget.run.enabled


def test_an_empty_viewer_says_what_to_do(make_napari_viewer, widget_in):
    widget = widget_in(make_napari_viewer())
    assert "Open an image" in widget.layer_note.text
    assert not widget.run.enabled


def test_a_labels_layer_is_explained_at_the_field(ready):
    viewer, widget = ready
    viewer.add_labels(np.zeros((9, 9), int), name="regions")
    assert "'regions' is of type Labels" in widget.layer_note.text
    assert widget.layer.value.name == "cells"


@pytest.mark.parametrize(
    ("axes", "reason"),
    [("ZYX", "must name each"), ("XX", "twice"), ("ZT", "must contain Y and X"), ("", "must name")],
)
def test_axes_that_do_not_fit_are_explained_at_the_field(ready, axes, reason):
    _, widget = ready
    widget.axes.value = axes
    assert reason in widget.axes_note.text
    assert not widget.run.enabled
    widget.axes.value = "yx"
    assert widget.axes_note.text == ""
    assert widget.run.enabled


def test_files_that_are_no_models_are_explained_at_the_field(ready, tmp_path, tiny_model_file):
    _, widget = ready
    text = tmp_path / "notes.keras"
    text.write_text("no model")
    cut = tmp_path / "cut.keras"
    cut.write_bytes(tiny_model_file.read_bytes()[:2000])
    for path, reason in [
        (text, "not a napari-isr model"),
        (cut, "damaged"),
        (tmp_path / "no", "which is neither"),
    ]:
        widget.open_model_file(path)
        assert reason in widget.model_note.text
        assert "Traceback" not in widget.model_note.text


@pytest.mark.slow
def test_a_stack_of_five_dimensions_runs_and_lazy_arrays_too(ready, qtbot, finish, image):
    viewer, widget = ready
    stack = np.broadcast_to(image, (2, 2, 2, *image.shape))
    for data in (stack, dask.array.from_array(stack)):
        viewer.add_image(data, name="stack", rgb=False)
        assert widget.axes.value == "TZCYX"
        click(qtbot, widget.run)
        finish(widget)
        result = viewer.layers[-1].data
        lazy = isinstance(data, dask.array.Array)
        assert (result[0] if lazy else result).shape == (2, 2, 2, 80, 100)
        assert ("as you look at it" in widget.status.text) == lazy
        assert ("because the image is lazy" in widget.plan_note.text) == lazy


@pytest.mark.slow
def test_the_preview_covers_what_is_seen_and_replaces_the_last_one(ready, qtbot, finish):
    viewer, widget = ready
    viewer.camera.zoom *= 4
    for _ in range(2):
        click(qtbot, widget.preview)
        finish(widget)
    previews = [layer for layer in viewer.layers if layer.name.startswith("Preview")]
    assert len(previews) == 1
    assert widget.status.text.endswith("renewed.")
    height, width = previews[0].data.shape
    assert 2 <= height < 80
    assert 2 <= width < 100
    viewer.layers.remove(previews[0])
    assert widget.status.text == ""


@pytest.mark.slow
def test_a_layer_is_told_of_by_its_name_and_no_longer_than_it_is_there(ready, qtbot, finish):
    viewer, widget = ready
    click(qtbot, widget.run)
    finish(widget)
    result = viewer.layers[-1]
    result.name = "mine"
    assert "layer 'mine' added. Compared with" in widget.status.text
    viewer.add_image(np.zeros((9, 9)), name="other")
    viewer.layers.remove("other")
    assert "'mine' added" in widget.status.text
    viewer.layers.remove(result)
    assert widget.status.text == ""


class Failing(keras.layers.Layer):
    """Raise what a backend might raise."""

    error: Exception | None = None

    def call(self, x):
        if Failing.error is not None:
            raise Failing.error
        return x


@pytest.mark.parametrize(
    "error", [RuntimeError("device lost"), MemoryError("none left"), ValueError("odd")]
)
@pytest.mark.slow
def test_a_network_that_raises_leaves_the_widget_usable(
    ready, qtbot, finish, monkeypatch, error, image, tiny_model_file
):
    from src_models.networks.model_files import load_cached

    viewer, widget = ready
    widget.engine.value = "keras"
    network = load_cached(tiny_model_file)
    sound = network.model
    failing = keras.Sequential([keras.Input((None, None, 1)), Failing(), sound])
    failing.run_eagerly = True
    failing.compile(run_eagerly=True)
    monkeypatch.setattr(Failing, "error", error)
    network.model = failing
    try:
        click(qtbot, widget.run)
        finish(widget)
        reason = "memory" if isinstance(error, MemoryError) else str(error)
        assert reason in widget.status.text
        assert widget.run.enabled
        assert len(viewer.layers) == 1
        Failing.error = None
        click(qtbot, widget.run)
        finish(widget)
        assert len(viewer.layers) == 2
    finally:
        network.model = sound


@pytest.mark.slow
def test_cancel_gives_the_window_back_and_a_second_run_works(ready, qtbot, finish):
    viewer, widget = ready
    viewer.add_image(np.zeros((100, 64, 64), np.uint8), name="movie")
    widget.tile_size.value = 32
    click(qtbot, widget.run)
    qtbot.waitUntil(lambda: widget.progress.max > 1, timeout=60_000)
    started = time.monotonic()
    click(qtbot, widget.cancel)
    finish(widget)
    assert time.monotonic() - started < 1.0
    assert "Cancelled" in widget.status.text
    assert len(viewer.layers) == 2
    assert widget.run.enabled
    viewer.layers.selection.active = viewer.layers["cells"]
    click(qtbot, widget.run)
    finish(widget)
    assert viewer.layers[-1].name == "cells x2 [tiny]"


def test_closing_napari_while_running_leaves_no_thread(ready, qtbot):
    viewer, widget = ready
    viewer.add_image(np.zeros((200, 64, 64), np.uint8), name="movie")
    widget.tile_size.value = 16
    click(qtbot, widget.run)
    qtbot.waitUntil(lambda: widget.progress.max > 1, timeout=60_000)
    viewer.close()
    assert QThreadPool.globalInstance().waitForDone(5_000)


@pytest.mark.slow
def test_the_event_loop_is_never_blocked_for_long(
    make_napari_viewer, widget_in, qtbot, finish, keeps_answering
):
    viewer = make_napari_viewer(show=True)
    rng = np.random.default_rng(0)
    viewer.add_image(rng.integers(0, 4096, (2048, 2048)).astype(np.uint16), name="big")
    small = viewer.add_image(rng.integers(0, 4096, (64, 64)).astype(np.uint16), name="small")
    widget = widget_in(viewer)
    click(qtbot, widget.run)  # the very first import and compilation may block once
    finish(widget)
    viewer.layers.selection.active = viewer.layers["big"]
    assert widget.layer.value is not small

    def run() -> None:
        viewer.layers.selection.active = viewer.layers["big"]
        click(qtbot, widget.run)
        finish(widget, timeout=240_000)
        assert viewer.layers[-1].data.shape == (4096, 4096)

    keeps_answering(viewer, run)


@pytest.mark.slow
def test_the_preview_of_a_stack_is_the_plane_in_view(ready, qtbot, finish, tiny_model_file):
    viewer, widget = ready
    stack = np.random.default_rng(1).random((3, 2, 30, 40)).astype(np.float32)
    viewer.add_image(stack, name="stack", axis_labels=("z", "c", "y", "x"))
    viewer.dims.set_point((0, 1), (2, 1))
    click(qtbot, widget.preview)
    finish(widget)
    preview = viewer.layers[-1]
    assert preview.name.startswith("Preview")
    whole = src_models.upscale(stack, tiny_model_file, axes="ZCYX")
    np.testing.assert_allclose(preview.data[0, 0], whole[2, 1], atol=1e-5)
    np.testing.assert_allclose(preview.translate[:2], (2, 1))


def test_a_model_that_cannot_be_downloaded_says_where_to_put_it(
    ready, qtbot, finish, monkeypatch, tmp_path
):
    viewer, widget = ready
    monkeypatch.setenv("NAPARI_ISR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    nowhere = replace(pretrained.PUBLISHED["gans"], urls=("http://127.0.0.1:9/gans.hdf5",))
    monkeypatch.setattr(pretrained, "PUBLISHED", {**pretrained.PUBLISHED, "gans": nowhere})
    widget.model.value = "gans"
    assert "x4" in widget.model_note.text
    assert widget.run.enabled
    click(qtbot, widget.run)
    finish(widget)
    assert "could not be downloaded" in widget.status.text
    assert str(tmp_path / "cache") in widget.status.text
    assert widget.run.enabled
    assert len(viewer.layers) == 1


@pytest.mark.slow
def test_an_isr_weight_file_opens_as_a_model(ready, qtbot, finish, legacy_file):
    viewer, widget = ready
    viewer.add_image(np.zeros((12, 14, 3), np.uint8), name="photo", rgb=True)
    widget.open_model_file(legacy_file)
    assert "3 channels (RGB)" in widget.model_note.text
    click(qtbot, widget.run)
    finish(widget)
    assert viewer.layers[-1].data.shape == (24, 28, 3)


@pytest.mark.slow
def test_a_preview_in_3d_or_of_other_planes_is_refused_in_a_sentence(ready, qtbot):
    viewer, widget = ready
    viewer.add_image(np.zeros((4, 30, 40)), name="stack")
    viewer.dims.ndisplay = 3
    click(qtbot, widget.preview)
    assert "Switch the viewer to 2-D" in widget.status.text
    viewer.dims.ndisplay = 2
    viewer.dims.order = (1, 0, 2)
    click(qtbot, widget.preview)
    assert "Switch the viewer to 2-D" in widget.status.text
    assert widget.run.enabled


@pytest.mark.slow
def test_a_source_that_is_removed_while_it_runs_leaves_its_result(ready, qtbot, finish):
    viewer, widget = ready
    viewer.add_image(np.zeros((40, 64, 64), np.uint8), name="movie", visible=False)
    widget.tile_size.value = 16
    click(qtbot, widget.run)
    viewer.layers.remove("movie")
    finish(widget)
    assert viewer.layers[-1].name == "movie x2 [tiny]"


@pytest.mark.slow
def test_a_renamed_layer_stays_chosen_and_a_removed_one_gives_way(ready):
    viewer, widget = ready
    viewer.layers["cells"].name = "renamed"
    assert widget.layer.value.name == "renamed"
    assert widget.run.enabled
    viewer.add_image(np.zeros((9, 12)), name="other")
    viewer.layers.remove("other")
    assert widget.layer.value.name == "renamed"
    assert widget.run.enabled


@pytest.mark.slow
def test_typed_axes_stay_until_the_layer_changes(ready, qtbot, finish):
    viewer, widget = ready
    layer = viewer.add_image(np.random.default_rng(0).random((3, 20, 24)), name="stack")
    widget.axes.value = "CYX"
    click(qtbot, widget.run)
    finish(widget)
    viewer.add_labels(np.zeros((9, 9), int))
    assert widget.axes.value == "CYX"
    layer.data = np.zeros((20, 24))
    assert widget.axes.value == "YX"
    assert widget.run.enabled


@pytest.mark.slow
def test_a_bad_file_chosen_through_the_dialog_is_explained(ready, monkeypatch, tmp_path):
    _, widget = ready
    last = widget.model.value
    text = tmp_path / "notes.keras"
    text.write_text("no model")
    for output in (str(text), ""):
        monkeypatch.setattr(
            QFileDialog, "getOpenFileName", staticmethod(lambda *_, path=output: (path, ""))
        )
        widget.model.value = "open a model file…"
        assert widget.model.value == last
        assert ("not a napari-isr model" in widget.model_note.text) == bool(output)
    assert widget.run.enabled


@pytest.mark.slow
def test_a_preview_of_what_is_not_in_the_canvas_is_refused(ready, qtbot):
    viewer, widget = ready
    qtbot.wait(200)
    viewer.layers["cells"].translate = (5000, 5000)
    qtbot.wait(200)
    click(qtbot, widget.preview)
    assert "shows nothing of this layer" in widget.status.text
    tilted = np.eye(4)
    tilted[0, 1] = 0.5
    viewer.add_image(np.zeros((4, 30, 40)), affine=tilted)
    click(qtbot, widget.preview)
    assert "tilted or sheared" in widget.status.text


@pytest.mark.parametrize("engine", ["auto", "openvino", "onnxruntime", "keras"])
@pytest.mark.slow
def test_the_engine_is_chosen_and_told(ready, qtbot, finish, engine):
    from src_models.engines.opening import choose_engine

    viewer, widget = ready
    widget.engine.value = engine
    chosen = choose_engine(engine)
    assert chosen.reason in widget.plan_note.text
    click(qtbot, widget.run)
    finish(widget)
    record = viewer.layers[-1].metadata["napari-isr"]
    assert (record["engine"], record["engine_reason"]) == chosen


def test_the_denoising_model_is_named_where_a_layer_is_noisy(make_napari_viewer, widget_in):
    viewer = make_napari_viewer()
    widget = widget_in(viewer)
    rng = np.random.default_rng(0)
    clean = gaussian_filter(rng.random((128, 128)), 3)
    clean = (clean - clean.min()) / np.ptp(clean) * 100
    viewer.add_image(np.rint(clean * 50).astype(np.uint16), name="bright")
    assert "photons" not in widget.advice_note.text
    viewer.add_image(rng.poisson(clean).astype(np.uint16), name="dim")
    assert "microscopy-denoise-x2 removes the noise" in widget.advice_note.text
    widget.model.value = "microscopy-denoise-x2"
    assert widget.advice_note.text == ""


@pytest.mark.slow
def test_the_slider_goes_from_faithful_to_sharp(make_napari_viewer, widget_in, qtbot, finish):
    from src_models import RDN, upscale
    from src_models.models.user_models import user_model_folder

    for name, more in (("plain", {}), ("vivid", {"faithful": "plain"})):
        network = RDN({"C": 1, "D": 1, "G": 4, "G0": 4, "x": 2}, c_dim=1)
        network.describe(name=name, **more)
        network.save(user_model_folder() / name)
    viewer = make_napari_viewer()
    image = np.random.default_rng(0).integers(0, 255, (16, 18)).astype(np.uint8)
    viewer.add_image(image, name="cells")
    widget = widget_in(viewer)
    assert widget.sharpness.native.isHidden()
    widget.model.value = "vivid"
    assert not widget.sharpness.native.isHidden()
    assert "invents detail" in widget.advice_note.text
    for sharpness, name in ((1.0, "vivid"), (0.5, "vivid@0.5"), (0.0, "vivid@0")):
        widget.sharpness.value = sharpness
        click(qtbot, widget.run)
        finish(widget)
        assert viewer.layers[-1].metadata["napari-isr"]["model"] == name
        np.testing.assert_array_equal(viewer.layers[-1].data, upscale(image, name))
    assert "invents" not in widget.advice_note.text
    widget.model.value = "plain"
    assert widget.sharpness.native.isHidden()


@pytest.mark.slow
def test_memory_stays_flat_over_fifty_runs(ready, qtbot, finish):
    viewer, widget = ready
    process, used = psutil.Process(), []
    for _ in range(50):
        click(qtbot, widget.run)
        finish(widget)
        viewer.layers.remove(viewer.layers[-1])
        gc.collect()  # napari's layers go round in circles
        used.append(process.memory_info().rss / 2**20)
    after = np.asarray(used[10:])
    slope = np.polyfit(np.arange(after.size), after, 1)[0]
    assert slope < 0.5, f"{slope:.2f} MiB a run"
    assert len(viewer.layers) == 1


@pytest.mark.slow
def test_a_cancelled_run_leaves_no_thread(ready, qtbot, finish):
    viewer, widget = ready
    before = set(threading.enumerate())
    viewer.add_image(np.zeros((40, 256, 256), np.uint8), name="stack")
    widget.tile_size.value = 32
    click(qtbot, widget.run)
    qtbot.waitUntil(lambda: "tiles" in widget.status.text, timeout=60_000)
    click(qtbot, widget.cancel)
    finish(widget)
    names = {thread.name for thread in set(threading.enumerate()) - before}
    assert not {name for name in names if name.startswith(("tiles", "network"))}
