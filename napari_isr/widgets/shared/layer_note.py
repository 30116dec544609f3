"""What is told of layers that were added, while it is true."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari_isr.widgets.shared.fields import Note

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer


class LayerStatus:
    """Words on a layer in a note: they follow its name, and end with it.

    Words that the note is given otherwise take their place.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        With the layers.
    note : Note
        Where they are told.
    """

    def __init__(self, viewer: napari.viewer.Viewer, note: Note) -> None:
        self._layers, self._note = viewer.layers, note
        self._layer: napari.layers.Layer | None = None
        self._words: Callable[[], str] | None = None
        self._told = ""
        self._layers.events.removed.connect(self._renew)
        self._layers.events.renamed.connect(self._renew)

    def tell(self, layer: napari.layers.Layer, words: Callable[[], str]) -> None:
        """Show words for as long as a layer is there.

        Parameters
        ----------
        layer : Layer
            That they are of.
        words : callable
            Gives them, by the names of now.
        """
        self._layer, self._words = layer, words
        self._say(words())

    def _renew(self) -> None:
        if self._words is None:
            return
        is_there = self._layer in self._layers
        if self._note.text == self._told:
            self._say(self._words() if is_there else "")
        if not is_there:
            self._layer = self._words = None  # its pixels are not kept

    def _say(self, text: str) -> None:
        self._note.say(text)
        self._told = self._note.text

    def disconnect_all(self) -> None:
        """Leave the viewer alone."""
        self._layers.events.removed.disconnect(self._renew)
        self._layers.events.renamed.disconnect(self._renew)
