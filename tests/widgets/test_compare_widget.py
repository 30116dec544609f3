from __future__ import annotations

import csv
import io
import threading
import time

import dask.array
import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtGui import QImage, QPainter
from qtpy.QtSvg import QSvgRenderer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDockWidget, QFileDialog, QMessageBox
from scipy.ndimage import gaussian_filter

from napari_isr.bridge.layers import LayerSource, result_layer
from napari_isr.bridge.trust_layers import JUDGES
from napari_isr.widgets.compare import measure as _compare_work
from napari_isr.widgets.compare.canvas_cut import canvas_of
from napari_isr.widgets.compare.numbers import columns, value_of, written
from napari_isr.widgets.compare.views import CURTAIN, NONE, SIDE_BY_SIDE
from napari_isr.widgets.compare.widget import CompareWidget
from src_models.images.degradation import binned
from src_models.images.tiling import Region
from src_models.quality.comparison import compare_with_truth, interpolated, profile
from src_models.quality.consistency import measure_consistency
from src_models.quality.resolution import decorrelation_analysis, fourier_ring_correlation

RECORD = {"model": "microscopy-x2", "scale": 2}


def click(qtbot, button):
    qtbot.mouseClick(button.native, Qt.MouseButton.LeftButton)


def check_box(qtbot, listed, at):
    """Click the box before a name."""
    box = listed.visualItemRect(listed.item(at))
    place = box.topLeft()
    place.setX(place.x() + 10)
    place.setY(box.center().y())
    qtbot.mouseClick(listed.viewport(), Qt.MouseButton.LeftButton, pos=place)


def likeness_of_pictures(svg, png):
    """Return how much alike two figures are, up to 1; blurred, as letters are drawn apart."""
    drawn = QImage(1800, 1120, QImage.Format.Format_RGB32)
    painter = QPainter(drawn)
    QSvgRenderer(str(svg)).render(painter)
    painter.end()
    pair = []
    for picture in (drawn, QImage(str(png))):
        grey = picture.convertToFormat(QImage.Format.Format_Grayscale8)
        size = grey.height(), grey.bytesPerLine()
        pixels = np.frombuffer(grey.constBits().asstring(grey.sizeInBytes()), np.uint8)
        pair.append(gaussian_filter(pixels.reshape(size)[:, : grey.width()] / 255, 4))
    return np.corrcoef(pair[0].ravel(), pair[1].ravel())[0, 1]


@pytest.fixture
def truth():
    y, x = np.mgrid[:64, :80]
    return (2000 + 900 * np.sin(y / 3) * np.cos(x / 4) + y * 5).astype(np.uint16)


@pytest.fixture
def image(truth):
    return binned(truth, 2)


@pytest.fixture
def sharp(truth):
    """A result that is closer to the truth than interpolation is."""
    noise = np.random.default_rng(0).normal(0, 4, truth.shape)
    return (truth + noise).astype(np.uint16)


@pytest.fixture
def dock(make_napari_viewer):
    def make(show=True):
        viewer = make_napari_viewer(show=show)
        if show:
            viewer.window.resize(1200, 900)
        widget = CompareWidget(viewer)
        viewer.window.add_dock_widget(widget, name="Compare")
        return viewer, widget

    return make


def add_result(viewer, source, pixels, **record):
    layer = result_layer(LayerSource.of(source), pixels, RECORD | record)
    return viewer.add_layer(layer)


@pytest.fixture
def ready(dock, image, sharp, truth):
    """A viewer with an input of 0.2 µm pixels, a result and the truth, chosen in the widget."""
    viewer, widget = dock()
    source = viewer.add_image(image, name="cells", scale=(0.2, 0.2), units=("um", "um"))
    add_result(viewer, source, sharp)
    viewer.add_image(
        truth, name="truth", scale=(0.1, 0.1), translate=(-0.05, -0.05), units=("um", "um")
    )
    widget.fields.truth.value = viewer.layers["truth"]
    return viewer, widget


@pytest.fixture
def measure(qtbot, finish):
    def run(widget):
        click(qtbot, widget.run)
        finish(widget)
        assert widget.measured is not None, widget.status.text
        return widget.measured

    return run


def test_an_empty_window_says_what_to_do_first(dock):
    _, widget = dock()
    assert "First open an image" in widget.fields.input_note.text
    assert not widget.run.enabled


