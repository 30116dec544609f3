from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import Qt, QThreadPool
from scipy.ndimage import gaussian_filter

import napari_isr
from napari_isr.widgets.train.fields import FOLDERS
from napari_isr.widgets.train.widget import TrainWidget
from src_models import load_model, read_description
from src_models.errors import InvalidInputError
from src_models.networks.backend import keras
from src_models.training.settings import (
    DataSettings,
    PatchSettings,
    TrainingSettings,
    ValidationSettings,
)


def click(qtbot, button):
    qtbot.mouseClick(button.native, Qt.MouseButton.LeftButton)


def blobs(seed=0, size=96):
    image = gaussian_filter(np.random.default_rng(seed).random((size, size)), 1.2)
    return ((image - image.min()) / np.ptp(image) * 4000).astype(np.uint16)


def halved(image):
    return image.reshape(image.shape[0] // 2, 2, -1, 2).mean((1, 3)).astype(image.dtype)


def training_threads():
    return [t for t in threading.enumerate() if t.name.startswith(("training", "patches"))]


@pytest.fixture
def dock():
    def make(viewer):
        widget = TrainWidget(viewer)
        viewer.window.add_dock_widget(widget, name="Train")
        widget.advanced.patch.value = 16
        widget.advanced.batch.value = 2
        widget.advanced.steps.value = 5
        widget.network.unit.value = "epochs"
        widget.network.length.value = 2
        return widget

    return make


@pytest.fixture
def ready(make_napari_viewer, dock):
    """A viewer with an image, and the widget set to a training of seconds."""
    viewer = make_napari_viewer(show=True)
    viewer.add_image(blobs(), name="cells")
    return viewer, dock(viewer)


@pytest.fixture
def finish(finish, qtbot):
    """Wait until the work is done and shown."""

    def wait(widget, **settings):
        finish(widget, **settings)
        if isinstance(widget, TrainWidget):
            shown = (widget._board.previews, widget._pairs)
            qtbot.waitUntil(lambda: not any(layers.is_busy for layers in shown))

    return wait


@pytest.fixture
def until_stepping(qtbot):
    def wait(widget):
        qtbot.waitUntil(lambda: len(widget.plots.losses) > 0, timeout=60_000)

    return wait


def test_clicks_lead_from_an_image_to_a_model_in_the_upscale_widget(
    ready, qtbot, finish, widget_in, models_folder
):
    viewer, widget = ready
    upscale = widget_in(viewer)
    before = viewer.layers["cells"].data.copy()
    click(qtbot, widget.run)
    finish(widget)
    assert "Finished after 2 epochs" in widget.status.text
    assert len(widget.plots.scores) == 2
    widget.model_name.value = "my cells"
    click(qtbot, widget.save)
    assert "my cells" in upscale.model.choices
    assert "1 image of your own" in read_description(models_folder / "my cells.keras").in_words
    upscale.model.value = "my cells"
    assert upscale.layer.value.name == "cells"
    click(qtbot, upscale.run)
    finish(upscale)
    assert viewer.layers["cells x2 [my cells]"].data.shape == (192, 192)
    np.testing.assert_array_equal(viewer.layers["cells"].data, before)


@pytest.mark.slow
def test_closing_is_quiet_where_qt_went_first(ready, qtbot, capsys):
    viewer, widget = ready
    for layers in (widget._board.previews, widget._pairs):
        layers._turn.deleteLater()
        with qtbot.waitSignal(layers._turn.destroyed):
            pass
    viewer.window.remove_dock_widget(widget)
    assert not widget._is_open
    assert "RuntimeError" not in "".join(capsys.readouterr())
    viewer.layers.clear()  # which the widget does not hear of any more


@pytest.mark.slow
def test_the_preview_has_layers_of_its_own_beside_the_users(ready, qtbot, finish):
    viewer, widget = ready
    click(qtbot, widget.run)
    finish(widget)
    names = [f"Training: {kind}" for kind in ("input", "bicubic", "model", "truth")]
    assert [layer.name for layer in viewer.layers] == ["cells", *names]
    right = viewer.layers["cells"].extent.world[1, 1]
    for name in names:
        assert viewer.layers[name].extent.world[0, 1] > right
    assert viewer.layers.selection.active is viewer.layers["cells"]
    assert [layer.name for layer in widget.images.layers.choices] == ["cells"]
    drawn = viewer.layers["Training: model"]
    click(qtbot, widget.run)  # again: the same layers
    finish(widget)
    assert viewer.layers["Training: model"] is drawn
    assert len(viewer.layers) == 5


@pytest.mark.slow
def test_the_camera_finds_the_preview_beside_a_stack(make_napari_viewer, dock, qtbot, finish):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.stack([blobs(n) for n in range(3)]), name="stack")
    widget = dock(viewer)
    click(qtbot, widget.images.check)
    finish(widget)
    shown = [layer for layer in viewer.layers if layer.name != "stack"]
    assert shown
    left = min(layer.extent.world[0, -1] for layer in shown)
    camera = getattr(viewer, "scene", viewer).camera
    assert camera.center[-1] > left > viewer.layers["stack"].extent.world[1, -1]


