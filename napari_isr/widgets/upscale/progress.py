"""What the Upscale widget shows of the work: the bar, the tiles, the time left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from magicgui.widgets import ProgressBar

from napari_isr.bridge.upscaling import Loading
from napari_isr.widgets.shared.fields import Note
from src_models.engines.timing import in_words

if TYPE_CHECKING:
    from src_models.upscaling.pipeline import Progress

_REDRAW_SECONDS = 0.1
_PARTS = 1000


class UpscaleBoard:
    """Turns the steps of a worker into a bar and a sentence.

    Parameters
    ----------
    progress : ProgressBar
        Shown while there is work.
    status : Note
        Where sentences go.
    """

    def __init__(self, progress: ProgressBar, status: Note) -> None:
        self._progress, self._status = progress, status
        self._redrawn = 0.0
        self._first: tuple[float, float] | None = None

    def begin(self) -> None:
        """Show that work starts."""
        self._redrawn, self._first = 0.0, None
        self._progress.visible = True
        self._progress.max = 0  # busy
        self._status.say("Starting …")

    def show(self, step: Loading | Progress) -> None:
        """Show how far it is."""
        if isinstance(step, Loading):
            start = (
                " The first time in a session starts the backend, which takes some seconds and "
                "may hold the window for a moment"
            )
            self._status.say(f"Loading the network.{start if step.starts_keras else ''} …")
            return
        now, done = time.monotonic(), step.done + step.begun
        if not done:
            self._first = None
            self._progress.max, self._progress.value = _PARTS, 0
            self._status.say(f"Tile 1 of {step.total} …")
        elif step.done == step.total:
            self._progress.value = _PARTS
            self._status.say("All tiles are done. Finishing …")
        # Signals may come faster than a window should be redrawn.
        elif now - self._redrawn > _REDRAW_SECONDS:
            self._redrawn = now
            self._progress.value = round(_PARTS * done / step.total)
            self._first = self._first or (now, done)
            since, more = now - self._first[0], done - self._first[1]
            left = f", {in_words(since / more * (step.total - done))} left" if more > 0 else ""
            self._status.say(f"{step.done} of {step.total} tiles{left}")

    def end(self) -> None:
        """Show that there is no work any more."""
        self._progress.visible = False
