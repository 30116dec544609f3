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
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QPushButton

import napari_isr
from napari_isr.widgets.compare.canvas_cut import canvas_of
from src_models.images.degradation import binned

user: Any = QTest  # whose stubs take functions for methods
IMAGES = Path(__file__).parents[1] / "docs" / "images"
# Of the animation: frames from one end to the other, and pixels.
FRAMES, WIDTH, HEIGHT = 18, 720, 360


def wait(seconds: float) -> None:
    """Let napari work."""
    application = napari.qt.get_qapp()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        application.processEvents()
        time.sleep(0.01)


def click(button: Any) -> None:
    """Click a button of a widget."""
    user.mouseClick(button.native, Qt.MouseButton.LeftButton)


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


def take(
    viewer: napari.Viewer,
    name: str,
    themes: tuple[str, ...] = ("light", "dark"),
    palette: Image.Quantize = Image.Quantize.MEDIANCUT,
) -> None:
    """Take a picture of the whole window in both themes; FASTOCTREE keeps rare colours."""
    for theme in themes:
        viewer.theme = theme
        wait(0.5)
        pixels = viewer.screenshot(canvas_only=False, flash=False)[..., :3]
        # A window has few colours: a palette makes the file a third of its size.
        picture = Image.fromarray(pixels).quantize(256, palette)
        picture.save(IMAGES / f"{name}-{theme}.png", optimize=True)


def new_viewer() -> napari.Viewer:
    """Return a window with the sample image."""
    viewer = napari.Viewer(title="napari-isr")
    viewer.window.resize(1200, 760)
    viewer.open_sample("napari-isr", "embl_plant_12bit")
    wait(1)
    return viewer


def main() -> None:
    """Take the pictures, in the order a user would see them."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    upscale()
    with TemporaryDirectory() as folder:
        os.environ["NAPARI_ISR_MODELS"] = folder
        train()
    with TemporaryDirectory() as folder:
        os.chdir(folder)  # its name would be of interest to nobody
        batch()
    compare()


def upscale() -> None:
    """Take the pictures of the Upscale widget, and the animation of the result over its source."""
    viewer = new_viewer()
    _, widget = viewer.window.add_plugin_dock_widget("napari-isr", "Upscale")
    take(viewer, "upscale")
    click(widget.run)
    until_done(widget)
    viewer.camera.center, viewer.camera.zoom = (0, 100, 100), 7
    take(viewer, "upscale-result")
    animate(viewer)

    trust(viewer, widget)

    # Running for long enough to be seen.
    movie = np.random.default_rng(0).poisson(viewer.layers[0].data / 40 + 2, (24, 256, 256))
    viewer.add_image(movie.astype(np.uint16), name="movie")
    viewer.reset_view()
    click(widget.run)
    while widget.progress.max < 2 or widget.progress.value < widget.progress.max / 3:
        wait(0.02)
    take(viewer, "upscale-running", ("dark",))
    click(widget.cancel)
    until_done(widget)
    viewer.close()


def trust(viewer: napari.Viewer, widget: Any) -> None:
    """Take the picture of a result with the layer that tells where it is likely to be wrong."""
    viewer.layers.remove(viewer.layers[1])
    viewer.reset_view()
    section = next(b for b in widget.native.findChildren(QPushButton) if "Trust" in b.text())
    user.mouseClick(section, Qt.MouseButton.LeftButton)
    wait(0.5)
    user.keyClick(widget.trust.uncertainty.native, Qt.Key.Key_Down)
    box = widget.trust.consistency.native
    user.mouseClick(box, Qt.MouseButton.LeftButton, pos=QPoint(8, box.height() // 2))
    click(widget.run)
    until_done(widget)
    doubt = next(layer for layer in viewer.layers if layer.name.endswith("expected error"))
    doubt.visible = True
    viewer.layers.selection.active = doubt
    take(viewer, "trust")
    for layer in list(viewer.layers)[1:]:
        viewer.layers.remove(layer)
    user.mouseClick(section, Qt.MouseButton.LeftButton)
    widget.trust.uncertainty.value = ""
    widget.trust.consistency.value = False


def animate(viewer: napari.Viewer) -> None:
    """Wipe the result over its source and back, as the canvas shows them."""
    viewer.camera.center, viewer.camera.zoom = (0, 100, 100), 6
    shown = []
    for visible in (False, True):
        viewer.layers[1].visible = visible
        wait(0.5)
        canvas = viewer.screenshot(size=(HEIGHT, WIDTH), canvas_only=True, flash=False)
        shown.append(canvas[..., :3])
    source, result = shown
    # Slow at the ends, where there is something to compare.
    shares = (1 - np.cos(np.linspace(0, np.pi, FRAMES))) / 2
    frames = []
    for share in (*shares, *shares[-2:0:-1]):
        edge = round(share * WIDTH)
        frame = np.concatenate([result[:, :edge], source[:, edge:]], axis=1)
        frame[:, max(edge - 1, 0) : edge + 1] = (255, 200, 0)
        frames.append(Image.fromarray(frame))
    pauses = [1200 if i in (0, FRAMES - 1) else 60 for i in range(len(frames))]
    frames[0].save(
        IMAGES / "before_after.webp",
        save_all=True,
        append_images=frames[1:],
        duration=pauses,
        loop=0,
        quality=60,
        kmin=0,
        kmax=1,  # differences between frames would leave traces of the edge
        method=6,
    )


def train() -> None:
    """Take the pictures of the Train widget, from a sample to a model of one's own in use."""
    viewer = new_viewer()
    _, widget = viewer.window.add_plugin_dock_widget("napari-isr", "Train")
    click(widget.images.check)
    until_trained(widget)
    widget.network.length.value = 1
    click(widget.run)
    while len(widget.plots.scores) < 5:
        wait(0.05)
    viewer.reset_view(layers=[x for x in viewer.layers if x.name.startswith("Training")])
    take(viewer, "training")
    until_trained(widget)
    widget.model_name.value = "plant"
    click(widget.save)
    dock, upscale = viewer.window.add_plugin_dock_widget("napari-isr", "Upscale", tabify=True)
    dock.raise_()
    upscale.model.value = "plant"
    click(upscale.run)
    until_done(upscale)
    viewer.reset_view(layers=[viewer.layers[-1]])
    take(viewer, "own-model")
    viewer.close()


