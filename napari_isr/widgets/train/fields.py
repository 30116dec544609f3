"""The sections of the Train widget's form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from magicgui.types import FileDialogMode
from magicgui.widgets import (
    CheckBox,
    ComboBox,
    FileEdit,
    FloatSpinBox,
    Label,
    PushButton,
    Select,
)
from qtpy.QtWidgets import QListWidget

from napari_isr.widgets.shared.fields import Note, narrow_combo
from napari_isr.widgets.shared.layout import Row, vbox
from napari_isr.widgets.train.job import SIZES

LAYERS, FOLDERS = "open layers", "folders"
SCRATCH, OPEN_FILE = "scratch", "open a model file…"
MINUTES, EPOCHS = "minutes", "epochs"
_MADE_BY = {
    "bicubic shrinking": "bicubic",
    "camera binning": "binned",
    "a microscope (blur, binning, noise)": "microscope",
    "shrinking and JPEG": "jpeg",
}
_LIST_HEIGHT = 74


def _list_of(choices: Callable[..., Any], name: str, tooltip: str) -> Select:
    chosen = Select(name=name, choices=choices, allow_multiple=True, tooltip=tooltip)
    native = chosen.native
    inner = native if isinstance(native, QListWidget) else native.findChild(QListWidget)
    inner.setFixedHeight(_LIST_HEIGHT)
    return chosen


class ImageFields:
    """Where the images come from."""

    def __init__(self, layers: Callable[..., Any]) -> None:
        self.source = ComboBox(
            name="source", choices=[LAYERS, FOLDERS], tooltip="Where the images are."
        )
        self.layers = _list_of(
            layers, "layers", "High-resolution images. Ctrl-click chooses several."
        )
        self.folder = FileEdit(
            name="folder",
            mode=FileDialogMode.EXISTING_DIRECTORY,
            tooltip="PNG, JPEG or TIFF files.",
        )
        self.is_paired = CheckBox(
            name="is_paired",
            text="Low resolution is given too",
            tooltip="Otherwise they are made from the high-resolution ones.",
        )
        self.low_layers = _list_of(
            layers, "low_layers", "Low-resolution images, in the same order as the others."
        )
        self.low_folder = FileEdit(
            name="low_folder",
            mode=FileDialogMode.EXISTING_DIRECTORY,
            tooltip="Folder of low-resolution images; matched by name or number.",
        )
        self.made_by = narrow_combo(
            "made_by",
            "Made by",
            "How the low-resolution side is made from the high-resolution one.",
            lambda _combo=None: list(_MADE_BY),
        )
        self.note, self.low_note, self.report = Note("images"), Note("low"), Note("report")
        self.check = PushButton(
            text="Check the images",
            tooltip="Say what can be used and what will be skipped, and show a few pairs.",
        )
        self._headings = Label(value="High resolution:"), Label(value="Low resolution:")
        self._made_row = Row(self.made_by, "Made by")
        self.native = vbox(
            Row(self.source, "From"),
            self._headings[0],
            self.layers,
            self.folder,
            self.note,
            self.is_paired,
            self._headings[1],
            self.low_layers,
            self.low_folder,
            self.low_note,
            self._made_row,
            self.check,
            self.report,
        )

    @property
    def changing(self) -> list[Any]:
        """The fields whose changes matter."""
        fields = [self.source, self.layers, self.folder, self.is_paired, self.low_layers]
        return [*fields, self.low_folder, self.made_by]

    def arrange(self) -> None:
        """Show the fields that fit the choices."""
        from_layers, paired = self.source.value == LAYERS, bool(self.is_paired.value)
        self.layers.visible, self.folder.visible = from_layers, not from_layers
        self._headings[1].visible = paired
        self.low_layers.visible = paired and from_layers
        self.low_folder.visible = paired and not from_layers
        self._made_row.visible = not paired

    def chosen(self) -> tuple[Any, Any]:
        """Return what is chosen for the two sides: layers or the path of a folder, or None."""
        if self.source.value == LAYERS:
            return list(self.layers.value), list(self.low_layers.value)
        return _folder(self.folder), _folder(self.low_folder)

    @property
    def degradation(self) -> Any:
        """How the low-resolution side is made."""
        return _MADE_BY[self.made_by.value]


def _folder(field: FileEdit) -> str | None:
    text = str(field.value) if field.value else ""
    return None if text in ("", ".") else str(Path(text).expanduser())


class NetworkFields:
    """What is trained, what for and for how long."""

    def __init__(self, models: Callable[..., Any]) -> None:
        self.start = narrow_combo(
            "start", "Start from", "Nothing, or a model to be tuned to your images.", models
        )
        self.size = ComboBox(
            name="size", choices=list(SIZES), tooltip="How large the new network is."
        )
        self.scale = ComboBox(
            name="scale",
            choices=[("x2", 2), ("x3", 3), ("x4", 4)],
            tooltip="Output pixels per input pixel, along each axis.",
        )
        self.goal = ComboBox(
            name="goal",
            choices=["faithful", "sharp"],
            tooltip="Faithful: closest to the truth. Sharp: pleasing, with invented detail.",
        )
        self.length = FloatSpinBox(
            name="length", min=0.1, max=100_000, step=1, value=10, tooltip="How long to train."
        )
        self.unit = ComboBox(
            name="unit", choices=[MINUTES, EPOCHS], tooltip="What the number counts."
        )
        self.length.native.setDecimals(1)
        self.model_note, self.goal_note, self.cost = Note("model"), Note("goal"), Note("cost")
        self._size_row, self._scale_row = Row(self.size, "Size"), Row(self.scale, "Scale")
        self.native = vbox(
            Row(self.start, "Start from"),
            self._size_row,
            self._scale_row,
            self.model_note,
            Row(self.goal, "Goal"),
            self.goal_note,
            Row(self.length, "Train for", self.unit),
            self.cost,
        )

    @property
    def changing(self) -> list[Any]:
        """The fields whose changes matter, but for `start`."""
        return [self.size, self.scale, self.goal, self.length, self.unit]

    def arrange(self) -> None:
        """Show the fields that fit the choices."""
        is_new = self.start.value == SCRATCH
        self._size_row.visible = self._scale_row.visible = is_new
        self.length.native.setDecimals(1 if self.unit.value == MINUTES else 0)

    @property
    def duration(self) -> dict[str, Any]:
        """Minutes, or epochs."""
        if self.unit.value == MINUTES:
            return {"minutes": float(self.length.value), "epochs": None}
        return {"epochs": max(1, round(self.length.value))}
