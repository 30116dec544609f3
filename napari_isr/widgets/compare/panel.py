"""What the Compare widget consists of and where it stands; what it does is in `_compare_widget`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from magicgui.widgets import ComboBox, ProgressBar, PushButton
from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QTabWidget, QVBoxLayout, QWidget

from napari_isr.widgets.compare.fields import CompareFields
from napari_isr.widgets.compare.plots import Figure
from napari_isr.widgets.compare.table import NumberTable
from napari_isr.widgets.compare.views import VIEWS
from napari_isr.widgets.shared.dock import DockedWidget
from napari_isr.widgets.shared.fields import Note, narrow_combo
from napari_isr.widgets.shared.help import help_link
from napari_isr.widgets.shared.layout import Row, hbox, vbox

_WIDTH = 430
_FRC, _DECORRELATION = "Fourier ring correlation", "decorrelation analysis"
CURVES = {_FRC: "rings", _DECORRELATION: "decorrelation"}


class ComparePanel(DockedWidget):
    """The choices over three tabs: numbers, profiles, resolution.

    Parameters
    ----------
    inputs, truths, lines : callable
        Give the layers that can be chosen; called with a combo box as magicgui does.
    result_changed : callable
        Called with a layer and whether it is checked as a result.
    """

    def __init__(
        self,
        inputs: Callable[..., Any],
        truths: Callable[..., Any],
        lines: Callable[..., Any],
        result_changed: Callable[[Any, bool], None],
    ) -> None:
        super().__init__()
        self.fields = CompareFields(inputs, truths, result_changed)
        self.run = PushButton(
            text="Measure", tooltip="Take all numbers and curves of the plane that is shown."
        )
        self.cancel = PushButton(text="Cancel", tooltip="Stop after the part in work.")
        self.progress = ProgressBar(visible=False)
        self.status, self.outdated_note = Note("status"), Note("outdated")
        self.view = ComboBox(
            name="view",
            choices=list(VIEWS),
            tooltip="How the viewer shows them: as it is, the input left and a result right of the "
            "mouse, or all side by side with linked zoom. It is undone with the first choice.",
        )
        self.view_note = Note("view")
        self._make_numbers()
        self._make_profiles(lines)
        self._make_resolution()
        notes = self.status, self.outdated_note, self.view_note
        for note in (*notes, self.number_note, self.exposure_note):
            note.say("")
        self._arrange()

    def _make_numbers(self) -> None:
        self.table = NumberTable()
        self.number_note, self.exposure_note = Note("numbers"), Note("exposure")
        self.copy = PushButton(
            text="Copy as CSV", tooltip="Put all numbers on the clipboard, for a spreadsheet."
        )
        self.subtract = PushButton(
            text="Add difference",
            tooltip="Add a layer with the selected image minus the truth, or minus bicubic where "
            "there is no truth: red is brighter, blue is darker, white is equal.",
        )
        self.add_bicubic = PushButton(
            text="Add bicubic", tooltip="Add the interpolated input as a layer, to look at."
        )

    def _make_profiles(self, lines: Callable[..., Any]) -> None:
        self.line = narrow_combo(
            "line",
            "Along",
            "The Shapes layer whose line the profiles follow, the one selected or drawn last: the "
            "layer of Draw a line, or one of yours that you choose here.",
            lines,
            nullable=True,
        )
        self.draw_line = PushButton(
            text="Draw a line",
            tooltip="Then drag over the image. The line is drawn in the layer chosen on the left; "
            "without one, in a layer for lines that is added.",
        )
        self.profiles = Figure("profiles")
        self.save_profiles = _save_button()

    def _make_resolution(self) -> None:
        self.method = ComboBox(
            name="method",
            choices=list(CURVES),
            tooltip="Two ways to see up to which frequency an image holds more than noise.",
        )
        self.resolution = Figure("resolution")
        self.save_resolution = _save_button()

    def _arrange(self) -> None:
        self.tabs = tabs = QTabWidget()
        tabs.setToolTip("What was measured: as a table and as curves.")
        margins = (4, 4, 4, 4)
        buttons = hbox(self.copy, self.subtract, self.add_bicubic)
        numbers = vbox(self.table, self.exposure_note, self.number_note, buttons, margins=margins)
        tabs.addTab(numbers, "Numbers")
        along = Row(self.line, "Along", self.draw_line)
        tabs.addTab(vbox(along, self.profiles, self.save_profiles, margins=margins), "Profiles")
        method = Row(self.method, "By")
        parts = method, self.resolution, self.save_resolution
        tabs.addTab(vbox(*parts, margins=margins), "Resolution")
        upper = vbox(
            self.fields.native,
            hbox(self.run, self.cancel),
            self.progress,
            self.status,
            self.outdated_note,
            tabs,
            margins=(6, 4, 6, 4),
        )
        layout = upper.layout()
        assert isinstance(layout, QVBoxLayout)
        layout.setStretch(layout.count() - 1, 1)
        scroll = _Upright(upper)
        view = Row(self.view, "View")
        lower = vbox(view, self.view_note, help_link("compare"), margins=(6, 0, 6, 4))
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll, stretch=1)
        outer.addWidget(lower)

    def sizeHint(self) -> QSize:
        """Ask for the width that the table wants."""
        return QSize(_WIDTH, super().sizeHint().height())


class _Upright(QScrollArea):
    """Scrolls up and down, and is never narrower than what it holds."""

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(content)

    def minimumSizeHint(self) -> QSize:
        """Ask for the width of the content beside the scroll bar."""
        content, bar = self.widget(), self.verticalScrollBar()
        wide = 0 if content is None else content.minimumSizeHint().width()
        beside_it = 0 if bar is None else bar.sizeHint().width()
        return QSize(wide + beside_it, super().minimumSizeHint().height())


def _save_button() -> PushButton:
    return PushButton(
        text="Save the figure…", tooltip="Write the curves and their legend as PNG or SVG."
    )
