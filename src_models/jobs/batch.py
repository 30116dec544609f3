"""Upscale many files: one after the other or several at a time, whatever goes wrong with one.

`run_batch` is a generator of what happens; closing it cancels and removes the file in hand.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from src_models.engines.opening import choose_engine
from src_models.errors import InvalidInputError
from src_models.images.io import remove, temporary_name
from src_models.jobs.batch_events import (
    BatchEvent,
    BatchSettings,
    FileDone,
    FileStarted,
    Outcome,
)
from src_models.jobs.batch_file import finish, how_made, plan_file, process_file
from src_models.jobs.batch_journal import BatchJournal
from src_models.jobs.batch_plan import Job, uncertainty_job
from src_models.jobs.provenance import model_identity
from src_models.models.registry import is_available_offline

logger = logging.getLogger(__name__)


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
    identity = model_identity(settings.model)
    journal = _open_journal(settings, identity)
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
    known = not isinstance(name, str) or is_available_offline(name) or Path(name).exists()
    identity = model_identity(name) if known else ""
    journal = _open_journal(settings, identity)
    images = _images(jobs)
    for job in jobs:
        yield job, plan_file(job, settings, journal, images)


def _asked(settings: BatchSettings, identity: str) -> dict[str, Any]:
    """Return what the pixels of the results depend on."""
    return {
        "model": identity,
        "axes": settings.axes,
        "tile_size": settings.tile_size,
        "engine": settings.engine,
        **how_made(settings),
    }


def _open_journal(settings: BatchSettings, identity: str) -> BatchJournal:
    """Open the journal of a batch of files; of images in memory nothing would tell it apart."""
    folder = settings.journal if settings.read is None else None
    return BatchJournal(folder, _asked(settings, identity))


def _check(settings: BatchSettings) -> None:
    if settings.jobs < 1:
        raise InvalidInputError(f"jobs must be at least 1. Received: {settings.jobs}.")
    if settings.jobs > 1 and not isinstance(settings.model, str | Path):
        raise InvalidInputError("With several jobs at a time the model must be a name or a file.")
    if settings.read is not None and settings.jobs > 1:
        raise InvalidInputError(
            f"What is in no file takes one job at a time. Received: jobs={settings.jobs}."
        )
    choose_engine(settings.engine)


def _images(jobs: Sequence[Job]) -> set[str]:
    return {os.path.realpath(job.source) for job in jobs}


def _one_by_one(
    jobs: Sequence[Job], settings: BatchSettings, journal: BatchJournal, identity: str
) -> Generator[BatchEvent, None, None]:
    images = _images(jobs)
    for job in jobs:
        before = plan_file(job, settings, journal, images)
        if isinstance(before, Outcome):
            yield FileDone(before)
            continue
        yield FileStarted(job)
        outcome = yield from process_file(replace(job, target=before), settings, identity)
        yield FileDone(finish(job, outcome, settings, journal, images))


def _in_processes(
    jobs: Sequence[Job], settings: BatchSettings, journal: BatchJournal, identity: str
) -> Generator[BatchEvent, None, None]:
    import multiprocessing

    pool = ProcessPoolExecutor(
        settings.jobs, multiprocessing.get_context("spawn"), _end_with_parent
    )
    waiting: list[tuple[Job, Outcome | Future[Outcome]]] = []
    written: list[Job] = []
    images = _images(jobs)
    try:
        for job in jobs:
            before = plan_file(job, settings, journal, images)
            if isinstance(before, Path):
                target = replace(job, target=before)
                written.append(target)
                with _sigint_blocked():
                    future = pool.submit(_work_whole, target, settings, identity)
                waiting.append((job, future))
            else:
                waiting.append((job, before))
        yield from _in_order(waiting, settings, journal, images)
    finally:
        for process in list((pool._processes or {}).values()):
            process.terminate()  # what they have in hand is not wanted any more
        pool.shutdown(cancel_futures=True)
        for target in written:
            for left in (target, uncertainty_job(target)):
                remove(temporary_name(left.target))


def _in_order(
    waiting: Sequence[tuple[Job, Outcome | Future[Outcome]]],
    settings: BatchSettings,
    journal: BatchJournal,
    images: set[str],
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
                output = _answer(whose, future)
                finished[future] = finish(whose, output, settings, journal, images)
        yield FileDone(finished[result])


def _answer(job: Job, future: Future[Outcome]) -> Outcome:
    try:
        return future.result()
    except Exception as error:  # the process died, of memory for instance
        logger.debug("A process failed.", exc_info=True)
        return Outcome(job, "failed", f"Its process ended ({type(error).__name__}).")


def _work_whole(job: Job, settings: BatchSettings, identity: str) -> Outcome:
    steps = process_file(job, settings, identity)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome


@contextmanager
def _sigint_blocked() -> Iterator[None]:
    """Deliver Ctrl-C after this context, and never to a process that was started in it.

    A process that is still starting, with `_end_with_parent` to come, would show a traceback.
    """
    import signal

    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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