def test_results_of_the_input_are_checked_at_first_and_others_are_not(dock, image, sharp):
    viewer, widget = dock()
    cells = viewer.add_image(image, name="cells")
    assert "There is nothing to compare with yet" in widget.fields.result_note.text
    other = viewer.add_image(image, name="other")
    result = add_result(viewer, cells, sharp)
    assert widget.fields.input.value == cells
    assert widget.fields.results.checked == [result]
    cells.name, result.name = "renamed", "its result"
    assert widget.fields.results.checked == [result]
    assert widget.fields.results.layers == [other, result]
    widget.fields.input.value = other
    assert widget.fields.results.checked == []
    assert "Check the results" in widget.fields.result_note.text


@pytest.mark.slow
def test_in_another_session_results_are_known_by_the_name_of_their_source(dock, image, sharp):
    viewer, widget = dock()
    cells = viewer.add_image(image, name="cells")
    viewer.add_image(image, name="other")
    record = RECORD | {"source": "cells", "source_id": "of a session that is over"}
    result = viewer.add_image(sharp, metadata={"napari-isr": record})
    widget.fields.input.value = cells
    assert widget.fields.results.checked == [result]


@pytest.mark.slow
def test_a_plane_of_nothing_has_no_numbers(dock, measure, sharp):
    viewer, widget = dock()
    cells = viewer.add_image(np.full((32, 40), np.nan, np.float32), name="cells")
    add_result(viewer, cells, sharp)
    widget.fields.input.value = cells
    row = measure(widget).rows[2]
    assert np.isnan(row.agreement)
    assert value_of(row, "agreement") is None
    assert widget.table.horizontalHeaderItem(0).text() == "Agrees"
    assert widget.table.item(5, 0).text() == written(row, columns(widget.measured)[0])
    assert not any(letter.isalnum() for letter in widget.table.item(5, 0).text())


@pytest.mark.slow
def test_the_numbers_are_those_of_the_library(ready, measure, truth, image, sharp):
    _, widget = ready
    measured = measure(widget)
    assert [row.kind for row in measured.rows] == ["input", "bicubic", "result", "truth"]
    assert measured.rows[1].closeness == compare_with_truth(truth, interpolated(image, 2))
    assert measured.rows[2].closeness == compare_with_truth(truth, sharp)
    expected = measure_consistency(sharp, image, model="microscopy-x2")
    assert measured.rows[2].agreement == expected.share
    assert expected.in_words in measured.rows[2].agreement_words
    assert "by binning" in measured.rows[2].agreement_words
    table = widget.table
    heads = [table.horizontalHeaderItem(at).text() for at in range(table.columnCount())]
    assert heads[:4] == ["PSNR", "SSIM", "NRMSE", "Agrees"]
    assert table.item(5, 0).text() == f"{measured.rows[2].closeness.psnr:.2f}"
    assert table.item(5, 0).font().bold()
    assert not table.item(3, 0).font().bold()
    assert "central 99.8 %" in widget.number_note.text


@pytest.mark.slow
def test_names_and_numbers_are_seen_whole_in_a_narrow_dock(ready, qtbot, measure):
    viewer, widget = ready
    viewer.layers[0].name = "cells of the second plate"
    viewer.layers[1].name = "cells of the second plate x2 [mine]"
    table = widget.table
    [dock] = viewer.window._qt_window.findChildren(QDockWidget, "Compare")
    for width in (350, 430):
        viewer.window._qt_window.resizeDocks([dock], [width], Qt.Orientation.Horizontal)
        measure(widget)
        assert widget.width() <= width
        assert table.rowCount() == 8
        assert not table.horizontalScrollBar().isVisible()
        for line in range(8):
            for column in range(1 if line % 2 == 0 else 6):
                cell = table.model().index(line, column)
                assert table.sizeHintForIndex(cell).width() <= table.visualRect(cell).width()


