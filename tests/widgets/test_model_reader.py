"""Model files dropped onto napari open the Upscale widget, or end in a sentence."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from napari.utils.notifications import NotificationSeverity, notification_manager
from npe2 import PluginManager, PluginManifest
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent

from napari_isr._model_reader import get_model_reader
from napari_isr.widgets.shared.model_list import named_descriptions
from napari_isr.widgets.upscale.widget import UpscaleWidget
from src_models import export_model, upscale
from src_models.models import onnx_files
from src_models.models.user_models import add_user_model


@pytest.fixture
def viewer(make_napari_viewer):
    """A window that knows our plugin."""
    manager = PluginManager.instance()
    if "napari-isr" not in manager:
        manager.register(PluginManifest.from_distribution("napari-isr"))
    return make_napari_viewer()


def docked(viewer):
    """Return the Upscale widgets there are."""
    inner = [getattr(w, "_magic_widget", w) for w in viewer.window.dock_widgets.values()]
    return [widget for widget in inner if isinstance(widget, UpscaleWidget)]


def notes():
    return [(note.severity, note.message) for note in notification_manager.records]


@pytest.fixture(autouse=True)
def _no_notes():
    notification_manager.records.clear()


@pytest.mark.parametrize("kind", ["keras", "onnx"])
@pytest.mark.slow
def test_a_model_file_opens_the_widget_with_it(
    viewer, tiny_model_file, tmp_path, kind, qtbot
) -> None:
    file = tiny_model_file
    if kind == "onnx":
        file = export_model(file, "onnx", tmp_path / "other.onnx")
    assert viewer.open(str(file), plugin="napari-isr") == []
    assert len(viewer.layers) == 0
    qtbot.waitUntil(lambda: bool(notes()), timeout=20_000)
    [widget] = docked(viewer)
    assert widget.model.value == str(file)
    assert "x2, 1 channel" in widget.model_note.text
    assert notes()[-1][1] == "The model 'tiny' is chosen in the Upscale widget."
    other = tmp_path / "second.keras"
    other.write_bytes(tiny_model_file.read_bytes())
    viewer.open(str(other), plugin="napari-isr")  # with the widget open
    assert docked(viewer) == [widget]
    assert widget.model.value == str(other)


def drop(viewer, file):
    """Drop a file onto the canvas, as a hand does."""
    carried = QMimeData()
    carried.setUrls([QUrl.fromLocalFile(str(file))])
    how = Qt.DropAction.CopyAction, carried, Qt.MouseButton.LeftButton
    event = QDropEvent(QPointF(20, 20), *how, Qt.KeyboardModifier.NoModifier)
    viewer.window._qt_viewer.dropEvent(event)


def test_a_dropped_onnx_model_upscales(viewer, tiny_model_file, tmp_path, image, qtbot) -> None:
    file = export_model(tiny_model_file, "onnx", tmp_path / "other.onnx")
    viewer.add_image(image)
    drop(viewer, file)
    qtbot.waitUntil(lambda: bool(notes()), timeout=20_000)
    [widget] = docked(viewer)
    assert "the model is an ONNX file" in widget.plan_note.text
    widget.run.clicked.emit(True)
    qtbot.waitUntil(lambda: widget._worker is None, timeout=60_000)
    assert len(viewer.layers) == 2, widget.status.text
    np.testing.assert_array_equal(viewer.layers[-1].data, upscale(image, file))


def test_a_large_onnx_file_is_tried_beside_the_window(
    viewer, tiny_model_file, tmp_path, monkeypatch, qtbot
) -> None:
    file = export_model(tiny_model_file, "onnx", tmp_path / "other.onnx")
    threads, tried = [], onnx_files.probe

    def noted(*arguments):
        threads.append(threading.current_thread())
        return tried(*arguments)

    monkeypatch.setattr(onnx_files, "probe", noted)
    drop(viewer, file)
    qtbot.waitUntil(lambda: bool(notes()), timeout=20_000)
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()
    assert docked(viewer)[0].model.value == str(file)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("bad.keras", b"no archive", "is not a napari-isr model file, or it is damaged"),
        ("bad.onnx", b"no network", "cannot be opened as an ONNX file"),
        ("bad.onnx.zip", b"", "is not a napari-isr model file, or it is damaged"),
    ],
)
def test_a_bad_file_ends_in_a_sentence(viewer, tmp_path, name, content, words, qtbot) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    assert viewer.open(str(file), plugin="napari-isr") == []
    assert len(viewer.layers) == 0
    qtbot.waitUntil(lambda: bool(notes()), timeout=20_000)
    assert docked(viewer) == []
    severity, message = notes()[-1]
    assert severity == NotificationSeverity.ERROR
    assert name in message
    assert words in message


def test_other_files_are_left_to_other_readers() -> None:
    assert get_model_reader("a.tif") is None
    assert get_model_reader(["a.keras", "b.tif"]) is None
    assert get_model_reader([]) is None
    assert get_model_reader(["a.keras", "B.ONNX"]) is not None


def test_an_imported_onnx_model_is_offered_to_upscale_and_not_to_train(
    viewer, tiny_model_file, tmp_path
) -> None:
    file = export_model(tiny_model_file, "onnx", tmp_path / "other.onnx")
    add_user_model(file, "foreign")
    add_user_model(tiny_model_file, "own")
    viewer.window.add_dock_widget(UpscaleWidget(viewer))
    assert {"foreign", "own"} <= set(docked(viewer)[0].model.choices)
    assert "own" in named_descriptions(trainable=True)
    assert "foreign" not in named_descriptions(trainable=True)
