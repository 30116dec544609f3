"""What is found in an image is shown before the run, and does not stop it."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from qtpy.QtCore import Qt
from scipy.ndimage import gaussian_filter


@pytest.fixture
def ready(make_napari_viewer, widget_in, tiny_model_file):
    """A viewer on the screen, and the widget with the tiny model chosen."""
    viewer = make_napari_viewer(show=True)
    widget = widget_in(viewer)
    widget.open_model_file(tiny_model_file)
    return viewer, widget


@pytest.fixture
def clipped() -> np.ndarray:
    rng = np.random.default_rng(0)
    image = gaussian_filter(rng.random((64, 64)), 2) * 60000
    image += rng.normal(0, 600, image.shape)
    return np.minimum(image, np.percentile(image, 97)).astype(np.uint16)


@pytest.mark.slow
def test_a_finding_is_shown_and_the_layer_is_upscaled_all_the_same(ready, qtbot, finish, clipped):
    viewer, widget = ready
    viewer.add_image(clipped, name="clipped")
    assert "saturated" in widget.advice_note.text
    assert widget.advice_note.visible
    assert widget.run.enabled
    qtbot.mouseClick(widget.run.native, Qt.MouseButton.LeftButton)
    finish(widget)
    assert viewer.layers[-1].data.shape == (128, 128)


def test_a_lazy_layer_is_looked_at_in_a_thread(ready, qtbot, clipped):
    viewer, widget = ready
    viewer.add_image(da.from_array(clipped, chunks=32), name="lazy")
    assert widget.run.enabled
    qtbot.waitUntil(lambda: "saturated" in widget.advice_note.text, timeout=10_000)


def test_advice_follows_the_layer_that_is_chosen(ready, clipped):
    viewer, widget = ready
    layer = viewer.add_image(clipped, name="clipped")
    assert "saturated" in widget.advice_note.text
    layer.data = np.zeros((64, 64), np.uint16)
    assert widget.advice_note.text == ""
    viewer.layers.clear()
    assert widget.advice_note.text == ""
