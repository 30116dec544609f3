"""The Compare widget's curves: profiles along a drawn line, and those that tell resolution."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_isr.bridge.world import world_units
from napari_isr.widgets.compare.lines import (
    add_line_layer,
    curves_along,
    draw_line_in,
    line_in,
    line_layer,
)
from napari_isr.widgets.compare.measure import BICUBIC, Measured
from napari_isr.widgets.compare.panel import CURVES, ComparePanel
from napari_isr.widgets.compare.plots import Curve, Figure, colours_of
from napari_isr.widgets.compare.views import NONE, SIDE_BY_SIDE

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer

_PAUSE_MS = 50
_MEASURE = "First press Measure."
_NO_LINE = (
    "Press Draw a line, then drag over the image: the profiles of all images appear here. For a "
    "line of yours, choose its Shapes layer under Along."
)
_OUTSIDE = "The line lies outside of the images."
_NO_CURVE = "No curve could be measured on these images."


class CompareCurves:
    """Draws the curves of a panel when what they show changes.

    Parameters
    ----------
    panel : ComparePanel
        With the figures.
    viewer : napari.viewer.Viewer
        Whose Shapes layers hold the lines.
    """

    def __init__(self, panel: ComparePanel, viewer: napari.viewer.Viewer) -> None:
        self._panel, self._viewer = panel, viewer
        self._measured: Measured | None = None
        self._shapes: Any = None
        self._pause = QTimer(panel)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE_MS)
        self._pause.timeout.connect(self._draw_profiles)
        panel.line.changed.connect(self._line_chosen)
        panel.draw_line.clicked.connect(self._add_line)
        panel.method.changed.connect(self._draw_resolution)
        panel.save_profiles.clicked.connect(lambda: self._save(panel.profiles, "profiles"))
        panel.save_resolution.clicked.connect(lambda: self._save(panel.resolution, "resolution"))

    def show(self, measured: Measured) -> None:
        """Draw the curves of what was measured."""
        self._measured = measured
        self.draw()

    def draw(self) -> None:
        """Draw all curves anew."""
        self._draw_profiles()
        self._draw_resolution()

    def follow_theme(self, theme: str) -> None:
        """Take the colours of napari's theme."""
        for figure in (self._panel.profiles, self._panel.resolution):
            figure.follow_theme(theme)
        self.draw()

    def offer(self, shapes: Sequence[napari.layers.Shapes]) -> None:
        """Offer the Shapes layers there are; without a choice the lines drawn here are followed."""
        wanted = self._shapes if self._shapes in shapes else line_layer(self._viewer)
        combo = self._panel.line
        with combo.changed.blocked():
            combo.reset_choices()
            combo.value = wanted
        self._line_chosen(wanted)

    def _line_chosen(self, shapes: napari.layers.Shapes | None) -> None:
        for layer, is_on in ((self._shapes, False), (shapes, True)):
            if layer is not None:
                for event in (layer.events.set_data, layer.events.highlight):
                    (event.connect if is_on else event.disconnect)(self._later)
        self._shapes = shapes
        self._draw_profiles()

    def _later(self) -> None:
        # A line that is dragged moves faster than curves should be drawn.
        self._pause.start()

    def _add_line(self) -> None:
        self._viewer.dims.ndisplay = 2  # where alone napari draws
        if self._panel.view.value == SIDE_BY_SIDE:
            self._panel.view.value = NONE  # lines would have a cell of their own there
        image = None if self._measured is None else self._measured.request.input.layer
        shapes = self._shapes
        if shapes is None:
            shapes = line_layer(self._viewer) or add_line_layer(self._viewer, image)
            self._panel.line.value = shapes
        draw_line_in(self._viewer, shapes)

    def _draw_profiles(self) -> None:
        figure, measured = self._panel.profiles, self._measured
        points = None if self._shapes is None else line_in(self._shapes)
        if measured is None or points is None:
            self._say(figure, self._panel.save_profiles, _NO_LINE if measured else _MEASURE)
            return
        colours = colours_of(measured.rows, self._viewer.theme)
        curves = curves_along(
            points,
            self._shapes,
            self._viewer.dims.point,
            world_units(self._viewer),
            measured,
            colours,
        )
        if not any(np.isfinite(curve.y).any() for curve in curves):
            self._say(figure, self._panel.save_profiles, _OUTSIDE)
            return
        figure.draw(curves, f"along the line ({measured.request.unit})", "intensity")
        self._panel.save_profiles.enabled = True

    def _draw_resolution(self) -> None:
        figure, measured = self._panel.resolution, self._measured
        button = self._panel.save_resolution
        if measured is None:
            self._say(figure, button, _MEASURE)
            return
        key = CURVES[self._panel.method.value]
        curves = _resolution_curves(measured, key, colours_of(measured.rows, self._viewer.theme))
        if not curves:
            self._say(figure, button, _NO_CURVE)
            return
        figure.draw(curves, f"frequency (periods per {measured.request.unit})", "correlation")
        button.enabled = True

    def _say(self, figure: Figure, button: Any, words: str) -> None:
        figure.say(words)
        button.enabled = False

    def _save(self, figure: Figure, name: str) -> None:
        status = self._panel.status
        try:
            status.say(save_figure(figure, self._panel, name))
        except OSError as error:
            status.say(f"It was not written: {error}", complaint=True, theme=self._viewer.theme)

    def disconnect_all(self) -> None:
        """Leave the Shapes layer alone."""
        self._pause.stop()
        if self._shapes is not None:
            self._shapes.events.set_data.disconnect(self._later)
            self._shapes.events.highlight.disconnect(self._later)
            self._shapes = None


