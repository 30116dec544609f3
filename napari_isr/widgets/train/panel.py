"""What the Train widget consists of and where it stands; what it does is in `_train_widget`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from magicgui.widgets import CheckBox, LineEdit, ProgressBar, PushButton
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout

from napari_isr.widgets.shared.dock import DockedWidget
from napari_isr.widgets.shared.fields import Note
from napari_isr.widgets.shared.help import help_link
from napari_isr.widgets.shared.layout import Fold, hbox, vbox
from napari_isr.widgets.train.advanced_fields import AdvancedFields
from napari_isr.widgets.train.fields import ImageFields, NetworkFields
from napari_isr.widgets.train.form import TrainPlan
from napari_isr.widgets.train.plots import TrainingPlots

_WIDTH = 300
PROGRESS_PARTS = 1000


class TrainPanel(DockedWidget):
    """The sections of the form in a scroll area; buttons, progress and saving always in view.

    Parameters
    ----------
    layer_choices, model_choices : callable
        Give what can be chosen; called with a combo box as magicgui does.
    """

    def __init__(
        self, layer_choices: Callable[..., Any], model_choices: Callable[..., Any]
    ) -> None:
        super().__init__()
        self.images = ImageFields(layer_choices)
        self.network = NetworkFields(model_choices)
        self.advanced = AdvancedFields()
        self.plots = TrainingPlots()
        self.run = PushButton(text="Train", tooltip="Start a new training.")
        self.pause = PushButton(text="Pause", tooltip="Let the training wait, or go on with it.")
        self.stop = PushButton(text="Stop", tooltip="End it after this step. The model is kept.")
        self.progress = ProgressBar(visible=False, max=PROGRESS_PARTS)
        self.status = Note("status")
        self.preview = CheckBox(
            text="Live preview in the viewer",
            value=True,
            tooltip="Input, bicubic, model and truth from left to right, a few times a minute.",
        )
        self.model_name = LineEdit(tooltip="Name of the model in the Upscale widget.")
        self.model_name.native.setPlaceholderText("name of the model")
        self.save = PushButton(text="Save", tooltip="Add the model to your models.")
        self.save_note = Note("save")
        self.save_row = hbox(self.model_name, self.save)
        self._folds = {
            "images": Fold("Images", self.images.native),
            "network": Fold("Network", self.network.native),
            "advanced": Fold("Advanced settings", self.advanced.native),
            "curves": Fold("Curves", vbox(self.plots, self.preview)),
        }
        self.open("images", "network")
        for note in (self.images.report, self.status, self.save_note):
            note.say("")
        self._arrange()

    def _arrange(self) -> None:
        form = vbox(*self._folds.values(), stretch=True, margins=(6, 4, 6, 4))
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(form)
        bottom = vbox(
            hbox(self.run, self.pause, self.stop, help_link("train")),
            self.progress,
            self.status,
            self.save_row,
            self.save_note,
            margins=(6, 0, 6, 4),
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll, stretch=1)
        layout.addWidget(bottom)
        self.setMinimumWidth(_WIDTH)

    def open(self, *names: str) -> None:
        """Open these sections of the form and fold the others away."""
        for name, fold in self._folds.items():
            fold.open(name in names)

    def say(self, plan: TrainPlan, theme: str) -> None:
        """Show under the fields what would be trained, or what keeps it from being."""
        self.images.note.say(plan.image_complaint, complaint=True, theme=theme)
        self.images.low_note.say(plan.low_complaint, complaint=True, theme=theme)
        model = plan.model_complaint or plan.model_words
        self.network.model_note.say(model, complaint=bool(plan.model_complaint), theme=theme)
        self.network.goal_note.say(plan.goal_words)
        self.network.cost.say(plan.cost)
