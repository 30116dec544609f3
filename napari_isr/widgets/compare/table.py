"""The numbers of a comparison as a table: of each candidate its name, and its numbers under it."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QItemSelection, QItemSelectionModel, QModelIndex, QSize, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_isr.widgets.compare.measure import BICUBIC, RESULT, Measured, Row
from napari_isr.widgets.compare.numbers import Column, columns, is_best, meaning_of, written

_LINE_HEIGHT = 21
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class NumberTable(QTableWidget):
    """Two lines for each candidate, as names are too long to stand beside six numbers.

    Attributes
    ----------
    rows : tuple of Row
        The candidates.
    candidate_changed : Signal
        Emitted when another one is selected.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setToolTip("Point at a cell or a heading to read what it means.")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        pairs = _InPairs(self.model(), self)
        self.setSelectionModel(pairs)
        # Qt's signals of the cell stay with the selection model that the table came with.
        self.candidate_changed = pairs.currentChanged
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setWordWrap(False)
        self.setShowGrid(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setMinimumHeight(5 * _LINE_HEIGHT)
        self.rows: tuple[Row, ...] = ()
        self._unit = ""
        lines, head = self.verticalHeader(), self.horizontalHeader()
        assert lines is not None
        assert head is not None
        lines.setVisible(False)
        lines.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        lines.setDefaultSectionSize(_LINE_HEIGHT)
        head.setHighlightSections(False)
        head.setMinimumSectionSize(30)

    def sizeHint(self) -> QSize:
        """Ask for the height of its lines."""
        wanted = _LINE_HEIGHT * (2 * max(len(self.rows), 3) + 2)
        return QSize(super().sizeHint().width(), wanted)

    @property
    def _current(self) -> Row | None:
        at = self.currentRow() // 2
        return self.rows[at] if 0 <= at < len(self.rows) else None

    @property
    def chosen(self) -> Row | None:
        """The candidate that is selected; else the first result."""
        row = self._current
        if row is not None and row.kind in (RESULT, BICUBIC):
            return row
        return next((row for row in self.rows if row.kind == RESULT), None)

    @property
    def has_other(self) -> bool:
        """Whether what is selected is neither a result nor bicubic."""
        row = self._current
        return row is not None and row.kind not in (RESULT, BICUBIC)

    def show_rows(self, measured: Measured | None, colours: list[str]) -> None:
        """Show a comparison, or nothing.

        Parameters
        ----------
        measured : Measured, optional
            The numbers.
        colours : list of str
            Of each row's curves.
        """
        self.clear()
        self.clearSpans()
        self.rows = () if measured is None else measured.rows
        shown = () if measured is None else columns(measured)
        self.setRowCount(2 * len(self.rows))
        self.setColumnCount(len(shown))
        if measured is None:
            return
        self._unit = measured.request.unit
        for at, column in enumerate(shown):
            head = QTableWidgetItem(column.title)
            head.setToolTip(_wrapped(column.tooltip))
            head.setTextAlignment(_RIGHT)
            self.setHorizontalHeaderItem(at, head)
        for at, (row, colour) in enumerate(zip(self.rows, colours, strict=True)):
            self._show_row(2 * at, row, colour, shown)
        self._fit_columns()
        self.updateGeometry()

    def _show_row(self, line: int, row: Row, colour: str, shown: tuple[Column, ...]) -> None:
        name = QTableWidgetItem(row.name)
        name.setData(Qt.ItemDataRole.DecorationRole, _swatch(colour))
        name.setToolTip(_wrapped("\n".join([f"{row.name} ({row.kind})", *row.notes])))
        self.setItem(line, 0, name)
        self.setSpan(line, 0, 1, len(shown))
        for at, column in enumerate(shown):
            item = QTableWidgetItem(written(row, column))
            item.setTextAlignment(_RIGHT)
            item.setToolTip(_wrapped(meaning_of(row, column, self._unit)))
            if is_best(row, self.rows, column):
                font = item.font()
                font.setBold(True)
                item.setFont(font)
            self.setItem(line + 1, at, item)

    def _fit_columns(self) -> None:
        """Give each column what its numbers take, and an equal part of what is left."""
        head, model, viewport = self.horizontalHeader(), self.model(), self.viewport()
        assert head is not None
        assert model is not None
        assert viewport is not None
        count = self.columnCount()
        widths = []
        for at in range(count):
            cells = [model.index(line, at) for line in range(1, self.rowCount(), 2)]
            hints = [self.sizeHintForIndex(cell).width() for cell in cells]
            widths.append(max(head.sectionSizeHint(at), *hints))
        more = max(viewport.width() - sum(widths), 0)
        for at, width in enumerate(widths):
            part = more * (at + 1) // count - more * at // count
            self.setColumnWidth(at, width + part)

    def resizeEvent(self, event: Any) -> None:
        """Use the width there is."""
        super().resizeEvent(event)
        if self.rows:
            self._fit_columns()

    def moveCursor(self, action: Any, modifiers: Any) -> Any:
        """Go up and down by candidates."""
        steps = {
            QAbstractItemView.CursorAction.MoveUp: -2,
            QAbstractItemView.CursorAction.MoveDown: 2,
        }
        here = self.currentIndex()
        if action not in steps or not here.isValid():
            return super().moveCursor(action, modifiers)
        there = here.sibling(here.row() + steps[action], here.column())
        return there if there.isValid() else here

    def rename(self) -> None:
        """Show the names that the layers have now."""
        for at, row in enumerate(self.rows):
            item = self.item(2 * at, 0)
            if item is not None:
                item.setText(row.name)


class _InPairs(QItemSelectionModel):
    """Selects a name and its numbers together."""

    def select(self, chosen: Any, command: Any) -> None:
        """Select both lines of what is chosen."""
        if isinstance(chosen, QModelIndex):
            chosen = QItemSelection(chosen, chosen)
        pairs = QItemSelection()
        for line in {index.row() // 2 * 2 for index in chosen.indexes()}:
            first = chosen.indexes()[0]
            pairs.select(first.sibling(line, 0), first.sibling(line + 1, 0))
        super().select(pairs, command)


def _swatch(colour: str) -> Any:
    from qtpy.QtGui import QPixmap

    pixmap = QPixmap(10, 10)
    pixmap.fill(QColor(colour))
    return pixmap


def _wrapped(text: str) -> str:
    import textwrap

    return "\n".join(textwrap.fill(line, 60) for line in text.splitlines())
