"""A training in a thread of its own, and what it says, read without ever being waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from napari_isr.bridge.events import model_events
from napari_isr.bridge.upscaling import with_own_errors
from napari_isr.widgets.train.job import TrainingJob
from napari_isr.widgets.train.phases import Trained, run_job
from src_models.errors import InvalidInputError, ModelFileError, TrainingError
from src_models.models.user_models import add_user_model, check_model_name, user_models
from src_models.training.events import (
    EpochDone,
    Preview,
    StepDone,
    TrainingControl,
    TrainingEvent,
)

_PATIENCE = 0.2


@dataclass(frozen=True)
class News:
    """What happened since the last look.

    Attributes
    ----------
    words : str
        What it says it does; empty if nothing new.
    step : StepDone or None
        The last step.
    epochs : tuple of EpochDone
        All epochs that ended.
    preview : Preview or None
        The last preview.
    """

    words: str = ""
    step: StepDone | None = None
    epochs: tuple[EpochDone, ...] = ()
    preview: Preview | None = None


class Mailbox:
    """Keeps the newest of each kind of event, so that it neither fills up nor blocks."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._news: News | None = None

    def put(self, event: TrainingEvent | str) -> None:
        """Take an event, from any thread."""
        with self._changed:
            old = self._news or News()
            words, step, epochs, preview = old.words, old.step, old.epochs, old.preview
            if isinstance(event, str):
                words = event
            elif isinstance(event, StepDone):
                step = event
            elif isinstance(event, EpochDone):
                epochs = (*epochs, event)
            else:
                preview = event
            self._news = News(words, step, epochs, preview)
            self._changed.notify_all()

    def take(self, timeout: float) -> News | None:
        """Return what came since the last call, waiting for it at most so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._news is not None, timeout)
            news, self._news = self._news, None
            return news


class Training:
    """A training that has been started.

    Parameters
    ----------
    job : TrainingJob
        What to do.
    name : str, optional
        To save the model under, among the user's models, when the training ends.

    Attributes
    ----------
    job : TrainingJob
        As given.
    mailbox : Mailbox
        Its news.
    started : float
        When the thread was started, by `time.monotonic`.

    Raises
    ------
    InvalidInputError
        If the name does not fit, or there is a model of that name.
    """

    def __init__(self, job: TrainingJob, name: str | None = None) -> None:
        self.job = job
        self._name = None if name is None else _check_free(name)
        self._control = TrainingControl()
        self.mailbox = Mailbox()
        self._step: StepDone | None = None
        self._gain: float | None = None
        self._words = "Starting …"
        self.started = time.monotonic()
        self._trained: Trained | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="training")

    def __repr__(self) -> str:
        return f"a training, which stops and keeps its model ({self.progress})"

    def start(self) -> Training:
        """Start the thread; return the training itself."""
        self.started = time.monotonic()
        self._thread.start()
        return self

    def _work(self) -> None:
        try:
            self._trained = run_job(self.job, self._control, self._tell)
            if self._name is not None:
                save_trained(self._trained, self._name)
        except Exception as error:  # noqa: BLE001 - raised again in result()
            self._error = error

    def _tell(self, event: TrainingEvent | str) -> None:
        if isinstance(event, str):
            self._words = event
        elif isinstance(event, StepDone):
            self._step = event
        elif isinstance(event, EpochDone):
            self._gain = event.logs.get("val_gain", self._gain)
        self.mailbox.put(event)

    @property
    def is_running(self) -> bool:
        """Whether the thread lives."""
        return self._thread.is_alive()

    @property
    def is_paused(self) -> bool:
        """Whether it waits, or will after its step."""
        return self._control.is_paused

    @property
    def gain_in_words(self) -> str:
        """How much better than bicubic it was last, as a sentence; empty before the first score."""
        return "" if self._gain is None else f"{self._gain:+.2f} dB against bicubic so far."

    @property
    def progress(self) -> str:
        """Where it is, as a sentence."""
        if self._error is not None:
            return str(self._error)
        if self._trained is not None:
            return f"{self._trained.reason.capitalize()} after {self._trained.epochs} epochs."
        if self._step is None:
            return self._words
        step = self._step
        loss = step.losses.get("loss", 0.0)
        gain = "" if self._gain is None else f", {self._gain:+.2f} dB against bicubic"
        return (
            f"Epoch {step.epoch}, step {step.step} of {step.steps_per_epoch}, loss {loss:.4g}"
            f"{gain}, {step.seconds_left:.0f} s left."
        )

    def pause(self) -> None:
        """Let it wait after the step that is running."""
        self._control.pause()

    def resume(self) -> None:
        """Let it go on."""
        self._control.resume()

    def stop(self) -> None:
        """Let it end after the step that is running; the model is kept."""
        self._control.stop()

    def result(self, timeout: float | None = None) -> Trained:
        """Wait for the end and return what came of it.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most.

        Raises
        ------
        TimeoutError
            If it still runs.
        SuperResolutionError
            If the training failed.
        """
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise TimeoutError(f"The training still runs. {self.progress}")
        if self._error is not None:
            raise self._error
        if self._trained is None:
            raise TrainingError("The training ended without a model: start it again.")
        return self._trained

    @with_own_errors
    def steps(self) -> Generator[News, None, Trained]:
        """Start it, yield its news until it ends, and return what came of it."""
        self.start()
        try:
            while self._thread.is_alive():
                began = time.monotonic()
                news = self.mailbox.take(_PATIENCE)
                if news is not None:
                    yield news
                    # Steps may take a millisecond; a window needs no more than five looks.
                    self._thread.join(max(0.0, _PATIENCE - (time.monotonic() - began)))
            last = self.mailbox.take(0)
            if last is not None:
                yield last
            return self.result()
        finally:
            self.stop()


def save_trained(trained: Trained, name: str) -> Path:
    """Save the model of a training among the user's models, and tell the widgets.

    Raises
    ------
    InvalidInputError
        If the name does not fit.
    ModelFileError
        If there is a model of that name, or it cannot be written.
    """
    try:
        path = add_user_model(
            trained.model_file, name, summary="", training={"trained_on": trained.trained_on}
        )
    except (InvalidInputError, ModelFileError) as error:
        raise type(error)(f"{error} The trained model is kept in {trained.model_file}.") from error
    model_events.saved.emit(path.stem)
    return path


def _check_free(name: str) -> str:
    name = check_model_name(name)
    if name in user_models():
        raise InvalidInputError(
            f"name must be a new one. Received: name={name!r}, which is a model already."
        )
    return name
