"""The Upscale widget's and the console's means to tell how far a result can be believed."""

from __future__ import annotations

import dask.array
import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QPoint, Qt

import napari_isr
import src_models
from napari_isr.bridge import layers as _layers
from napari_isr.widgets.shared.layout import Fold
from src_models import expected_error, measure_consistency, read_image, upscale_with_uncertainty

SHAPES = {
    "plane": ((17, 22), np.uint8, "YX"),
    "stack": ((2, 1, 2, 9, 14), np.uint16, "TZCYX"),
    "colours": ((12, 15, 3), np.uint8, "YXC"),
    "floats": ((3, 13, 11), np.float32, "ZYX"),
}


def pixels_of(kind):
    shape, dtype, axes = SHAPES[kind]
    noise = np.random.default_rng(0).random(shape)
    return (noise * (1 if dtype == np.float32 else np.iinfo(dtype).max)).astype(dtype), axes


def click(qtbot, button):
    qtbot.mouseClick(button.native, Qt.MouseButton.LeftButton)


def tick(qtbot, box):
    place = QPoint(8, box.native.height() // 2)
    qtbot.mouseClick(box.native, Qt.MouseButton.LeftButton, pos=place)


def sections(widget):
    """The buttons that open and close the parts of the form, by the first word on them."""
    folds = widget.native.findChildren(Fold)
    return {
        fold.button.text().strip("▸▾ ").partition(" ")[0].rstrip(":"): fold.button for fold in folds
    }


@pytest.fixture
def ready(make_napari_viewer, widget_in, tiny_model_file):
    viewer = make_napari_viewer(show=True)
    widget = widget_in(viewer)
    widget.open_model_file(tiny_model_file)
    return viewer, widget


@pytest.fixture
def trust(ready):
    """The fields, shown."""
    _, widget = ready
    sections(widget)["Trust"].click()
    return widget.trust


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("of", ["expected error", "standard deviation"])
@pytest.mark.slow
def test_clicks_lead_to_layers_that_lie_on_the_image(
    ready, trust, qtbot, finish, tiny_model_file, kind, of
):
    viewer, widget = ready
    pixels, axes = pixels_of(kind)
    spatial = pixels.ndim - (kind == "colours")
    viewer.add_image(pixels, name="cells", rgb=kind == "colours", scale=(0.5,) * spatial)
    widget.axes.value = axes
    trust.uncertainty.value = of
    tick(qtbot, trust.consistency)
    click(qtbot, widget.run)
    finish(widget)
    name = "cells x2 [tiny]"
    source, result, doubt, residual = viewer.layers
    assert [layer.name for layer in viewer.layers] == [
        "cells",
        name,
        f"{name}: {of}",
        f"{name}: disagreement in sigmas",
    ]
    assert viewer.layers.selection.active is result
    assert widget.layer.value is source
    both = upscale_with_uncertainty(pixels, tiny_model_file, axes=axes)
    np.testing.assert_array_equal(result.data, both.result)
    expected = both.uncertainty if of[0] == "s" else expected_error(*both, axes=axes)
    found = measure_consistency(both.result, pixels, axes=axes)
    if kind == "colours":
        np.testing.assert_array_equal(doubt.data, expected.max(axis=-1))
        np.testing.assert_array_equal(abs(residual.data), abs(found.residual).max(axis=-1))
    else:
        np.testing.assert_array_equal(doubt.data, expected)
        np.testing.assert_array_equal(residual.data, found.residual)
    np.testing.assert_allclose(doubt.scale, result.scale)
    np.testing.assert_allclose(doubt.translate, result.translate)
    np.testing.assert_allclose(residual.scale, source.scale)
    np.testing.assert_allclose(residual.translate, source.translate)
    assert residual.contrast_limits == [-3, 3]
    assert doubt.contrast_limits[0] == 0
    assert not doubt.visible
    assert result.metadata["napari-isr"]["consistency"] == found.record
    assert found.in_words in widget.status.text
    assert "Hidden above it" in widget.status.text


@pytest.mark.slow
def test_without_options_the_share_is_told_all_the_same(
    ready, qtbot, finish, image, tiny_model_file
):
    viewer, widget = ready
    viewer.add_image(image, name="cells")
    click(qtbot, widget.run)
    finish(widget)
    assert len(viewer.layers) == 2
    result = src_models.upscale(image, tiny_model_file)
    np.testing.assert_array_equal(viewer.layers[1].data, result)
    assert measure_consistency(result, image).in_words in widget.status.text


def test_kept_intensities_are_those_of_the_image(ready, trust, qtbot, finish, image):
    viewer, widget = ready
    viewer.add_image(image, name="cells")
    tick(qtbot, trust.keep_intensities)
    tick(qtbot, trust.self_ensemble)
    click(qtbot, widget.run)
    finish(widget)
    sums = viewer.layers[1].data.astype(int).reshape(40, 2, 50, 2).sum(axis=(1, 3))
    np.testing.assert_array_equal(sums, image.astype(int) * 4)
    assert "100.0 % of pixels agree within 3 sigma" in widget.status.text
    settings = viewer.layers[1].metadata["napari-isr"]["settings"]
    assert settings["self_ensemble"] is settings["keep_intensities"] is True


def test_a_mask_has_no_intensities_to_keep_and_that_is_said_before(ready, trust, qtbot):
    viewer, widget = ready
    viewer.add_image(np.eye(12, dtype=bool), name="mask")
    assert widget.run.enabled
    tick(qtbot, trust.keep_intensities)
    assert "dtype bool" in widget.layer_note.text
    assert not widget.run.enabled


def test_the_time_is_eight_times_as_long_and_an_uncertainty_takes_it(ready, trust, qtbot, image):
    viewer, widget = ready
    viewer.add_image(image, name="cells")
    once = widget._job().pixels_in(1000)
    assert "8 times" not in widget.plan_note.text
    trust.uncertainty.value = "expected error"
    assert trust.self_ensemble.value
    assert not trust.self_ensemble.enabled
    assert "8 times that of one answer" in widget.plan_note.text
    assert widget._job().pixels_in(1000) == pytest.approx(once / 8, rel=0.01)
    trust.uncertainty.value = ""
    assert not trust.self_ensemble.value
    assert "8 times" not in widget.plan_note.text
    tick(qtbot, trust.self_ensemble)
    assert "8 times" in widget.plan_note.text


def test_one_section_is_open_at_a_time(ready, qtbot):
    _, widget = ready
    trust, advanced = (sections(widget)[title] for title in ("Trust", "Advanced"))
    for opened, other in ((trust, advanced), (advanced, trust), (trust, advanced)):
        qtbot.mouseClick(opened, Qt.MouseButton.LeftButton)
        assert opened.isChecked()
        assert not other.isChecked()
    assert widget.trust.uncertainty.native.isVisible()
    assert not widget.engine.native.isVisible()


@pytest.mark.slow
def test_a_layer_that_judges_is_not_taken_for_an_image_to_upscale(
    ready, trust, qtbot, finish, image
):
    viewer, widget = ready
    source = viewer.add_image(image, name="cells")
    tick(qtbot, trust.consistency)
    click(qtbot, widget.run)
    finish(widget)
    viewer.layers.selection.active = viewer.layers[-1]
    assert widget.layer.value is source
    viewer.layers.selection.active = viewer.layers[1]
    assert widget.layer.value is viewer.layers[1]


@pytest.mark.parametrize("reason", ["lazy", "huge"])
@pytest.mark.slow
def test_what_cannot_be_told_of_lazy_results_is_said_before_the_run(
    ready, trust, qtbot, finish, image, tiny_model_file, monkeypatch, reason
):
    viewer, widget = ready
    if reason == "huge":
        monkeypatch.setattr(_layers, "fits", lambda size: False)
    viewer.add_image(dask.array.from_array(image) if reason == "lazy" else image, name="cells")
    assert "left out" not in widget.plan_note.text
    trust.uncertainty.value = "expected error"
    tick(qtbot, trust.consistency)
    tick(qtbot, trust.keep_intensities)
    assert "Uncertainty and consistency, which need all of it, are left out" in (
        widget.plan_note.text
    )
    click(qtbot, widget.run)
    finish(widget)
    assert len(viewer.layers) == 2
    expected = src_models.upscale(image, tiny_model_file, self_ensemble=True, keep_intensities=True)
    np.testing.assert_array_equal(np.asarray(viewer.layers[1].data[0]), expected)


@pytest.mark.slow
def test_the_preview_is_a_part_of_what_run_would_give(ready, trust, qtbot, finish, image):
    viewer, widget = ready
    viewer.add_image(image.astype(np.float32), name="cells")
    tick(qtbot, trust.self_ensemble)
    tick(qtbot, trust.consistency)
    for button in (widget.run, widget.preview):
        click(qtbot, button)
        finish(widget)
    result, preview = viewer.layers[1], viewer.layers[-1]
    assert preview.name.startswith("Preview")
    y, x = np.rint((preview.translate - result.translate) / result.scale).astype(int)
    height, width = preview.data.shape
    part = result.data[y : y + height, x : x + width]
    # Sums of floats depend on the size of what is computed at once.
    np.testing.assert_allclose(preview.data, part, rtol=0, atol=1e-5 * np.ptp(image))
    assert np.ptp(part) > np.ptp(image) / 2
    assert len(viewer.layers) == 4


@pytest.mark.slow
def test_progress_moves_and_cancel_works_among_the_eight(ready, trust, qtbot, finish):
    viewer, widget = ready
    viewer.add_image(np.random.default_rng(0).random((700, 700)), name="one tile")
    widget.tile_size.value = 700
    trust.uncertainty.value = "expected error"
    click(qtbot, widget.run)
    qtbot.waitUntil(lambda: 0 < widget.progress.value < widget.progress.max, timeout=60_000)
    assert "0 of 1 tiles" in widget.status.text
    click(qtbot, widget.cancel)
    finish(widget)
    assert "Cancelled" in widget.status.text
    assert len(viewer.layers) == 1


@pytest.mark.slow
def test_spots_on_nothing_have_an_expected_error_too(tiny_model_file):
    from napari.layers import Image

    spots = np.zeros((900, 900), np.uint16)
    spots[300:304, 300:304] = 50_000
    _, doubt = napari_isr.upscale(
        Image(spots, name="spots"), tiny_model_file, uncertainty="expected error"
    )
    assert np.count_nonzero(doubt.data) < 0.002 * doubt.data.size
    assert doubt.contrast_limits[1] == doubt.data.max() > 0


@pytest.mark.parametrize("kind", SHAPES)
def test_the_console_gives_the_same_layers(tiny_model_file, kind):
    from napari.layers import Image

    pixels, axes = pixels_of(kind)
    layer = Image(pixels, name="cells", rgb=kind == "colours")
    plain = napari_isr.upscale(layer, tiny_model_file, axes=axes, self_ensemble=True)
    result, doubt, residual = napari_isr.upscale(
        layer, tiny_model_file, axes=axes, uncertainty="standard deviation", consistency=True
    )
    both = upscale_with_uncertainty(pixels, tiny_model_file, axes=axes)
    np.testing.assert_array_equal(plain.data, both.result)
    np.testing.assert_array_equal(result.data, both.result)
    assert doubt.name == "cells x2 [tiny]: standard deviation"
    assert residual.data.shape == (pixels.shape[:2] if kind == "colours" else pixels.shape)
    assert 0 <= result.metadata["napari-isr"]["consistency"]["share"] <= 1


def test_the_console_refuses_layers_of_lazy_results(tiny_model_file, image):
    from napari.layers import Image

    layer = Image(dask.array.from_array(image))
    with pytest.raises(src_models.SuperResolutionError, match="whole result in memory"):
        napari_isr.upscale(layer, tiny_model_file, consistency=True)


@pytest.mark.slow
def test_the_batch_widget_takes_what_changes_the_pixels(
    make_napari_viewer, qtbot, tmp_path, tiny_model_file, image
):
    from napari_isr.widgets.batch.widget import BatchWidget

    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "a.tif", image)
    viewer = make_napari_viewer(show=True)
    widget = BatchWidget(viewer)
    viewer.window.add_dock_widget(widget)
    widget.open_model_file(tiny_model_file)
    fields = widget.fields
    fields.folder.line_edit.value = str(tmp_path / "in")
    qtbot.mouseClick(fields.fold.button, Qt.MouseButton.LeftButton)
    for box in (fields.self_ensemble, fields.keep_intensities):
        tick(qtbot, box)
    qtbot.waitUntil(lambda: widget.run.enabled, timeout=60_000)
    click(qtbot, widget.run)
    qtbot.waitUntil(lambda: not widget.cancel.enabled, timeout=60_000)
    [result] = (tmp_path / "in" / "upscaled").glob("*.tif")
    expected = src_models.upscale(image, tiny_model_file, self_ensemble=True, keep_intensities=True)
    np.testing.assert_array_equal(read_image(result).array, expected)
    assert "100.0 % of pixels agree within 3 sigma" in widget.table.detail(0)
