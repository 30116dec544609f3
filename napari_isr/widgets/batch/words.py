"""What the Batch widget says of a batch, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_isr.widgets.batch.table import bytes_in_words
from src_models.engines.timing import estimate_seconds, in_words
from src_models.images.picture import printable
from src_models.jobs.batch_events import Outcome, State
from src_models.jobs.batch_plan import uncertainty_job

if TYPE_CHECKING:
    from napari_isr.widgets.batch.run import BatchRequest
    from napari_isr.widgets.batch.table import BatchTable

_STATES: dict[State, str] = {
    "done": "done",
    "done before": "done before",
    "skipped": "left as they are",
    "failed": "failed",
    "not done": "not done",
}


def files_in_words(count: int, noun: str = "file") -> str:
    """Return a number of files, or of other things."""
    return f"1 {noun}" if count == 1 else f"{count:,} {noun}s"


def plan_in_words(
    request: BatchRequest, table: BatchTable, speed: float | None, *, is_looked: bool
) -> str:
    """Say what would be done.

    Parameters
    ----------
    request : BatchRequest
        What is asked for.
    table : BatchTable
        The files.
    speed : float, optional
        Operations a second, if they were measured before.
    is_looked : bool
        Whether the files were looked into, so that the time can be told.
    """
    if not table.jobs:
        return ""
    noun = "layer" if isinstance(request.source, tuple) else "file"
    told = f"{files_in_words(len(table.jobs), noun)}, {bytes_in_words(table.total_bytes())}"
    example = f"{request.output.name}/{table.jobs[0].target.relative_to(request.output)}"
    if request.settings.uncertainty:
        example += f" and {uncertainty_job(table.jobs[0]).target.name}"
    first = f"The first result will be {printable(example)}."
    if not is_looked:
        return f"{told}. {first}"
    bad = sum(size is not None and bool(size.problem) for size in table.sizes)
    seconds = estimate_seconds(request.model.config, round(sum(table.pixels())), speed)
    seconds *= request.settings.passes
    basis = "as it took before" if speed else "estimated"
    trouble = f" {bad} cannot be done, see the list." if bad else ""
    return f"{told}: {in_words(seconds)} of work ({basis}).{trouble} {first}"


def running_in_words(
    number: int, count: int, name: str, failed: int, seconds_left: float | None
) -> str:
    """Say where the work is."""
    trouble = f" {failed} failed." if failed else ""
    left = "" if seconds_left is None else f", {in_words(seconds_left)} left"
    return f"{number:,} of {count:,}{left}: {printable(name)}.{trouble}"


def end_in_words(outcomes: Sequence[Outcome], asked: int, seconds: float, *, stopped: bool) -> str:
    """Say what came of a batch.

    Parameters
    ----------
    outcomes : sequence of Outcome
        Of the files that had their turn.
    asked : int
        How many files there were.
    seconds : float
        How long it took.
    stopped : bool
        Whether it was cancelled.
    """
    counts = Counter(outcome.state for outcome in outcomes)
    told = ", ".join(
        f"{counts[state]:,} {words}" for state, words in _STATES.items() if counts[state]
    )
    full = any(outcome.disk_full for outcome in outcomes)
    if stopped and len(outcomes) < asked:
        begin = f"Stopped after {len(outcomes):,} of {files_in_words(asked)}"
        end = " Run goes on where it stopped."
    else:
        begin, end = f"{files_in_words(asked)} in {in_words(seconds)}", ""
    if full:
        end = " The disk is full: make room, and press Run to go on."
    return f"{begin}: {told}.{end}" if told else f"{begin}.{end}"
