"""``napari-isr upscale``: the batch engine, told on a terminal, in a log, or in JSON."""

from __future__ import annotations

import json
import signal
import time
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import typer

from napari_isr.cli.info import notes_on
from napari_isr.cli.output import DISK_FULL, FAILED, INTERRUPTED, WRONG_USE, quiet_loading, say
from src_models.engines.timing import estimate_seconds, in_words
from src_models.errors import ModelFileError, SuperResolutionWarning
from src_models.images.axes import check_axes
from src_models.images.picture import printable
from src_models.jobs.batch import preview_batch, run_batch
from src_models.jobs.batch_events import (
    BatchEvent,
    BatchSettings,
    Existing,
    FileDone,
    FileProgress,
    FileStarted,
    Outcome,
    write_report,
)
from src_models.jobs.batch_plan import (
    Job,
    JobSize,
    OutputFormat,
    plan_jobs,
    size_of,
    uncertainty_job,
)
from src_models.models.description import ModelDescription
from src_models.models.registry import describe_model

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from src_models.engines.opening import EngineName

_WORDS = {"done before": "was done before", "not done": "not done", "skipped": "left as it is"}


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the command line asks for; fields as its options."""

    inputs: tuple[Path, ...]
    output: Path
    model: str
    engine: str
    axes: str | None
    tile_size: int | None
    self_ensemble: bool
    uncertainty: bool
    keep_intensities: bool
    file_format: str
    existing: str
    recursive: bool
    pattern: str
    jobs: int
    report: Path | None
    as_json: bool


def run(request: Request, *, dry_run: bool) -> int:
    """Do, or only tell, what is asked for; return the exit code."""
    try:
        model = describe_model(request.model)
    except ModelFileError as error:
        say(f"Error: {error} See 'napari-isr models list'.")
        return WRONG_USE
    jobs = plan_jobs(
        request.inputs,
        request.output,
        model.scale,
        file_format=cast("OutputFormat", request.file_format),
        recursive=request.recursive,
        pattern=request.pattern,
    )
    is_folder = jobs[0].target != request.output.expanduser()
    settings = BatchSettings(
        model=request.model,
        engine=cast("EngineName", request.engine),  # checked where it is used
        axes=_checked_axes(request.axes),
        tile_size=request.tile_size,
        self_ensemble=request.self_ensemble,
        uncertainty=request.uncertainty,
        keep_intensities=request.keep_intensities,
        existing=cast("Existing", request.existing),
        jobs=request.jobs,
        journal=request.output.expanduser() if is_folder else None,
    )
    sizes = [size_of(job, model, settings.axes, settings.keep_intensities) for job in jobs]
    if dry_run:
        return _tell_plan(jobs, sizes, settings, model, request.as_json)
    return _Work(jobs, sizes, settings, request, model).run()


def _checked_axes(axes: str | None) -> str | None:
    """Refuse at once what fits no image."""
    if axes is not None:
        check_axes(axes, (2,) * len(axes.strip()))
    return axes


def _tell_plan(
    jobs: Sequence[Job],
    sizes: Sequence[JobSize],
    settings: BatchSettings,
    model: ModelDescription,
    as_json: bool,
) -> int:
    """Say what would be done; return the code that the work would at best end with."""
    total, problems = 0.0, 0
    for (job, before), size in zip(preview_batch(jobs, settings), sizes, strict=True):
        seconds, notes = 0.0, list[str]()
        if isinstance(before, Outcome):
            words = f"{_WORDS.get(before.state, before.state)}. {before.message}".strip()
            problems += before.state == "failed"
        elif size.problem:
            words, problems = f"cannot be done: {size.problem}", problems + 1
        else:
            seconds = estimate_seconds(model.config, size.pixels) * settings.passes
            shape = " x ".join(str(n) for n in size.shape)
            target = str(before)
            if settings.uncertainty:
                target += f" and {uncertainty_job(replace(job, target=before)).target.name}"
            words = f"-> {target}  ({size.axes} {shape}, {in_words(seconds)})"
            notes = notes_on(job.source, model, settings.axes)
        total += seconds
        if as_json:
            record = {"file": str(job.source), "result": str(job.target), "plan": words}
            typer.echo(json.dumps(record | {"seconds": round(seconds, 2), "notes": notes}))
        else:
            typer.echo(printable(f"{job.source}  {words}"))
            _tell_notes(job.source.name, notes)
    took = f"{in_words(total / settings.jobs)} of work on this machine"
    trouble = f" {problems} cannot be done." if problems else ""
    say(f"{_files(len(jobs))} with the model {model.name}: {took}.{trouble} Nothing was done yet.")
    return FAILED if problems else 0


def _tell_notes(name: str, notes: Sequence[str]) -> None:
    for note in notes:
        say(printable(f"Note: {name}: {note}"))


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


class _Work:
    """One call: runs the batch and tells of it."""

    def __init__(
        self,
        jobs: Sequence[Job],
        sizes: Sequence[JobSize],
        settings: BatchSettings,
        request: Request,
        model: ModelDescription,
    ) -> None:
        self.jobs, self.settings, self.request, self.model = jobs, settings, request, model
        self.pixels = [max(size.pixels, 1) for size in sizes]
        self.outcomes: list[Outcome] = []
        self.started = time.monotonic()
        self.total, self.worked = sum(self.pixels), 0
        self.loading: ExitStack | None = None
        self.bars: Bars | None = None

    def run(self) -> int:
        """Work; return the exit code."""
        warnings.showwarning = _show_warning
        warnings.simplefilter("always", SuperResolutionWarning)  # of each file that has it
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # how servers end a job
        interrupted = False
        with self._progress() as self.bars:
            self.bar = None if self.bars is None else self.bars.add_task("", total=self.total)
            with closing(run_batch(self.jobs, self.settings)) as events:
                try:
                    for event in events:
                        self._tell(event)
                except KeyboardInterrupt:
                    interrupted = True
                finally:
                    self._end_loading()
        if self.request.report is not None:
            write_report(self.outcomes, self.request.report)
        self._tell_end(interrupted)
        if interrupted:
            return INTERRUPTED
        if any(outcome.disk_full for outcome in self.outcomes):
            return DISK_FULL
        return FAILED if any(outcome.state == "failed" for outcome in self.outcomes) else 0

    def _progress(self) -> AbstractContextManager[Any]:
        """Return bars where a person watches a terminal."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        if self.request.as_json or not console.is_terminal:
            return nullcontext()
        return Progress(
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.description}", markup=False),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            transient=True,
        )

    def _tell(self, event: BatchEvent) -> None:
        if isinstance(event, FileStarted):
            self._move(0.0, event.job.source.name)
            notes = notes_on(event.job.source, self.model, self.settings.axes)
            _tell_notes(event.job.source.name, notes)
            if self.loading is None:  # with the first file comes the backend
                self.loading = ExitStack()
                self.loading.enter_context(quiet_loading())
            return
        self._end_loading()
        if isinstance(event, FileProgress):
            self._move(event.done / max(event.total, 1), event.job.source.name)
        elif isinstance(event, FileDone):
            outcome, number = event.outcome, len(self.outcomes)
            self.outcomes.append(outcome)
            if outcome.state == "done":
                self.worked += self.pixels[number]
            else:  # took no work, so it says nothing of the time to come
                self.total -= self.pixels[number]
            self._move(0.0, "")
            self._tell_file(outcome, number + 1)

    def _end_loading(self) -> None:
        if self.loading is not None:
            self.loading.close()

    def _move(self, share: float, name: str) -> None:
        if self.bars is None or self.bar is None:
            return
        at = len(self.outcomes)
        now = self.worked + share * (self.pixels[at] if at < len(self.pixels) else 0)
        self.bars.update(self.bar, completed=now, total=self.total, description=name)

    def _tell_file(self, outcome: Outcome, number: int) -> None:
        if self.request.as_json:
            typer.echo(json.dumps(_as_record(outcome, self.settings.uncertainty)))
            return
        width = len(str(len(self.jobs)))
        state = _WORDS.get(outcome.state, outcome.state)
        if outcome.state == "done":
            state = f"-> {outcome.job.target.name}  {outcome.seconds:.1f} s"
            if outcome.consistency is not None:
                state += f", {outcome.consistency['words']}"
        elif outcome.state == "failed":
            state = "FAILED:"
        left = "" if self.bars is not None else self._left()
        line = f"[{number:>{width}}/{len(self.jobs)}] {outcome.job.source.name}  {state}"
        if outcome.message:
            line += f" {outcome.message}"
        line += left
        if self.bars is None:
            typer.echo(printable(line))
        else:
            self.bars.console.print(printable(line), markup=False, highlight=False)

    def _left(self) -> str:
        """Return how long the rest will take, from what the work took so far."""
        rest = self.total - self.worked
        spent = time.monotonic() - self.started
        if rest <= 0 or spent < 5 or not self.worked:
            return ""
        return f"  ({in_words(spent * rest / self.worked)} left)"

    def _tell_end(self, interrupted: bool) -> None:
        counts = {
            state: sum(outcome.state == state for outcome in self.outcomes)
            for state in ("done", "done before", "skipped", "failed", "not done")
        }
        if self.request.as_json:
            typer.echo(json.dumps({"summary": counts, "interrupted": interrupted}))
            return
        words = {
            "done": "done",
            "done before": "done before",
            "skipped": "left as they are",
            "failed": "failed",
            "not done": "not done",
        }
        told = ", ".join(f"{n} {words[state]}" for state, n in counts.items() if n)
        spent = in_words(time.monotonic() - self.started)
        say(f"{_files(len(self.jobs))}: {told or 'none done'}; {spent}.")
        if interrupted:
            say("Interrupted. The same command goes on where it stopped.")
        if any(outcome.disk_full for outcome in self.outcomes):
            say("The disk is full: make room, and give the same command again to go on.")


def _as_record(outcome: Outcome, has_uncertainty: bool) -> dict[str, Any]:
    is_there = outcome.state.startswith("done")
    beside = str(uncertainty_job(outcome.job).target) if has_uncertainty and is_there else None
    return {
        "file": str(outcome.job.source),
        "state": outcome.state,
        "result": str(outcome.job.target) if is_there else None,
        "uncertainty": beside,
        "seconds": round(outcome.seconds, 3),
        "reason": outcome.message or None,
        "consistency": outcome.consistency and dict(outcome.consistency),
    }


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    """Show our warnings as sentences; those of others mean nothing to whoever upscales."""
    if issubclass(category, SuperResolutionWarning):
        say(f"Note: {message}")
