"""Small pieces of form that the dock widgets share: notes, combo boxes that shrink, durations."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from magicgui.widgets import ComboBox, Container, Label, SpinBox, Widget, create_widget
from napari.utils.theme import get_theme
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QSizePolicy

# A place to break a line, without width.
_MAY_BREAK = "\u200b"
_ENGINES = [
    ("automatic", "auto"),
    ("OpenVINO", "openvino"),
    ("ONNX Runtime", "onnxruntime"),
    ("Keras", "keras"),
]
_TOOLTIP_WIDTH = 60  # characters; Qt breaks no lines of plain text


class Note(Label):
    """A word-wrapped line under a field that is either information or a complaint."""

    def __init__(self, name: str) -> None:
        super().__init__(value="", name=name)
        self.native.setWordWrap(True)
        self.native.setTextFormat(Qt.TextFormat.PlainText)  # names of layers may look like HTML
        # A long file name must not widen the dock.
        self.native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)

    @property
    def text(self) -> str:
        """What it says."""
        return str(self.value).replace(_MAY_BREAK, "")

    def say(
        self, text: str, *, complaint: bool = False, theme: str = "dark", bold: bool = True
    ) -> None:
        """Show a text; nothing for an empty one.

        Parameters
        ----------
        text : str
            A sentence.
        complaint : bool
            Whether it tells what keeps the work from starting.
        theme : str
            napari's theme, for the colour of complaints.
        bold : bool
            Whether complaints are; advice is of their colour alone.
        """
        # Long names of layers and files have no spaces to break at.
        self.value = re.sub(r"([_/\\])", rf"\1{_MAY_BREAK}", text)
        # The themes' colours for warnings and errors are made for backgrounds.
        colour = "#8a4b00" if get_theme(theme).type == "light" else "#e3b617"
        weight = 600 if bold else 400
        self.native.setStyleSheet(f"color: {colour}; font-weight: {weight};" if complaint else "")
        self.visible = bool(text)


def labelled_rows(rows: list[tuple[Widget, Note | None]]) -> Container[Any]:
    """Stack labelled fields, each with its note under it over the full width."""
    container = Container[Any](widgets=[field for field, _ in rows], labels=True)
    container.margins = (0, 0, 0, 0)
    layout = container.native.layout()
    for position, (_, note) in reversed(list(enumerate(rows))):
        if note is not None:
            layout.insertWidget(position + 1, note.native)
    return container


def narrow_combo(
    name: str, label: str, tooltip: str, choices: Callable[..., Any], *, nullable: bool = False
) -> ComboBox:
    """Return a combo box that does not widen with its longest entry."""
    combo = create_widget(
        name=name,
        label=label,
        widget_type="ComboBox",
        options={"choices": choices, "nullable": nullable, "tooltip": tooltip},
    )
    assert isinstance(combo, ComboBox)
    inner = combo.native.findChild(QComboBox) or combo.native
    inner.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    inner.setMinimumContentsLength(8)
    return combo


def explain_items(combo: ComboBox, explain: Callable[[str], str]) -> None:
    """Let the entries of a combo box say what they are for when they are pointed at.

    Parameters
    ----------
    combo : ComboBox
        Whose entries may change.
    explain : callable
        Gives a sentence for the value of an entry; raises KeyError for one that needs none.
    """
    inner = combo.native.findChild(QComboBox) or combo.native

    def tell() -> None:
        for place in range(inner.count()):
            with suppress(KeyError):
                words = textwrap.fill(explain(inner.itemData(place)), _TOOLTIP_WIDTH)
                inner.setItemData(place, words, Qt.ItemDataRole.ToolTipRole)

    inner.model().rowsInserted.connect(tell)
    tell()


def automatic_box(name: str, label: str, tooltip: str, automatic: int = -1) -> SpinBox:
    """Return a box for a number that is chosen automatically unless one is set."""
    box = SpinBox(
        name=name,
        label=label,
        tooltip=f"{tooltip} {automatic} chooses it automatically.",
        min=automatic,
        max=100_000,
        value=automatic,
    )
    return box


def engine_box() -> ComboBox:
    """Return a choice of what runs the network."""
    return ComboBox(
        name="engine",
        label="Engine",
        tooltip="What runs the network. Automatic takes what suits the machine.",
        choices=_ENGINES,
        value="auto",
    )
