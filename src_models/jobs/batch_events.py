"""What a batch is asked for, what it tells, and its report. Free of Keras."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from src_models.engines.timing import SELF_ENSEMBLE_PASSES
from src_models.files import writing
from src_models.images.picture import Picture
from src_models.jobs.batch_plan import Job
from src_models.models.registry import DEFAULT_MODEL

if TYPE_CHECKING:
    from src_models.engines.opening import EngineName
    from src_models.networks.image_model import ImageModel

Existing = Literal["refuse", "skip", "overwrite", "number"]
State = Literal["done", "done before", "skipped", "failed", "not done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSettings:
    """How all files of a batch are upscaled.

    Attributes
    ----------
    model : str, Path, RDN or RRDN
        Name of a model, path of a model file; or a model, with one job at a time.
    engine : {"auto", "keras", "openvino", "onnxruntime"}
        What runs the network; "auto" for what suits the machine.
    axes : str or None
        Meaning of the dimensions, where the files say it wrongly or not.
    tile_size : int or None
        As for `upscale`.
    self_ensemble, keep_intensities : bool
        As for `upscale`.
    uncertainty : bool
        Write the uncertainty of each result beside it, see `upscale_with_uncertainty`. It takes
        a self-ensemble.
    existing : {"refuse", "skip", "overwrite", "number"}
        What to do if there is a file under the name to write: count it as failed, leave it,
        replace it, or write beside it. A file that an earlier run of the same batch finished is
        left in any case.
    jobs : int
        Files that are worked on at a time, in a process each.
    journal : Path or None
        The folder that remembers what is finished; None to remember nothing.
    read : callable or None
        Gives the picture of a job whose source is no file, with one job at a time. The journal
        knows it by all its pixels.
    """

    model: str | Path | ImageModel = DEFAULT_MODEL
    engine: EngineName = "auto"
    axes: str | None = None
    tile_size: int | None = None
    self_ensemble: bool = False
    keep_intensities: bool = False
    uncertainty: bool = False
    existing: Existing = "refuse"
    jobs: int = 1
    journal: Path | None = None
    read: Callable[[Job], Picture] | None = None

    @property
    def passes(self) -> int:
        """How often the network sees each tile."""
        return SELF_ENSEMBLE_PASSES if self.self_ensemble or self.uncertainty else 1


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
    consistency : mapping or None
        How well the result agrees with its image, as `Consistency.record`; None if it was not
        done now, or not held in memory.
    """

    job: Job
    state: State
    message: str = ""
    seconds: float = 0.0
    shape: tuple[int, ...] = ()
    disk_full: bool = False
    consistency: Mapping[str, Any] | None = None


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
        writer.writerow(["file", "state", "result", "shape", "seconds", "reason", "agreement"])
        for o in outcomes:
            result = str(o.job.target) if o.state in ("done", "done before") else ""
            shape = " x ".join(str(n) for n in o.shape)
            agreement = "" if o.consistency is None else o.consistency["words"]
            line = [str(o.job.source), o.state, result, shape, f"{o.seconds:.2f}", o.message]
            writer.writerow([*line, agreement])
    return path
