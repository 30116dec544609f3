from __future__ import annotations

import subprocess
import sys

import dask.array
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from napari.utils._proxies import PublicOnlyProxy
from qtpy.QtCore import QPoint
from qtpy.QtTest import QTest
from vispy.visuals.filters import Clipper

from napari_isr.bridge.layers import LayerSource
from napari_isr.widgets.compare.canvas_cut import canvas_of
from napari_isr.widgets.compare.canvas_views import Curtain, SideBySide
from src_models.errors import InvalidInputError

DARK, LIGHT = 60, 200
LINE = 2  # columns either side of the boundary that the line may cover


def flat(value, shape=(64, 64), **kwargs):
    """A layer of one grey."""
    return Image(np.full(shape, value, np.uint8), contrast_limits=(0, 255), **kwargs)


def picture(viewer):
    """The canvas as it is shown, one number for each pixel."""
    shown = viewer.screenshot(canvas_only=True, flash=False)
    return shown[..., 0].astype(int)


def settings(viewer):
    """All that a view borrows."""
    grid, camera = viewer.canvas.grid, viewer.scene.camera
    return {
        "layers": [(layer, layer.visible, layer.blending) for layer in viewer.layers],
        "grid": (grid.enabled, grid.stride, grid.shape, grid.spacing),
        "camera": (camera.zoom, tuple(camera.center), tuple(camera.angles)),
        "selection": set(viewer.layers.selection),
        "active": viewer.layers.selection.active,
        "dims": (viewer.dims.ndisplay, viewer.dims.point),
        "moves": list(viewer.mouse_move_callbacks),
    }


def clippers(layer, viewer):
    """How much of a layer's picture is cut off; napari itself does it where the canvas ends."""
    attached = canvas_of(viewer).layer_to_visual[layer].node._vshare.filters
    return sum(isinstance(one, Clipper) for one in attached)


@pytest.fixture
def point(qtbot):
    """Move the mouse to a column of the canvas, and wait until that is drawn."""

    def move(viewer, x, y=100):
        canvas = canvas_of(viewer).native
        # A second step, in case that the mouse was there already.
        for column in (x + 1, x):
            QTest.mouseMove(canvas, QPoint(column, y))
            qtbot.wait(30)

    return move


@pytest.fixture
def show(make_napari_viewer, qtbot):
    """A viewer's window with layers in view."""

    def open_viewer(*layers):
        viewer = make_napari_viewer(show=True)
        viewer.window.resize(900, 600)
        for layer in layers:
            viewer.add_layer(layer)
        viewer.reset_view()
        qtbot.wait(100)
        return viewer

    return open_viewer


def assert_cut(viewer, x, left=DARK, right=LIGHT, tolerance=1):
    """Around the boundary, one grey on the left and another on the right."""
    shown = picture(viewer)
    row = shown[shown.shape[0] // 2]
    for part, value in ((row[x - 12 : x - LINE], left), (row[x + LINE : x + 12], right)):
        np.testing.assert_allclose(part, value, atol=tolerance)


@pytest.mark.slow
def test_left_of_the_mouse_is_left_and_right_of_it_right(show, point):
    left, right = flat(DARK), flat(LIGHT)
    viewer = show(left, right)
    curtain = Curtain(viewer, left, right)
    curtain.start()
    assert_cut(viewer, round(canvas_of(viewer).native.width() / 2))
    for zoom in (1, 3.7, 40):
        viewer.scene.camera.zoom *= zoom
        for x in (200, 317, 400):
            point(viewer, x)
            assert_cut(viewer, x)
    assert curtain.active


def test_the_lower_layer_can_be_on_either_side(show, point):
    below, above = flat(DARK), flat(LIGHT)
    viewer = show(below, above)
    Curtain(viewer, above, below).start()
    point(viewer, 300)
    assert_cut(viewer, 300, LIGHT, DARK)


@pytest.mark.slow
def test_a_line_shows_the_boundary_and_is_no_layer(show, point):
    left, right = flat(DARK), flat(DARK)
    viewer = show(left, right)
    curtain = Curtain(viewer, left, right)
    plain = picture(viewer)
    curtain.start()
    point(viewer, 300)
    shown = picture(viewer)
    assert (shown[:, 300] == 255).all()
    changed = np.flatnonzero((shown != plain).any(0))
    assert changed.min() >= 300 - LINE
    assert changed.max() < 300 + LINE
    assert len(viewer.layers) == 2
    curtain.stop()
    np.testing.assert_array_equal(picture(viewer), plain)


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.slow
def test_a_result_lies_on_its_image_to_the_pixel_of_the_screen(show, point, scale):
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32)).astype(np.uint8)
    image = Image(pixels, scale=(0.3, 0.3), translate=(7, -2), contrast_limits=(0, 255))
    enlarged = pixels.repeat(scale, 0).repeat(scale, 1)
    result = Image(enlarged, **LayerSource.of(image).placed(scale))
    viewer = show(image, result)
    curtain = Curtain(viewer, image, result)
    for zoom in (1, 1.9):
        viewer.scene.camera.zoom *= zoom
        result.visible = False
        alone = picture(viewer)
        curtain.start()
        for x in (230, 351):
            point(viewer, x)
            differs = picture(viewer) != alone
            differs[:, x - LINE : x + LINE] = False
            # The border of two pixels may fall on either of them.
            assert differs.mean() < 2e-3
        curtain.stop()


