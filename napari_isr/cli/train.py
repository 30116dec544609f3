"""``napari-isr train``: a settings file trained, told on a terminal, in a log, or in JSON."""

from __future__ import annotations

import json
import math
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from napari_isr.cli.output import INTERRUPTED, quiet_loading, say
from src_models.engines.timing import in_words
from src_models.errors import InvalidInputError
from src_models.models.user_models import add_user_model
from src_models.training.events import EpochDone, StepDone, TrainingControl, TrainingEvent
from src_models.training.settings_file import make_trainer, read_training_file


def run(settings: Path, *, resume: bool, as_json: bool) -> int:
    """Train; return the exit code.

    Raises
    ------
    SuperResolutionError
        If the file does not fit, or the training fails.
    """
    file = read_training_file(settings)
    if file.is_begun and not resume:
        raise InvalidInputError(
            f"There is a training in {str(file.folder)!r} already: go on with it by --resume, or "
            "name another folder in [model]."
        )
    if resume and not file.is_begun:
        say(f"There is no training in {str(file.folder)!r} to go on with: it begins now.")
    say("Reading the images ...")
    with quiet_loading():
        trainer = make_trainer(file)
    say(trainer.images.report.in_words)
    control = TrainingControl()
    with _stopped_by_ctrl_c(control), _Teller(as_json) as teller:
        result = trainer.train(control=control, on_event=teller.tell)
    trained = result.best_model or result.last_model
    interrupted = result.reason == "stopped"
    if interrupted:
        say(
            f"Stopped after epoch {result.epochs}. Go on with: napari-isr train {settings} --resume"
        )
    place = None
    if trained is not None and not interrupted:
        place = add_user_model(trained, file.model.name, training={"trained_on": file.data.high})
    if as_json:
        record = {"reason": result.reason, "epochs": result.epochs, "seconds": result.seconds}
        typer.echo(json.dumps(record | {"model": str(place or trained or "")}))
    elif place is not None:
        say(f"Trained for {result.epochs} epochs, {in_words(result.seconds)}.")
        typer.echo(f"The model {file.model.name} is ready: {place}")
    return INTERRUPTED if interrupted else 0


@contextmanager
def _stopped_by_ctrl_c(control: TrainingControl) -> Iterator[None]:
    """Let the first Ctrl-C end the training well, and the second one at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def stop(_number: int, _frame: Any) -> None:
        say("Stopping after this step, and saving. Ctrl-C once more ends it at once.")
        signal.signal(signal.SIGINT, before)
        control.stop()

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Teller:
    """Shows how a training goes: bars on a terminal, a line an epoch elsewhere."""

    def __init__(self, as_json: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        console = Console(stderr=True)
        self._as_json, self._left = as_json, math.nan
        columns = (BarColumn(), TextColumn("{task.description}", markup=False))
        shown = console.is_terminal and not as_json
        self._bars = Progress(*columns, console=console, transient=True) if shown else None
        self._bar = self._bars.add_task("", total=1.0) if self._bars is not None else None

    def __enter__(self) -> _Teller:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def tell(self, event: TrainingEvent) -> None:
        """Show an event."""
        if isinstance(event, StepDone):
            self._left = event.seconds_left
            if self._bars is not None and self._bar is not None:
                done = event.epoch - 1 + event.step / event.steps_per_epoch
                words = f"epoch {event.epoch} of {event.epochs}, {in_words(self._left)} left"
                self._bars.update(self._bar, completed=done, total=event.epochs, description=words)
        elif isinstance(event, EpochDone):
            self._tell_epoch(event)

    def _tell_epoch(self, event: EpochDone) -> None:
        logs = event.logs
        if self._as_json:
            plain = {k: float(v) for k, v in logs.items() if math.isfinite(v)}
            typer.echo(json.dumps({"epoch": event.epoch, "epochs": event.epochs, **plain}))
            return
        line = f"Epoch {event.epoch} of {event.epochs}: loss {logs.get('loss', math.nan):.4g}"
        if "val_PSNR" in logs:
            line += f", PSNR {logs['val_PSNR']:.2f} dB"
        if "val_gain" in logs:
            line += f" ({logs['val_gain']:+.2f} dB against bicubic)"
        if event.epoch < event.epochs and math.isfinite(self._left):
            line += f", {in_words(self._left)} left"
        say(line)
