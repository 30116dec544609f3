"""What happens around the steps of a training, one concern a callback."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from src_models.errors import TrainingError
from src_models.networks.backend import keras
from src_models.training.events import (
    Listener,
    Preview,
    PreviewPatch,
    StepDone,
    TrainingControl,
)
from src_models.training.settings import TrainingSettings
from src_models.training.validation import Validator, summarise

Logs = dict[str, Any] | None
_PREVIEWED = 3


class Clock:
    """Time spent on training, pauses left out.

    Attributes
    ----------
    limit : float or None
        Seconds after which to stop.
    """

    def __init__(self, limit: float | None) -> None:
        self.limit = limit
        self._started = time.monotonic()
        self._paused = 0.0

    @property
    def seconds(self) -> float:
        """Seconds spent."""
        return time.monotonic() - self._started - self._paused

    def leave_out(self, seconds: float) -> None:
        """Do not count a pause."""
        self._paused += seconds

    @property
    def share(self) -> float:
        """Part of the limit that is over; 0 without a limit."""
        return 0.0 if self.limit is None else min(1.0, self.seconds / max(self.limit, 1e-9))


class SetLearningRate(keras.callbacks.Callback):
    """Set the learning rate before every step: what the settings say, times `factor()`."""

    def __init__(
        self, settings: TrainingSettings, clock: Clock, factor: Callable[[], float]
    ) -> None:
        super().__init__()
        self._settings, self._clock, self._factor = settings, clock, factor
        self._epoch = 0
        self._last: float | None = None

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Note the epoch."""
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Set the rate if it changes."""
        settings = self._settings
        step = self._epoch * settings.steps_per_epoch + batch
        share = max(step / (settings.epochs * settings.steps_per_epoch), self._clock.share)
        rate = settings.learning_rate.at(step, self._epoch, share) * self._factor()
        if rate != self._last:
            self.model.optimizer.learning_rate = rate
            self._last = rate

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Note the rate in the logs."""
        if logs is not None and self._last is not None:
            logs["learning_rate"] = self._last


class StopWhenDiverged(keras.callbacks.Callback):
    """End a training whose loss is no number any more, before anything of it is saved."""

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Look at the loss."""
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            rate = float(self.model.optimizer.learning_rate)
            raise TrainingError(
                f"The loss became {loss} at a learning rate of {rate:.3g}: the steps were too "
                "long for these images. Train again with a learning rate ten times smaller, a "
                "limit on the gradient (clip_norm=1) or without mixed precision. The network is "
                "back at its last checkpoint."
            )


class StopOnRequest(keras.callbacks.Callback):
    """Pause and stop when told to, and stop when the time is up."""

    def __init__(self, control: TrainingControl, clock: Clock) -> None:
        super().__init__()
        self._control, self._clock = control, clock
        self.reason = "finished"

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Wait, or end the training after this step."""
        if self._control.is_paused:
            began = time.monotonic()
            self._control.wait_while_paused()
            self._clock.leave_out(time.monotonic() - began)
        self._stop_if_due()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Look again: the validation may have taken long."""
        self._stop_if_due()

    def _stop_if_due(self) -> None:
        if self._control.is_stopped:
            self.reason = "stopped"
            self.model.stop_training = True
        elif self._clock.limit is not None and self._clock.seconds >= self._clock.limit:
            self.reason = "time is up"
            self.model.stop_training = True


class Validate(keras.callbacks.Callback):
    """Score the network on the fixed patches and put the figures into the logs."""

    def __init__(self, validator: Validator, settings: TrainingSettings) -> None:
        super().__init__()
        self._validator, self._settings = validator, settings
        self.table: list[dict[str, Any]] = []

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Validate where it is due: every so many epochs and at the end."""
        is_last = epoch + 1 == self._settings.epochs or self.model.stop_training
        if is_last or (epoch + 1) % self._settings.validation.every == 0:
            self.table = self._validator.judge(self.model.generator)
            if logs is not None:
                logs.update(summarise(self.table))


