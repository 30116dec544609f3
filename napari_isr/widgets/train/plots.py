"""The live curves of a training. pyqtgraph is imported when the first training starts."""

from __future__ import annotations

from typing import Any

from napari.utils.theme import get_theme
from qtpy.QtWidgets import QVBoxLayout, QWidget

from src_models.training.events import EpochDone, StepDone

_HEIGHT = 130
_MOST_POINTS = 2000
_LOSS, _MODEL, _BICUBIC = "#4f9bd9", "#e8873a", "#9a9a9a"


class TrainingPlots(QWidget):
    """Training loss over the epochs, and below it the validation's PSNR with bicubic's line."""

    def __init__(self) -> None:
        super().__init__()
        self._layout = layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.losses: list[tuple[float, float]] = []
        self.scores: list[tuple[float, float, float]] = []
        self._before = 0.0
        self._curves: dict[str, Any] = {}
        self._plots: list[Any] = []

    def begin(self, theme: str, *, keep: bool = False) -> None:
        """Make the plots ready for a training.

        Parameters
        ----------
        theme : str
            napari's, for the colours.
        keep : bool
            Whether to go on with the curves that are there.
        """
        if not self._plots:
            self._make_plots()
        self.follow_theme(theme)
        if not keep:
            self.losses, self.scores, self._before = [], [], 0.0
        self._draw()

    def _make_plots(self) -> None:
        import pyqtgraph

        for label, unit in (("training loss", ""), ("PSNR", "dB")):
            plot = pyqtgraph.PlotWidget()
            plot.setMinimumHeight(_HEIGHT)
            plot.setMouseEnabled(x=False, y=False)
            plot.setMenuEnabled(False)
            plot.hideButtons()
            plot.setLabel("left", label, units=None, **{"font-size": "8pt"})
            if unit:
                plot.setLabel("left", f"{label} ({unit})", **{"font-size": "8pt"})
            plot.getAxis("left").setWidth(58)
            plot.getAxis("left").enableAutoSIPrefix(False)
            self._plots.append(plot)
            self._layout.addWidget(plot)
        loss, score = self._plots
        score.setLabel("bottom", "epoch", **{"font-size": "8pt"})
        # A legend would lie on the curves.
        model, bicubic = (f'<span style="color: {c}">' for c in (_MODEL, _BICUBIC))
        score.setTitle(f"{model}model</span> and {bicubic}bicubic</span>", size="8pt")
        pen = pyqtgraph.mkPen
        self._curves = {
            "loss": loss.plot(pen=pen(_LOSS, width=2)),
            "model": score.plot(
                pen=pen(_MODEL, width=2),
                symbol="o",
                symbolSize=4,
                symbolBrush=_MODEL,
                symbolPen=None,
            ),
            "bicubic": score.plot(pen=pen(_BICUBIC, width=2, style=_dashes())),
        }

    def follow_theme(self, theme: str) -> None:
        """Take the colours of napari's theme."""
        colours = get_theme(theme)
        for plot in self._plots:
            plot.setBackground(colours.background.as_hex())
            for side in ("left", "bottom"):
                axis = plot.getAxis(side)
                axis.setPen(colours.secondary.as_hex())
                axis.setTextPen(colours.text.as_hex())
                axis.labelStyle["color"] = colours.text.as_hex()
                axis.setLabel(axis.labelText, **axis.labelStyle)

    def add_step(self, step: StepDone) -> None:
        """Draw the loss on."""
        loss = step.losses.get("loss")
        if loss is None:
            return
        x = step.epoch - 1 + step.step / step.steps_per_epoch
        if self.losses and x + self._before < self.losses[-1][0]:
            self._before = self.losses[-1][0]  # a second phase counts its epochs anew
        self.losses.append((x + self._before, loss))
        if len(self.losses) > _MOST_POINTS:
            self.losses = self.losses[::2]

    def add_epoch(self, epoch: EpochDone) -> None:
        """Draw the scores on."""
        if "val_PSNR" in epoch.logs:
            scores = epoch.logs["val_PSNR"], epoch.logs["val_PSNR_bicubic"]
            self.scores.append((self._before + epoch.epoch, *scores))

    def draw(self) -> None:
        """Show what was added."""
        if self._plots:
            self._draw()

    def _draw(self) -> None:
        x = [point[0] for point in self.losses]
        self._curves["loss"].setData(x, [point[1] for point in self.losses])
        x = [point[0] for point in self.scores]
        self._curves["model"].setData(x, [point[1] for point in self.scores])
        # From the start on, so that one validation makes a line already.
        bicubic = [point[2] for point in self.scores]
        self._curves["bicubic"].setData([0.0, *x] if x else [], bicubic[:1] + bicubic)


def _dashes() -> Any:
    from qtpy.QtCore import Qt

    return Qt.PenStyle.DashLine
