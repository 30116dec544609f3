"""Layers cut along a line of the canvas: the only place that reaches below napari's public face.

napari's clipping planes do nothing in 2-D, and a cropped copy of a layer would have to be sliced
and uploaded at every move of the mouse. vispy's `Clipper` costs two numbers.
"""

from __future__ import annotations

from typing import Any

import napari
import numpy as np
from napari.layers import Image

from src_models.errors import InvalidInputError

# Farther than any canvas reaches, in pixels; exact in the shader's 32 bits.
_FAR = 100_000.0
# One picture over the background, whatever the layer's blending would make of it. Not set on the
# layer, since napari's controls would pass it on to all that are selected.
_OVER = {
    "preset": None,
    "blend": True,
    "blend_func": ("src_alpha", "one_minus_src_alpha", "one", "one"),
    "blend_equation": "func_add",
    "depth_test": False,
    "cull_face": False,
}
_LINE = np.array([[[0, 0, 0, 160], [255, 255, 255, 255], [0, 0, 0, 160]]], np.uint8)


class CanvasCut:
    """Two layers' pictures cut at one column of the canvas, and the line between them.

    The cut belongs to the screen, so scales, turned layers and 3-D volumes need nothing special.
    Nothing of it is a layer: it is neither listed nor saved.

    Parameters
    ----------
    viewer : napari.Viewer
        With a window.
    left, right : Image
        Layers of the viewer, shown on either side.

    Raises
    ------
    InvalidInputError
        If this napari keeps its pictures elsewhere.
    """

    def __init__(self, viewer: napari.Viewer, left: Image, right: Image) -> None:
        from vispy.scene.visuals import Image as Picture
        from vispy.visuals.filters import Clipper
        from vispy.visuals.transforms import STTransform

        self._canvas = canvas_of(viewer)
        if self._canvas is None or not {left, right} <= self._canvas.layer_to_visual.keys():
            raise InvalidInputError(
                "A curtain cuts the pictures that napari draws, and this version of napari keeps "
                f"them elsewhere. Received: napari {napari.__version__}. Compare side by side."
            )
        self._sides = [(left, Clipper()), (right, Clipper())]
        self._cut: list[tuple[Any, Any]] = []
        self._line = Picture(_LINE, interpolation="nearest", parent=self._canvas.view)
        self._line.order = 1_000_000
        self._line.set_gl_state(**_OVER)
        self._line.transform = STTransform(scale=(1, _FAR))
        # napari makes new pictures as it likes (3-D, large images): look before each drawing.
        self._canvas.events.draw.connect(self._cut_pictures, position="first")
        self.move(self._canvas.size[1] / 2)

    def move(self, x: float) -> None:
        """Cut at this column.

        Parameters
        ----------
        x : float
            In pixels of the canvas as Qt counts them, from its left edge.
        """
        # The shader counts the screen's own pixels.
        column = round(x * self._ratio)
        for (_, clipper), start in zip(self._sides, (column - _FAR, column), strict=True):
            clipper.bounds = (start, -_FAR, _FAR, 2 * _FAR)
        # On whole pixels: drivers disagree about halves.
        self._line.transform.translate = ((column - 1) / self._ratio, 0)
        self._canvas.native.update()

    @property
    def _ratio(self) -> float:
        return float(self._canvas.native.devicePixelRatioF())

    def _cut_pictures(self, event: object = None) -> None:
        pictures = self._canvas.layer_to_visual
        wanted = [
            (part, clipper)
            for layer, clipper in self._sides
            if layer in pictures
            for part in _parts(pictures[layer].node)
        ]
        for pair in [pair for pair in self._cut if pair not in wanted]:
            self._mend(*pair)
        for part, clipper in [pair for pair in wanted if pair not in self._cut]:
            part.attach(clipper)
            self._cut.append((part, clipper))
        for part, _ in wanted:
            part.set_gl_state(**_OVER)

    def _mend(self, part: Any, clipper: Any) -> None:
        part.detach(clipper)
        self._cut.remove((part, clipper))

    def close(self) -> None:
        """Show both layers whole again."""
        self._canvas.events.draw.disconnect(self._cut_pictures)
        for pair in list(self._cut):
            self._mend(*pair)
        for layer, _ in self._sides:
            if (picture := self._canvas.layer_to_visual.get(layer)) is not None:
                picture._on_blending_change()
        self._line.parent = None
        self._canvas.native.update()


def canvas_of(viewer: napari.Viewer) -> Any:
    """Return the canvas of a viewer's window, or None where this napari has none in this place."""
    window = getattr(viewer, "window", None)
    canvas = getattr(getattr(window, "_qt_viewer", None), "canvas", None)
    needed = ("layer_to_visual", "view", "events", "native", "size")
    return canvas if all(hasattr(canvas, name) for name in needed) else None


def closed_signal(viewer: napari.Viewer) -> Any:
    """Return the signal that a viewer's window has gone; None without a window."""
    canvas = canvas_of(viewer)
    return None if canvas is None else canvas.native.destroyed


def _parts(node: Any) -> list[Any]:
    """Return what is drawn of a picture: the tiles of one that is larger than a texture."""
    return list(getattr(node, "adopted_children", [node]))
