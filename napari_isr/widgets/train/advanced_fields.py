"""What hardly anybody needs to change in the Train widget's form."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import CheckBox, ComboBox, FloatSpinBox, LineEdit, SpinBox

from napari_isr.widgets.shared.fields import automatic_box
from napari_isr.widgets.shared.layout import Row, vbox
from napari_isr.widgets.train.form import USUAL_BATCH, USUAL_PATCH


class AdvancedFields:
    """What hardly anybody needs to change."""

    def __init__(self) -> None:
        self.channels = ComboBox(
            name="channels",
            choices=[("automatic", None), ("grey, one by one", 1), ("RGB", 3)],
            tooltip="Whether a new network takes each channel by itself or RGB together.",
        )
        self.patch = SpinBox(
            name="patch",
            min=8,
            max=256,
            step=8,
            value=USUAL_PATCH,
            tooltip="Width and height of the pieces that the network sees in training, in "
            "low-resolution pixels.",
        )
        self.batch = SpinBox(
            name="batch",
            min=1,
            max=256,
            value=USUAL_BATCH,
            tooltip="Pieces looked at in a step; more need more memory.",
        )
        self.steps = automatic_box(
            "steps", "Steps", "Steps in an epoch, which ends with a check.", automatic=0
        )
        self.rate = LineEdit(
            name="rate", tooltip="Learning rate at the start; empty for what suits the network."
        )
        self.flatness = FloatSpinBox(
            name="flatness",
            min=0,
            max=0.5,
            step=0.01,
            tooltip="Leave out pieces with less detail than this, from 0 (none) to 0.5; against "
            "empty background.",
        )
        self.bin_low = SpinBox(
            name="bin_low",
            min=1,
            max=8,
            value=1,
            tooltip="Average so many pixels of the low-resolution images first: for pairs of one "
            "pixel size.",
        )
        self.flips = CheckBox(
            name="flips",
            text="Mirror and turn patches",
            value=True,
            tooltip="Makes eight images of one; not for images whose up and down differ.",
        )
        self.correct = CheckBox(
            name="correct",
            text="Correct shifts between pairs",
            value=False,
            tooltip="Move the images of a pair onto each other where they are found shifted.",
        )
        self.rate.native.setPlaceholderText("automatic")
        rows = [
            Row(self.channels, "Colours"),
            Row(self.patch, "Patch size"),
            Row(self.batch, "Batch"),
            Row(self.steps, "Epoch steps"),
            Row(self.rate, "Learn rate"),
            Row(self.flatness, "Flatness"),
            Row(self.bin_low, "Bin low res"),
        ]
        self.native = vbox(*rows, self.flips, self.correct)

    @property
    def changing(self) -> list[Any]:
        """The fields whose changes matter."""
        boxes = [self.channels, self.patch, self.batch, self.steps, self.rate, self.flatness]
        return [*boxes, self.bin_low, self.flips, self.correct]

    @property
    def chosen(self) -> dict[str, Any]:
        """What is chosen, as arguments of `TrainChoices`."""
        return {
            "channels": self.channels.value,
            "patch": int(self.patch.value),
            "batch": int(self.batch.value),
            "steps": int(self.steps.value) or None,
            "learning_rate": _number(self.rate.value),
            "flips": bool(self.flips.value),
            "flatness": float(self.flatness.value),
            "correct_shifts": bool(self.correct.value),
            "bin_low": int(self.bin_low.value),
        }


def _number(text: str) -> float | None:
    """Return a positive number, or None for anything else, which then means automatic."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 1e-12 <= value <= 10 else None
