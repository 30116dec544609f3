"""Drive real napari with real clicks and take the pictures of ``docs/images``.

Run it with ``make screenshots``; it starts a virtual screen where there is none.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import napari
import numpy as np
import tifffile
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

IMAGES = Path(__file__).parents[1] / "docs" / "images"


def wait(seconds: float) -> None:
    """Let napari work."""
    application = napari.qt.get_qapp()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        application.processEvents()
        time.sleep(0.01)


def click(button: Any) -> None:
    """Click a button of a widget."""
    QTest.mouseClick(button.native, Qt.MouseButton.LeftButton)


def until_done(widget: Any) -> None:
    """Wait for the end of the widget's work."""
    wait(0.2)
    while widget.cancel.enabled:
        wait(0.05)
    wait(0.5)


def until_trained(widget: Any) -> None:
    """Wait for the end of the Train widget's work."""
    wait(0.2)
    while not widget.run.enabled:
        wait(0.05)
    wait(1)


def take(viewer: napari.Viewer, name: str) -> None:
    """Take a picture of the whole window."""
    wait(0.5)
    pixels = viewer.screenshot(canvas_only=False, flash=False)[..., :3]
    # A window has few colours: a palette makes the file a third of its size.
    Image.fromarray(pixels).quantize(256).save(IMAGES / f"{name}.png", optimize=True)


def main() -> None:
    """Take the pictures, in the order a user would see them."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    viewer = napari.Viewer(title="napari-isr")
    viewer.window.resize(1200, 760)
    viewer.open_sample("napari-isr", "embl_plant_12bit")
    wait(1)
    take(viewer, "1-sample")
    _, widget = viewer.window.add_plugin_dock_widget("napari-isr", "Upscale")
    take(viewer, "2-widget")
    click(widget.run)
    until_done(widget)
    viewer.camera.center, viewer.camera.zoom = (0, 100, 100), 7
    take(viewer, "4-result")

    # Running for long enough to be seen.
    movie = np.random.default_rng(0).poisson(viewer.layers[0].data / 40 + 2, (24, 256, 256))
    viewer.add_image(movie.astype(np.uint16), name="movie")
    viewer.reset_view()
    click(widget.run)
    while widget.progress.max < 2 or widget.progress.value < widget.progress.max / 3:
        wait(0.02)
    take(viewer, "3-running")
    click(widget.cancel)
    until_done(widget)
    viewer.layers.remove("movie")
    viewer.theme = "light"
    viewer.layers.selection.active = viewer.layers[0]
    take(viewer, "5-light")
    viewer.close()
    with TemporaryDirectory() as folder:
        os.environ["NAPARI_ISR_MODELS"] = folder
        train()
    with TemporaryDirectory() as folder:
        os.chdir(folder)  # its name would be of interest to nobody
        batch()


def train() -> None:
    """Take the pictures of the Train widget, from a sample to a model of one's own in use."""
    viewer = napari.Viewer(title="napari-isr")
    viewer.window.resize(1200, 760)
    viewer.open_sample("napari-isr", "embl_plant_12bit")
    wait(1)
    _, widget = viewer.window.add_plugin_dock_widget("napari-isr", "Train")
    click(widget.images.check)
    until_trained(widget)
    take(viewer, "6-train")
    widget.network.length.value = 1
    click(widget.run)
    while len(widget.plots.scores) < 5:
        wait(0.05)
    take(viewer, "7-training")
    until_trained(widget)
    widget.model_name.value = "plant"
    click(widget.save)
    viewer.theme = "light"
    take(viewer, "8-trained")
    dock, upscale = viewer.window.add_plugin_dock_widget("napari-isr", "Upscale", tabify=True)
    dock.raise_()
    upscale.model.value = "plant"
    click(upscale.run)
    until_done(upscale)
    viewer.theme = "dark"
    viewer.reset_view(layers=[viewer.layers[-1]])
    take(viewer, "9-own-model")
    viewer.close()


def batch() -> None:
    """Take the picture of the Batch widget after a batch in which one file failed."""
    viewer = napari.Viewer(title="napari-isr")
    viewer.window.resize(1200, 760)
    viewer.open_sample("napari-isr", "embl_plant_12bit")
    plant, place = viewer.layers[0].data, Path("experiment 7")
    place.mkdir()
    for number in range(1, 11):
        size = 200 + 5 * number
        tifffile.imwrite(place / f"plant {number:02}.tif", plant[:size, :size])
    whole = (place / "plant 05.tif").read_bytes()
    (place / "plant 05.tif").write_bytes(whole[:9000])
    _, widget = viewer.window.add_plugin_dock_widget("napari-isr", "Batch")
    widget.fields.folder.line_edit.value = str(place)
    while not widget.run.enabled:
        wait(0.05)
    wait(1)
    click(widget.run)
    until_done(widget)
    take(viewer, "10-batch")
    viewer.close()


if __name__ == "__main__":
    main()
