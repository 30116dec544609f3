"""The numbers of a comparison as a table, and as text for a spreadsheet."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_isr._compare_work import BICUBIC, RESULT, Measured, Row

_ROW_HEIGHT = 22
_NAME_WIDTH = 96
_NONE = "\u2013"
_NO_RESOLUTION = "none"


@dataclass(frozen=True)
class _Column:
    """A measure: what heads it, what it means, how it is written, and whether more is better."""

    key: str
    title: str
    tooltip: str
    form: str
    best: Any = None


_TRUTH_COLUMNS = (
    _Column("psnr", "PSNR", "Peak signal-to-noise ratio against the truth in dB.", ".2f", max),
    _Column("ssim", "SSIM", "Structural similarity with the truth: 1 is equal.", ".3f", max),
    _Column(
        "nrmse",
        "NRMSE",
        "Root mean squared error over the truth's root mean square: 0 is equal.",
        ".3f",
        min,
    ),
)
_AGREEMENT = _Column(
    "agreement",
    "Agrees",
    "Share of the input's pixels within 3 sigma of its noise, when the image is brought back to "
    "the input's grid. A result that does not agree is wrong; one that agrees need not be right.",
    ".1f",
)


def columns(measured: Measured) -> tuple[_Column, ...]:
    """Return the columns that a comparison has."""
    unit = measured.request.unit
    has_truth = measured.request.truth is not None
    meaning = "that agrees with the truth" if has_truth else "that is more than noise"
    alone = " In brackets: that is more than noise in the image alone." if has_truth else ""
    resolution = (
        _Column(
            "rings",
            "FRC",
            f"Fourier ring correlation: the finest period in {unit} {meaning}.{alone}",
            ".3g",
            min if has_truth else None,
        ),
        _Column(
            "decorrelation",
            "Decorr.",
            f"Resolution in {unit} by decorrelation analysis: the finest period that holds "
            "structure.",
            ".3g",
        ),
    )
    first = _TRUTH_COLUMNS if has_truth else ()
    return (*first, _AGREEMENT, *resolution)


def value_of(row: Row, key: str) -> float | None:
    """Return a number of a row; None if it was not measured."""
    if key in ("psnr", "ssim", "nrmse"):
        found = None if row.closeness is None else getattr(row.closeness, key)
        return None if found is None or math.isnan(found) else float(found)
    if key == "agreement":
        return None if row.agreement is None else 100 * row.agreement
    curve = getattr(row, key)
    return None if curve is None else float(curve.resolution)


class NumberTable(QTableWidget):
    """One row for each candidate."""

    def __init__(self) -> None:
        super().__init__()
        self.setToolTip("Point at a cell or a heading to read what it means.")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setWordWrap(False)
        self.setShowGrid(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setMinimumHeight(4 * _ROW_HEIGHT)
        self.rows: tuple[Row, ...] = ()
        self._unit = ""
        rows = self.verticalHeader()
        assert rows is not None
        rows.setVisible(False)
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(_ROW_HEIGHT)

    def sizeHint(self) -> QSize:
        """Ask for the height of its rows."""
        wanted = _ROW_HEIGHT * (max(len(self.rows), 4) + 2)
        return QSize(super().sizeHint().width(), wanted)

    @property
    def chosen(self) -> Row | None:
        """The candidate that is selected; else the first result."""
        row = self.currentRow()
        if 0 <= row < len(self.rows) and self.rows[row].kind in (RESULT, BICUBIC):
            return self.rows[row]
        return next((row for row in self.rows if row.kind == RESULT), None)

    @property
    def has_other(self) -> bool:
        """Whether what is selected is neither a result nor bicubic."""
        row = self.currentRow()
        return 0 <= row < len(self.rows) and self.rows[row].kind not in (RESULT, BICUBIC)

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
        self.rows = () if measured is None else measured.rows
        self.setRowCount(len(self.rows))
        shown = () if measured is None else columns(measured)
        self.setColumnCount(1 + len(shown) if shown else 0)
        if measured is None:
            return
        self._unit = measured.request.unit
        heads = ["Image", *(column.title for column in shown)]
        for at, title in enumerate(heads):
            head = QTableWidgetItem(title)
            tip = shown[at - 1].tooltip if at else "What is compared; its curves have this colour."
            head.setToolTip(_wrapped(tip))
            left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
            right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            head.setTextAlignment(right if at else left)
            self.setHorizontalHeaderItem(at, head)
        for line, (row, colour) in enumerate(zip(self.rows, colours, strict=True)):
            self._show_row(line, row, colour, shown)
        self._fit_columns()
        self.updateGeometry()

    def _show_row(self, line: int, row: Row, colour: str, shown: tuple[_Column, ...]) -> None:
        name = QTableWidgetItem(row.name)
        name.setData(Qt.ItemDataRole.DecorationRole, _swatch(colour))
        name.setToolTip(_wrapped("\n".join([f"{row.name} ({row.kind})", *row.notes])))
        self.setItem(line, 0, name)
        for at, column in enumerate(shown, start=1):
            value = value_of(row, column.key)
            item = QTableWidgetItem(_written(row, column, value))
            item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            item.setToolTip(_wrapped(_cell_words(row, column, value, self._unit)))
            if self._is_best(row, column):
                font = item.font()
                font.setBold(True)
                item.setFont(font)
            self.setItem(line, at, item)

    def _is_best(self, row: Row, column: _Column) -> bool:
        if column.best is None or _is_alone(row, column):
            return False
        values = [value_of(x, column.key) for x in self.rows if not _is_alone(x, column)]
        numbers = [v for v in values if v is not None and not math.isnan(v)]
        return bool(numbers) and value_of(row, column.key) == column.best(numbers)

    def _fit_columns(self) -> None:
        head = self.horizontalHeader()
        assert head is not None
        head.setHighlightSections(False)
        head.setMinimumSectionSize(40)
        self.resizeColumnsToContents()
        head.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        taken = sum(self.columnWidth(at) for at in range(1, self.columnCount()))
        viewport = self.viewport()
        room = (viewport.width() if viewport is not None else 0) - taken
        self.setColumnWidth(0, max(_NAME_WIDTH, room))

    def resizeEvent(self, event: Any) -> None:
        """Let names have the room that the numbers leave."""
        super().resizeEvent(event)
        if self.rows:
            self._fit_columns()

    def rename(self) -> None:
        """Show the names that the layers have now."""
        for line, row in enumerate(self.rows):
            item = self.item(line, 0)
            if item is not None:
                item.setText(row.name)


def _swatch(colour: str) -> Any:
    from qtpy.QtGui import QPixmap

    pixmap = QPixmap(10, 10)
    pixmap.fill(QColor(colour))
    return pixmap


def _wrapped(text: str) -> str:
    import textwrap

    return "\n".join(textwrap.fill(line, 60) for line in text.splitlines())


def _is_alone(row: Row, column: _Column) -> bool:
    """Tell whether a number is of the image alone where others of its column are of the truth."""
    return column.key == "rings" and column.best is not None and not row.with_truth


def _written(row: Row, column: _Column, value: float | None) -> str:
    if value is None:
        return _NONE
    if math.isnan(value):
        text = _NO_RESOLUTION if column.key in ("rings", "decorrelation") else _NONE
    else:
        is_equal = math.isinf(value) and column.key == "psnr"
        text = "equal" if is_equal else format(value, column.form)
    return f"({text})" if _is_alone(row, column) else text


def _cell_words(row: Row, column: _Column, value: float | None, unit: str) -> str:
    if column.key == "agreement" and row.agreement_words:
        return row.agreement_words
    if column.key in ("rings", "decorrelation"):
        curve = getattr(row, column.key)
        if curve is not None:
            return f"{curve.in_words} Periods are in {unit}."
    if value is None and row.notes:
        return "\n".join(row.notes)
    return column.tooltip


def as_csv(measured: Measured) -> str:
    """Return all numbers as comma-separated values, with a line of names first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    request = measured.request
    unit = request.unit
    keys = ("psnr", "ssim", "nrmse", "agreement", "rings", "decorrelation")
    titles = ("PSNR (dB)", "SSIM", "NRMSE", "agrees with the input (%)")
    resolution = (f"FRC resolution ({unit})", f"decorrelation resolution ({unit})")
    first, last = ["image", "kind"], ["FRC against", "data range", "fitted to the truth", "plane"]
    writer.writerow([*first, *titles, *resolution, *last])
    for row in measured.rows:
        values = [value_of(row, key) for key in keys]
        cells = ["" if v is None or math.isnan(v) else f"{v:.6g}" for v in values]
        span = "" if row.closeness is None else f"{row.closeness.data_range:.6g}"
        against = "" if row.rings is None else ("the truth" if row.with_truth else "itself")
        fitted = "" if row.closeness is None else ("yes" if request.fits else "no")
        writer.writerow([row.name, row.kind, *cells, against, span, fitted, request.place])
    return text.getvalue()
