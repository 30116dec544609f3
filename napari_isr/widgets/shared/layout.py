"""Rows, columns and folding sections of the docks' forms."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import Container, Label, Widget
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

LABEL_WIDTH = 78


def hbox(*widgets: Any) -> QWidget:
    """Return a row of magicgui's or Qt's widgets."""
    holder = QWidget()
    layout = QHBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget if isinstance(widget, QWidget) else widget.native)
    return holder


def vbox(
    *widgets: Widget | QWidget,
    stretch: bool = False,
    margins: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> QWidget:
    """Stack widgets.

    Parameters
    ----------
    *widgets : magicgui or Qt widgets
        From top to bottom.
    stretch : bool
        Whether they stay together at the top of a larger space.
    margins : tuple of int
        Left, top, right and bottom, in pixels.
    """
    holder = QWidget()
    layout = QVBoxLayout(holder)
    layout.setContentsMargins(*margins)
    layout.setSpacing(4)
    for widget in widgets:
        layout.addWidget(widget.native if isinstance(widget, Widget) else widget)
    if stretch:
        layout.addStretch()
    return holder


class Fold(QWidget):
    """A section under a title that opens and closes it; grows and shrinks with what it holds.

    Parameters
    ----------
    title : str
        On the button.
    content : QWidget
        What is shown under it, or not.
    """

    def __init__(self, title: str, content: QWidget) -> None:
        super().__init__()
        self._title, self._content = title, content
        self.button = QPushButton()
        self.button.setCheckable(True)
        self.button.setStyleSheet("text-align: left; padding: 4px;")
        self.button.toggled.connect(self._toggled)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.button)
        layout.addWidget(content)
        self._toggled(False)

    def _toggled(self, is_open: bool) -> None:
        self._content.setVisible(is_open)
        self.button.setText(f"{'▾' if is_open else '▸'} {self._title}")

    def open(self, is_open: bool = True) -> None:
        """Show the content, or hide it."""
        self.button.setChecked(is_open)


class Row(Container[Any]):
    """A label and a field beside each other; labels of all rows are equally wide."""

    def __init__(self, field: Any, label: str, *others: Any) -> None:
        caption = Label(value=label)
        caption.native.setFixedWidth(LABEL_WIDTH)
        caption.tooltip = field.tooltip
        super().__init__(widgets=[caption, field, *others], layout="horizontal", labels=False)
        self.margins = (0, 0, 0, 0)
