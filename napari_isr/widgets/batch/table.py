"""The files of a batch as a table with a line each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt
from qtpy.QtGui import QColor

from napari_isr.widgets.batch.run import FileList, HeadersRead
from src_models.images.picture import printable
from src_models.jobs.batch_events import Outcome
from src_models.jobs.batch_plan import Job, JobSize

COLUMNS = ("File", "Size", "Time", "State")
STATE = COLUMNS.index("State")
_STATES = {"skipped": "left as it is", "done before": "was done before"}
_NOWHERE = QModelIndex()


class BatchTable(QAbstractTableModel):
    """Holds what is known of each file; changed in place, so that ten thousand cost nothing."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.jobs: list[Job] = []
        self.outcomes: list[Outcome | None] = []
        self.sizes: list[JobSize | None] = []
        self._nbytes: list[int] = []
        self._rows: dict[Path, int] = {}
        self._folder: Path | None = None
        self._running: int | None = None
        self._share: float | None = None
        self._colour = QColor("#e3b617")

    # Changes ------------------------------------------------------------------------------------

    def show(self, listed: FileList, *, keep: bool) -> None:
        """Show other files.

        Parameters
        ----------
        listed : Listed
            The files.
        keep : bool
            Whether what came of files that are still there stays.
        """
        old, same = {}, listed.jobs == self.jobs
        if keep:
            old = {
                job: outcome
                for job, outcome in zip(self.jobs, self.outcomes, strict=True)
                if outcome is not None
            }
        self.beginResetModel()
        self.jobs, self._nbytes, self._rows = listed.jobs, listed.nbytes, listed.rows
        self._folder = listed.folder
        self.outcomes = [old.get(job) for job in listed.jobs]
        self.sizes = self.sizes if same else [None] * len(listed.jobs)
        self._running = None
        self.endResetModel()

    def clear(self) -> None:
        """Show no files."""
        self.show(FileList([], [], {}), keep=False)

    def add_sizes(self, looked: HeadersRead) -> None:
        """Take what was found in files."""
        last = looked.first + len(looked.sizes)
        if looked.sizes and last <= len(self.sizes):
            self.sizes[looked.first : last] = looked.sizes
            self._tell(looked.first, last - 1)

    def forget(self, sources: Sequence[Path]) -> None:
        """Let files wait for their turn again."""
        rows = [self._rows[source] for source in sources if source in self._rows]
        for row in rows:
            self.outcomes[row] = None
        if rows:
            self._tell(min(rows), max(rows))

    def take(self, outcomes: Sequence[Outcome]) -> None:
        """Take what came of files."""
        rows = [self._rows.get(outcome.job.source, -1) for outcome in outcomes]
        for row, outcome in zip(rows, outcomes, strict=True):
            if row >= 0:
                self.outcomes[row] = outcome
        if rows:
            self._tell(max(min(rows), 0), max(rows))

    def set_running(self, job: Job | None, share: float | None) -> None:
        """Show how far the file in hand is."""
        before = self._running
        self._running = None if job is None else self._rows.get(job.source)
        self._share = share
        for row in {before, self._running} - {None}:
            assert row is not None
            self._tell(row, row)

    def follow_theme(self, is_light: bool) -> None:
        """Take the colour of complaints that can be read on napari's background."""
        self._colour = QColor("#8a4b00" if is_light else "#e3b617")
        if self.jobs:
            self._tell(0, len(self.jobs) - 1)

    def _tell(self, first: int, last: int) -> None:
        self.dataChanged.emit(self.index(first, 0), self.index(last, len(COLUMNS) - 1))

    # What is known ------------------------------------------------------------------------------

    @property
    def running(self) -> int | None:
        """The row of the file in hand."""
        return self._running

    def sources_of(self, *states: str) -> list[Path]:
        """Return the files with these states."""
        pairs = zip(self.jobs, self.outcomes, strict=True)
        return [job.source for job, outcome in pairs if outcome and outcome.state in states]

    def row_of(self, job: Job) -> int:
        """Return the row of a job; -1 if it is not in the list."""
        return self._rows.get(job.source, -1)

    def is_failed(self, row: int) -> bool:
        """Tell whether a file failed."""
        outcome = self.outcomes[row]
        return outcome is not None and outcome.state == "failed"

    def report(self) -> list[Outcome]:
        """Return what came of each file, also of those that had no turn."""
        return [
            outcome or Outcome(job, "not done", "It had no turn.")
            for job, outcome in zip(self.jobs, self.outcomes, strict=True)
        ]

    def total_bytes(self) -> int:
        """Return the size of all files together, as far as it is known."""
        return sum(max(n, 0) for n in self._nbytes)

    def pixels(self) -> list[float]:
        """Return how much work each file is: its pixels, or the mean where they are not known."""
        known = [size.pixels for size in self.sizes if size is not None and size.pixels]
        mean = sum(known) / len(known) if known else 1.0
        return [mean if size is None else float(size.pixels) for size in self.sizes]

    def detail(self, row: int) -> str:
        """Return all that is known of a file, in words."""
        job, outcome, size = self.jobs[row], self.outcomes[row], self.sizes[row]
        told = [printable(str(job.source))]
        shape = outcome.shape if outcome is not None and outcome.shape else size and size.shape
        if shape:
            told.append(" x ".join(str(n) for n in shape) + " pixels")
        if outcome is not None and outcome.state.startswith("done"):
            told.append(f"result: {printable(str(outcome.job.target))}")
        words = ", ".join(told) + "."
        state = self._state(row)
        if outcome is not None and outcome.consistency is not None:
            state += f"; {outcome.consistency['words']}."
        return f"{words} {state[:1].upper()}{state[1:]}" if state else words

    def _state(self, row: int) -> str:
        outcome, size = self.outcomes[row], self.sizes[row]
        if row == self._running:
            return "starting …" if self._share is None else f"in work, {100 * self._share:.0f} %"
        if outcome is not None:
            state = _STATES.get(outcome.state, outcome.state)
            return f"{state}: {printable(outcome.message)}" if outcome.message else state
        if size is not None and size.problem:
            return f"cannot be done: {printable(size.problem)}"
        return ""

    # Qt's questions -----------------------------------------------------------------------------

    def rowCount(self, parent: QModelIndex = _NOWHERE) -> int:
        """Return the number of files."""
        return 0 if parent.isValid() else len(self.jobs)

    def columnCount(self, parent: QModelIndex = _NOWHERE) -> int:
        """Return the number of columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        """Return the name of a column."""
        is_name = orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole
        return COLUMNS[section] if is_name else None

    def data(self, index: QModelIndex, role: int = 0) -> Any:
        """Return what a cell shows."""
        row, column = index.row(), index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(row, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self.detail(row)
        if role == Qt.ItemDataRole.ForegroundRole:
            size = self.sizes[row]
            is_bad = self.is_failed(row) or (
                self.outcomes[row] is None and size is not None and bool(size.problem)
            )
            return self._colour if is_bad else None
        if role == Qt.ItemDataRole.TextAlignmentRole and COLUMNS[column] in ("Size", "Time"):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def _text(self, row: int, column: int) -> str:
        if column == 0:
            source = self.jobs[row].source
            folder = self._folder
            if folder is not None and source.is_relative_to(folder):
                return printable(str(source.relative_to(folder)))
            return printable(source.name)
        if column == 1:
            return bytes_in_words(self._nbytes[row]) if self._nbytes[row] >= 0 else ""
        if column == STATE:
            return self._state(row)
        outcome = self.outcomes[row]
        timed = outcome is not None and outcome.state == "done" and row != self._running
        return f"{outcome.seconds:.1f} s" if timed and outcome is not None else ""


def bytes_in_words(size: float) -> str:
    """Return a size as people say it."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
