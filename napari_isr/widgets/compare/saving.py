"""A figure into a file of the user's choice, never over another one unasked."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_isr.widgets.compare.plots import Figure

_FILTERS = {"PNG (*.png)": ".png", "SVG (*.svg)": ".svg"}


def save_figure(figure: Figure, parent: QWidget, name: str) -> str:
    """Ask for a file and write a figure; return what came of it in words, empty for nothing.

    Parameters
    ----------
    figure : Figure
        With curves.
    parent : QWidget
        Of the dialog.
    name : str
        To propose, without an ending.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    chosen, kind = QFileDialog.getSaveFileName(
        parent, "Save the figure", f"{name}.png", ";;".join(_FILTERS)
    )
    if not chosen:
        return ""
    path = Path(chosen)
    if path.suffix.lower() not in _FILTERS.values():
        path = path.with_name(path.name + _FILTERS.get(kind, ".png"))
        # The dialog asked about the name without the ending.
        if path.exists() and not _may_replace(parent, path):
            return ""
    figure.save(path)
    return f"The figure is in {path}."


def _may_replace(parent: QWidget, path: Path) -> bool:
    output = QMessageBox.question(parent, "Save the figure", f"{path} exists. Replace it?")
    return bool(output == QMessageBox.StandardButton.Yes)