def colours(value):
    return Image(np.full((64, 64, 3), value, np.uint8), rgb=True)


def stack(value):
    pixels = np.zeros((2, 3, 2, 64, 64), np.uint8)
    pixels[1, 2, 1] = value
    return Image(pixels, contrast_limits=(0, 255))


def pyramid(value):
    levels = [np.full((n, n), value, np.uint8) for n in (2048, 1024, 512)]
    return Image(levels, multiscale=True, contrast_limits=(0, 255))


def longer_than_a_texture(value):
    return flat(value, (200, 20_000))


def lazy(value):
    return Image(dask.array.full((64, 64), value, np.uint8), contrast_limits=(0, 255))


def turned(value):
    return flat(value, scale=(0.5, 2), rotate=30, shear=[0.3])


KINDS = [colours, stack, pyramid, longer_than_a_texture, lazy, turned]


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.slow
def test_every_kind_of_image_can_be_compared(show, point, make):
    left, right = make(DARK), make(LIGHT)
    viewer = show(left, right)
    viewer.dims.point = [1, 2, 1, 0, 0][-viewer.dims.ndim :]
    viewer.scene.camera.zoom *= 100 if make is longer_than_a_texture else 1
    curtain = Curtain(viewer, left, right)
    curtain.start()
    for x in (280, 310):
        point(viewer, x)
        assert_cut(viewer, x)
    curtain.stop()
    assert_cut(viewer, 310, LIGHT, LIGHT)


@pytest.mark.slow
def test_volumes_are_cut_on_the_screen(show, point):
    left, right = flat(DARK, (8, 64, 64)), flat(LIGHT, (8, 64, 64))
    viewer = show(left, right)
    before = clippers(left, viewer)
    curtain = Curtain(viewer, left, right)
    curtain.start()
    viewer.dims.ndisplay = 3
    point(viewer, 300)
    assert_cut(viewer, 300)
    viewer.dims.ndisplay = 2
    point(viewer, 280)
    assert_cut(viewer, 280)
    viewer.dims.ndisplay = 3
    curtain.stop()
    assert clippers(left, viewer) == before
    viewer.dims.ndisplay = 2
    assert clippers(left, viewer) == before


@pytest.mark.slow
def test_moving_the_curtain_computes_nothing(show, point):
    computed = []

    def block(block_info=None):
        computed.append(block_info[None]["chunk-location"])
        return np.full((1, 64, 64), LIGHT, np.uint8)

    planes = dask.array.map_blocks(block, chunks=((1,) * 50, 64, 64), dtype=np.uint8)
    left, right = flat(DARK), Image(planes, contrast_limits=(0, 255))
    viewer = show(left, right)
    Curtain(viewer, left, right).start()
    before = len(computed)
    for x in (250, 300, 350):
        point(viewer, x)
    assert_cut(viewer, 350)
    assert len(computed) == before < 10


@pytest.mark.slow
def test_colours_do_not_add_up_over_a_light_background(show, point):
    left, right = flat(DARK, blending="additive"), flat(LIGHT, blending="additive")
    viewer = show(left, right)
    viewer.theme = "light"
    curtain = Curtain(viewer, left, right)
    curtain.start()
    point(viewer, 300)
    assert_cut(viewer, 300)
    curtain.stop()
    assert left.blending == right.blending == "additive"


def make_curtain(viewer):
    return Curtain(viewer, viewer.layers[2], viewer.layers[0])


