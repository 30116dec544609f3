"""Comparing layers of several units in one viewer, which napari shows in the smallest of them."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt

from napari_isr.bridge.layers import LayerSource, visible_region
from napari_isr.bridge.world import from_world, to_world, world_units
from napari_isr.widgets.compare.matching import pixel_size
from napari_isr.widgets.compare.widget import CompareWidget
from src_models.errors import InvalidInputError
from src_models.images.degradation import binned
from src_models.quality.comparison import compare_with_truth, profile


@pytest.fixture
def truth():
    z, y, x = np.mgrid[:6, :64, :80]
    return (2000 + 900 * np.sin(y / 3 + z) * np.cos(x / 4) + y * 5 + 40 * z).astype(np.uint16)


@pytest.fixture
def ready(make_napari_viewer, truth):
    """A stack in micrometres and its truth in nanometres, in one place, at the third plane."""
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1200, 900)
    widget = CompareWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Compare")
    small = np.stack([binned(plane, 2) for plane in truth])
    micro, nano = ("um",) * 3, ("nm",) * 3
    viewer.add_image(small, name="cells", scale=(0.5, 0.2, 0.2), units=micro)
    large = {"scale": (0.5, 0.1, 0.1), "translate": (0, -0.05, -0.05)}
    viewer.add_image(truth + np.uint16(9), name="result", units=micro, **large)
    large = {name: np.multiply(value, 1000) for name, value in large.items()}
    viewer.add_image(truth, name="truth", units=nano, **large)
    widget.fields.input.value = viewer.layers["cells"]
    widget.fields.results.item(0).setCheckState(Qt.CheckState.Checked)
    widget.fields.truth.value = viewer.layers["truth"]
    viewer.dims.set_point(0, 2 * 500.0)
    viewer.reset_view()
    return viewer, widget


def measured(qtbot, finish, widget):
    qtbot.mouseClick(widget.run.native, Qt.MouseButton.LeftButton)
    finish(widget)
    assert widget.measured is not None, widget.status.text
    return widget.measured


@pytest.mark.slow
def test_the_size_of_pixels_may_be_in_the_affine(make_napari_viewer, truth):
    viewer = make_napari_viewer()
    affine = np.diag([0.2, 0.2, 1.0])
    layer = viewer.add_image(binned(truth[0], 2), units=("um", "um"), affine=affine)
    assert pixel_size(LayerSource.of(layer, "YX")) == (pytest.approx(0.2), "µm")


@pytest.mark.slow
def test_the_plane_that_is_shown_is_measured(ready, qtbot, finish, truth):
    viewer, widget = ready
    shown = viewer.layers["truth"]._slice.image.view
    np.testing.assert_array_equal(shown, truth[2])
    found = measured(qtbot, finish, widget)
    assert found.request.place == "Z = 2"
    (result,) = (row for row in found.rows if row.name == "result")
    assert result.closeness.psnr == compare_with_truth(truth[2], truth[2] + 9).psnr
    assert found.request.unit == "µm"
    assert found.request.pixel_size == pytest.approx(0.2)


def test_layers_at_one_place_are_not_said_to_lie_elsewhere(ready):
    viewer, widget = ready
    assert widget.fields.hint_note.text == ""
    viewer.layers["truth"].translate = (0, 5000, 0)
    widget._refresh()
    assert "'truth' does not lie on the input" in widget.fields.hint_note.text


@pytest.mark.slow
def test_a_line_drawn_with_the_mouse_lies_under_it_and_is_followed(ready, qtbot, finish, truth):
    viewer, widget = ready
    measured(qtbot, finish, widget)
    widget.tabs.setCurrentIndex(1)
    qtbot.mouseClick(widget.draw_line.native, Qt.MouseButton.LeftButton)
    canvas = viewer.window._qt_viewer.canvas.native
    y = canvas.height() // 2
    start, *way = (QPoint(canvas.width() // 2 + x, y) for x in (-60, -30, 30, 60))
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=start)
    for place in way:
        qtbot.mouseMove(canvas, place)
        qtbot.wait(50)
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=way[-1])
    qtbot.waitUntil(lambda: len(widget.profiles.curves) == 4, timeout=5000)
    shapes = viewer.layers[-1]
    ends = [
        from_world(viewer.layers["truth"], to_world(shapes, p, units), units)[-2:]
        for units in [world_units(viewer)]
        for p in shapes.data[0]
    ]
    np.testing.assert_allclose(np.mean(ends, axis=0), (31.5, 39.5), atol=1.5)
    curves = {curve.name: curve for curve in widget.profiles.curves}
    np.testing.assert_allclose(curves["truth"].y, profile(truth[2], *map(tuple, ends)))
    length = np.linalg.norm(ends[1] - ends[0]) * 0.1
    assert all(curve.x[-1] == pytest.approx(length) for curve in curves.values())
    aligned = np.interp(curves["truth"].x, curves["bicubic x2"].x, curves["bicubic x2"].y)
    assert np.corrcoef(aligned, curves["truth"].y)[0, 1] > 0.98


def test_a_preview_says_that_it_needs_one_unit(ready):
    viewer, _ = ready
    for name in ("cells", "truth"):
        layer = viewer.layers[name]
        args = viewer, layer, LayerSource.of(layer), 10**6
        if name == "truth":
            assert visible_region(*args)[1] == {"Z": 2}
        else:
            with pytest.raises(InvalidInputError, match=r"Received: micrometer.* and nanometer"):
                visible_region(*args)
