"""The table of a batch on the screen: its columns, what is selected, what is filtered out."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QModelIndex, QSortFilterProxyModel, Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from napari_isr._batch_table import STATE, BatchTable

_ROW_HEIGHT = 22
_COLUMN_WIDTHS = (120, 62, 54)


class _Filtered(QSortFilterProxyModel):
    """Lets through all files, or those that failed."""

    def __init__(self, table: BatchTable) -> None:
        super().__init__(table)
        self._table, self._only_failed = table, False
        self.setSourceModel(table)

    def filterAcceptsRow(self, row: int, parent: QModelIndex) -> bool:
        """Answer Qt's question for a file."""
        return not self._only_failed or self._table.is_failed(row)

    def show_only_failed(self, only: bool) -> None:
        """Let through those that failed, or all."""
        self._only_failed = only
        self.invalidateFilter()


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
        self._filtered = _Filtered(table)
        self.setModel(self._filtered)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setWordWrap(False)
        self.setShowGrid(False)
        self.setMinimumHeight(4 * _ROW_HEIGHT)
        self._set_headers()
        table.dataChanged.connect(lambda *_: self._tell_selected())
        table.modelReset.connect(self._tell_selected)

    def _set_headers(self) -> None:
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        assert rows is not None
        assert columns is not None
        rows.setVisible(False)
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(_ROW_HEIGHT)
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
        row = self._filtered.mapToSource(self.currentIndex()).row()
        self._tell(row if row < len(self._table.jobs) else -1)

    def show_only_failed(self, only: bool) -> None:
        """Show the files that failed, or all."""
        self._filtered.show_only_failed(only)

    def select(self, row: int) -> None:
        """Select a file and bring it into view."""
        index = self._filtered.mapFromSource(self._table.index(row, 0))
        self.setCurrentIndex(index)
        self.scrollTo(index)

    def follow(self, row: int) -> None:
        """Bring a file into view, unless the user looks at another."""
        if not self.currentIndex().isValid():
            self.scrollTo(self._filtered.mapFromSource(self._table.index(row, 0)))

    def unselect(self) -> None:
        """Select no file."""
        self.setCurrentIndex(QModelIndex())
        self.clearSelection()
