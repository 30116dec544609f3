"""What the Batch widget consists of and where it stands; what it does is in `_batch_widget`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from magicgui.widgets import CheckBox, ProgressBar, PushButton
from qtpy.QtCore import QSize
from qtpy.QtWidgets import QVBoxLayout

from napari_isr.widgets.batch.form import BatchFields
from napari_isr.widgets.batch.list import FileList
from napari_isr.widgets.batch.table import BatchTable
from napari_isr.widgets.shared.dock import DockedWidget
from napari_isr.widgets.shared.fields import Note
from napari_isr.widgets.shared.help import help_link
from napari_isr.widgets.shared.layout import hbox, vbox

PROGRESS_PARTS = 1000
_LEAST_WIDTH, _WIDTH = 340, 420


class BatchPanel(DockedWidget):
    """The form over the table; buttons, progress and words under it.

    Parameters
    ----------
    model_choices : callable
        Gives what can be chosen; called with a combo box as magicgui does.
    """

    def __init__(self, model_choices: Callable[..., Any]) -> None:
        super().__init__()
        self.fields = BatchFields(model_choices)
        self.plan_note, self.detail, self.status = Note("plan"), Note("detail"), Note("status")
        self.table = BatchTable(self)
        self.files = FileList(self.table, self._tell_detail)
        self.only_failed = CheckBox(
            text="Show only what failed", value=False, tooltip="Hide the files that went well."
        )
        self.run = PushButton(text="Run", tooltip="Upscale all files of the list.")
        self.finish_file = PushButton(
            text="Stop after this file", tooltip="Finish the file in hand and begin no other."
        )
        self.cancel = PushButton(
            text="Cancel", tooltip="Stop now. What is begun of the file in hand is removed."
        )
        self.retry = PushButton(
            text="Retry the failed ones", tooltip="Work again on those that failed, and no others."
        )
        self.save_report = PushButton(
            text="Save a report…", tooltip="A table of all files as CSV, which spreadsheets open."
        )
        self.progress = ProgressBar(visible=False, max=PROGRESS_PARTS)
        for note in (self.plan_note, self.detail, self.status):
            note.say("")
        self.only_failed.changed.connect(self.files.show_only_failed)
        self._arrange()

    def _arrange(self) -> None:
        form = vbox(self.fields.native, margins=(6, 4, 6, 0))
        lower = vbox(
            self.plan_note,
            self.files,
            self.only_failed,
            self.detail,
            margins=(6, 0, 6, 0),
        )
        bottom = vbox(
            hbox(self.run, self.finish_file, self.cancel),
            self.progress,
            self.status,
            hbox(self.retry, self.save_report, help_link("batch")),
            margins=(6, 0, 6, 4),
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(form)
        layout.addWidget(lower, stretch=1)
        layout.addWidget(bottom)
        self.setMinimumWidth(_LEAST_WIDTH)

    def sizeHint(self) -> QSize:
        """Ask for the width that the table's lines want."""
        return QSize(_WIDTH, super().sizeHint().height())

    def _tell_detail(self, row: int) -> None:
        """Tell all of the selected file under the table."""
        self.detail.say(self.table.detail(row) if row >= 0 else "")