def _resolution_curves(measured: Measured, key: str, colours: list[str]) -> list[Curve]:
    curves = []
    for row, colour in zip(measured.rows, colours, strict=True):
        found = getattr(row, key)
        if found is None:
            continue
        has_mark = np.isfinite(found.resolution) and found.resolution > 0
        mark = 1 / found.resolution if has_mark else None
        is_dashed = row.kind == BICUBIC
        has_truth = measured.request.truth is not None
        is_alone = key == "rings" and has_truth and not row.with_truth
        name = f"{row.name} (alone)" if is_alone else row.name
        curves.append(Curve(name, colour, found.frequencies, found.curve, is_dashed, mark))
    thresholds = [
        (found.frequencies, found.threshold)
        for found in (getattr(row, key) for row in measured.rows)
        if found is not None and found.threshold is not None
    ]
    if thresholds:
        x, y = max(thresholds, key=lambda pair: float(np.max(pair[0])))
        curves.append(Curve("threshold", "", x, np.broadcast_to(y, np.shape(x)), dashed=True))
    return curves


_FILTERS = {"PNG (*.png)": ".png", "SVG (*.svg)": ".svg"}


def save_figure(figure: Figure, parent: QWidget, name: str) -> str:
    """Ask for a file and write a figure; return what came of it in words, empty for nothing.

    Parameters
    ----------
    figure : Figure
        With curves.
    parent : QWidget
        Of the dialog.
    name : str
        To propose, without an ending.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    chosen, kind = QFileDialog.getSaveFileName(
        parent, "Save the figure", f"{name}.png", ";;".join(_FILTERS)
    )
    if not chosen:
        return ""
    path = Path(chosen)
    if path.suffix.lower() not in _FILTERS.values():
        path = path.with_name(path.name + _FILTERS.get(kind, ".png"))
        # The dialog asked about the name without the ending.
        if path.exists() and not _may_replace(parent, path):
            return ""
    figure.save(path)
    return f"The figure is in {path}."


def _may_replace(parent: QWidget, path: Path) -> bool:
    output = QMessageBox.question(parent, "Save the figure", f"{path} exists. Replace it?")
    return bool(output == QMessageBox.StandardButton.Yes)
