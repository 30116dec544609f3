"""Which layers can be compared, and which are chosen; kept while layers come and go."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari_isr.widgets.compare.request import is_made_from, is_made_here

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer


class CompareChoices:
    """The input, the truth, and what the user has checked.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers they are.
    edited : callable
        Called when the pixels of a layer are replaced, or when it is moved.

    Attributes
    ----------
    input, truth : Image or None
        As chosen.
    """

    def __init__(self, viewer: napari.viewer.Viewer, edited: Callable[[], None]) -> None:
        self._viewer, self._edited = viewer, edited
        self.input: Any = None
        self.truth: Any = None
        self._asked: dict[tuple[str, str], bool] = {}
        self._watched: dict[str, Any] = {}

    def images(self, _combo: Any = None) -> list[napari.layers.Image]:
        """Return the images there are, without those that a comparison made."""
        from napari.layers import Image

        return [x for x in self._viewer.layers if isinstance(x, Image) and not is_made_here(x)]

    def truths(self, _combo: Any = None) -> list[napari.layers.Image]:
        """Return what can be the truth."""
        return [x for x in self.images() if x != self.input]

    def results(self) -> list[napari.layers.Image]:
        """Return what can be a result."""
        return [x for x in self.images() if x not in (self.input, self.truth)]

    def lines(self, _combo: Any = None) -> list[napari.layers.Shapes]:
        """Return the layers that lines can be drawn in."""
        from napari.layers import Shapes

        return [x for x in self._viewer.layers if isinstance(x, Shapes)]

    def renew(self) -> None:
        """Keep what was chosen while it exists; else choose what is likely."""
        images = self.images()
        self._watch(images)
        if self.input not in images:
            self.input = self._likely_input(images)
        if self.truth not in images or self.truth == self.input:
            self.truth = None

    def _likely_input(self, images: list[napari.layers.Image]) -> napari.layers.Image | None:
        """Return what a result was made from, else what is active, else the last image."""
        for layer in reversed(images):
            for source in images:
                if source != layer and is_made_from(layer, source, images):
                    return source
        active = self._viewer.layers.selection.active
        return active if active in images else (images[-1] if images else None)

    def ask(self, layer: napari.layers.Image, is_checked: bool) -> None:
        """Remember that the user wants a layer as a result of the input, or does not."""
        if self.input is not None:
            self._asked[str(self.input.unique_id), str(layer.unique_id)] = is_checked

    def is_checked(self, layer: napari.layers.Image) -> bool:
        """Tell whether a layer is a result: as asked, else as its record says."""
        if self.input is None:
            return False
        asked = self._asked.get((str(self.input.unique_id), str(layer.unique_id)))
        if asked is not None:
            return asked
        return is_made_from(layer, self.input, self.images())

    def _watch(self, images: list[napari.layers.Image]) -> None:
        now = {str(layer.unique_id): layer for layer in images}
        for key in self._watched.keys() - now.keys():
            self._connect(self._watched[key], is_on=False)
        for key in now.keys() - self._watched.keys():
            self._connect(now[key], is_on=True)
        self._watched = now

    def _connect(self, layer: Any, *, is_on: bool) -> None:
        events = layer.events
        for event in (events.data, events.scale, events.translate, events.units):
            (event.connect if is_on else event.disconnect)(self._edited)

    def disconnect_all(self) -> None:
        """Leave the layers alone."""
        self._watch([])
