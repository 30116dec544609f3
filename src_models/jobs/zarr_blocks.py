"""The chunks of one OME-Zarr file that is upscaled: those to do, and how each is made."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import astuple, dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.engines.shared_model import SharedModel
from src_models.files import writing
from src_models.images.axes import ImageStack
from src_models.images.ome_zarr import stored_axes
from src_models.images.picture import halved
from src_models.images.tiling import Region
from src_models.jobs.journal import Journal
from src_models.upscaling.intensity_ranges import UnreliablePixels
from src_models.upscaling.lazy import BlockPlan
from src_models.upscaling.pipeline import Progress


@dataclass(frozen=True, slots=True)
class _Job:
    """One chunk to write: its level and where it lies there, by axis."""

    level: int
    place: dict[str, slice]


class ZarrWork:
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

    @property
    def total(self) -> int:
        """How many chunks the file has, those of all levels."""
        return sum(math.prod(level.cdata_shape) for level in self._levels)

    def run(self) -> Generator[Progress, None, None]:
        """Do all that is left; one thread writes while the network runs."""
        total = self.total
        yield Progress(len(self._journal.done), total)
        written: Future[None] | None = None
        level = 0
        with ThreadPoolExecutor(1, thread_name_prefix="zarr") as thread:
            for number, job in enumerate(self._jobs()):
                if number in self._journal.done:
                    continue
                if job.level != level and written is not None:  # it is read from now on
                    written.result()
                level = job.level
                unreliable = UnreliablePixels()
                pixels = self._pixels(job, unreliable)
                if written is not None:
                    written.result()
                written = thread.submit(self._write, number, job, pixels, unreliable)
                yield Progress(len(self._journal.done), total)
            if written is not None:
                written.result()
        noted = [counts for counts in self._journal.done.values() if counts]  # earlier calls', too
        UnreliablePixels(*map(sum, zip(*noted, strict=True))).warn(len(noted) == total)
        yield Progress(total, total)

    def _jobs(self) -> Iterator[_Job]:
        for number, level in enumerate(self._levels):
            for index in product(*(range(n) for n in level.cdata_shape)):
                sides = zip(self._axes, index, level.chunks, level.shape, strict=True)
                place = {a: slice(i * n, min((i + 1) * n, length)) for a, i, n, length in sides}
                yield _Job(number, place)

    def _pixels(self, job: _Job, unreliable: UnreliablePixels) -> NDArray[Any]:
        if job.level == 0:
            return self._upscaled(job.place, unreliable)
        finer = self._levels[job.level - 1]
        wanted = (
            slice(2 * part.start, 2 * part.stop) if axis in "YX" else part
            for axis, part in job.place.items()
        )
        return halved(np.asarray(finer[tuple(wanted)]), self._axes)

    def _upscaled(self, place: dict[str, slice], unreliable: UnreliablePixels) -> NDArray[Any]:
        scale = self._plan.description.scale
        y, x = place["Y"], place["X"]
        block = Region(y.start // scale, y.stop // scale, x.start // scale, x.stop // scale)
        together = "YXC" if self._stack.joint or self._stack.has_alpha else "YX"
        planes = {axis: part.start for axis, part in place.items() if axis not in together}
        pixels = self._plan.run(self._stack, self._shared.open(), block, planes, unreliable)
        return pixels.transpose([self._stack.axes.index(axis) for axis in self._axes])

    def _write(
        self, number: int, job: _Job, pixels: NDArray[Any], unreliable: UnreliablePixels
    ) -> None:
        with writing(self._journal.path.parent):
            self._levels[job.level][tuple(job.place.values())] = pixels
            self._journal.add(number, *astuple(unreliable))