@pytest.mark.slow
def test_check_says_what_is_skipped_and_shows_pairs(
    make_napari_viewer, dock, qtbot, finish, tmp_path
):
    for name in ("high", "low"):
        (tmp_path / name).mkdir()
    for number in range(2):
        image = blobs(number)
        Image.fromarray(image).save(tmp_path / "high" / f"cell{number}.png")
        Image.fromarray(halved(image)).save(tmp_path / "low" / f"cell{number}.png")
    (tmp_path / "high" / "cell7.png").write_bytes(b"no image")
    (tmp_path / "low" / "other.png").write_bytes(b"")
    viewer = make_napari_viewer()
    widget = dock(viewer)
    assert "Choose the high-resolution images" in widget.images.note.text
    assert not widget.run.enabled
    widget.images.source.value = FOLDERS
    widget.images.folder.value = tmp_path / "high"
    widget.images.is_paired.value = True
    assert "Choose the low-resolution images" in widget.images.low_note.text
    widget.images.low_folder.value = tmp_path / "low"
    assert widget.run.enabled
    click(qtbot, widget.images.check)
    finish(widget)
    assert "2 image planes can be used, 2 skipped" in widget.images.report.text
    assert "Skipped cell7.png: no image of the other folder" in widget.images.report.text
    assert [layer.name for layer in viewer.layers] == [
        "Check: low resolution",
        "Check: high resolution",
    ]
    click(qtbot, widget.run)
    finish(widget)
    assert "Finished" in widget.status.text


@pytest.mark.slow
def test_images_of_which_none_fits_are_explained(ready, qtbot, finish):
    viewer, widget = ready
    viewer.add_image(np.zeros((4, 4), np.uint8), name="dot")
    widget.images.layers.value = [viewer.layers["dot"]]
    click(qtbot, widget.run)
    finish(widget)
    assert "too small" in widget.status.text
    assert "Traceback" not in widget.status.text
    assert widget.run.enabled


@pytest.mark.slow
def test_pairs_need_as_many_layers_on_both_sides(ready):
    viewer, widget = ready
    low = viewer.add_image(halved(blobs()), name="low")
    widget.images.layers.value = [viewer.layers["cells"]]
    widget.images.is_paired.value = True
    widget.images.low_layers.value = [low, viewer.layers["cells"]]
    assert "1 high- and 2 low-resolution layers" in widget.images.low_note.text
    assert not widget.run.enabled
    widget.images.low_layers.value = [low]
    assert widget.run.enabled


@pytest.mark.slow
def test_pause_waits_continue_goes_on_and_stop_keeps_the_model(
    ready, qtbot, finish, until_stepping
):
    _, widget = ready
    widget.network.length.value = 500
    click(qtbot, widget.run)
    until_stepping(widget)
    click(qtbot, widget.pause)
    assert widget.pause.text == "Continue"
    assert "Paused" in widget.status.text
    qtbot.wait(1000)
    steps = widget.plots.losses[-1]
    qtbot.wait(700)
    assert widget.plots.losses[-1] == steps
    click(qtbot, widget.pause)
    qtbot.waitUntil(lambda: widget.plots.losses[-1] != steps, timeout=20_000)
    click(qtbot, widget.stop)
    finish(widget)
    assert "Stopped after" in widget.status.text
    assert widget._trained.model_file.is_file()
    epochs = widget._trained.epochs
    assert widget.pause.text == "Continue"
    widget._job = widget._job.continued(0)
    click(qtbot, widget.pause)
    qtbot.waitUntil(lambda: widget.plots.losses[-1][0] > epochs, timeout=60_000)
    click(qtbot, widget.stop)
    finish(widget)
    assert widget._trained.epochs > epochs


