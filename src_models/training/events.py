"""What a training tells while it runs, and how to pause or stop it. Free of Keras."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class StepDone:
    """A step is over.

    Attributes
    ----------
    epoch, epochs : int
        Number of the current epoch, from 1, and of all.
    step, steps_per_epoch : int
        Number of steps done in this epoch, and of all in it.
    losses : dict
        Means over this epoch so far.
    seconds_left : float
        Estimate to the end of the training.
    """

    epoch: int
    epochs: int
    step: int
    steps_per_epoch: int
    losses: dict[str, float]
    seconds_left: float


@dataclass(frozen=True, slots=True)
class EpochDone:
    """An epoch is over and the checkpoint is written.

    Attributes
    ----------
    epoch, epochs : int
        Number of epochs done, and of all.
    logs : dict
        Losses, ``learning_rate`` and, where there was a validation, ``val_...`` scores.
    improved : tuple of str
        The monitored metrics that are better than ever.
    """

    epoch: int
    epochs: int
    logs: dict[str, float]
    improved: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PreviewPatch:
    """A validation patch as the network sees it now; intensities around 0 to 1.

    Attributes
    ----------
    name : str
        Of the image.
    lr, bicubic, sr, hr : ndarray of float32
        ``(H, W, C)`` for `lr`, `scale` times larger for the others.
    """

    name: str
    lr: NDArray[np.float32]
    bicubic: NDArray[np.float32]
    sr: NDArray[np.float32]
    hr: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """How fixed patches look now.

    Attributes
    ----------
    epoch, step : int
        When.
    patches : tuple of PreviewPatch
        The first of the validation patches.
    """

    epoch: int
    step: int
    patches: tuple[PreviewPatch, ...]


TrainingEvent = StepDone | EpochDone | Preview
Listener = Callable[[TrainingEvent], None]


class TrainingControl:
    """Pauses or stops a training from another thread, after the step that is running."""

    def __init__(self) -> None:
        self._may_run = Event()
        self._may_run.set()
        self._is_stopped = Event()

    def pause(self) -> None:
        """Let the training wait."""
        self._may_run.clear()

    def resume(self) -> None:
        """Let it go on."""
        self._may_run.set()

    def stop(self) -> None:
        """End it, validating and saving as at the end of an epoch."""
        self._is_stopped.set()
        self._may_run.set()

    @property
    def is_paused(self) -> bool:
        """Whether the training waits, or will after its step."""
        return not self._may_run.is_set()

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._is_stopped.is_set()

    def wait_while_paused(self) -> None:
        """Return when the training may run or must stop."""
        self._may_run.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """What came of a training.

    Attributes
    ----------
    epochs : int
        Number of epochs done, those of earlier runs included.
    seconds : float
        Time spent, likewise.
    reason : {"finished", "stopped", "time is up", "already finished"}
        Why it ended.
    curve : list of dict
        One point an epoch.
    scores : list of dict
        Of every validation patch, beside bicubic's.
    best_model, last_model : Path or None
        Model files; there is no best one without validation.
    """

    epochs: int
    seconds: float
    reason: str
    curve: list[dict[str, float]]
    scores: list[dict[str, Any]]
    best_model: Path | None
    last_model: Path | None
