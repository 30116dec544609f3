"""Layers that show fixed patches while a training goes on; no layer of the user is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QTimer

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer

MARK = "napari-isr preview"
_GAP = 0.08
# Between patches, in pixels of the smallest kind.
_LINES = 2
_TURN = 10  # ms
_PERCENTILES = (0.5, 99.5)

Pictures = Mapping[str, Sequence[NDArray[np.float32]]]


def is_preview(layer: napari.layers.Layer) -> bool:
    """Tell whether a layer is one of ours, which nobody should train on."""
    return MARK in layer.metadata


class PreviewLayers:
    """A row of layers beside the user's, one for each kind of picture, patches below each other.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where to.
    title : str
        Beginning of the layers' names.
    """

    def __init__(self, viewer: napari.viewer.Viewer, title: str) -> None:
        self._viewer, self._title = viewer, title
        self._place: tuple[float, float, float] | None = None
        self._made: set[str] = set()
        self._waiting: dict[str, tuple[NDArray[np.float32], dict[str, Any]]] = {}
        self._looks = False
        self._turn = QTimer()
        self._turn.setInterval(_TURN)
        self._turn.timeout.connect(self._show_next)

    @property
    def is_busy(self) -> bool:
        """Whether there are pictures still to be shown."""
        return self._turn.isActive()

    def close(self) -> None:
        """Show nothing more."""
        with suppress(RuntimeError):  # when Python ends, Qt may have deleted it already
            self._turn.stop()

    @property
    def layers(self) -> dict[str, napari.layers.Image]:
        """The layers that are in the viewer, by kind."""
        # Looked up each time: a layer that the user removes must not be kept alive by us.
        ours = (layer for layer in self._viewer.layers if is_preview(layer))
        return {
            layer.metadata[MARK][1]: layer
            for layer in ours
            if layer.metadata[MARK][0] == self._title
        }

    def begin(self) -> None:
        """Show layers again that the user removed or hid."""
        self._made = set()

    def show(self, pictures: Pictures, *, look: bool = False) -> None:
        """Show pictures, in the layers of the last ones where there are any.

        Each layer has a turn of the event loop to itself: one takes napari up to 100 ms.

        Parameters
        ----------
        pictures : mapping
            Patches ``(H, W, C)`` by kind, intensities around 0 to 1; the largest kind last. A
            layer that the user has removed comes back after `begin` only.
        look : bool
            Whether to move the camera there in the end.
        """
        least = next(iter(pictures.values()))[0].shape[0]
        canvases = {
            kind: _stacked(patches, _LINES * round(patches[0].shape[0] / least))
            for kind, patches in pictures.items()
        }
        if not self.layers or self._place is None:
            self._place = self._free_place()
        self._waiting = {
            kind: (canvases[kind], placed) for kind, placed in self._placed(canvases).items()
        }
        self._looks = self._looks or look
        self._turn.start()

    def _show_next(self) -> None:
        if not self._waiting:
            self._turn.stop()
            if self._looks:
                self._looks = False
                self.look()
            return
        kind = next(iter(self._waiting))
        canvas, placed = self._waiting.pop(kind)
        is_new, layer = kind not in self._made, self.layers.get(kind)
        self._made.add(kind)
        if layer is not None and layer.rgb == (canvas.ndim == 3):
            # In place: layers removed in a slot and others added soon after crash Mesa.
            _update(layer, canvas, placed)
            if is_new:
                layer.visible = True
        elif is_new:
            chosen = list(self._viewer.layers.selection)
            self._viewer.add_image(canvas, **placed)
            if chosen:  # stays chosen, here and in other widgets
                self._viewer.layers.selection.active = chosen[-1]
                self._viewer.layers.selection = chosen

    def _placed(self, canvases: dict[str, NDArray[np.float32]]) -> dict[str, dict[str, Any]]:
        """Return the arguments of the layers by kind."""
        assert self._place is not None
        top, left, pixel = self._place
        largest = list(canvases.values())[-1]
        limits = [float(v) for v in np.percentile(largest, _PERCENTILES)]
        arguments = {}
        for number, (kind, canvas) in enumerate(canvases.items()):
            scale = largest.shape[0] / canvas.shape[0] * pixel
            offset = number * largest.shape[1] * (1 + _GAP) * pixel
            is_rgb = canvas.ndim == 3
            arguments[kind] = {
                "name": f"{self._title}: {kind}",
                "rgb": is_rgb,
                "scale": (scale, scale),
                # The centre of the first pixel, so that the borders meet.
                "translate": (top + scale / 2, left + offset + scale / 2),
                "metadata": {MARK: (self._title, kind)},
                **({} if is_rgb else {"contrast_limits": _increasing(limits)}),
            }
        return arguments

    def _free_place(self) -> tuple[float, float, float]:
        """Return top and left of the free place beside all layers, and the size of a pixel."""
        layers = [layer for layer in self._viewer.layers if layer.ndim >= 2]
        if not layers:
            return 0.0, 0.0, 1.0
        boxes = [np.asarray(layer.extent.world)[:, -2:] for layer in layers]
        top = min(box[0, 0] for box in boxes)
        left, right = min(box[0, 1] for box in boxes), max(box[1, 1] for box in boxes)
        pixel = abs(float(layers[0].scale[-1])) or 1.0
        return float(top), float(right + _GAP * (right - left)), pixel

    def look(self) -> None:
        """Move the camera so that the layers fill the canvas."""
        if not self.layers:
            return
        # reset_view(layers=...) fails for flat layers beside stacks (napari 0.9.2). So it fits all
        # layers, and as much closer as ours are smaller, they still fit.
        self._viewer.reset_view(reset_camera_angle=False)
        everything = _borders([layer for layer in self._viewer.layers if layer.visible])
        ours = _borders(list(self.layers.values()))
        closer = np.min((everything[1] - everything[0]) / (ours[1] - ours[0]))
        camera = getattr(self._viewer, "scene", self._viewer).camera  # moved in napari 0.9
        camera.zoom *= float(closer)
        camera.center = tuple(float(v) for v in ours.mean(axis=0))

    def hide(self) -> None:
        """Hide the layers until `begin` and the next pictures."""
        for layer in self.layers.values():
            layer.visible = False


def _borders(layers: list[Any]) -> NDArray[np.float64]:
    """Return least and largest coordinates along Y and X, ``(2, 2)``, of what layers show."""
    boxes = np.array([layer.extent.world[:, -2:] for layer in layers if layer.ndim >= 2])
    return np.array([boxes[:, 0].min(axis=0), boxes[:, 1].max(axis=0)])


def _update(layer: Any, canvas: NDArray[np.float32], placed: dict[str, Any]) -> None:
    """Set what differs: input, bicubic and truth stay the same while a network learns."""
    if not np.array_equal(layer.data, canvas):
        layer.data = canvas
    for name in ("scale", "translate"):
        if not np.allclose(getattr(layer, name), placed[name]):
            setattr(layer, name, placed[name])


def _stacked(patches: Sequence[NDArray[np.float32]], gap: int) -> NDArray[np.float32]:
    """Put patches one below the other; ``(H, W)`` or, with three channels, RGB in [0, 1]."""
    width = min(patch.shape[1] for patch in patches)
    line = np.zeros((gap, width, patches[0].shape[-1]), np.float32)
    parts = [part for patch in patches for part in (line, patch[:, :width])]
    canvas = np.concatenate(parts[1:])
    return np.clip(canvas, 0, 1) if canvas.shape[-1] == 3 else canvas[..., 0]


def _increasing(limits: list[float]) -> list[float]:
    low, high = limits
    return [low, high if high > low else low + 1.0]
