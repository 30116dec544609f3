"""What the Batch widget's threads do: list the files, look into them, upscale them."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from napari_isr.bridge.garbage import frozen_gc
from napari_isr.bridge.upscaling import with_own_errors
from napari_isr.widgets.batch.layers import BatchLayer, LayerPictures
from src_models.errors import InvalidInputError, SuperResolutionError
from src_models.jobs.batch import run_batch
from src_models.jobs.batch_events import (
    BatchEvent,
    BatchSettings,
    FileDone,
    FileProgress,
    FileStarted,
    Outcome,
)
from src_models.jobs.batch_plan import (
    Job,
    JobSize,
    OutputFormat,
    network_pixels,
    plan_jobs,
    plan_pictures,
    size_of,
)
from src_models.models.description import ModelDescription

# So often is the window told, however small the files are.
_NEWS_SECONDS = 0.1
_START_SECONDS = 0.03
# Headers of so many files are read for the time that all will take.
_MOST_LOOKED = 2000


@dataclass(frozen=True, kw_only=True, eq=False)
class BatchRequest:
    """What the form asks for.

    Attributes
    ----------
    source : Path or tuple of BatchLayer
        The folder, or the layers.
    output : Path
        The folder of the results.
    model : ModelDescription
        What upscales.
    settings : BatchSettings
        How.
    file_format : str
        As for `plan_jobs`.
    recursive, pattern
        Which files of the folder.
    """

    source: Path | tuple[BatchLayer, ...]
    output: Path
    model: ModelDescription
    settings: BatchSettings
    file_format: OutputFormat = "auto"
    recursive: bool = False
    pattern: str = "*"


@dataclass(frozen=True)
class FileList:
    """The files are known.

    Attributes
    ----------
    jobs : list of Job
        In the order of the work.
    nbytes : list of int
        Their sizes; -1 where it is not known.
    rows : dict
        The place of each source in the list.
    folder : Path or None
        That they are in, maybe deeper; None for layers.
    """

    jobs: list[Job]
    nbytes: list[int]
    rows: dict[Path, int]
    folder: Path | None = None


@dataclass(frozen=True)
class HeadersRead:
    """Some files were looked into.

    Attributes
    ----------
    first : int
        Place of the first of them in the list.
    sizes : tuple of JobSize
        Of it and those after it.
    """

    first: int
    sizes: tuple[JobSize, ...]


@dataclass(frozen=True)
class News:
    """What happened since the last news.

    Attributes
    ----------
    outcomes : tuple of Outcome
        What came of the files that ended.
    running : Job or None
        The file in hand.
    share : float or None
        How much of it is done; None while the network is loaded.
    """

    outcomes: tuple[Outcome, ...]
    running: Job | None
    share: float | None


def list_files(request: BatchRequest) -> tuple[FileList, BatchSettings]:
    """List what there is to do; return also the settings it is done with.

    Raises
    ------
    InvalidInputError
        If there is nothing, or the output does not fit.
    """
    scale = request.model.scale
    if isinstance(request.source, tuple):
        layers = request.source
        jobs = plan_pictures(
            [layer.name for layer in layers],
            request.output,
            scale,
            file_format=request.file_format,
        )
        nbytes = [layer.nbytes for layer in layers]
        settings = replace(request.settings, read=LayerPictures(jobs, layers))
    else:
        jobs = _jobs_of_folder(request, request.source)
        nbytes = [_bytes_of(job.source) for job in jobs]
        settings = request.settings
    rows = {job.source: row for row, job in enumerate(jobs)}
    folder = request.source if isinstance(request.source, Path) else None
    return FileList(jobs, nbytes, rows, folder), settings


def _jobs_of_folder(request: BatchRequest, folder: Path) -> list[Job]:
    if not folder.is_dir():
        raise InvalidInputError(f"There is no folder {str(folder)!r}. Choose another one.")
    try:
        return plan_jobs(
            [folder],
            request.output,
            request.model.scale,
            file_format=request.file_format,
            recursive=request.recursive,
            pattern=request.pattern,
        )
    except InvalidInputError as error:  # the option's name means nothing in a window
        raise InvalidInputError(str(error).replace(" (--recursive)", "")) from error


def _bytes_of(path: Path) -> int:
    try:
        return -1 if path.is_dir() else os.stat(path).st_size
    except OSError:
        return -1


@with_own_errors
def looking(request: BatchRequest) -> Generator[FileList | HeadersRead, None, None]:
    """List the files, and then look into them without reading their pixels."""
    with frozen_gc():
        yield from _look_at_all(request)


def _look_at_all(request: BatchRequest) -> Generator[FileList | HeadersRead, None, None]:
    listed, settings = list_files(request)
    yield listed
    sizes: list[JobSize] = []
    first, told = 0, time.monotonic()
    for job in listed.jobs[:_MOST_LOOKED]:
        sizes.append(_look(job, request.model, settings))
        if time.monotonic() - told > _NEWS_SECONDS:
            yield HeadersRead(first, tuple(sizes))
            first, told = first + len(sizes), time.monotonic()
            sizes.clear()
    yield HeadersRead(first, tuple(sizes))


def _look(job: Job, model: ModelDescription, settings: BatchSettings) -> JobSize:
    if settings.read is None:
        return size_of(job, model, settings.axes)
    try:
        picture = settings.read(job)
        picture = picture if settings.axes is None else picture.with_axes(settings.axes)
        pixels = network_pixels(picture, model.channels)
    except SuperResolutionError as error:
        return JobSize(problem=str(error))
    return JobSize(pixels, tuple(picture.array.shape), picture.axes)


class BatchRun:
    """One run over all files of a request, or over some.

    Parameters
    ----------
    request : BatchRequest
        What is asked for.
    only : collection of Path, optional
        Sources to work on; None for all.

    Attributes
    ----------
    outcomes : list of Outcome
        What came of the files so far; complete when the thread has ended, however it did.
    """

    def __init__(self, request: BatchRequest, only: Sequence[Path] | None = None) -> None:
        self._request, self._only = request, None if only is None else set(only)
        self._stops_after_file = False
        self.outcomes: list[Outcome] = []

    def stop_after_file(self) -> None:
        """Finish the file in hand and begin no other."""
        self._stops_after_file = True

    @with_own_errors
    def steps(self) -> Generator[FileList | News, None, None]:
        """Work; closing it between two steps removes the file in hand."""
        listed, settings = list_files(self._request)
        yield listed
        only = self._only
        jobs = [job for job in listed.jobs if only is None or job.source in only]
        with frozen_gc(), closing(run_batch(jobs, settings)) as events:
            yield from self._relay(events)

    def _relay(self, events: Generator[BatchEvent, None, list[Outcome]]) -> Generator[News]:
        """Tell of a file's begin soon, because its end may be far, and of all else now and then."""
        waiting: list[Outcome] = []
        running, share, told = None, None, 0.0
        for event in events:
            if isinstance(event, FileStarted):
                running, share = event.job, None
            elif isinstance(event, FileProgress):
                share = event.done / max(event.total, 1)
            elif isinstance(event, FileDone):
                self.outcomes.append(event.outcome)
                waiting.append(event.outcome)
                running = None
                if self._stops_after_file:
                    break
            is_start = isinstance(event, FileStarted)
            if time.monotonic() - told > (_START_SECONDS if is_start else _NEWS_SECONDS):
                yield News(tuple(waiting), running, share)
                waiting.clear()
                told = time.monotonic()
        yield News(tuple(waiting), None, None)