@pytest.mark.slow
def test_a_name_and_its_numbers_are_selected_together(ready, qtbot, measure):
    _, widget = ready
    measure(widget)
    table = widget.table

    def click_cell(line, column):
        place = table.visualItemRect(table.item(line, column)).center()
        qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)

    for line, column, kind in [(2, 0, "bicubic"), (5, 3, "result"), (3, 1, "bicubic")]:
        click_cell(line, column)
        assert table.chosen.kind == kind
        both = {line // 2 * 2, line // 2 * 2 + 1}
        assert {index.row() for index in table.selectedIndexes()} == both
    qtbot.keyClick(table, Qt.Key.Key_Down)
    assert table.chosen.kind == "result"
    for _ in range(3):
        qtbot.keyClick(table, Qt.Key.Key_Up)
    assert table.has_other
    assert table.currentRow() == 1


@pytest.mark.slow
def test_with_truth_rings_tell_how_far_an_image_agrees_with_it(
    ready, qtbot, measure, truth, image, sharp
):
    _, widget = ready
    measured = measure(widget)
    [low, _, result, itself] = measured.rows
    expected = fourier_ring_correlation(sharp, truth, pixel_size=0.1)
    assert result.rings.resolution == expected.resolution
    # What has no truth of its size tells of itself, in brackets and beyond the contest.
    assert itself.rings.resolution == fourier_ring_correlation(truth, pixel_size=0.1).resolution
    assert low.rings.resolution == fourier_ring_correlation(image, pixel_size=0.2).resolution
    frc = [widget.table.item(line, 4) for line in (1, 3, 5, 7)]
    assert [cell.text().startswith("(") for cell in frc] == [True, False, False, True]
    best = min(row.rings.resolution for row in measured.rows[1:3])
    is_best = [row.with_truth and row.rings.resolution == best for row in measured.rows]
    assert [cell.font().bold() for cell in frc] == is_best
    assert "in brackets" in widget.number_note.text
    click(qtbot, widget.copy)
    lines = csv.DictReader(io.StringIO(QApplication.clipboard().text()))
    against = [line["FRC against"] for line in lines]
    assert against == ["itself", "the truth", "the truth", "itself"]
    names = [curve.name for curve in widget.resolution.curves]
    assert names[0] == "cells (alone)"
    assert names[1] == "bicubic x2"
    assert itself.decorrelation.resolution == pytest.approx(
        decorrelation_analysis(truth, pixel_size=0.1).resolution
    )


@pytest.mark.slow
def test_a_truth_of_another_exposure_is_told_and_can_be_fitted(
    ready, qtbot, measure, finish, truth, sharp
):
    viewer, widget = ready
    assert widget.fields.fit.visible
    plain = measure(widget)
    assert widget.exposure_note.text == ""
    exposed = viewer.layers["truth"].data = (truth // 4 + 500).astype(np.uint16)
    measure(widget)
    assert "another brightness or contrast than the input" in widget.exposure_note.text
    assert "gain of 0.25" in widget.exposure_note.text
    click(qtbot, widget.fields.fit)
    assert "Measure again" in widget.outdated_note.text
    fitted = measure(widget)
    assert widget.exposure_note.text == ""
    assert "fitted to the truth" in widget.number_note.text
    for before, after in zip(plain.rows[1:3], fitted.rows[1:3], strict=True):
        assert after.closeness.psnr == pytest.approx(before.closeness.psnr_fitted, abs=1)
    click(qtbot, widget.copy)
    lines = csv.DictReader(io.StringIO(QApplication.clipboard().text()))
    assert [line["fitted to the truth"] for line in lines] == ["", "yes", "yes", ""]
    click(qtbot, widget.subtract)
    finish(widget)
    found = fitted.rows[2].closeness
    expected = found.gain * sharp + found.offset - exposed
    np.testing.assert_allclose(viewer.layers[-1].data, expected, atol=1e-3)
    widget.fields.truth.value = None
    assert not widget.fields.fit.visible


@pytest.mark.slow
def test_the_curves_of_resolution_are_drawn_in_the_unit_of_the_layer(ready, qtbot, measure):
    _, widget = ready
    widget.fields.truth.value = None
    measure(widget)
    widget.tabs.setCurrentIndex(2)
    names = [curve.name for curve in widget.resolution.curves]
    assert names == ["cells", "bicubic x2", "cells x2 [microscopy-x2]", "threshold"]
    input_curve, _, curve, _ = widget.resolution.curves
    assert input_curve.x[-1] == pytest.approx(0.5 / 0.2, rel=0.1)
    assert curve.x[-1] == pytest.approx(0.5 / 0.1, rel=0.1)
    widget.method.value = "decorrelation analysis"
    assert [curve.name for curve in widget.resolution.curves] == names[:-1]
    assert widget.save_resolution.enabled


@pytest.mark.slow
def test_planes_that_are_too_small_for_a_resolution_say_so(dock, measure, image, sharp):
    viewer, widget = dock()
    cells = viewer.add_image(image[:10, :10], name="cells")
    add_result(viewer, cells, sharp[:20, :20])
    measure(widget)
    assert "32 pixels" in widget.number_note.text
    assert "No curve" in widget.resolution.words.text


@pytest.mark.slow
def test_without_truth_there_is_no_psnr(ready, measure):
    _, widget = ready
    widget.fields.truth.value = None
    measured = measure(widget)
    assert [row.kind for row in measured.rows] == ["input", "bicubic", "result"]
    assert widget.table.horizontalHeaderItem(0).text() == "Agrees"
    assert "Without a truth" in widget.number_note.text


@pytest.mark.slow
def test_the_numbers_go_to_the_clipboard_as_csv(ready, qtbot, measure):
    _, widget = ready
    measured = measure(widget)
    click(qtbot, widget.copy)
    lines = list(csv.DictReader(io.StringIO(QApplication.clipboard().text())))
    assert [line["image"] for line in lines] == [row.name for row in measured.rows]
    assert float(lines[2]["PSNR (dB)"]) == pytest.approx(measured.rows[2].closeness.psnr, rel=1e-5)
    assert lines[0]["PSNR (dB)"] == ""
    assert "FRC resolution (µm)" in lines[0]


@pytest.mark.slow
def test_the_difference_lies_on_the_result_with_0_in_the_middle(
    ready, qtbot, measure, finish, truth, sharp
):
    viewer, widget = ready
    measure(widget)
    click(qtbot, widget.subtract)
    finish(widget)
    layer = viewer.layers[-1]
    assert layer.name == "cells x2 [microscopy-x2] - truth"
    np.testing.assert_array_equal(layer.data, sharp.astype(float) - truth)
    low, high = layer.contrast_limits
    assert low == -high < 0
    np.testing.assert_allclose(layer.colormap.map(0.5)[0, :3], 1, atol=0.01)
    np.testing.assert_allclose(layer.extent.world, viewer.layers[1].extent.world)
    assert layer not in widget.fields.results.layers
    widget.fields.truth.value = None
    measure(widget)
    click(qtbot, widget.subtract)
    finish(widget)
    assert viewer.layers[-1].name == "cells x2 [microscopy-x2] - bicubic x2"


@pytest.mark.slow
def test_a_difference_of_input_or_truth_is_refused_in_words(ready, qtbot, measure):
    viewer, widget = ready
    measure(widget)
    names = [row.name for row in widget.table.rows]
    for name in ("cells", "truth"):
        widget.table.setCurrentCell(2 * names.index(name), 0)
        click(qtbot, widget.subtract)
        assert "select one in the table" in widget.status.text
    assert len(viewer.layers) == 3


@pytest.mark.slow
def test_a_preview_is_not_checked_and_what_judges_a_result_not_offered(dock, image, sharp):
    viewer, widget = dock()
    cells = viewer.add_image(image, name="cells")
    source, part = LayerSource.of(cells), Region(0, 8, 0, 8)
    preview = viewer.add_layer(result_layer(source, sharp[:16, :16], RECORD, part))
    doubt = viewer.add_image(sharp, name="doubt", metadata={"napari-isr": {JUDGES: "cells x2"}})
    result = add_result(viewer, cells, sharp)
    assert widget.fields.input.value == cells
    assert widget.fields.results.checked == [result]
    assert preview in widget.fields.results.layers
    assert doubt not in widget.fields.results.layers
    assert doubt not in widget.fields.input.choices


@pytest.mark.slow
def test_axes_are_those_that_a_result_was_made_with(dock, measure, image, sharp):
    viewer, widget = dock()
    cells = viewer.add_image(np.stack([image] * 5, axis=-1), name="cells", rgb=False)
    record = RECORD | {"source": "cells", "settings": {"axes": "YXC"}}
    pixels = np.stack([sharp] * 5, axis=-1)
    viewer.add_image(pixels, name="result", rgb=False, metadata={"napari-isr": record})
    widget.fields.input.value = cells
    assert measure(widget).request.input.source.axes == "YXC"


@pytest.mark.slow
def test_the_views_show_bicubic_once_it_is_a_layer(ready, qtbot, measure, finish):
    _, widget = ready
    measure(widget)
    widget.view.value = CURTAIN
    assert "Add bicubic to see it" in widget.view_note.text
    click(qtbot, widget.add_bicubic)
    finish(widget)
    qtbot.waitUntil(lambda: "Add bicubic" not in widget.view_note.text, timeout=5000)
    assert widget.view.value == CURTAIN
    assert "right of it 'cells x2 [microscopy-x2]'" in widget.view_note.text
    names = [row.name for row in widget.table.rows]
    widget.table.setCurrentCell(2 * names.index("bicubic x2"), 0)
    assert "right of it 'cells x2 [bicubic]'" in widget.view_note.text
    widget.view.value = SIDE_BY_SIDE
    assert "'cells', 'cells x2 [bicubic]', 'cells x2 [microscopy-x2]'" in widget.view_note.text


def test_bicubic_becomes_a_layer_on_the_input(ready, qtbot, measure, finish, image):
    viewer, widget = ready
    measure(widget)
    click(qtbot, widget.add_bicubic)
    finish(widget)
    layer = viewer.layers[-1]
    np.testing.assert_array_equal(layer.data, interpolated(image, 2))
    np.testing.assert_allclose(layer.translate, [-0.05, -0.05])
    assert layer.name == "cells x2 [bicubic]"
    # It is told while it is true.
    assert widget.status.text == "Layer 'cells x2 [bicubic]' added."
    viewer.layers.remove("truth")
    layer.name = "baseline"
    assert widget.status.text == "Layer 'baseline' added."
    viewer.layers.remove(layer)
    assert widget.status.text == ""
    assert not widget.status.visible


@pytest.mark.slow
def test_a_line_is_drawn_in_two_dimensions(ready, qtbot, measure):
    viewer, widget = ready
    measure(widget)
    viewer.dims.ndisplay = 3
    widget.tabs.setCurrentIndex(1)
    click(qtbot, widget.draw_line)
    assert viewer.dims.ndisplay == 2
    assert viewer.layers.selection.active.mode == "add_line"


def drag(qtbot, viewer, start, end):
    """Drag the mouse over the canvas."""
    canvas = canvas_of(viewer).native
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=QPoint(*start))
    middle = [(a + b) // 2 for a, b in zip(start, end, strict=True)]
    for place in (middle, end):
        QTest.mouseMove(canvas, QPoint(*place))
        qtbot.wait(30)
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=QPoint(*end))


@pytest.mark.slow
def test_lines_are_drawn_in_a_layer_of_their_own_that_is_shown(ready, qtbot, measure):
    viewer, widget = ready
    mine = viewer.add_shapes([[[0, 0], [1, 1]]], shape_type="line", units=("um", "um"))
    mine.visible = False
    measure(widget)
    widget.tabs.setCurrentIndex(1)
    assert widget.line.value is None
    click(qtbot, widget.draw_line)
    lines = widget.line.value
    assert lines is viewer.layers.selection.active is viewer.layers["profile line"]
    drag(qtbot, viewer, (200, 300), (300, 350))
    qtbot.waitUntil(lambda: len(widget.profiles.curves) == 4, timeout=5000)
    lines.visible = False
    viewer.layers.selection.active = mine
    click(qtbot, widget.draw_line)
    assert lines.visible
    drag(qtbot, viewer, (200, 200), (300, 150))
    assert [len(lines.data), len(mine.data)] == [2, 1]
    assert len(viewer.layers) == 5
    # Side by side, lines would be beside the images.
    widget.view.value = SIDE_BY_SIDE
    assert not lines.visible
    click(qtbot, widget.draw_line)
    assert widget.view.value == NONE
    assert lines.visible


@pytest.mark.slow
def test_lines_are_drawn_in_the_user_s_layer_once_it_is_chosen(ready, qtbot, measure):
    viewer, widget = ready
    mine = viewer.add_shapes(ndim=2, name="mine", units=("um", "um"))
    mine.visible = False
    measure(widget)
    widget.tabs.setCurrentIndex(1)
    widget.line.value = mine
    viewer.add_image(np.zeros((9, 9)))
    assert widget.line.value is mine
    click(qtbot, widget.draw_line)
    assert mine.visible
    drag(qtbot, viewer, (200, 300), (300, 350))
    qtbot.waitUntil(lambda: len(widget.profiles.curves) == 4, timeout=5000)
    assert len(mine.data) == 1
    assert len(viewer.layers) == 5
    viewer.layers.remove(mine)
    assert widget.line.value is None


@pytest.mark.slow
def test_profiles_of_all_line_up_in_the_unit_of_the_layer(ready, qtbot, measure, truth):
    viewer, widget = ready
    measure(widget)
    widget.tabs.setCurrentIndex(1)
    assert "Draw a line" in widget.profiles.words.text
    click(qtbot, widget.draw_line)
    shapes = viewer.layers[-1]
    shapes.add([[4, 5], [4, 25]], shape_type="line")
    qtbot.waitUntil(lambda: len(widget.profiles.curves) == 4, timeout=5000)
    curves = {curve.name: curve for curve in widget.profiles.curves}
    assert all(curve.x[-1] == pytest.approx(20 * 0.2) for curve in curves.values())
    # Pixel 4 of the input lies between the pixels 8 and 9 of the truth.
    np.testing.assert_allclose(curves["truth"].y, profile(truth, (8.5, 10.5), (8.5, 50.5)))
    aligned = np.interp(curves["truth"].x, curves["bicubic x2"].x, curves["bicubic x2"].y)
    assert np.corrcoef(aligned, curves["truth"].y)[0, 1] > 0.98
    shapes.data = [np.array([[4, 5], [4, 15]])]
    qtbot.waitUntil(lambda: widget.profiles.curves[0].x[-1] < 2.1, timeout=5000)
    viewer.layers.remove(shapes)
    assert "Draw a line" in widget.profiles.words.text


@pytest.mark.slow
def test_figures_are_saved_as_png_and_svg_and_never_over_a_file_unasked(
    ready, qtbot, measure, tmp_path, monkeypatch
):
    viewer, widget = ready
    measure(widget)
    widget.tabs.setCurrentIndex(1)
    click(qtbot, widget.draw_line)
    viewer.layers[-1].add([[4, 5], [4, 25]], shape_type="line")
    qtbot.waitUntil(lambda: bool(widget.profiles.curves), timeout=5000)
    chosen = []
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: chosen[-1])
    chosen.append((str(tmp_path / "a.svg"), "SVG (*.svg)"))
    click(qtbot, widget.save_profiles)
    text = (tmp_path / "a.svg").read_text()
    assert "<path" in text or "<polyline" in text
    assert "bicubic x2" in text
    (tmp_path / "b.png").write_text("somebody's")
    chosen.append((str(tmp_path / "b"), "PNG (*.png)"))
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.No)
    click(qtbot, widget.save_profiles)
    assert (tmp_path / "b.png").read_text() == "somebody's"
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)
    click(qtbot, widget.save_profiles)
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")
    assert likeness_of_pictures(tmp_path / "a.svg", tmp_path / "b.png") > 0.9
    chosen.append((str(tmp_path / "nowhere" / "c.png"), "PNG (*.png)"))
    click(qtbot, widget.save_profiles)
    assert "not written" in widget.status.text
    chosen.append(("", ""))
    click(qtbot, widget.save_profiles)