def make_cells(viewer):
    return SideBySide(viewer, [viewer.layers[2], viewer.layers[0]])


VIEWS = [make_curtain, make_cells]


@pytest.fixture
def mixed(show):
    """Four images, of which one is hidden, with shapes; one is selected."""
    viewer = show(flat(10, name="a"), flat(DARK, name="b"), flat(LIGHT, name="c"), flat(99))
    viewer.add_shapes([[[0, 0], [9, 9]]], shape_type="line")
    viewer.layers["c"].visible = False
    viewer.layers["b"].blending = "additive"
    viewer.layers.selection = {viewer.layers["a"], viewer.layers["b"]}
    viewer.canvas.grid.stride = -1
    return viewer


@pytest.mark.parametrize("make", VIEWS)
def test_afterwards_everything_is_as_before(mixed, point, make):
    before, shown = settings(mixed), picture(mixed)
    cut = [clippers(layer, mixed) for layer in mixed.layers[:3]]
    view = make(mixed)
    view.start()
    view.start()
    assert view.active
    point(mixed, 300)
    assert settings(mixed) != before
    view.stop()
    view.stop()
    assert not view.active
    assert settings(mixed) == before
    np.testing.assert_array_equal(picture(mixed), shown)
    assert [clippers(layer, mixed) for layer in mixed.layers[:3]] == cut


@pytest.mark.parametrize("kind", [Curtain, SideBySide])
@pytest.mark.slow
def test_the_viewer_as_plugins_are_given_it_will_do(mixed, point, kind):
    given = PublicOnlyProxy(mixed)
    layers = given.layers["a"], given.layers["c"]
    view = Curtain(given, *layers) if kind is Curtain else SideBySide(given, layers)
    view.start()
    point(mixed, 300)
    assert view.active
    mixed.layers.remove("c")
    assert not view.active


@pytest.mark.parametrize("make", VIEWS)
@pytest.mark.slow
def test_it_can_be_shown_again(mixed, point, make):
    view = make(mixed)
    for _ in range(2):
        view.start()
        point(mixed, 300)
        during = picture(mixed)
        view.stop()
    view.start()
    point(mixed, 300)
    np.testing.assert_array_equal(picture(mixed), during)


@pytest.mark.parametrize("make", VIEWS)
@pytest.mark.parametrize("name", ["a", "c"])
@pytest.mark.slow
def test_it_ends_when_one_of_its_layers_goes(mixed, point, make, name):
    before = settings(mixed)
    view = make(mixed)
    view.start()
    point(mixed, 300)
    gone = mixed.layers[name]
    mixed.layers.remove(gone)
    assert not view.active
    point(mixed, 320)
    after = settings(mixed)
    assert after["layers"] == [entry for entry in before["layers"] if entry[0] is not gone]
    assert after["grid"] == before["grid"]
    assert after["moves"] == before["moves"]
    view.stop()
    with pytest.raises(InvalidInputError, match="must be in the viewer"):
        view.start()


@pytest.mark.parametrize("make", VIEWS)
@pytest.mark.slow
def test_it_goes_on_when_another_layer_goes(mixed, point, make):
    view = make(mixed)
    view.start()
    mixed.layers.remove("b")
    point(mixed, 300)
    assert view.active
    view.stop()
    assert [layer.name for layer in mixed.layers if isinstance(layer, Image)][:2] == ["a", "c"]
    assert not mixed.layers["c"].visible


@pytest.mark.parametrize("make", VIEWS)
@pytest.mark.slow
def test_all_layers_can_go_at_once(mixed, point, make):
    view = make(mixed)
    view.start()
    mixed.layers.clear()
    assert not view.active
    point(mixed, 300)


@pytest.mark.parametrize("make", VIEWS)
@pytest.mark.slow
def test_the_viewer_can_be_closed(mixed, make):
    view = make(mixed)
    view.start()
    mixed.close()
    assert not view.active
    view.stop()