class Tell(keras.callbacks.Callback):
    """Tell a listener of steps, and show it how the fixed patches look."""

    def __init__(
        self,
        listener: Listener,
        settings: TrainingSettings,
        clock: Clock,
        validator: Validator | None,
        preview_every: float,
    ) -> None:
        super().__init__()
        self._listener, self._settings, self._clock = listener, settings, clock
        self._validator, self._preview_every = validator, preview_every
        self._epoch = self._first_epoch = 0
        self._shown = -math.inf

    def on_train_begin(self, logs: Logs = None) -> None:
        """Forget the last training."""
        self._first_epoch = -1

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Note the epoch."""
        self._epoch = epoch
        if self._first_epoch < 0:
            self._first_epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Tell of the step, and show the patches a few times a minute."""
        settings = self._settings
        losses = {name: float(value) for name, value in (logs or {}).items()}
        left = self._seconds_left(batch + 1)
        self._listener(
            StepDone(
                self._epoch + 1, settings.epochs, batch + 1, settings.steps_per_epoch, losses, left
            )
        )
        if self._clock.seconds - self._shown >= self._preview_every:
            self._show(batch + 1)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Show the patches as they were validated."""
        self._show(self._settings.steps_per_epoch)

    def _seconds_left(self, step: int) -> float:
        settings = self._settings
        done = (self._epoch - self._first_epoch) * settings.steps_per_epoch + step
        total = (settings.epochs - self._first_epoch) * settings.steps_per_epoch
        left = self._clock.seconds / done * (total - done)
        if self._clock.limit is not None:
            left = min(left, self._clock.limit - self._clock.seconds)
        return max(left, 0.0)

    def _show(self, step: int) -> None:
        if self._validator is None:
            return
        outputs = self._validator.output(self.model.generator, _PREVIEWED)
        patches = tuple(
            PreviewPatch(p.name, p.lr, p.bicubic, sr, p.hr)
            for p, sr in zip(self._validator.patches, outputs, strict=False)
        )
        self._listener(Preview(self._epoch + 1, step, patches))
        self._shown = self._clock.seconds


class Keep(keras.callbacks.Callback):
    """Hand every finished epoch to a function that writes it down; the last callback."""

    def __init__(self, keep: Callable[[int, dict[str, float]], None]) -> None:
        super().__init__()
        self._keep = keep

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Pass the logs on as plain numbers."""
        self._keep(epoch, {name: float(value) for name, value in (logs or {}).items()})


class TensorBoardFiles(keras.callbacks.TensorBoard):
    """Write TensorBoard's files, and tell in a sentence where that fails.

    Parameters
    ----------
    folder : Path
        For the files.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(log_dir=str(folder), write_graph=False)
        self._folder = folder

    def set_model(self, model: keras.Model) -> None:
        """Open the files."""
        with self._told():
            super().set_model(model)

    def on_train_begin(self, logs: Logs = None) -> None:
        """Begin."""
        with self._told():
            super().on_train_begin(logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write the epoch's figures."""
        with self._told():
            super().on_epoch_end(epoch, logs)

    def on_train_end(self, logs: Logs = None) -> None:
        """Close the files."""
        with self._told():
            super().on_train_end(logs)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # TensorFlow's file system has errors of its own
            reason = str(error).splitlines()[0].rpartition("} ")[2] or type(error).__name__
            raise TrainingError(
                f"TensorBoard's files cannot be written to {str(self._folder)!r} ({reason}): make "
                "room or choose another folder for logs. The last checkpoint is intact; train "
                "again to go on from it."
            ) from error


def tensorboard(folder: Path) -> keras.callbacks.Callback | None:
    """Return the callback that writes TensorBoard's files, or None where it cannot."""
    if find_spec("tensorflow") is None or find_spec("tensorboard") is None:
        return None
    return TensorBoardFiles(folder)