def batch() -> None:
    """Take the pictures of the Batch widget after a batch in which one file failed."""
    viewer = new_viewer()
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
    take(viewer, "batch")
    viewer.close()


def compare() -> None:
    """Take the pictures of the Compare widget: a sample, shrunk and upscaled, beside itself."""
    viewer = new_viewer()
    truth = viewer.layers[0].data
    viewer.layers.clear()
    small = viewer.add_image(binned(truth, 2), name="plant", scale=(0.4, 0.4), units=("um", "um"))
    viewer.reset_view()
    _, widget = viewer.window.add_plugin_dock_widget("napari-isr", "Compare")
    viewer.add_layer(napari_isr.upscale(small))
    viewer.add_image(
        truth, name="truth", scale=(0.2, 0.2), translate=(-0.1, -0.1), units=("um", "um")
    )
    widget.fields.truth.value = viewer.layers["truth"]
    click(widget.run)
    until_done(widget)
    click(widget.subtract)
    until_done(widget)
    take(viewer, "compare", palette=Image.Quantize.FASTOCTREE)
    viewer.layers.remove(viewer.layers[-1])
    widget.tabs.setCurrentIndex(1)
    click(widget.draw_line)
    viewer.layers[-1].add([[36, 29], [44, 43]], shape_type="line")
    viewer.camera.center, viewer.camera.zoom = (0, *(36 * small.scale[0], 30 * small.scale[1])), 20
    take(viewer, "compare-profiles", palette=Image.Quantize.FASTOCTREE)
    viewer.layers.remove(viewer.layers[-1])
    widget.view.value = "curtain under the mouse"
    canvas = canvas_of(viewer).native
    user.mouseMove(canvas, canvas.rect().center())
    widget.tabs.setCurrentIndex(2)
    take(viewer, "compare-resolution", palette=Image.Quantize.FASTOCTREE)
    viewer.close()


if __name__ == "__main__":
    main()
