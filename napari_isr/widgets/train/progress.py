"""Shows a training while it runs: progress, time left, curves and previews."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from napari_isr.widgets.train.panel import PROGRESS_PARTS, TrainPanel
from napari_isr.widgets.train.preview import PreviewLayers
from napari_isr.widgets.train.thread import News, Training
from src_models.engines.timing import in_words
from src_models.training.events import Preview, StepDone

if TYPE_CHECKING:
    import napari.viewer

_PREVIEW_SECONDS = 4.0


class TrainingBoard:
    """Puts a training's news where they belong.

    Parameters
    ----------
    panel : TrainPanel
        Whose curves, progress bar and status line are used.
    viewer : napari.viewer.Viewer
        Where previews are shown.
    """

    def __init__(self, panel: TrainPanel, viewer: napari.viewer.Viewer) -> None:
        self._panel, self._viewer = panel, viewer
        self.previews = PreviewLayers(viewer, "Training")
        self._training: Training | None = None
        self._newest: Preview | None = None
        self._has_looked, self._shown = False, -math.inf

    def begin(self, training: Training, *, keep_curves: bool) -> None:
        """Make room for a training; its curves may follow those of the last one."""
        self._training, self._newest = training, None
        self._has_looked, self._shown = False, -math.inf
        self.previews.begin()
        panel = self._panel
        panel.open("curves")
        panel.plots.begin(self._viewer.theme, keep=keep_curves)
        panel.progress.visible = True
        panel.progress.max = 0  # busy
        panel.status.say("Starting …")

    def show(self, news: News) -> None:
        """Show what happened since the last call."""
        if news.words:
            self._panel.status.say(news.words)
        for epoch in news.epochs:
            self._panel.plots.add_epoch(epoch)
        if news.step is not None:
            self._show_step(news.step)
        self._panel.plots.draw()
        if news.preview is not None:
            self._newest = news.preview
        if time.monotonic() - self._shown > _PREVIEW_SECONDS:
            self.show_preview()

    def _show_step(self, step: StepDone) -> None:
        assert self._training is not None
        panel = self._panel
        panel.plots.add_step(step)
        if self._training.is_paused:
            return
        elapsed = time.monotonic() - self._training.started
        share = elapsed / max(elapsed + step.seconds_left, 1e-9)
        panel.progress.max = PROGRESS_PARTS
        panel.progress.value = round(PROGRESS_PARTS * share)
        panel.status.say(
            f"Epoch {step.epoch}, step {step.step} of {step.steps_per_epoch}, "
            f"{in_words(step.seconds_left)} left. {self._training.gain_in_words}"
        )

    def show_preview(self) -> None:
        """Show the last preview, if it is wanted and new."""
        if self._newest is None or not self._panel.preview.value:
            return
        patches, self._newest = self._newest.patches, None
        self._shown = time.monotonic()
        self.previews.show(
            {
                "input": [patch.lr for patch in patches],
                "bicubic": [patch.bicubic for patch in patches],
                "model": [patch.sr for patch in patches],
                "truth": [patch.hr for patch in patches],
            },
            look=not self._has_looked,  # once: then the camera is the user's again
        )
        self._has_looked = True
