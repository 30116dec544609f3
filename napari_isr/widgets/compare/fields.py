"""The Compare widget's choices: the input, the results to check, and the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, Label
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QListWidget, QListWidgetItem

from napari_isr.widgets.compare.matching import Check
from napari_isr.widgets.shared.fields import Note, narrow_combo
from napari_isr.widgets.shared.layout import LABEL_WIDTH, Row, hbox, vbox

if TYPE_CHECKING:
    import napari.layers

_LIST_HEIGHT = 74


class CheckList(QListWidget):
    """Layers with a box before each name.

    Parameters
    ----------
    tooltip : str
        What they are chosen for.
    changed : callable
        Called with a layer and whether it is checked now, when the user has changed that.
    """

    def __init__(self, tooltip: str, changed: Callable[[Any, bool], None]) -> None:
        super().__init__()
        self.setToolTip(tooltip)
        self.setFixedHeight(_LIST_HEIGHT)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSelectionMode(QListWidget.SelectionMode.NoSelection)
        self._changed = changed
        self.layers: list[napari.layers.Image] = []
        self.itemChanged.connect(self._tell)

    def offer(
        self, layers: Sequence[napari.layers.Image], is_checked: Callable[[Any], bool]
    ) -> None:
        """Show layers; nobody is told of the boxes that change by it."""
        self.blockSignals(True)
        self.clear()
        self.layers = list(layers)
        for layer in layers:
            item = QListWidgetItem(layer.name)
            item.setToolTip(layer.name)
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
            checked = Qt.CheckState.Checked if is_checked(layer) else Qt.CheckState.Unchecked
            item.setCheckState(checked)
            self.addItem(item)
        self.blockSignals(False)

    @property
    def checked(self) -> list[napari.layers.Image]:
        """The layers whose boxes are checked."""
        return [layer for at, layer in enumerate(self.layers) if self._is_checked(at)]

    def _is_checked(self, at: int) -> bool:
        item = self.item(at)
        return item is not None and item.checkState() == Qt.CheckState.Checked

    def _tell(self, item: QListWidgetItem) -> None:
        at = self.row(item)
        self._changed(self.layers[at], self._is_checked(at))


class CompareFields:
    """What is compared with what.

    Parameters
    ----------
    inputs, truths : callable
        Give the layers that can be chosen; called with a combo box as magicgui does.
    result_changed : callable
        Called with a layer and whether it is checked.
    """

    def __init__(
        self,
        inputs: Callable[..., Any],
        truths: Callable[..., Any],
        result_changed: Callable[[Any, bool], None],
    ) -> None:
        self.input = narrow_combo(
            "input", "Input", "The image that was upscaled.", inputs, nullable=True
        )
        self.results = CheckList(
            "The results to compare. Those that were upscaled from the input are checked at first.",
            result_changed,
        )
        self.truth = narrow_combo(
            "truth",
            "Truth",
            "A high-resolution image of the same field, as large as the results, if there is one.",
            truths,
            nullable=True,
        )
        self.fit = CheckBox(
            name="fit",
            text="Fit brightness and contrast to the truth",
            tooltip="For a truth of another exposure or detector: each image is given the gain and "
            "offset that bring it closest to the truth, before PSNR, SSIM, NRMSE and differences "
            "are taken. The other numbers do not depend on it.",
        )
        self.input_note, self.result_note = Note("input"), Note("results")
        self.truth_note, self.hint_note = Note("truth"), Note("hint")
        caption = Label(value="Results")
        caption.native.setFixedWidth(LABEL_WIDTH)
        self.native = vbox(
            Row(self.input, "Input"),
            self.input_note,
            hbox(caption, self.results),
            self.result_note,
            Row(self.truth, "Truth"),
            self.truth_note,
            self.fit,
            self.hint_note,
        )

    def say(self, found: Check, theme: str) -> None:
        """Show under the fields what does not fit, or what to do first."""
        for note, words in (
            (self.input_note, found.input_words),
            (self.result_note, found.result_words),
            (self.truth_note, found.truth_words),
        ):
            note.say(words, complaint=True, theme=theme)
        self.hint_note.say(found.hint)
        self.fit.visible = found.request is not None and found.request.truth is not None
