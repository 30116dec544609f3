"""Layers that show fixed patches while a training goes on; no layer of the user is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer

MARK = "napari-isr preview"
_GAP = 0.08
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
        self._layers: dict[str, napari.layers.Image] = {}
        self._sizes: tuple[tuple[int, ...], ...] = ()

    @property
    def layers(self) -> list[napari.layers.Image]:
        """The layers that are in the viewer."""
        return [layer for layer in self._layers.values() if layer in self._viewer.layers]

    def show(self, pictures: Pictures) -> None:
        """Show pictures, in the layers of the last ones if there are any.

        Parameters
        ----------
        pictures : mapping
            Patches ``(H, W, C)`` by kind, intensities around 0 to 1; the largest kind last. A
            layer that the user has removed does not come back.
        """
        sizes = tuple(patch.shape for patch in list(pictures.values())[-1])
        canvases = {kind: _stacked(patches) for kind, patches in pictures.items()}
        if self._layers and sizes == self._sizes:
            for kind, canvas in canvases.items():
                if self._layers[kind] in self._viewer.layers:
                    self._layers[kind].data = canvas
            return
        self.remove()
        self._sizes = sizes
        self._add(canvases)

    def _add(self, canvases: dict[str, NDArray[np.float32]]) -> None:
        layers = self._viewer.layers
        chosen = list(layers.selection)
        largest = list(canvases.values())[-1]
        limits = [float(v) for v in np.percentile(largest, _PERCENTILES)]
        top, left, pixel = self._place()
        for number, (kind, canvas) in enumerate(canvases.items()):
            scale = largest.shape[0] / canvas.shape[0] * pixel
            offset = number * largest.shape[1] * (1 + _GAP) * pixel
            is_rgb = canvas.ndim == 3
            looks: dict[str, Any] = {} if is_rgb else {"contrast_limits": _increasing(limits)}
            self._layers[kind] = self._viewer.add_image(
                canvas,
                name=f"{self._title}: {kind}",
                rgb=is_rgb,
                scale=(scale, scale),
                # The centre of the first pixel, so that the borders meet.
                translate=(top + scale / 2, left + offset + scale / 2),
                metadata={MARK: kind},
                **looks,
            )
        # What the user had chosen stays chosen, here and in other widgets.
        if chosen:
            layers.selection.active = chosen[-1]
            layers.selection = chosen

    def _place(self) -> tuple[float, float, float]:
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
        if self.layers:
            self._viewer.reset_view(layers=self.layers, reset_camera_angle=False)

    def remove(self) -> None:
        """Take the layers away."""
        for layer in self.layers:
            self._viewer.layers.remove(layer)
        self._layers = {}


def _stacked(patches: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Put patches one below the other; ``(H, W)`` or, with three channels, RGB in [0, 1]."""
    width = min(patch.shape[1] for patch in patches)
    canvas = np.concatenate([patch[:, :width] for patch in patches])
    return np.clip(canvas, 0, 1) if canvas.shape[-1] == 3 else canvas[..., 0]


def _increasing(limits: list[float]) -> list[float]:
    low, high = limits
    return [low, high if high > low else low + 1.0]
