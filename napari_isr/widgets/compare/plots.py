"""Curves of a comparison, and their way into a file. pyqtgraph is imported for the first curve."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from napari.utils.theme import get_theme
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QSizePolicy, QVBoxLayout, QWidget

from napari_isr.widgets.compare.measure import BICUBIC, INPUT, TRUTH, Row
from napari_isr.widgets.shared.fields import Note

_HEIGHT = 190
# After Okabe and Ito, and Tol: told apart also by those who see red and green alike. Darker on
# light ground, so that each has a contrast of 3 to 1 there.
_RESULT_COLOURS = {
    "dark": (
        *("#e69f00", "#cc79a7", "#009e73", "#d55e00", "#f0e442"),
        *("#8c96ff", "#999933", "#44aa99", "#cc66bb", "#dd7788"),
    ),
    "light": (
        *("#a86f00", "#b0517f", "#007a59", "#b84f00", "#857c00"),
        *("#4b4fd0", "#6b6b1f", "#2a7f70", "#9a3a8a", "#a84455"),
    ),
}
_BASELINES = {
    "dark": {INPUT: "#9a9a9a", BICUBIC: "#56b4e9", TRUTH: "#ffffff"},
    "light": {INPUT: "#6f6f6f", BICUBIC: "#1d78b5", TRUTH: "#000000"},
}
_FILE_SIZE = 900, 560
_LEGEND_LETTERS = 48
_STROKE = 1.6
_PAPER = {"background": "#ffffff", "text": "#000000", "axis": "#606060"}


@dataclass(frozen=True, eq=False)
class Curve:
    """One line of a figure.

    Attributes
    ----------
    name : str
        For the legend; empty for none.
    colour : str
        As ``"#rrggbb"``; empty for that of the text.
    x, y : ndarray
        Of equal length; NaN makes a gap.
    dashed : bool
        Whether it is drawn in dashes.
    mark : float or None
        Where on x a thin line stands, such as a resolution.
    """

    name: str
    colour: str
    x: NDArray[Any]
    y: NDArray[Any]
    dashed: bool = False
    mark: float | None = None


def colours_of(rows: Sequence[Row], theme: str) -> list[str]:
    """Return a colour for each candidate.

    Parameters
    ----------
    rows : sequence of Row
        In the order of the table.
    theme : str
        napari's, on whose ground they are drawn.
    """
    ground = "light" if get_theme(theme).type == "light" else "dark"
    of_results = cycle(_RESULT_COLOURS[ground])
    colours = []
    for row in rows:
        of_kind = _BASELINES[ground].get(row.kind)
        colours.append(next(of_results) if of_kind is None else of_kind)
    return colours


class Figure(QWidget):
    """Curves over a legend; words in their place while there are none."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.curves: list[Curve] = []
        self.words = Note(name)
        self._labels = ("", "")
        self._theme = "dark"
        self._view: Any = None
        self._layout = layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.words.native)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(_HEIGHT)

    def say(self, words: str) -> None:
        """Show words, and no curves."""
        self.curves = []
        self.words.say(words)
        if self._view is not None:
            self._view.hide()

    def draw(self, curves: Sequence[Curve], x_label: str, y_label: str) -> None:
        """Show curves.

        Parameters
        ----------
        curves : sequence of Curve
            At least one.
        x_label, y_label : str
            With the units.
        """
        self.curves, self._labels = list(curves), (x_label, y_label)
        if self._view is None:
            self._view = _new_view()
            # Its own wish for space would make the form scroll.
            self._view.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
            self._layout.addWidget(self._view, stretch=1)
        self.words.say("")
        self._view.show()
        self._draw()

    def follow_theme(self, theme: str) -> None:
        """Take the colours of napari's theme."""
        self._theme = theme
        if self._view is not None and self.curves:
            self._draw()

    def _draw(self) -> None:
        theme = get_theme(self._theme)
        colours = {
            "background": theme.background.as_hex(),
            "text": theme.text.as_hex(),
            "axis": theme.secondary.as_hex(),
        }
        _fill(self._view, self.curves, self._labels, colours)

    def save(self, path: Path) -> None:
        """Write the figure on white: SVG by the ending ``.svg``, else PNG.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        from qtpy.QtCore import QSize
        from qtpy.QtGui import QImage, QPainter
        from qtpy.QtSvg import QSvgGenerator

        view = _new_view()
        try:
            # Laid out like a window, on no screen.
            view.setAttribute(Qt.WidgetAttribute.WA_DontShowOnScreen)
            view.resize(*_FILE_SIZE)
            view.show()
            is_svg = path.suffix.lower() == ".svg"
            curves = [_on_paper(curve) for curve in self.curves]
            # Pens are as wide in the pixels of a picture twice as fine.
            _fill(view, curves, self._labels, _PAPER, _STROKE * (1 if is_svg else 2))
            QApplication.processEvents()
            # pyqtgraph's own exporter of SVG fails on gaps in curves; Qt's painter does not.
            size = QSize(*_FILE_SIZE)
            if is_svg:
                target: Any = QSvgGenerator()
                target.setFileName(str(path))
                target.setSize(size)
                target.setViewBox(view.rect())
                # Axes are recorded pictures, which Qt scales by the ratio of resolutions.
                target.setResolution(view.logicalDpiX())
            else:
                target = QImage(2 * size, QImage.Format.Format_RGB32)
            painter = QPainter()
            if not painter.begin(target):
                raise OSError(f"{path} cannot be written")
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            view.render(painter)
            painter.end()
            if isinstance(target, QImage) and not target.save(str(path), "PNG"):
                raise OSError(f"{path} cannot be written")
        finally:
            view.close()
            view.deleteLater()


def _on_paper(curve: Curve) -> Curve:
    """Return a curve in its colour on light ground."""
    dark, light = (
        (*_RESULT_COLOURS[ground], *_BASELINES[ground].values()) for ground in ("dark", "light")
    )
    colour = dict(zip(dark, light, strict=True)).get(curve.colour, curve.colour)
    return replace(curve, colour=colour)


def _new_view() -> Any:
    import pyqtgraph

    view = pyqtgraph.GraphicsLayoutWidget()
    view.ci.layout.setContentsMargins(2, 2, 8, 2)
    view.ci.layout.setVerticalSpacing(0)
    return view


def _fill(
    view: Any,
    curves: Sequence[Curve],
    labels: tuple[str, str],
    colours: dict[str, str],
    stroke: float = _STROKE,
) -> None:
    """Draw curves and their legend anew."""
    import pyqtgraph

    view.clear()
    view.setBackground(colours["background"])
    plot = view.addPlot(row=0, col=0)
    plot.setMouseEnabled(x=False, y=False)
    plot.setMenuEnabled(False)
    plot.hideButtons()
    for side, label in zip(("bottom", "left"), labels, strict=True):
        axis = plot.getAxis(side)
        axis.enableAutoSIPrefix(False)
        axis.setPen(colours["axis"])
        axis.setTextPen(colours["text"])
        plot.setLabel(side, label, color=colours["text"], **{"font-size": "8pt"})
    for curve in curves:
        style = Qt.PenStyle.DashLine if curve.dashed else Qt.PenStyle.SolidLine
        colour = curve.colour or colours["text"]
        plot.plot(
            np.asarray(curve.x, float),
            np.asarray(curve.y, float),
            pen=pyqtgraph.mkPen(colour, width=stroke, style=style),
            connect="finite",
            antialias=True,
        )
        if curve.mark is not None:
            pen = pyqtgraph.mkPen(colour, width=1, style=Qt.PenStyle.DotLine)
            plot.addItem(pyqtgraph.InfiniteLine(curve.mark, pen=pen))
    # A legend inside would lie on the curves.
    view.addLabel(
        _legend([curve for curve in curves if curve.name], colours["text"]),
        row=1,
        col=0,
        size="8pt",
        color=colours["text"],
        justify="left",
    )


def _legend(curves: Sequence[Curve], text_colour: str) -> str:
    """Return names after their strokes, short ones beside each other."""
    lines: list[str] = []
    room = 0
    for curve in curves:
        name = _short(curve.name)
        line = "- -" if curve.dashed else "\u2014"
        colour = curve.colour or text_colour
        entry = f'<span style="color: {colour}"><b>{line}</b></span> {html.escape(name)}'
        if room > len(name) + 6:
            lines[-1] += f"&nbsp;&nbsp;&nbsp; {entry}"
            room -= len(name) + 6
        else:
            lines.append(entry)
            room = _LEGEND_LETTERS - len(name)
    return "<br>".join(lines)


def _short(name: str) -> str:
    half = _LEGEND_LETTERS // 2
    return name if len(name) <= _LEGEND_LETTERS else f"{name[:half]}…{name[-half:]}"