@pytest.mark.slow
def test_the_window_can_be_closed_by_its_button():
    script = """
import napari, numpy as np
from qtpy.QtWidgets import QApplication
from napari_isr.widgets.compare.canvas_views import Curtain, SideBySide
for kind in (lambda *a: Curtain(a[0], *a[1]), SideBySide):
    viewer = napari.Viewer()
    layers = [viewer.add_image(np.zeros((9, 9))) for _ in range(3)]
    view = kind(viewer, layers[:2])
    view.start()
    viewer.window._qt_window.close()
    for _ in range(9):
        QApplication.sendPostedEvents(None, 52)  # the deletions
        QApplication.processEvents()
    view.stop()
    print(view.active)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"], done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("make", VIEWS)
@pytest.mark.slow
def test_a_new_image_is_seen(mixed, make):
    view = make(mixed)
    view.start()
    new = mixed.add_image(np.zeros((64, 64)))
    assert not view.active
    assert new.visible
    assert mixed.layers["b"].visible


@pytest.mark.slow
def test_lines_can_be_drawn_under_a_curtain(mixed, point):
    curtain = make_curtain(mixed)
    curtain.start()
    mixed.add_shapes([[[0, 20], [60, 30]]], shape_type="line")
    point(mixed, 300)
    assert curtain.active


@pytest.mark.parametrize("make", VIEWS)
@pytest.mark.slow
def test_the_grid_button_ends_it(mixed, make):
    view = make(mixed)
    view.start()
    grid = mixed.canvas.grid
    grid.enabled = not grid.enabled
    chosen = grid.enabled
    assert not view.active
    assert grid.enabled == chosen
    assert mixed.layers["b"].visible


@pytest.mark.slow
def test_one_view_ends_the_other(mixed):
    before = settings(mixed)
    curtain, cells = make_curtain(mixed), make_cells(mixed)
    curtain.start()
    cells.start()
    assert (curtain.active, cells.active) == (False, True)
    curtain.start()
    assert (curtain.active, cells.active) == (True, False)
    curtain.stop()
    assert settings(mixed) == before


@pytest.mark.parametrize("names", [("b", "a"), ("a", "b"), ("c", "a", "b")])
@pytest.mark.slow
def test_the_cells_are_in_the_order_asked_for(mixed, names):
    values = {"a": 10, "b": DARK, "c": LIGHT}
    SideBySide(mixed, [mixed.layers[name] for name in names]).start()
    shown = picture(mixed)
    cells = np.array_split(shown[shown.shape[0] // 2], len(names))
    assert [cell[len(cell) // 2] for cell in cells] == [values[name] for name in names]


@pytest.mark.slow
def test_four_layers_make_a_block(show):
    layers = [flat(value) for value in (10, 70, 130, 190)]
    viewer = show(*layers)
    SideBySide(viewer, layers).start()
    shown = picture(viewer)
    h, w = shown.shape
    centres = [shown[y * h // 4, x * w // 4] for y in (1, 3) for x in (1, 3)]
    assert centres == [10, 70, 130, 190]


def test_a_cell_shows_of_an_image_what_the_canvas_did(show, qtbot):
    layers = flat(DARK), flat(LIGHT)
    viewer = show(*layers)
    view = SideBySide(viewer, layers)
    view.start()
    qtbot.wait(100)  # napari lays its cells out when it draws
    shown = picture(viewer)
    row = shown[shown.shape[0] // 2]
    for half, value in zip(np.array_split(row, 2), (DARK, LIGHT), strict=True):
        inside = np.flatnonzero(half == value)
        assert 0 < inside[0] < inside[-1] < len(half) - 1
        assert len(inside) > 0.9 * len(half)
    view.stop()
    # Closer, a cell's view is cut as the canvas was.
    viewer.scene.camera.zoom *= 10
    close = viewer.scene.camera.zoom
    view.start()
    np.testing.assert_allclose(viewer.scene.camera.zoom, close / 2)


@pytest.mark.parametrize("closer", [1, 3])
@pytest.mark.slow
def test_cells_show_the_layers_whole_beside_a_larger_one(show, qtbot, closer):
    layers = flat(DARK), flat(LIGHT)
    larger = flat(10, (300, 400), translate=(-200, 20))
    viewer = show(larger, *layers)
    viewer.scene.camera.zoom *= closer  # to the larger one, whose middle is elsewhere
    before = settings(viewer)
    view = SideBySide(viewer, layers)
    view.start()
    qtbot.wait(100)
    shown = picture(viewer)
    for half, value in zip(np.array_split(shown, 2, axis=1), (DARK, LIGHT), strict=True):
        rows, columns = ((half == value).any(axis) for axis in (1, 0))
        for line in rows, columns:
            assert not line[0]
            assert not line[-1]
        assert columns.mean() > 0.9
    view.stop()
    assert settings(viewer) == before


def test_cells_zoom_and_move_together_and_lie_on_each_other(show):
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32)).astype(np.uint8)
    image = Image(pixels, scale=(0.3, 0.3), contrast_limits=(0, 255))
    result = Image(pixels.repeat(2, 0).repeat(2, 1), **LayerSource.of(image).placed(2))
    viewer = show(image, result)
    before = viewer.scene.camera.zoom
    view = SideBySide(viewer, [image, result])
    view.start()
    viewer.scene.camera.zoom *= 3
    viewer.scene.camera.center = (3, 4)
    shown = picture(viewer)
    width = (shown.shape[1] - 4) // 2
    assert (shown[:, :width] != shown[:, -width:]).mean() < 6e-3
    view.stop()
    # Where one has gone by hand, one stays.
    np.testing.assert_allclose(viewer.scene.camera.zoom, before * 3)
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], (3, 4))


@pytest.mark.slow
def test_what_cannot_be_compared_is_explained(mixed):
    a, labels = mixed.layers["a"], mixed.add_labels(np.zeros((9, 9), int), name="regions")
    for layers, reason in [
        ((a, a), "different layers"),
        ((a, labels), "'regions' of type Labels"),
        ((a, flat(1, name="elsewhere")), "'elsewhere', which is not"),
    ]:
        for view in (Curtain(mixed, *layers), SideBySide(mixed, layers)):
            with pytest.raises(InvalidInputError, match=reason):
                view.start()
            assert not view.active
    with pytest.raises(InvalidInputError, match="two or more"):
        SideBySide(mixed, [a]).start()


def test_a_viewer_without_its_canvas_in_reach_gets_a_sentence_and_stays_as_it_is():
    viewer = ViewerModel()
    layers = viewer.add_image(np.zeros((9, 9))), viewer.add_image(np.zeros((9, 9)))
    curtain = Curtain(viewer, *layers)
    before = settings(viewer)
    with pytest.raises(InvalidInputError, match="Compare side by side"):
        curtain.start()
    assert not curtain.active
    assert settings(viewer) == before


@pytest.mark.parametrize("kind", [Curtain, SideBySide])
@pytest.mark.slow
def test_equal_intensities_are_equally_bright_while_it_is_shown(show, kind):
    def ramp(top, limits, dtype=np.uint16):
        pixels = np.linspace(0, top, 64 * 64).reshape(64, 64).astype(dtype)
        return Image(pixels, contrast_limits=limits, rgb=False)

    first, alike = ramp(4000, (0, 5000)), ramp(4100, (300, 900))
    other, exposed = ramp(1, (0, 1), "f4"), ramp(60000, (0, 60000))
    alike.gamma, before = 2, [list(alike.contrast_limits), list(alike.contrast_limits_range)]
    viewer = show(first, alike, other, exposed)
    for layer in (alike, other, exposed):
        view = kind(viewer, first, layer) if kind is Curtain else kind(viewer, [first, layer])
        view.start()
        matched = list(layer.contrast_limits) == [0, 5000] and layer.gamma == 1
        assert matched == (layer is alike)
        assert view.unmatched == ([] if matched else [layer])
        view.stop()
    assert [list(alike.contrast_limits), list(alike.contrast_limits_range)] == before
    assert alike.gamma == 2
    assert list(other.contrast_limits) == [0, 1]
    assert list(exposed.contrast_limits) == [0, 60000]
    assert list(first.contrast_limits) == [0, 5000]


def test_contrast_that_is_changed_meanwhile_stays(show):
    ramp = np.arange(4096).reshape(64, 64) % 256
    first, second = (Image(part.astype(np.uint8)) for part in (ramp, ramp[::-1]))
    first.contrast_limits, second.contrast_limits = (0, 255), (0, 200)
    curtain = Curtain(show(first, second), first, second)
    curtain.start()
    assert list(second.contrast_limits) == [0, 255]
    second.contrast_limits = (5, 90)
    curtain.stop()
    assert list(second.contrast_limits) == [5, 90]


def test_limits_beyond_the_old_range_that_are_set_meanwhile_are_not_cut(show):
    first, second = (Image(np.arange(4096.0).reshape(64, 64) * f) for f in (1.0, 0.8))
    first.contrast_limits = (0, 4090)
    curtain = Curtain(show(first, second), first, second)
    curtain.start()
    second.contrast_limits = (5, 4000)  # past its brightest pixel
    curtain.stop()
    assert list(second.contrast_limits) == [5, 4000]
