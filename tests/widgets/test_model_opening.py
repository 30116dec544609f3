"""Other people's model files, opened through the dialog: the window goes on meanwhile."""

from __future__ import annotations

import threading

import pytest
from qtpy.QtCore import QThreadPool
from qtpy.QtWidgets import QFileDialog

from napari_isr.widgets.batch.widget import BatchWidget
from napari_isr.widgets.upscale.widget import UpscaleWidget
from src_models import export_model
from src_models.models import onnx_files

OPEN = "open a model file…"


@pytest.fixture(params=["upscale", "batch"])
def form(request, make_napari_viewer, image, tmp_path):
    """A docked widget with something to do, its box of models, and the note under that."""
    viewer = make_napari_viewer(show=True)
    viewer.add_image(image)
    if request.param == "upscale":
        widget = UpscaleWidget(viewer)
        box, note = widget.model, widget.model_note
    else:
        widget = BatchWidget(viewer)
        widget.fields.source.value = "the selected layers"
        widget.fields.output.line_edit.value = str(tmp_path / "results")
        box, note = widget.fields.model, widget.fields.model_note
    dock = viewer.window.add_dock_widget(widget, name="Under test")
    return widget, box, note, lambda: viewer.window.remove_dock_widget(dock)


@pytest.fixture
def choose(monkeypatch):
    """Answer the dialog with a file."""

    def chosen(box, file):
        answer = staticmethod(lambda *_: (str(file), ""))
        monkeypatch.setattr(QFileDialog, "getOpenFileName", answer)
        box.value = OPEN

    return chosen


@pytest.fixture
def held(monkeypatch):
    """Files are tried for as long as this is not set; tells also in which threads."""
    gate, threads, tried = threading.Event(), [], onnx_files.probe

    def waiting(*arguments):
        threads.append(threading.current_thread())
        gate.wait(20)
        return tried(*arguments)

    monkeypatch.setattr(onnx_files, "probe", waiting)
    yield gate, threads
    gate.set()
    QThreadPool.globalInstance().waitForDone(20_000)


@pytest.mark.slow
def test_a_file_is_tried_beside_the_window_and_chosen_then(
    form, choose, held, tiny_model_file, tmp_path, qtbot
):
    widget, box, note, _ = form
    gate, threads = held
    file, last = export_model(tiny_model_file, "onnx", tmp_path / "other.onnx"), box.value
    qtbot.waitUntil(lambda: widget.run.enabled, timeout=20_000)
    choose(box, file)
    qtbot.waitUntil(lambda: bool(threads), timeout=20_000)
    assert note.text == "Trying what 'other.onnx' does, on small images …"
    assert box.value == last
    assert not box.enabled
    assert not widget.run.enabled
    gate.set()
    qtbot.waitUntil(lambda: box.value == str(file), timeout=20_000)
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()
    assert "x2" in note.text
    assert box.enabled
    qtbot.waitUntil(lambda: widget.run.enabled, timeout=20_000)


@pytest.mark.slow
def test_a_file_that_is_no_network_is_explained_and_the_last_model_stays(
    form, choose, tmp_path, qtbot
):
    widget, box, note, _ = form
    file, last = tmp_path / "bad.onnx", box.value
    file.write_bytes(b"no network")
    choose(box, file)
    qtbot.waitUntil(lambda: "cannot be opened as an ONNX file" in note.text, timeout=20_000)
    assert box.value == last
    assert box.enabled
    qtbot.waitUntil(lambda: widget.run.enabled, timeout=20_000)


@pytest.mark.slow
def test_the_widget_may_be_closed_while_a_file_is_tried(
    form, choose, held, tiny_model_file, tmp_path, qtbot
):
    _, box, _, close = form
    gate, threads = held
    choose(box, export_model(tiny_model_file, "onnx", tmp_path / "other.onnx"))
    qtbot.waitUntil(lambda: bool(threads), timeout=20_000)
    close()
    qtbot.wait(50)
    gate.set()
    assert QThreadPool.globalInstance().waitForDone(20_000)
    qtbot.wait(50)  # the thread's last words arrive, and reach nothing that is gone