@pytest.mark.parametrize(
    ("shape", "rgb", "words"),
    [
        ((63, 80), False, "whole number of times larger"),
        ((64, 120), False, "whole number of times larger"),
        ((20, 20), False, "whole number of times larger"),
        ((3, 64, 80), False, "3 dimensions, and the input 2"),
        ((64, 80, 3), True, "in colour, and the input is not"),
    ],
)
@pytest.mark.slow
def test_what_does_not_fit_is_explained(dock, qtbot, image, shape, rgb, words):
    viewer, widget = dock()
    viewer.add_image(image, name="cells")
    viewer.add_image(np.zeros(shape, np.uint8), name="odd", rgb=rgb)
    widget.fields.input.value = viewer.layers["cells"]
    check_box(qtbot, widget.fields.results, 0)
    assert words in widget.fields.result_note.text
    assert not widget.run.enabled
    widget.fields.truth.value = viewer.layers["odd"]
    add_result(viewer, viewer.layers["cells"], np.zeros((64, 80), np.uint16))
    assert words in widget.fields.truth_note.text
    assert widget.run.enabled


@pytest.mark.slow
def test_a_truth_of_another_size_and_results_of_two_sizes_are_explained(
    dock, measure, image, sharp
):
    viewer, widget = dock()
    cells = viewer.add_image(image, name="cells")
    add_result(viewer, cells, sharp)
    four = viewer.add_image(np.repeat(np.repeat(sharp, 2, 0), 2, 1), name="four")
    widget.fields.truth.value = four
    assert "must be as large as the results: 2 times" in widget.fields.truth_note.text
    widget.fields.truth.value = None
    add_result(viewer, cells, four.data, model="microscopy-x4", scale=4)
    measured = measure(widget)
    assert [row.name for row in measured.rows[1:3]] == ["bicubic x2", "bicubic x4"]


