"""One file of a batch: what is there already, the work, the name it gets."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Collection, Generator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src_models.engines.memory import fits
from src_models.errors import (
    DiskFullError,
    InvalidInputError,
    OutOfMemoryError,
    SuperResolutionError,
)
from src_models.files import flush_to_disk, reason_of, writing
from src_models.images.io import (
    check_writable,
    is_zarr,
    put_in_place,
    read_image,
    remove,
    temporary_name,
    write_beside,
)
from src_models.images.ome_zarr import read_zarr_image
from src_models.images.picture import Picture
from src_models.jobs.batch_events import BatchSettings, FileProgress, Outcome
from src_models.jobs.batch_journal import BatchJournal
from src_models.jobs.batch_plan import Job, numbered_job, uncertainty_job
from src_models.jobs.provenance import provenance
from src_models.models.registry import describe_model

if TYPE_CHECKING:
    from src_models.engines.opening import Engine
    from src_models.upscaling.assessment import Assessed
    from src_models.upscaling.pipeline import Progress

logger = logging.getLogger(__name__)


def plan_file(
    job: Job, settings: BatchSettings, journal: BatchJournal, images: Collection[str]
) -> Outcome | Path:
    """Decide by what is there already: return the name to write, or what came of it.

    `images` are the real paths of all images of the batch, which are never written over.
    """
    finished = journal.finished(job)
    if finished is not None:
        done = replace(job, target=finished)
        if not settings.uncertainty or os.path.lexists(uncertainty_job(done).target):
            return Outcome(done, "done before")
        return finished  # made once more, for the uncertainty that somebody removed
    in_the_way = _in_the_way(job, settings)
    if not in_the_way:
        return job.target
    there = in_the_way[0]
    if settings.existing == "overwrite":
        of_images = [path for path in in_the_way if os.path.realpath(path) in images]
        if not of_images:
            return job.target
        there = of_images[0]
        reason = "is one of the images, and results are never written over them: choose another"
        return Outcome(job, "failed", f"{there.name!r} {reason} folder for the results.")
    if settings.existing == "skip":
        return Outcome(job, "skipped", f"There is {there.name!r} already.")
    if settings.existing == "number":
        number = 2
        while _in_the_way(numbered_job(job, number), settings):
            number += 1
        return numbered_job(job, number).target
    return Outcome(
        job,
        "failed",
        f"There is {there.name!r} already, and nothing is overwritten unasked: choose another "
        "place, or say what to do with it (--overwrite, --skip-existing).",
    )


def _in_the_way(job: Job, settings: BatchSettings) -> list[Path]:
    """Return what is there already under the names of a result and of its uncertainty."""
    found = [job.target] if os.path.lexists(job.target) else []
    beside = uncertainty_job(job).target
    if settings.uncertainty and os.path.lexists(beside):
        found.append(beside)
    return found


def _told_of(path: Path) -> Mapping[str, Any]:
    """Return how an uncertainty was made; nothing of a file that is none."""
    try:
        record = read_image(path).record if os.path.lexists(path) else {}
    except SuperResolutionError:
        return {}
    return record if record.get("uncertainty") else {}


def process_file(
    job: Job, settings: BatchSettings, identity: str
) -> Generator[FileProgress, None, Outcome]:
    """Read, upscale, and write under a temporary name."""
    started = time.monotonic()
    shape: tuple[int, ...] = ()
    consistency: Mapping[str, Any] | None = None
    for left in (job, uncertainty_job(job)):
        remove(temporary_name(left.target))  # of a run that was killed
    try:
        picture = _open(job, settings)
        shape = tuple(picture.array.shape)
        if _must_stream(job, picture, settings):
            consistency = yield from _streamed(job, settings)
        else:
            large, uncertainty = yield from _upscaled(job, picture, settings, identity)
            if uncertainty is not None:
                beside = uncertainty_job(job)
                write_beside(uncertainty, beside.target, beside.format)
            write_beside(large, job.target, job.format)
            consistency = large.record.get("consistency")
    except SuperResolutionError as error:
        message, seconds = str(error)[:1].upper() + str(error)[1:], time.monotonic() - started
        return Outcome(job, "failed", message, seconds, shape, isinstance(error, DiskFullError))
    except Exception as error:  # what nobody thought of must not stop the others either
        logger.debug("%s failed.", job.source, exc_info=True)
        message = f"It failed: {type(error).__name__}: {reason_of(error)}"
        return Outcome(job, "failed", message, time.monotonic() - started, shape)
    seconds = time.monotonic() - started
    return Outcome(job, "done", "", seconds, shape, consistency=consistency)


def _open(job: Job, settings: BatchSettings) -> Picture:
    picture = read_image(job.source) if settings.read is None else settings.read(job)
    if settings.axes is not None:
        picture = picture.with_axes(settings.axes)
    check_writable(picture, job.format)
    return picture.loaded()


def how_made(settings: BatchSettings) -> dict[str, bool]:
    """Return what is asked for beyond upscaling, for records and journals."""
    asked = {
        "self_ensemble": settings.self_ensemble or settings.uncertainty,
        "keep_intensities": settings.keep_intensities,
        "uncertainty": settings.uncertainty,
    }
    return {name: value for name, value in asked.items() if value}


def _steps(
    picture: Picture, network: Engine, settings: BatchSettings
) -> Generator[Progress, None, Assessed]:
    from src_models.upscaling.assessment import upscale_and_assess_steps

    return upscale_and_assess_steps(
        picture.array,
        network,
        axes=picture.axes,
        tile_size=settings.tile_size,
        self_ensemble=settings.self_ensemble,
        keep_intensities=settings.keep_intensities,
        uncertainty="standard deviation" if settings.uncertainty else None,
    )


def _upscaled(
    job: Job, picture: Picture, settings: BatchSettings, identity: str
) -> Generator[FileProgress, None, tuple[Picture, Picture | None]]:
    from src_models.engines.opening import open_engine

    try:
        network = open_engine(settings.model, settings.engine)
        scale = network.description.scale
        _check_room(job, picture, scale)
        steps = _steps(picture, network, settings)
        while True:
            try:
                progress = next(steps)
            except StopIteration as end:
                judged: Assessed = end.value
                told = provenance(network.description, network.name, identity, job.source)
                record = told | how_made(settings)
                if judged.consistency is not None:
                    record["consistency"] = judged.consistency.record
                large = picture.enlarged(judged.result, scale, record)
                if judged.uncertainty is None:
                    return large, None
                return large, _of_colours(replace(large, array=judged.uncertainty))
            yield FileProgress(job, progress.done, progress.total)
    except MemoryError as error:
        raise OutOfMemoryError("There is not enough memory for the image.") from error


def _of_colours(uncertainty: Picture) -> Picture:
    """Return an uncertainty as channels of numbers, without that of alpha, which is none."""
    has_alpha = uncertainty.rgb and uncertainty.array.shape[-1] == 4
    kept = uncertainty.array[..., :3] if has_alpha else uncertainty.array
    return replace(uncertainty, array=kept, rgb=False)


def _must_stream(job: Job, picture: Picture, settings: BatchSettings) -> bool:
    """Tell whether an OME-Zarr image must go block by block, which other formats cannot."""
    if job.format != "ome-zarr" or not is_zarr(job.source) or settings.axes is not None:
        return False
    model = settings.model
    description = describe_model(model) if isinstance(model, str | Path) else model.description
    # The result, and its copy in the file's order of axes.
    return not fits(2 * picture.nbytes * description.scale**2)


def _streamed(
    job: Job, settings: BatchSettings
) -> Generator[FileProgress, None, Mapping[str, Any]]:
    """Upscale from file to file; what is unfinished stays, and the next call goes on with it.

    Returns how well the result agrees with the image.
    """
    if settings.uncertainty:
        raise InvalidInputError(
            "Only an image whose result fits into memory can have its uncertainty told. Received: "
            f"{job.source.name!r}. Upscale a part of it, or leave that out."
        )
    from src_models.jobs.zarr import upscale_to_zarr_steps

    temporary = temporary_name(job.target)
    try:
        steps = upscale_to_zarr_steps(
            job.source,
            temporary,
            settings.model,
            tile_size=settings.tile_size,
            engine=settings.engine,
            self_ensemble=settings.self_ensemble,
            keep_intensities=settings.keep_intensities,
            consistency=True,
            overwrite=True,  # of the temporary name; the target's is for `finish` to decide
        )
        with writing(job.target), closing(steps):
            for progress in steps:
                yield FileProgress(job, progress.done, progress.total)
            found: Mapping[str, Any] = read_zarr_image(temporary).record["consistency"]
            flush_to_disk(temporary)
    except MemoryError as error:
        raise OutOfMemoryError("There is not enough memory for the image.") from error
    return found


def _check_room(job: Job, picture: Picture, scale: int) -> None:
    """Refuse before hours of work what the disk cannot take; compressed formats may still fit."""
    if job.format not in ("ome-tiff", "imagej"):
        return
    folder = job.target.parent
    while not folder.exists():
        folder = folder.parent
    needed, (size, _, free) = picture.nbytes * scale**2, shutil.disk_usage(folder)
    if needed > free and size:  # what has no size is no disk, and says itself what it refuses
        raise DiskFullError(
            f"The disk of {str(job.target.parent)!r} has {free / 1e6:,.3f} MB left, and the "
            f"result takes {needed / 1e6:,.3f} MB: make room, or choose another place."
        )


def finish(
    job: Job,
    outcome: Outcome,
    settings: BatchSettings,
    journal: BatchJournal,
    images: Collection[str],
) -> Outcome:
    """Give a complete file its name, once the journal knows of it.

    `images` are the real paths of all images of the batch, which are never written over.
    """
    temporary, target = temporary_name(outcome.job.target), outcome.job.target
    beside = uncertainty_job(outcome.job).target
    if outcome.state != "done":
        remove(temporary_name(beside))
        return outcome
    overwrite = settings.existing == "overwrite"
    try:
        # What the journal knows is our own, as it was left, and the new one is the same.
        again = os.path.lexists(target) and journal.finished(job) == target
        journal.note(job, temporary, target)
        put_in_place(temporary, target, overwrite=overwrite or again)
        if settings.uncertainty:  # last: where it is missing, both are made once more
            put_in_place(temporary_name(beside), beside, overwrite=overwrite)
        is_old = overwrite and not settings.uncertainty and bool(_told_of(beside))
        if is_old and os.path.realpath(beside) not in images:  # of the result that is gone
            remove(beside)
    except SuperResolutionError as error:
        is_full = isinstance(error, DiskFullError)
        return replace(outcome, state="failed", message=str(error), disk_full=is_full)
    finally:
        remove(temporary)
        remove(temporary_name(beside))
    return outcome
