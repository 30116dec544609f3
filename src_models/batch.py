"""Upscale many files: one after the other or several at a time, whatever goes wrong with one.

`run_batch` is a generator of what happens; closing it cancels and removes the file in hand.
"""

from __future__ import annotations

import csv
import logging
import os
import shutil
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from src_models.batch_journal import BatchJournal
from src_models.batch_plan import Job, numbered
from src_models.errors import (
    DiskFullError,
    InvalidInputError,
    NetworkError,
    OutOfMemoryError,
    SuperResolutionError,
)
from src_models.file_errors import writing
from src_models.image_io import (
    check_writable,
    put_in_place,
    read_image,
    remove,
    temporary_name,
    write_beside,
)
from src_models.picture import Picture
from src_models.pretrained import DEFAULT_MODEL, find_model, is_at_hand

if TYPE_CHECKING:
    from src_models.image_model import ImageModel

logger = logging.getLogger(__name__)
Existing = Literal["refuse", "skip", "overwrite", "number"]
State = Literal["done", "done before", "skipped", "failed", "not done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSettings:
    """How all files of a batch are upscaled.

    Attributes
    ----------
    model : str, Path, RDN or RRDN
        Name of a model, path of a model file; or a model, with one job at a time.
    engine : str or None
        What runs the network; None for the usual.
    axes : str or None
        Meaning of the dimensions, where the files say it wrongly or not.
    tile_size : int or None
        As for `upscale`.
    existing : {"refuse", "skip", "overwrite", "number"}
        What to do if there is a file under the name to write: count it as failed, leave it,
        replace it, or write beside it. A file that an earlier run of the same batch finished is
        left in any case.
    jobs : int
        Files that are worked on at a time, in a process each.
    journal : Path or None
        The folder that remembers what is finished; None to remember nothing.
    """

    model: str | Path | ImageModel = DEFAULT_MODEL
    engine: str | None = None
    axes: str | None = None
    tile_size: int | None = None
    existing: Existing = "refuse"
    jobs: int = 1
    journal: Path | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a file.

    Attributes
    ----------
    job : Job
        Its target is the file that was written.
    state : {"done", "done before", "skipped", "failed", "not done"}
        "not done" are files that the batch did not come to.
    message : str
        Why, in a sentence; empty if it is done.
    seconds : float
        Time it took.
    shape : tuple of int
        Of the input, where it could be read.
    disk_full : bool
        Whether it failed because there was no room, as the files after it would.
    """

    job: Job
    state: State
    message: str = ""
    seconds: float = 0.0
    shape: tuple[int, ...] = ()
    disk_full: bool = False


@dataclass(frozen=True, slots=True)
class FileStarted:
    """Work on a file begins."""

    job: Job


@dataclass(frozen=True, slots=True)
class FileProgress:
    """A part of a file's tiles is done."""

    job: Job
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class FileDone:
    """A file is done, or cannot be."""

    outcome: Outcome


BatchEvent = FileStarted | FileProgress | FileDone


def run_batch(
    jobs: Sequence[Job], settings: BatchSettings
) -> Generator[BatchEvent, None, list[Outcome]]:
    """Upscale files; nothing that is wrong with one of them stops the others.

    Parameters
    ----------
    jobs : sequence of Job
        As `plan_jobs` lists them.
    settings : BatchSettings
        How.

    Yields
    ------
    FileStarted, FileProgress, FileDone
        One `FileDone` a file, in the order of `jobs`; no `FileProgress` with several at a time.

    Returns
    -------
    list of Outcome
        In the order of `jobs`. A full disk ends the batch: the rest is "not done".

    Raises
    ------
    SuperResolutionError
        Before the first file: if there is no such model, or a setting does not fit.
    """
    _check(settings)
    identity = _identity(settings.model)
    journal = BatchJournal(settings.journal, _asked(settings, identity))
    steps = _one_by_one if settings.jobs == 1 else _in_processes
    outcomes: list[Outcome] = []
    with closing(steps(jobs, settings, journal, identity)) as events:
        for event in events:
            if isinstance(event, FileDone):
                outcomes.append(event.outcome)
            yield event
            if isinstance(event, FileDone) and event.outcome.disk_full:
                break
    for job in jobs[len(outcomes) :]:
        outcomes.append(Outcome(job, "not done", "The disk was full before its turn."))
        yield FileDone(outcomes[-1])
    return outcomes


def preview_batch(
    jobs: Sequence[Job], settings: BatchSettings
) -> Iterator[tuple[Job, Outcome | Path]]:
    """Yield for each job the file that `run_batch` would write, or why it would write none."""
    _check(settings)
    name = settings.model
    known = not isinstance(name, str) or is_at_hand(name) or Path(name).exists()
    journal = BatchJournal(settings.journal, _asked(settings, _identity(name) if known else ""))
    for job in jobs:
        yield job, _before(job, settings, journal)


def _asked(settings: BatchSettings, identity: str) -> dict[str, Any]:
    """Return what the pixels of the results depend on."""
    return {
        "model": identity,
        "axes": settings.axes,
        "tile_size": settings.tile_size,
        "engine": settings.engine,
    }


def _check(settings: BatchSettings) -> None:
    if settings.jobs < 1:
        raise InvalidInputError(f"jobs must be at least 1. Received: {settings.jobs}.")
    if settings.jobs > 1 and not isinstance(settings.model, str | Path):
        raise InvalidInputError("With several jobs at a time the model must be a name or a file.")
    engine_arguments(settings.engine)


def engine_arguments(engine: str | None) -> dict[str, Any]:
    """Return what `upscale_steps` is told of the engine.

    Raises
    ------
    InvalidInputError
        If there is no such engine.
    """
    if engine not in (None, "auto", "keras"):
        raise InvalidInputError(f"The engine is 'auto' or 'keras'. Received: {engine!r}.")
    return {}


def _identity(model: str | Path | ImageModel) -> str:
    """Return what changes if the weights do."""
    digest = sha256()
    if isinstance(model, str | Path):
        with find_model(model).open("rb") as file:
            for piece in iter(lambda: file.read(2**20), b""):
                digest.update(piece)
    else:
        digest.update(model.description.to_json().encode())
        for weights in model.model.get_weights():
            digest.update(weights.tobytes())
    return digest.hexdigest()[:16]


def _one_by_one(
    jobs: Sequence[Job], settings: BatchSettings, journal: BatchJournal, identity: str
) -> Generator[BatchEvent, None, None]:
    for job in jobs:
        before = _before(job, settings, journal)
        if isinstance(before, Outcome):
            yield FileDone(before)
            continue
        yield FileStarted(job)
        outcome = yield from _work(replace(job, target=before), settings, identity)
        yield FileDone(_finish(job, outcome, settings, journal))


def _before(job: Job, settings: BatchSettings, journal: BatchJournal) -> Outcome | Path:
    """Decide by what is there already: return the name to write, or what came of it."""
    finished = journal.finished(job)
    if finished is not None:
        return Outcome(replace(job, target=finished), "done before")
    if not os.path.lexists(job.target) or settings.existing == "overwrite":
        return job.target
    if settings.existing == "skip":
        return Outcome(job, "skipped", f"There is {job.target.name!r} already.")
    if settings.existing == "number":
        number = 2
        while os.path.lexists(numbered(job.target, number, job.format)):
            number += 1
        return numbered(job.target, number, job.format)
    return Outcome(
        job,
        "failed",
        f"There is {job.target.name!r} already, and nothing is overwritten unasked.",
    )


def _work(
    job: Job, settings: BatchSettings, identity: str
) -> Generator[FileProgress, None, Outcome]:
    """Read, upscale, and write under a temporary name."""
    started = time.monotonic()
    shape: tuple[int, ...] = ()
    remove(temporary_name(job.target))  # of a run that was killed
    try:
        picture = _open(job, settings)
        shape = tuple(picture.array.shape)
        large = yield from _upscaled(job, picture, settings, identity)
        write_beside(large, job.target, job.format)
    except SuperResolutionError as error:
        message, seconds = str(error)[:1].upper() + str(error)[1:], time.monotonic() - started
        return Outcome(job, "failed", message, seconds, shape, isinstance(error, DiskFullError))
    return Outcome(job, "done", "", time.monotonic() - started, shape)


def _open(job: Job, settings: BatchSettings) -> Picture:
    picture = read_image(job.source)
    if settings.axes is not None:
        picture = picture.with_axes(settings.axes)
    check_writable(picture, job.format)
    return picture.loaded()


def _upscaled(
    job: Job, picture: Picture, settings: BatchSettings, identity: str
) -> Generator[FileProgress, None, Picture]:
    from src_models.model_io import load_cached
    from src_models.predict import upscale_steps

    try:
        model = load_cached(settings.model)
        _check_room(job, picture, model.scale)
        steps = upscale_steps(
            picture.array,
            model,
            axes=picture.axes,
            tile_size=settings.tile_size,
            **engine_arguments(settings.engine),
        )
        while True:
            try:
                progress = next(steps)
            except StopIteration as end:
                record = _record(model, identity, job)
                large: Picture = picture.enlarged(end.value, model.scale, record)
                return large
            yield FileProgress(job, progress.done, progress.total)
    except SuperResolutionError:
        raise
    except MemoryError as error:
        raise OutOfMemoryError("There is not enough memory for the image.") from error
    except Exception as error:  # nothing that one file does may stop the others
        raise NetworkError(f"It failed: {type(error).__name__}: {error}") from error


def _check_room(job: Job, picture: Picture, scale: int) -> None:
    """Refuse before hours of work what the disk cannot take; compressed formats may still fit."""
    if job.format not in ("ome-tiff", "imagej"):
        return
    folder = job.target.parent
    while not folder.exists():
        folder = folder.parent
    needed, free = picture.nbytes * scale**2, shutil.disk_usage(folder).free
    if needed > free:
        raise DiskFullError(
            f"The disk of {str(job.target.parent)!r} has {free / 1e6:,.1f} MB left, and the "
            f"result takes {needed / 1e6:,.1f} MB: make room, or choose another place."
        )


def _record(model: ImageModel, identity: str, job: Job) -> dict[str, Any]:
    """Return how a file was made, for the file."""
    try:
        made_with = f"napari-isr {version('napari-isr')}"
    except PackageNotFoundError:  # a source tree that was not installed
        made_with = "napari-isr"
    description = model.description
    return {
        "software": made_with,
        "model": description.name,
        "model_version": identity,
        "scale": description.scale,
        "source": job.source.name,
    }


def _finish(job: Job, outcome: Outcome, settings: BatchSettings, journal: BatchJournal) -> Outcome:
    """Give a complete file its name, once the journal knows of it."""
    if outcome.state != "done":
        return outcome
    temporary, target = temporary_name(outcome.job.target), outcome.job.target
    try:
        journal.note(job, temporary, target)
        put_in_place(temporary, target, overwrite=settings.existing == "overwrite")
    except SuperResolutionError as error:
        is_full = isinstance(error, DiskFullError)
        return replace(outcome, state="failed", message=str(error), disk_full=is_full)
    finally:
        remove(temporary)
    return outcome


def _in_processes(
    jobs: Sequence[Job], settings: BatchSettings, journal: BatchJournal, identity: str
) -> Generator[BatchEvent, None, None]:
    import multiprocessing

    pool = ProcessPoolExecutor(
        settings.jobs, multiprocessing.get_context("spawn"), _end_with_parent
    )
    waiting: list[tuple[Job, Outcome | Future[Outcome]]] = []
    written: list[Path] = []
    try:
        for job in jobs:
            before = _before(job, settings, journal)
            if isinstance(before, Path):
                target = replace(job, target=before)
                written.append(before)
                waiting.append((job, pool.submit(_work_whole, target, settings, identity)))
            else:
                waiting.append((job, before))
        yield from _in_order(waiting, settings, journal)
    finally:
        for process in list((pool._processes or {}).values()):
            process.terminate()  # what they have in hand is not wanted any more
        pool.shutdown(cancel_futures=True)
        for target_path in written:
            remove(temporary_name(target_path))


def _in_order(
    waiting: Sequence[tuple[Job, Outcome | Future[Outcome]]],
    settings: BatchSettings,
    journal: BatchJournal,
) -> Generator[BatchEvent, None, None]:
    """Give files their names as soon as they are complete, and tell of them in order."""
    running = {future: job for job, future in waiting if isinstance(future, Future)}
    finished: dict[Future[Outcome], Outcome] = {}
    for job, result in waiting:
        if isinstance(result, Outcome):
            yield FileDone(result)
            continue
        yield FileStarted(job)
        while result not in finished:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                whose = running.pop(future)
                finished[future] = _finish(whose, _answer(whose, future), settings, journal)
        yield FileDone(finished[result])


def _answer(job: Job, future: Future[Outcome]) -> Outcome:
    try:
        return future.result()
    except Exception as error:  # the process died, of memory for instance
        logger.debug("A process failed.", exc_info=True)
        return Outcome(job, "failed", f"Its process ended ({type(error).__name__}).")


def _work_whole(job: Job, settings: BatchSettings, identity: str) -> Outcome:
    steps = _work(job, settings, identity)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, and leave Ctrl-C to that one."""
    import multiprocessing
    import signal
    import threading

    signal.signal(signal.SIGINT, signal.SIG_IGN)

    parent = multiprocessing.parent_process()
    if parent is not None:

        def watch() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()


def write_report(outcomes: Sequence[Outcome], path: str | Path) -> Path:
    """Write what came of each file as CSV, which spreadsheets open.

    Parameters
    ----------
    outcomes : sequence of Outcome
        As `run_batch` returns them.
    path : str or Path
        The file; replaced if it is there.

    Raises
    ------
    DiskFullError, InvalidInputError
        If it cannot be written.
    """
    path = Path(path)
    with (
        writing(path),
        path.open("w", newline="", encoding="utf-8-sig", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(["file", "state", "result", "shape", "seconds", "reason"])
        for o in outcomes:
            result = str(o.job.target) if o.state in ("done", "done before") else ""
            shape = " x ".join(str(n) for n in o.shape)
            writer.writerow(
                [str(o.job.source), o.state, result, shape, f"{o.seconds:.2f}", o.message]
            )
    return path