@pytest.mark.slow
def test_layers_that_lie_elsewhere_are_pointed_out(ready):
    viewer, widget = ready
    assert widget.fields.hint_note.text == ""
    viewer.layers["truth"].scale = (1, 1)
    widget._refresh()
    assert "does not lie on the input" in widget.fields.hint_note.text


@pytest.mark.parametrize("is_lazy", [False, True])
@pytest.mark.slow
def test_of_a_stack_the_displayed_plane_is_measured(
    dock, qtbot, measure, finish, truth, image, sharp, is_lazy
):
    viewer, widget = dock()

    def stack(plane):
        whole = np.stack([np.stack([plane + 50 * t + 7 * z for z in range(3)]) for t in range(2)])
        return dask.array.from_array(whole, chunks=(1, 1, 20, 40)) if is_lazy else whole

    cells = viewer.add_image(stack(image), name="cells", axis_labels=("t", "z", "y", "x"))
    add_result(viewer, cells, stack(sharp))
    viewer.add_image(stack(truth), name="truth")
    widget.fields.truth.value = viewer.layers["truth"]
    viewer.dims.set_current_step(0, 1)
    viewer.dims.set_current_step(1, 2)
    widget._refresh()
    measured = measure(widget)
    assert "T = 1, Z = 2" in widget.number_note.text
    np.testing.assert_array_equal(measured.rows[0].plane, image + 64)
    np.testing.assert_array_equal(measured.rows[2].plane, sharp + 64)
    viewer.dims.set_current_step(1, 0)
    qtbot.waitUntil(lambda: "Measure again" in widget.outdated_note.text, timeout=5000)
    click(qtbot, widget.subtract)
    finish(widget)
    difference = viewer.layers[-1].data
    assert difference.shape == (2, 3, 64, 80)
    np.testing.assert_array_equal(difference[0, 1], sharp.astype(float) - truth)


