"""The table of a batch on the screen: its columns, what is selected, what is filtered out."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QModelIndex, QSize, QSortFilterProxyModel, Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from napari_isr.widgets.batch.table import STATE, BatchTable

_ROW_HEIGHT = 22
_COLUMN_WIDTHS = (120, 62, 54)


class _Failed(QSortFilterProxyModel):
    """Lets through the files that failed."""

    def __init__(self, table: BatchTable) -> None:
        super().__init__(table)
        self._table = table
        self.setSourceModel(table)

    def filterAcceptsRow(self, row: int, parent: QModelIndex) -> bool:
        """Answer Qt's question for a file."""
        return self._table.is_failed(row)


class FileList(QTableView):
    """Shows the files of a batch, a line each.

    Parameters
    ----------
    table : BatchTable
        The files.
    tell : callable
        Called with a row, or -1, when that file's news may have changed or another is selected.
    """

    def __init__(self, table: BatchTable, tell: Callable[[int], None]) -> None:
        super().__init__()
        self._table, self._tell = table, tell
        self._failed: _Failed | None = None
        self.setModel(table)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setWordWrap(False)
        self.setShowGrid(False)
        self.setMinimumHeight(4 * _ROW_HEIGHT)
        self._set_rows()
        self._set_columns()
        table.dataChanged.connect(lambda *_: self._tell_selected())
        table.modelReset.connect(self._tell_selected)

    def sizeHint(self) -> QSize:
        """Ask for little: where room is scarce, the table gives way and not the fields."""
        return QSize(super().sizeHint().width(), self.minimumHeight())

    def _set_rows(self) -> None:
        rows = self.verticalHeader()
        assert rows is not None
        rows.setVisible(False)
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(_ROW_HEIGHT)

    def _set_columns(self) -> None:
        columns = self.horizontalHeader()
        assert columns is not None
        for number, width in enumerate(_COLUMN_WIDTHS):
            self.setColumnWidth(number, width)
        columns.setSectionResizeMode(STATE, QHeaderView.ResizeMode.Stretch)
        columns.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        columns.setHighlightSections(False)

    def currentChanged(self, current: QModelIndex, previous: QModelIndex) -> None:
        """Tell of the file that is selected now."""
        super().currentChanged(current, previous)
        self._tell_selected()

    def _tell_selected(self) -> None:
        current, failed = self.currentIndex(), self._failed
        row = (current if failed is None else failed.mapToSource(current)).row()
        self._tell(row if row < len(self._table.jobs) else -1)

    def show_only_failed(self, only: bool) -> None:
        """Show the files that failed, or all."""
        if only == (self._failed is not None):
            return
        # A filter asks for every line; without one ten thousand lines come at once.
        old, self._failed = self._failed, _Failed(self._table) if only else None
        self.setModel(self._table if self._failed is None else self._failed)
        self._set_columns()
        if old is not None:
            old.setSourceModel(None)
            old.deleteLater()

    def _index(self, row: int) -> QModelIndex:
        index = self._table.index(row, 0)
        return index if self._failed is None else self._failed.mapFromSource(index)

    def select(self, row: int) -> None:
        """Select a file and bring it into view."""
        self.setCurrentIndex(self._index(row))
        self.scrollTo(self._index(row))

    def follow(self, row: int) -> None:
        """Bring a file into view, unless the user looks at another."""
        if not self.currentIndex().isValid():
            self.scrollTo(self._index(row))

    def unselect(self) -> None:
        """Select no file."""
        self.setCurrentIndex(QModelIndex())
        self.clearSelection()
