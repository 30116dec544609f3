"""Upscale into an OME-Zarr file, block by block, and go on after an interruption.

Until it is complete, the result lies under a temporary name with a journal of the blocks that are
done, so whatever is found under the target's name is whole. Each block is exactly one chunk of the
file and is written by one rename; killed between that and its line in the journal, it is done once
more, with the same answer.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from src_models.axes import ArrayLike, ImageStack, check_axes, guess_axes
from src_models.engines import Engine, EngineName
from src_models.errors import InvalidInputError
from src_models.intensity import IntensityRange, check_dtype
from src_models.journal import Journal
from src_models.lazy import BlockPlan
from src_models.measure import measure_channels
from src_models.pipeline import Progress
from src_models.pretrained import DEFAULT_MODEL
from src_models.pyramid import halved
from src_models.shared_model import SharedModel
from src_models.source_identity import source_identity
from src_models.tiling import Region
from src_models.zarr_files import (
    ZarrImage,
    create_pyramid,
    open_levels,
    read_zarr_image,
    stored_axes,
)

if TYPE_CHECKING:
    from src_models.image_model import ImageModel

_JOURNAL = "napari-isr.journal"


def upscale_to_zarr(
    source: str | Path | ArrayLike,
    target: str | Path,
    model: str | Path | ImageModel | Engine = DEFAULT_MODEL,
    *,
    axes: str | None = None,
    pixel_size: Mapping[str, float] | None = None,
    tile_size: int | None = None,
    overlap: int | None = None,
    batch_size: int | None = None,
    engine: EngineName = "auto",
    overwrite: bool = False,
) -> Path:
    """Upscale an image of any size into an OME-Zarr file with pyramid and pixel sizes.

    Parameters
    ----------
    source : str, Path or array-like
        Folder of an OME-Zarr image of version 0.4 or 0.5; or a numpy, dask or zarr array.
    target : str or Path
        Folder of the OME-Zarr image (version 0.5) to write.
    model : str, Path, RDN, RRDN or Engine
        Name of a model, path of a model file, a model, or what `open_engine` made of one.
    axes : str, optional
        Meaning of the dimensions, for an array; a file tells its own.
    pixel_size : mapping of str to float, optional
        Of an array, in micrometres by axis, such as ``{"Z": 0.5, "Y": 0.1, "X": 0.1}``.
    tile_size, overlap, batch_size, engine
        As for `upscale`.
    overwrite : bool
        Replace the target, once the new one is complete; and begin anew where unfinished work
        does not fit.

    Returns
    -------
    Path
        The target.

    Raises
    ------
    InvalidInputError
        If the source or a setting does not fit, the target exists, or unfinished work was begun
        with other settings.
    SuperResolutionError
        As `upscale` does.

    Notes
    -----
    If it is interrupted in whatever way, the same call goes on where it stopped, and the file is
    then the same, byte by byte. Intensities are measured on the whole image first.
    """
    steps = upscale_to_zarr_steps(
        source,
        target,
        model,
        axes=axes,
        pixel_size=pixel_size,
        tile_size=tile_size,
        overlap=overlap,
        batch_size=batch_size,
        engine=engine,
        overwrite=overwrite,
    )
    while True:
        try:
            next(steps)
        except StopIteration as end:
            written: Path = end.value
            return written


def upscale_to_zarr_steps(
    source: str | Path | ArrayLike,
    target: str | Path,
    model: str | Path | ImageModel | Engine = DEFAULT_MODEL,
    *,
    axes: str | None = None,
    pixel_size: Mapping[str, float] | None = None,
    tile_size: int | None = None,
    overlap: int | None = None,
    batch_size: int | None = None,
    engine: EngineName = "auto",
    overwrite: bool = False,
) -> Generator[Progress, None, Path]:
    """Upscale as `upscale_to_zarr` does, yielding progress; closing the generator interrupts.

    Parameters
    ----------
    source, target, model, axes, pixel_size, tile_size, overlap, batch_size, engine, overwrite
        As for `upscale_to_zarr`.

    Yields
    ------
    Progress
        While intensities are measured; then after every block, those of earlier calls counted.

    Returns
    -------
    Path
        The target.
    """
    target = Path(os.path.expanduser(target))
    _check_target(target, overwrite)
    image = _open_source(source, axes, pixel_size)
    shared = SharedModel(model, engine)
    stack = ImageStack.of(image.array, image.axes, shared.description.channels)
    plan = BlockPlan.of(stack, shared.description, tile_size, overlap, batch_size, shared.engine)
    asked = {
        "source": str(source) if isinstance(source, str | os.PathLike) else "an array",
        "shape": list(image.array.shape),
        "dtype": str(np.dtype(image.array.dtype)),
        "axes": image.axes,
        "content": source_identity(
            image.array, Path(source) if isinstance(source, str | os.PathLike) else None
        ),
        "model": shared.digest,
        "tile_size": tile_size,
        "overlap": overlap,
        "batch_size": batch_size,
        "engine": shared.engine,
    }
    unfinished = target.with_name(f"{target.name}.unfinished")
    journal = _resume(unfinished, asked, overwrite)
    if journal is None:
        yield Progress(0, 1)
        for ranges in measure_channels(stack, shared.description, sample=False):
            plan = replace(plan, ranges=dict(ranges))
            yield Progress(0, 1)
        journal = _begin(unfinished, image, stack, plan, asked)
    plan = _planned(plan, stack, journal.settings)
    work = _ZarrWork(stack, plan, open_levels(unfinished), shared, journal)
    yield from work.run()
    _complete(unfinished, target)
    return target


def _check_target(target: Path, overwrite: bool) -> None:
    if not target.exists():
        return
    if not overwrite:
        raise InvalidInputError(
            f"There is something already under {str(target)!r}, and nothing is overwritten "
            "unasked: choose another name, or overwrite=True."
        )
    if not _is_zarr(target):
        raise InvalidInputError(
            f"Only Zarr folders are overwritten, and {str(target)!r} is none: choose another name."
        )


def _is_zarr(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray"))


def _open_source(
    source: str | Path | ArrayLike, axes: str | None, pixel_size: Mapping[str, float] | None
) -> ZarrImage:
    if isinstance(source, str | os.PathLike):
        if axes is not None or pixel_size is not None:
            raise InvalidInputError(
                "An OME-Zarr file tells its own axes and pixel sizes. "
                f"Received: axes={axes!r}, pixel_size={pixel_size!r}. Leave them out."
            )
        image = read_zarr_image(source)
        image = replace(image, axes=check_axes(image.axes, image.array.shape))
    else:
        letters = guess_axes(source.shape) if axes is None else axes
        sizes = {axis.upper(): float(size) for axis, size in (pixel_size or {}).items()}
        image = ZarrImage(
            array=source,
            axes=check_axes(letters, source.shape),
            pixel_size=sizes,
            units=dict.fromkeys(sizes, "micrometer"),
        )
    check_dtype(np.dtype(image.array.dtype))
    stored_axes(image.axes)
    return image


def _resume(unfinished: Path, asked: dict[str, Any], overwrite: bool) -> Journal | None:
    """Return the journal of unfinished work that fits; None to begin."""
    if not unfinished.exists():
        return None
    if (unfinished / _JOURNAL).is_file():
        journal = Journal(unfinished / _JOURNAL)
        try:
            journal.check(asked, unfinished)
        except InvalidInputError:
            if not overwrite:
                raise
        else:
            return journal
    elif any(unfinished.iterdir()) and not _is_zarr(unfinished):
        raise InvalidInputError(
            f"{str(unfinished)!r}, where unfinished work is kept, holds something else: move it."
        )
    shutil.rmtree(unfinished)  # begun, but not as far as to a journal; or not wanted any more
    return None


def _begin(
    unfinished: Path,
    image: ZarrImage,
    stack: ImageStack,
    plan: BlockPlan,
    asked: dict[str, Any],
) -> Journal:
    """Lay out the file and begin its journal, with all that decides about the pixels."""
    scale = plan.description.scale
    axes = stored_axes(image.axes)
    lengths = dict(zip(image.axes, image.array.shape, strict=True))
    rows, columns = plan.grid.rows, plan.grid.columns
    sides = {"Y": (rows[1] - rows[0]) * scale, "X": (columns[1] - columns[0]) * scale}
    if stack.joint or stack.has_alpha:
        sides["C"] = lengths["C"]
    shape = tuple(lengths[axis] * (scale if axis in "YX" else 1) for axis in axes)
    chunks = tuple(sides.get(axis, 1) for axis in axes)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    create_pyramid(unfinished, image, shape, chunks, scale)
    settings = {
        "asked": asked,
        "tile_size": plan.tile_size,
        "overlap": plan.overlap,
        "batch_size": plan.batch_size,
        "ranges": {str(c): [r.low, r.high] for c, r in plan.ranges.items()},
    }
    return Journal.begin(unfinished / _JOURNAL, settings)


def _planned(plan: BlockPlan, stack: ImageStack, settings: dict[str, Any]) -> BlockPlan:
    """Return the plan that the work was begun with; the memory there is may be another now."""
    tile_size, overlap, batch = (settings[k] for k in ("tile_size", "overlap", "batch_size"))
    plan = BlockPlan.of(
        stack, plan.description, tile_size, overlap, batch, settings["asked"]["engine"]
    )
    ranges = {int(c): IntensityRange(*ends) for c, ends in settings["ranges"].items()}
    return replace(plan, ranges=ranges)


def _complete(unfinished: Path, target: Path) -> None:
    """Give the result its name; what had it before goes last."""
    for left in unfinished.rglob("*.partial"):  # zarr's, if it was killed while writing one
        left.unlink()
    (unfinished / _JOURNAL).unlink()
    old = target.with_name(f"{target.name}.old")
    if target.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.replace(target, old)
    os.replace(unfinished, target)
    shutil.rmtree(old, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _Job:
    """One chunk to write: its level and where it lies there, by axis."""

    level: int
    place: dict[str, slice]


class _ZarrWork:
    """The chunks of one file: those to do, and how each is made."""

    def __init__(
        self,
        stack: ImageStack,
        plan: BlockPlan,
        levels: list[Any],
        shared: SharedModel,
        journal: Journal,
    ) -> None:
        self._stack, self._plan, self._levels = stack, plan, levels
        self._shared, self._journal = shared, journal
        self._axes = stored_axes(stack.axes)

    def run(self) -> Generator[Progress, None, None]:
        """Do all that is left; one thread writes while the network runs."""
        total = sum(math.prod(level.cdata_shape) for level in self._levels)
        yield Progress(len(self._journal.done), total)
        writing: Future[None] | None = None
        level = 0
        with ThreadPoolExecutor(1, thread_name_prefix="zarr") as thread:
            for number, job in enumerate(self._jobs()):
                if number in self._journal.done:
                    continue
                if job.level != level and writing is not None:  # it is read from now on
                    writing.result()
                level = job.level
                pixels = self._pixels(job)
                if writing is not None:
                    writing.result()
                writing = thread.submit(self._write, number, job, pixels)
                yield Progress(len(self._journal.done), total)
            if writing is not None:
                writing.result()
        yield Progress(total, total)

    def _jobs(self) -> Iterator[_Job]:
        for number, level in enumerate(self._levels):
            for index in product(*(range(n) for n in level.cdata_shape)):
                sides = zip(self._axes, index, level.chunks, level.shape, strict=True)
                place = {a: slice(i * n, min((i + 1) * n, length)) for a, i, n, length in sides}
                yield _Job(number, place)

    def _pixels(self, job: _Job) -> NDArray[Any]:
        if job.level == 0:
            return self._upscaled(job.place)
        finer = self._levels[job.level - 1]
        wanted = (
            slice(2 * part.start, 2 * part.stop) if axis in "YX" else part
            for axis, part in job.place.items()
        )
        return halved(np.asarray(finer[tuple(wanted)]), self._axes)

    def _upscaled(self, place: dict[str, slice]) -> NDArray[Any]:
        scale = self._plan.description.scale
        y, x = place["Y"], place["X"]
        block = Region(y.start // scale, y.stop // scale, x.start // scale, x.stop // scale)
        together = "YXC" if self._stack.joint or self._stack.has_alpha else "YX"
        planes = {axis: part.start for axis, part in place.items() if axis not in together}
        pixels = self._plan.run(self._stack, self._shared.open(), block, planes)
        return pixels.transpose([self._stack.axes.index(axis) for axis in self._axes])

    def _write(self, number: int, job: _Job, pixels: NDArray[Any]) -> None:
        self._levels[job.level][tuple(job.place.values())] = pixels
        self._journal.add(number)