@pytest.mark.slow
def test_colours_are_compared_without_alpha(dock, measure, truth):
    viewer, widget = dock()
    rgba = np.stack([truth // 16] * 3 + [np.full(truth.shape, 255)], axis=-1).astype(np.uint8)
    small = binned(rgba, 2)
    cells = viewer.add_image(small, name="skin", rgb=True)
    add_result(viewer, cells, rgba)
    viewer.add_image(rgba, name="truth", rgb=True)
    widget.fields.truth.value = viewer.layers["truth"]
    measured = measure(widget)
    assert measured.rows[2].plane.shape == (64, 80, 3)
    assert measured.rows[2].closeness.psnr == np.inf
    assert measured.data_range == 255
    assert widget.table.item(5, 0).text() == "equal"


@pytest.mark.slow
def test_layers_that_are_removed_or_replaced_leave_the_widget_whole(ready, qtbot, measure):
    viewer, widget = ready
    measure(widget)
    viewer.layers[1].name = "the result"
    assert widget.table.item(4, 0).text() == "the result"
    viewer.layers["the result"].data = viewer.layers["the result"].data + 1
    qtbot.waitUntil(lambda: "Measure again" in widget.outdated_note.text, timeout=5000)
    viewer.layers.remove("truth")
    assert widget.fields.truth.value is None
    viewer.layers.clear()
    assert "First open an image" in widget.fields.input_note.text
    assert not widget.run.enabled
    click(qtbot, widget.copy)
    assert QApplication.clipboard().text().startswith("image,")


@pytest.mark.slow
def test_the_window_answers_while_it_measures_and_cancel_ends_it(ready, qtbot, finish, monkeypatch):
    _, widget = ready
    entered, go_on = threading.Event(), threading.Event()

    def slow(*args, **kwargs):
        entered.set()
        go_on.wait(20)
        return interpolated(*args, **kwargs)

    monkeypatch.setattr(_compare_work, "interpolated", slow)
    ticks = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(time.monotonic()))
    timer.start(10)
    click(qtbot, widget.run)
    qtbot.waitUntil(entered.is_set)
    seen = len(ticks)
    qtbot.waitUntil(lambda: len(ticks) > seen + 5)
    assert not widget.run.enabled
    click(qtbot, widget.cancel)
    go_on.set()
    finish(widget)
    timer.stop()
    assert widget.status.text == "Cancelled."
    assert widget.measured is None
    assert widget.run.enabled


@pytest.mark.slow
def test_an_error_in_the_thread_is_told_and_the_widget_goes_on(ready, qtbot, finish, monkeypatch):
    _, widget = ready

    def broken(*_):
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr(_compare_work, "interpolated", broken)
    click(qtbot, widget.run)
    finish(widget)
    assert "the disk is gone" in widget.status.text
    assert widget.run.enabled


@pytest.mark.slow
def test_a_closed_widget_lets_go_of_the_viewer(ready, measure):
    viewer, widget = ready
    measure(widget)
    viewer.window.remove_dock_widget(widget)
    viewer.add_image(np.zeros((4, 4)))
    viewer.layers.clear()
    viewer.theme = "light"


@pytest.mark.slow
def test_tables_and_curves_follow_the_theme(ready, measure):
    viewer, widget = ready
    measure(widget)
    viewer.theme = "light"
    assert widget.table.rowCount() == 8
    viewer.theme = "dark"


@pytest.mark.slow
def test_the_curtain_and_side_by_side_come_and_go_with_the_choice(ready, qtbot, measure):
    viewer, widget = ready
    before = [(x.name, x.visible, x.blending) for x in viewer.layers]
    widget.view.value = CURTAIN
    assert "left of it is 'cells'" in widget.view_note.text
    assert not viewer.layers["truth"].visible
    widget.view.value = SIDE_BY_SIDE
    assert (
        "From left to right: 'cells', 'cells x2 [microscopy-x2]', 'truth'" in widget.view_note.text
    )
    assert all(layer.visible for layer in viewer.layers)
    widget.view.value = NONE
    assert widget.view_note.text == ""
    assert [(x.name, x.visible, x.blending) for x in viewer.layers] == before


@pytest.mark.slow
def test_the_curtain_follows_the_selected_result(ready, qtbot, measure, sharp):
    viewer, widget = ready
    second = add_result(viewer, viewer.layers["cells"], sharp, model="other")
    measure(widget)
    widget.view.value = CURTAIN
    assert not second.visible
    widget.table.selectRow(3)
    widget.table.setCurrentCell(6, 0)
    assert second.visible
    assert f"right of it {second.name!r}" in widget.view_note.text
    assert not viewer.layers["cells x2 [microscopy-x2]"].visible


@pytest.mark.slow
def test_a_view_ends_with_its_layers_and_says_so(ready, qtbot):
    viewer, widget = ready
    widget.view.value = CURTAIN
    viewer.layers.remove("cells x2 [microscopy-x2]")
    qtbot.waitUntil(lambda: widget.view.value == NONE, timeout=5000)
    assert "has ended" in widget.view_note.text
    assert viewer.layers["truth"].visible


@pytest.mark.slow
def test_the_view_follows_napari_s_grid_button_and_the_names_of_layers(ready):
    viewer, widget = ready
    widget.view.value = SIDE_BY_SIDE
    viewer.layers["truth"].name = "other"
    assert "'cells x2 [microscopy-x2]', 'other'" in widget.view_note.text
    viewer.canvas.grid.enabled = False
    assert widget.view.value == NONE
    assert "grid was switched" in widget.view_note.text
    widget.view.value = CURTAIN
    viewer.canvas.grid.enabled = True
    assert widget.view.value == NONE
    assert viewer.canvas.grid.enabled


@pytest.mark.slow
def test_closing_the_widget_ends_the_view(ready):
    viewer, widget = ready
    widget.view.value = CURTAIN
    viewer.window.remove_dock_widget(widget)
    assert viewer.layers["truth"].visible
