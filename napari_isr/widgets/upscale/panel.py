"""What the Upscale widget consists of and where it stands; what it does is in `_upscale_widget`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from magicgui.widgets import (
    Container,
    FloatSlider,
    Label,
    LineEdit,
    ProgressBar,
    PushButton,
    SpinBox,
)

from napari_isr.widgets.shared.fields import (
    Note,
    automatic_box,
    engine_box,
    labelled_rows,
    narrow_combo,
)
from napari_isr.widgets.shared.help import help_link
from napari_isr.widgets.shared.layout import Fold
from napari_isr.widgets.shared.trust_fields import TrustFields
from napari_isr.widgets.upscale.advice import AdviceNote

_LEAST_WIDTH = 350


class UpscalePanel(Container[Any]):
    """The form over its plan; buttons, progress and words under it.

    Parameters
    ----------
    layer_choices, model_choices : callable
        Give what can be chosen; called with a combo box as magicgui does.
    """

    def __init__(
        self, layer_choices: Callable[..., Any], model_choices: Callable[..., Any]
    ) -> None:
        super().__init__(labels=False, name="upscale")
        self._make_fields(layer_choices, model_choices)
        self._make_advanced()
        self.trust = TrustFields()
        self._make_work()
        fields = labelled_rows(
            [
                (self.layer, self.layer_note),
                (self.model, self.model_note),
                (self.sharpness, None),
                (self.axes, self.axes_note),
            ]
        )
        buttons = Container[Any](widgets=[self.run, self.cancel], layout="horizontal", labels=False)
        buttons.margins = (0, 0, 0, 0)
        work = [self.preview, buttons, self.progress, self.status]
        self.extend([fields, self.advice_note, self.plan_note, *work])
        layout = self.native.layout()
        trust = Fold("Trust: can I believe it?", self.trust.container.native)
        advanced = Fold("Advanced settings", self._advanced.native)
        for place, section, other in ((2, trust, advanced), (3, advanced, trust)):
            layout.insertWidget(place, section)
            section.button.toggled.connect(partial(_make_room, other))
        self.native.setMinimumWidth(_LEAST_WIDTH)  # what is folded away asks for none
        layout.addWidget(help_link("upscale"))
        layout.addStretch()

    def _make_fields(
        self, layer_choices: Callable[..., Any], model_choices: Callable[..., Any]
    ) -> None:
        self.layer = narrow_combo(
            "layer",
            "Layer",
            "The image to upscale. It is never changed.",
            layer_choices,
            nullable=True,
        )
        self.model = narrow_combo("model", "Model", "The network that upscales.", model_choices)
        self.sharpness = FloatSlider(
            label="Sharpness",
            min=0.0,
            max=1.0,
            step=0.05,
            value=1.0,
            visible=False,
            tooltip="0 is the faithful model, 1 looks sharpest; between them lie networks whose "
            "weights are mixed.",
        )
        self.sharpness.native.setToolTip(self.sharpness.tooltip)
        self.axes = LineEdit(
            label="Axes",
            tooltip="One letter per dimension: Y and X are upscaled, C holds channels, others "
            "(Z, T, ...) are looped over.",
        )
        self.layer_note, self.model_note = Note("layer"), Note("model")
        self.axes_note, self.plan_note = Note("axes"), Note("plan")
        self.advice_note = AdviceNote()

    def _make_advanced(self) -> None:
        self.tile_size = automatic_box(
            "tile_size", "Tile size", "Width and height of the tiles, in input pixels."
        )
        self.overlap = automatic_box(
            "overlap", "Overlap", "Input pixels of context around each tile."
        )
        self.batch_size = automatic_box("batch_size", "Batch", "Tiles that are run at a time.")
        self.engine = engine_box()
        hint = Label(value="-1 leaves the choice to napari-isr.")
        widgets = [hint, self.tile_size, self.overlap, self.batch_size, self.engine]
        self._advanced = Container[Any](widgets=widgets, labels=True)

    def _make_work(self) -> None:
        self.preview = PushButton(
            text="Preview what I see",
            tooltip="Upscale only what the canvas shows, in a few seconds.",
        )
        self.run = PushButton(text="Run", tooltip="Upscale the whole layer into a new one.")
        self.cancel = PushButton(text="Cancel", tooltip="Stop after the tile in work.")
        self.progress = ProgressBar(visible=False)
        self.status = Note("status")

    @property
    def tiling(self) -> dict[str, Any]:
        """How the image is cut for the network; None leaves it to the library."""
        boxes: list[SpinBox] = [self.tile_size, self.overlap, self.batch_size]
        return {str(box.name): None if box.value < 0 else int(box.value) for box in boxes}


def _make_room(other: Fold, is_open: bool) -> None:
    """Fold the other section away: a small screen has room for one."""
    if is_open:
        other.button.setChecked(False)
