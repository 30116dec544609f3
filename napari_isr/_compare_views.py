"""The Compare widget's ways to look at layers; each is undone before another begins."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_isr._compare_request import Request

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer

NONE, CURTAIN, SIDE_BY_SIDE = "as it is", "curtain under the mouse", "side by side"
VIEWS = (NONE, CURTAIN, SIDE_BY_SIDE)


class Views:
    """What the viewer is made to show.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Which is left as it was.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self._shown: Any = None

    def show(self, kind: str, request: Request, result: napari.layers.Image) -> str:
        """Undo what was shown and show another view; return what it is in words.

        Parameters
        ----------
        kind : str
            One of `VIEWS`.
        request : Request
            The layers.
        result : Image
            The one that is right of the curtain.
        """
        self.stop()
        if kind == NONE:
            return ""
        try:
            module = import_module("napari_isr._compare_view")
        except ImportError:
            return ""
        Curtain, SideBySide = module.Curtain, module.SideBySide

        left = request.input.layer
        if kind == CURTAIN:
            self._shown = Curtain(self._viewer, left, result)
            words = (
                f"Move the mouse over the image: left of it is {left.name!r}, right of it "
                f"{result.name!r}."
            )
        else:
            truth = [] if request.truth is None else [request.truth.layer]
            layers = [left, *(c.layer for c in request.results), *truth]
            self._shown = SideBySide(self._viewer, layers)
            words = f"{len(layers)} layers side by side; zoom and position are linked."
        self._shown.start()
        return words

    def stop(self) -> None:
        """Leave the viewer as it was."""
        shown, self._shown = self._shown, None
        if shown is not None:
            shown.stop()