@pytest.mark.slow
def test_a_model_is_tuned_and_keeps_its_network(ready, qtbot, finish, tiny_model_file):
    _, widget = ready
    widget.open_model_file(tiny_model_file)
    assert widget.network.start.value == str(tiny_model_file)
    before = load_model(tiny_model_file).model.get_weights()
    click(qtbot, widget.run)
    finish(widget)
    tuned = load_model(widget._trained.model_file)
    assert tuned.config == load_model(tiny_model_file).config
    after = tuned.model.get_weights()
    assert any(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    for a, b in zip(before, load_model(tiny_model_file).model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_a_file_that_is_no_model_is_explained_at_the_field(ready, tmp_path):
    _, widget = ready
    (tmp_path / "notes.keras").write_text("no model")
    widget.open_model_file(tmp_path / "notes.keras")
    assert "not a napari-isr model" in widget.network.model_note.text
    assert widget.run.enabled  # from scratch


@pytest.mark.slow
def test_a_name_that_exists_is_explained_and_nothing_is_lost(ready, qtbot, finish, models_folder):
    _, widget = ready
    click(qtbot, widget.run)
    finish(widget)
    for name, reason in [("a/b", "name of a model"), ("mine", "Saved"), ("mine", "already")]:
        widget.model_name.value = name
        click(qtbot, widget.save)
        assert reason in widget.save_note.text
    assert [path.name for path in models_folder.glob("*.keras")] == ["mine.keras"]


@pytest.mark.slow
def test_sharp_trains_without_vgg19_and_says_so(ready, qtbot, finish, monkeypatch, tmp_path):
    _, widget = ready
    widget.network.goal.value = "sharp"
    # Neither a cache nor a network: it trains on with the discriminator alone.
    monkeypatch.setattr(keras.src.backend.config, "_KERAS_DIR", str(tmp_path / "keras"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    widget.advanced.steps.value = 1
    click(qtbot, widget.run)
    finish(widget, timeout=240_000)
    assert "Finished after 1 epochs" in widget.status.text
    assert "without VGG19" in widget.status.text


@pytest.mark.slow
def test_upscaling_with_another_model_works_meanwhile(
    ready, qtbot, finish, widget_in, tiny_model_file, until_stepping
):
    viewer, widget = ready
    widget.network.length.value = 500
    upscale = widget_in(viewer)
    upscale.open_model_file(tiny_model_file)
    click(qtbot, widget.run)
    until_stepping(widget)
    click(qtbot, upscale.run)
    finish(upscale)
    assert viewer.layers["cells x2 [tiny]"].data.shape == (192, 192)
    assert widget._worker is not None
    click(qtbot, widget.stop)
    finish(widget)


@pytest.mark.slow
def test_closing_napari_while_training_leaves_no_thread(ready, qtbot, until_stepping):
    viewer, widget = ready
    widget.network.length.value = 500
    click(qtbot, widget.run)
    until_stepping(widget)
    # napari asks before it closes a window whose tasks are under way, in these words.
    tasks = viewer.window._task_status_manager.get_status()
    assert any("a training, which stops and keeps its model" in words for words in tasks)
    viewer.close()
    assert QThreadPool.globalInstance().waitForDone(20_000)
    for thread in training_threads():
        thread.join(20)
    assert training_threads() == []


@pytest.mark.slow
def test_closing_the_dock_stops_a_paused_training(ready, qtbot, until_stepping):
    viewer, widget = ready
    widget.network.length.value = 500
    click(qtbot, widget.run)
    until_stepping(widget)
    click(qtbot, widget.pause)
    viewer.window.remove_dock_widget("all")
    assert QThreadPool.globalInstance().waitForDone(20_000)
    assert training_threads() == []


@pytest.mark.slow
def test_the_event_loop_is_never_blocked_for_long(ready, qtbot, finish, keeps_answering):
    viewer, widget = ready
    click(qtbot, widget.run)  # the very first import and compilation may block once
    finish(widget)
    widget.network.length.value = 8
    keeps_answering(viewer, lambda: (click(qtbot, widget.run), finish(widget)))


TINY = TrainingSettings(
    epochs=2,
    steps_per_epoch=3,
    batch_size=2,
    jit_compile=False,
    patch=PatchSettings(size=16),
    data=DataSettings(validation_share=0.2),
    validation=ValidationSettings(patches=1, size=16),
)


@pytest.mark.slow
def test_the_console_trains_in_the_background_and_names_the_model(models_folder):
    training = napari_isr.train([blobs()], settings=TINY, name="mine")
    assert "Training" in repr(training) or "training" in repr(training)
    trained = training.result(timeout=120)
    assert not training.is_running
    assert training.progress == "Finished after 2 epochs."
    assert trained.epochs == len(trained.curve) == 2
    assert load_model("mine").description.name == "mine"
    assert training_threads() == []


@pytest.mark.slow
def test_the_consoles_training_can_be_stopped_and_tells_where_it_is(models_folder):
    training = napari_isr.train(blobs(), settings=replace(TINY, epochs=10_000))
    while "loss" not in training.progress:
        time.sleep(0.05)
    with pytest.raises(TimeoutError, match="still runs"):
        training.result(timeout=0.01)
    training.stop()
    assert training.result(timeout=60).reason == "stopped"


def test_the_console_explains_what_does_not_fit(models_folder):
    with pytest.raises(InvalidInputError, match="goal must be"):
        napari_isr.train(blobs(), goal="nice")
    with pytest.raises(InvalidInputError, match="name of a model"):
        napari_isr.train(blobs(), name="a/b")
    with pytest.raises(InvalidInputError, match="no image to train on"):
        napari_isr.train(np.zeros((4, 4), np.uint8), settings=TINY).result(60)
