"""Folders and layers into files, by clicks in a real window."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile
from PIL import Image
from qtpy.QtCore import QPoint, Qt, QThreadPool, QTimer
from qtpy.QtWidgets import QFileDialog

import src_models
from napari_isr.bridge.events import model_events
from napari_isr.widgets.batch.form import LAYERS
from napari_isr.widgets.batch.table import STATE
from napari_isr.widgets.batch.widget import BatchWidget
from src_models.images.io import read_image
from src_models.models.user_models import user_model_folder


def click(qtbot, button):
    qtbot.mouseClick(button.native, Qt.MouseButton.LeftButton)


def grey(seed=0, shape=(12, 14)):
    return np.random.default_rng(seed).integers(0, 4096, shape).astype(np.uint16)


@pytest.fixture
def folder(tmp_path):
    """Five images, one of them cut off in the middle."""
    place = tmp_path / "ein ordner"
    place.mkdir()
    for number, name in enumerate(("a.tif", "b.tif", "c ä.tif", "d.tif")):
        tifffile.imwrite(place / name, grey(number))
    Image.fromarray((grey(9) >> 4).astype(np.uint8)).save(place / "e.png")
    whole = (place / "c ä.tif").read_bytes()
    (place / "c ä.tif").write_bytes(whole[:300])
    return place


@pytest.fixture
def slow(tmp_path):
    """Three images, the second of which takes seconds."""
    place = tmp_path / "slow"
    place.mkdir()
    for number, depth in enumerate((1, 10, 1)):
        tifffile.imwrite(place / f"{number}.tif", grey(number, (depth, 160, 160)))
    return place


@pytest.fixture
def widget(make_napari_viewer, tiny_model_file):
    viewer = make_napari_viewer(show=True)
    made = BatchWidget(viewer)
    viewer.window.add_dock_widget(made, name="Batch")
    made.open_model_file(tiny_model_file)
    return made


@pytest.fixture
def choose(qtbot):
    """Choose a folder and wait for the list of its files."""

    def chosen(widget, folder, **others):
        widget.fields.folder.line_edit.value = str(folder)
        for name, value in others.items():
            getattr(widget.fields, name).value = value
        listed(qtbot, widget)

    return chosen


def listed(qtbot, widget):
    qtbot.waitUntil(lambda: widget.run.enabled, timeout=10_000)


@pytest.fixture
def run(qtbot, finish):
    """Click Run and wait for the end."""

    def clicked(widget, button="run"):
        qtbot.waitUntil(lambda: getattr(widget, button).enabled, timeout=10_000)
        click(qtbot, getattr(widget, button))
        finish(widget)

    return clicked


def rows(widget):
    """Return file and state of each line, as they are shown."""
    model = widget.files.model()
    lines = range(model.rowCount())
    return {model.index(n, 0).data(): model.index(n, STATE).data() for n in lines}


def states(widget):
    return [state.partition(":")[0] for state in rows(widget).values()]


def names(place):
    return sorted(path.name for path in place.iterdir() if not path.name.startswith("."))


@pytest.mark.slow
def test_an_empty_form_says_what_to_do_first(widget):
    assert "First choose a folder" in widget.fields.source_note.text
    assert not widget.run.enabled
    assert not widget.files.isVisible()
    widget.fields.source.value = LAYERS
    assert "First select image layers" in widget.fields.source_note.text


@pytest.mark.slow
def test_a_bad_file_is_told_in_its_line_and_the_others_are_written(
    widget, folder, choose, run, tiny_model_file
):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    choose(widget, folder)
    assert "5 files" in widget.plan_note.text
    run(widget)
    assert states(widget) == ["done", "done", "failed", "done", "done"]
    assert "cannot be read" in rows(widget)["c ä.tif"]
    assert widget.status.text.endswith("4 done, 1 failed.")
    assert "c ä.tif" in widget.detail.text
    out = folder / "upscaled"
    assert names(out) == ["a_x2.ome.tif", "b_x2.ome.tif", "d_x2.ome.tif", "e_x2.png"]
    expected = src_models.upscale(grey(0), tiny_model_file)
    np.testing.assert_array_equal(read_image(out / "a_x2.ome.tif").array, expected)
    assert {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()} == before


@pytest.fixture
def mixture(tmp_path):
    """Forty files of every kind, seven of which cannot be read, and the names of those."""
    place = tmp_path / "große Mischung"
    place.mkdir()
    for i in range(10):
        Image.fromarray((grey(i) >> 4).astype(np.uint8)).save(place / f"grey {i}.png")
        Image.fromarray(grey(i)).save(place / f"tief_{i}.PNG")
        Image.fromarray(np.stack([grey(i) >> 4] * 3, -1).astype(np.uint8)).save(
            place / f"Föto {i}.jpg"
        )
    tifffile.imwrite(
        place / "細胞.tif", grey(0, (3, 12, 14)), imagej=True, metadata={"axes": "ZYX"}
    )
    tifffile.imwrite(place / "ome.ome.tif", grey(1, (2, 12, 14)), metadata={"axes": "CYX"})
    tifffile.imwrite(place / "grey 0.tif", grey(2))  # differs from a PNG in its ending only
    whole = {path.suffix: path.read_bytes() for path in sorted(place.iterdir())}
    (place / "cut.tif").write_bytes((place / "ome.ome.tif").read_bytes()[:-200])
    (place / "half.png").write_bytes(whole[".png"][:60])
    (place / "noise.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more of it")
    (place / "text.tif").write_bytes(b"not an image")
    (place / "zeros.png").write_bytes(bytes(500))
    (place / "empty.tif").write_bytes(b"")
    (place / "gone.tif").symlink_to(tmp_path / "elsewhere.tif")  # unreadable for anybody
    bad = {"cut.tif", "half.png", "noise.jpg", "text.tif", "zeros.png", "empty.tif", "gone.tif"}
    return place, bad


def test_forty_mixed_files_give_what_they_can_and_a_reason_each(
    widget, mixture, choose, run, tmp_path, monkeypatch, qtbot
):
    place, bad = mixture
    choose(widget, place)
    files = sorted(path.name for path in place.iterdir())
    assert len(files) == 40
    assert list(rows(widget)) == files
    run(widget)
    told = rows(widget)
    assert {name for name, state in told.items() if state.startswith("failed: ")} == bad
    assert all(told[name].endswith(".") for name in bad)
    assert widget.status.text.endswith("33 done, 7 failed.")
    results = names(place / "upscaled")
    assert len(results) == 33
    assert {"grey 0_x2.png", "grey 0_x2.ome.tif", "細胞_x2.ome.tif"} <= set(results)
    first = {name: (place / "upscaled" / name).read_bytes() for name in results}

    report = tmp_path / "report.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(report), ""))
    click(qtbot, widget.save_report)
    with report.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [Path(line["file"]).name for line in lines] == files
    assert all(bool(line["reason"]) == (Path(line["file"]).name in bad) for line in lines)

    widget.fields.output.line_edit.value = str(tmp_path / "again")
    listed(qtbot, widget)
    run(widget)
    assert {path.name: path.read_bytes() for path in (tmp_path / "again").glob("[!.]*")} == first


@pytest.mark.slow
def test_a_second_run_knows_what_is_done_and_retry_works_on_the_failed_alone(
    widget, folder, choose, run, qtbot
):
    choose(widget, folder)
    run(widget)
    out = folder / "upscaled"
    times = {name: (out / name).stat().st_mtime_ns for name in names(out)}
    tifffile.imwrite(folder / "c ä.tif", grey(2))
    run(widget, "retry")
    assert states(widget) == ["done"] * 5
    assert widget.status.text.startswith("1 file in")
    assert {name: (out / name).stat().st_mtime_ns for name in times} == times
    assert not widget.retry.native.isVisible()
    run(widget)
    assert states(widget) == ["was done before"] * 5


@pytest.mark.parametrize("source", ["a folder", LAYERS])
@pytest.mark.slow
def test_the_uncertainty_is_written_beside_each_result(widget, folder, source, run, qtbot):
    fields, output = widget.fields, folder.parent / "results"
    layer = widget._viewer.add_image(grey(), name="a")
    widget._viewer.layers.selection = {layer}
    fields.source.value = source
    fields.folder.line_edit.value, fields.output.line_edit.value = str(folder), str(output)
    fields.pattern.value = "a.tif"
    qtbot.mouseClick(fields.fold.button, Qt.MouseButton.LeftButton)
    qtbot.keyClick(fields.uncertainty.native, Qt.Key.Key_Down)
    assert fields.uncertainty.current_choice == "file of the standard deviation"
    assert fields.self_ensemble.value
    assert not fields.self_ensemble.enabled
    listed(qtbot, widget)
    qtbot.waitUntil(lambda: "_uncertainty.ome.tif" in widget.plan_note.text, timeout=10_000)
    run(widget)
    assert names(output) == ["a_x2.ome.tif", "a_x2_uncertainty.ome.tif"]
    large, doubt = src_models.upscale_with_uncertainty(grey(), fields.model.value, axes="YX")
    np.testing.assert_array_equal(read_image(output / "a_x2.ome.tif").array, large)
    found = read_image(output / "a_x2_uncertainty.ome.tif").array
    np.testing.assert_allclose(found, doubt, rtol=1e-4, atol=1e-3)
    qtbot.keyClick(fields.uncertainty.native, Qt.Key.Key_Up)
    assert not fields.self_ensemble.value
    assert fields.self_ensemble.enabled


@pytest.mark.slow
def test_only_what_failed_is_shown_when_asked(widget, folder, choose, run, qtbot):
    choose(widget, folder)
    run(widget)
    click(qtbot, widget.only_failed)
    if not widget.only_failed.value:  # the middle of a wide box is not its tick
        widget.only_failed.value = True
    assert list(rows(widget)) == ["c ä.tif"]
    tifffile.imwrite(folder / "c ä.tif", grey(2))
    run(widget, "retry")
    assert len(rows(widget)) == 5


@pytest.mark.parametrize(
    ("existing", "state", "found"),
    [
        ("skip", "left as it is", ["a_x2.ome.tif"]),
        ("number", "done", ["a_x2-2.ome.tif", "a_x2.ome.tif"]),
        ("overwrite", "done", ["a_x2.ome.tif"]),
    ],
)
@pytest.mark.slow
def test_results_that_are_there_are_treated_as_asked(
    widget, folder, choose, run, existing, state, found
):
    out = folder / "upscaled"
    out.mkdir()
    (out / "a_x2.ome.tif").write_bytes(b"mine")
    choose(widget, folder, existing=existing, pattern="a*")
    run(widget)
    assert states(widget) == [state]
    assert names(out) == found
    assert ((out / "a_x2.ome.tif").read_bytes() == b"mine") == (existing != "overwrite")


@pytest.mark.slow
def test_results_may_not_lie_among_the_images(widget, folder, qtbot):
    widget.fields.folder.line_edit.value = str(folder)
    widget.fields.output.line_edit.value = str(folder)
    qtbot.waitUntil(lambda: "never over them" in widget.fields.source_note.text)
    assert not widget.run.enabled
    assert not widget.files.isVisible()


@pytest.mark.slow
def test_folders_that_do_not_fit_are_explained_without_options_of_the_command(
    widget, tmp_path, qtbot
):
    (tmp_path / "empty").mkdir()
    for name, words in [("missing", "There is no folder"), ("empty", "There is no image")]:
        widget.fields.folder.line_edit.value = str(tmp_path / name)
        qtbot.waitUntil(lambda words=words: words in widget.fields.source_note.text)
        assert "--" not in widget.fields.source_note.text


@pytest.mark.slow
def test_folders_inside_are_made_again(widget, folder, choose, run):
    (folder / "deep").mkdir()
    tifffile.imwrite(folder / "deep" / "f.tif", grey())
    choose(widget, folder, recursive=True, pattern="*.tif", file_format="png")
    assert str(Path("deep") / "f.tif") in rows(widget)
    run(widget)
    assert (folder / "upscaled" / "deep" / "f_x2.png").is_file()
    run(widget)  # what was written is not taken for an image
    assert len(rows(widget)) == 5


@pytest.mark.slow
def test_cancel_removes_the_file_in_hand_and_run_goes_on(widget, slow, choose, run, qtbot):
    choose(widget, slow, tile_size=16)
    click(qtbot, widget.run)
    out = slow / "upscaled"
    qtbot.waitUntil(lambda: "in work" in rows(widget)["1.tif"], timeout=60_000)
    click(qtbot, widget.cancel)
    assert "Cancelling" in widget.status.text
    qtbot.waitUntil(lambda: widget._worker is None, timeout=10_000)
    assert states(widget) == ["done", "", ""]
    assert names(out) == ["0_x2.ome.tif"]
    assert not list(out.glob(".*part"))
    assert widget.status.text.startswith("Stopped after 1 of 3 files")
    run(widget)
    assert states(widget) == ["was done before", "done", "done"]


@pytest.mark.slow
def test_stop_after_this_file_finishes_it(widget, slow, choose, finish, qtbot):
    choose(widget, slow, tile_size=16)
    click(qtbot, widget.run)
    qtbot.waitUntil(lambda: "in work" in rows(widget)["1.tif"], timeout=60_000)
    click(qtbot, widget.finish_file)
    finish(widget)
    assert states(widget) == ["done", "done", ""]
    assert names(slow / "upscaled") == ["0_x2.ome.tif", "1_x2.ome.tif"]


@pytest.mark.slow
def test_the_report_holds_a_line_for_each_file(
    widget, folder, choose, run, qtbot, monkeypatch, tmp_path
):
    choose(widget, folder)
    run(widget)
    path = tmp_path / "report.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    click(qtbot, widget.save_report)
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [Path(line["file"]).name for line in lines] == list(rows(widget))
    assert [line["state"] for line in lines] == ["done", "done", "failed", "done", "done"]
    assert "cannot be read" in lines[2]["reason"]
    assert str(path) in widget.status.text


@pytest.mark.slow
def test_a_full_disk_is_told_and_run_goes_on(widget, folder, choose, run, small_disk):
    (folder / "c ä.tif").unlink()
    tifffile.imwrite(folder / "b.tif", grey(1, (300, 300)))
    widget.fields.output.line_edit.value = str(small_disk)
    choose(widget, folder)
    run(widget)
    assert states(widget) == ["done", "failed", "not done", "not done"]
    assert "make room" in widget.status.text
    tifffile.imwrite(folder / "b.tif", grey(1))
    run(widget, "retry")
    assert states(widget) == ["done"] * 4


def test_layers_become_files_with_axes_and_pixel_size(widget, tmp_path, qtbot, finish):
    viewer = widget._viewer
    stack = grey(0, (3, 12, 14))
    viewer.add_image(
        stack,
        name="a/b: cells",
        scale=(2.0, 0.5, 0.5),
        units=("um", "um", "um"),
        axis_labels=("z", "y", "x"),
    )
    photo = np.random.default_rng(0).integers(0, 255, (12, 14, 3)).astype(np.uint8)
    viewer.add_image(photo, name="photo", rgb=True)
    viewer.add_image(np.zeros((1, 1)), name="dot")
    viewer.add_labels(np.zeros((9, 9), int), name="regions")
    viewer.layers.selection = set(viewer.layers)
    out = tmp_path / "out"
    widget.fields.source.value = LAYERS
    assert "Choose a folder for the results" in widget.fields.output_note.text
    assert "1 of other types" in widget.fields.source_note.text
    widget.fields.output.line_edit.value = str(out)
    listed(qtbot, widget)
    click(qtbot, widget.run)
    finish(widget)
    assert rows(widget)["a_b_ cells"] == "done"
    assert states(widget) == ["done", "done", "failed"]
    assert "two pixels" in rows(widget)["dot"]
    cells = read_image(out / "a_b_ cells_x2.ome.tif")
    assert (cells.axes, cells.array.shape, cells.dtype) == ("ZYX", (3, 24, 28), np.uint16)
    assert cells.pixel_size == pytest.approx({"Z": 2.0, "Y": 0.25, "X": 0.25})
    assert set(cells.units.values()) == {"micrometer"}
    assert read_image(out / "photo_x2.ome.tif").rgb
    np.testing.assert_array_equal(viewer.layers[0].data, stack)
    click(qtbot, widget.run)  # no journal tells one layer from a later one: files stay as they are
    finish(widget)
    assert states(widget) == ["left as it is", "left as it is", "failed"]
    assert "already" in rows(widget)["photo"]


@pytest.mark.slow
def test_the_list_follows_the_selection_of_layers(widget, tmp_path, qtbot):
    viewer = widget._viewer
    widget.fields.source.value = LAYERS
    widget.fields.output.line_edit.value = str(tmp_path / "out")
    first = viewer.add_image(grey(), name="first")
    viewer.add_image(grey(), name="second")
    qtbot.waitUntil(lambda: list(rows(widget)) == ["second"])
    viewer.layers.selection.add(first)
    qtbot.waitUntil(lambda: list(rows(widget)) == ["first", "second"])


@pytest.mark.slow
def test_a_model_that_is_saved_joins_the_list_at_once(widget, tiny_model_file, qtbot):
    chosen = widget.fields.model.value
    target = user_model_folder() / "of mine.keras"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(tiny_model_file.read_bytes())
    model_events.saved.emit("of mine")
    qtbot.waitUntil(lambda: "of mine" in widget.fields.model.choices)
    assert widget.fields.model.value == chosen


@pytest.mark.slow
def test_what_is_wrong_with_a_model_or_axes_is_told_at_the_field(widget, folder, choose, tmp_path):
    choose(widget, folder)
    (tmp_path / "notes.keras").write_text("no model")
    widget.open_model_file(tmp_path / "notes.keras")
    assert "not a napari-isr model" in widget.fields.model_note.text
    widget.fields.axes.value = "ZZ"
    assert "one letter a dimension" in widget.fields.axes_note.text
    assert not widget.run.enabled


@pytest.mark.slow
def test_axes_that_do_not_fit_a_file_fail_in_its_line(widget, folder, choose, run):
    choose(widget, folder, axes="ZYX")
    run(widget)
    assert set(states(widget)) == {"failed"}
    widget.fields.axes.value = ""
    run(widget, "retry")
    assert states(widget) == ["done", "done", "failed", "done", "done"]


@pytest.mark.parametrize("how", ["dock", "napari"])
@pytest.mark.slow
def test_closing_during_a_run_leaves_no_thread_and_no_half_file(widget, slow, choose, qtbot, how):
    choose(widget, slow, tile_size=16)
    click(qtbot, widget.run)
    qtbot.waitUntil(lambda: "in work" in rows(widget)["1.tif"], timeout=60_000)
    viewer = widget._viewer
    if how == "dock":
        viewer.window.remove_dock_widget(widget)
    else:
        viewer.close()
    assert QThreadPool.globalInstance().waitForDone(5_000)
    assert names(slow / "upscaled") == ["0_x2.ome.tif"]
    assert not list((slow / "upscaled").glob(".*part"))


@pytest.mark.slow
def test_ten_thousand_files_do_not_stop_the_window(
    widget, tmp_path, choose, finish, qtbot, keeps_answering
):
    place = tmp_path / "many"
    place.mkdir()
    for number in range(10_000):
        (place / f"{number:05}.tif").touch()
    tifffile.imwrite(place / "00000.tif", grey())

    def look():
        widget.fields.folder.line_edit.value = str(tmp_path)
        choose(widget, place)

    keeps_answering(widget._viewer, look)
    assert "10,000 files" in widget.plan_note.text

    def work():
        click(qtbot, widget.run)
        finish(widget)

    keeps_answering(widget._viewer, work, lambda: shutil.rmtree(place / "upscaled"))
    assert states(widget)[:2] == ["done", "failed"]
    assert "9,999 failed" in widget.status.text
    switch = widget.only_failed.native.click
    keeps_answering(widget._viewer, switch, switch)


@pytest.mark.slow
def test_memory_stays_flat_over_three_hundred_files(widget, tmp_path, choose, finish, qtbot):
    place = tmp_path / "many"
    place.mkdir()
    for number in range(300):
        tifffile.imwrite(place / f"{number:03}.tif", grey(number, (32, 32)))
    choose(widget, place)
    used, process = [], psutil.Process()
    timer = QTimer()

    def look():
        if widget._batch is not None:
            used.append((len(widget._batch.outcomes), process.memory_info().rss / 2**20))

    timer.timeout.connect(look)
    timer.start(50)
    click(qtbot, widget.run)
    finish(widget, timeout=120_000)
    timer.stop()
    assert states(widget) == ["done"] * 300
    count, size = np.array([entry for entry in used if entry[0] > 60]).T
    slope = np.polyfit(count, size, 1)[0] * 300
    assert slope < 12, f"{slope:.1f} MiB over 300 files"


@pytest.mark.slow
def test_a_click_on_a_line_tells_all_of_the_file(widget, folder, choose, qtbot):
    choose(widget, folder)
    qtbot.waitUntil(lambda: "of work" in widget.plan_note.text)
    files = widget.files
    place = files.visualRect(files.model().index(1, 0)).center()
    qtbot.mouseClick(files.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(place))
    assert "b.tif, 12 x 14 pixels" in widget.detail.text
