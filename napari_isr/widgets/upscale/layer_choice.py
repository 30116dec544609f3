"""Which layer the Upscale widget has chosen: it follows the active one, and guesses its axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox, LineEdit

from napari_isr.bridge.layers import guess_basis, layer_axes
from napari_isr.bridge.trust_layers import JUDGES
from src_models.errors import SuperResolutionError

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer


def image_layers(viewer: napari.viewer.Viewer) -> list[napari.layers.Image]:
    """Return the layers that can be upscaled."""
    from napari.layers import Image

    return [layer for layer in viewer.layers if isinstance(layer, Image)]


class ChosenLayer:
    """Keeps the fields for layer and axes in step with the viewer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers are offered.
    field : ComboBox
        Where one is chosen.
    axes : LineEdit
        Where its axes are guessed, and may be corrected.
    changed : callable
        Called after either has changed.

    Attributes
    ----------
    follows : bool
        Whether the active layer is chosen when it changes.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        field: ComboBox,
        axes: LineEdit,
        changed: Callable[[], None],
    ) -> None:
        self.follows = True
        self._viewer, self._field, self._axes = viewer, field, axes
        self._changed = changed
        self._layer: Any = None
        self._guessed_by: tuple[Any, ...] = ()
        layers = viewer.layers
        layers.events.inserted.connect(self._layers_changed)
        layers.events.removed.connect(self._layers_changed)
        layers.events.renamed.connect(self._layers_changed)
        layers.selection.events.active.connect(self.follow_active)
        field.changed.connect(self._take)
        axes.changed.connect(changed)

    def disconnect_all(self) -> None:
        """Disconnect from the viewer, which outlives the widget."""
        layers = self._viewer.layers
        layers.events.inserted.disconnect(self._layers_changed)
        layers.events.removed.disconnect(self._layers_changed)
        layers.events.renamed.disconnect(self._layers_changed)
        layers.selection.events.active.disconnect(self.follow_active)

    def _layers_changed(self) -> None:
        """Offer the layers there are; the one that was chosen stays so while it exists."""
        self._choose(self._layer)

    def follow_active(self) -> None:
        """Choose the active layer, if it is an image and no judgement of one."""
        if not self.follows:
            return
        active = self._viewer.layers.selection.active
        is_image = active in image_layers(self._viewer)
        is_taken = is_image and JUDGES not in active.metadata.get("napari-isr", ())
        self._choose(active if is_taken else self._layer)

    def _choose(self, wanted: napari.layers.Layer | None) -> None:
        images = image_layers(self._viewer)
        if wanted not in images:
            active = self._viewer.layers.selection.active
            wanted = active if active in images else (images[-1] if images else None)
        with self._field.changed.blocked():
            self._field.reset_choices()
            self._field.value = wanted
        self._take(wanted)

    def _take(self, layer: napari.layers.Image | None) -> None:
        """Guess the axes of a layer when it is chosen, not again while it stays as it is."""
        if layer is not self._layer:
            for old, connect in ((self._layer, False), (layer, True)):
                if old is not None:
                    for event in (old.events.data, old.events.axis_labels):
                        (event.connect if connect else event.disconnect)(self._edited)
            self._layer = layer
            self._guess_axes()
        self._changed()

    def _edited(self) -> None:
        self._guess_axes()
        self._changed()

    def _guess_axes(self) -> None:
        """Guess anew if what the guess goes by has changed; what was typed stays otherwise."""
        if self._layer is None:
            return
        try:
            basis = (id(self._layer), *guess_basis(self._layer))
            guess = layer_axes(self._layer)
        except SuperResolutionError:
            basis, guess = (), ""
        if basis != self._guessed_by or not basis:
            self._guessed_by = basis
            with self._axes.changed.blocked():
                self._axes.value = guess
