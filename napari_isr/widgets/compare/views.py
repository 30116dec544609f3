"""The Compare widget's ways to look at layers; each is undone before another begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_isr.widgets.compare.canvas_views import Curtain, SideBySide
from napari_isr.widgets.compare.request import Request
from src_models.errors import SuperResolutionError

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer

NONE, CURTAIN, SIDE_BY_SIDE = "as it is", "curtain under the mouse", "side by side"
VIEWS = (NONE, CURTAIN, SIDE_BY_SIDE)
_ENDED = "The view has ended, because {}."


class CompareViews:
    """Makes the viewer show what is chosen in a panel.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Which is left as it was.
    choice, note : ComboBox, Note
        Where the view is chosen, and explained.
    """

    def __init__(self, viewer: napari.viewer.Viewer, choice: Any, note: Any) -> None:
        self._viewer, self._choice, self._note = viewer, choice, note
        self._shown: Curtain | SideBySide | None = None
        self._layers: list[Any] = []
        self._request: Request | None = None
        self._result: Any = None
        self._baselines: list[Any] = []
        choice.changed.connect(self._show)

    def renew(
        self, request: Request | None, result: Any, baselines: list[napari.layers.Layer]
    ) -> None:
        """Follow what is chosen; say so if the view has ended by itself.

        Parameters
        ----------
        request : Request, optional
            The layers.
        result : Image, optional
            The one that is right of the curtain.
        baselines : list of Image
            Layers of the interpolated input.
        """
        self._request, self._result, self._baselines = request, result, baselines
        self._choice.enabled = request is not None
        if self._choice.value == NONE:
            return
        if request is None or self._shown is None or not self._shown.active:
            self._ended("layers came or went")
        elif self._layers != self._chosen_layers():
            self._show()

    def _chosen_layers(self) -> list[Any]:
        request = self._request
        assert request is not None
        truth = [] if request.truth is None else [request.truth.layer]
        others = [candidate.layer for candidate in request.results]
        return [self._result, request.input.layer, *self._baselines, *others, *truth]

    def _show(self) -> None:
        self.stop()
        self._note.say("")
        kind, request = self._choice.value, self._request
        if kind == NONE or request is None:
            return
        self._layers = self._chosen_layers()
        right, left, *_ = self._layers
        if kind == CURTAIN:
            shown: Curtain | SideBySide = Curtain(self._viewer, left, right)
        else:
            shown = SideBySide(self._viewer, self._layers[1:])
        try:
            shown.start()
        except SuperResolutionError as error:
            self._end(str(error))
        else:
            self._shown = shown
            shown.ended.connect(self._ended)
            self.explain()

    def explain(self) -> None:
        """Say what is where, by the names that the layers have now."""
        request = self._request
        if self._shown is None or request is None:
            return
        right, left, *_ = self._layers
        if self._choice.value == CURTAIN:
            others = " Another row of the table shows another." if len(request.results) > 1 else ""
            if not self._baselines:
                others += " Add bicubic to see it, too."
            words = (
                f"Move the mouse over the image: left of it is {left.name!r}, right of it "
                f"{right.name!r}.{others}"
            )
        else:
            names = ", ".join(repr(layer.name) for layer in self._layers[1:])
            order = "From left to right" if len(self._layers) <= 4 else "Row by row"
            words = f"{order}: {names}; zoom and position are linked."
        if self._shown.unmatched:
            names = ", ".join(repr(layer.name) for layer in self._shown.unmatched)
            words += f" Of other intensities, so with a contrast of its own: {names}."
        self._note.say(words)

    def _ended(self, reason: str) -> None:
        self._end(_ENDED.format(reason))

    def _end(self, words: str) -> None:
        self.stop()
        with self._choice.changed.blocked():
            self._choice.value = NONE
        self._note.say(words)

    def stop(self) -> None:
        """Leave the viewer as it was."""
        shown, self._shown = self._shown, None
        if shown is not None:
            shown.ended.disconnect(self._ended)
            shown.stop()
