"""Which files a batch reads and writes, in which order, under which names. Free of Keras."""

from __future__ import annotations

import math
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

from src_models.errors import InvalidInputError, SuperResolutionError
from src_models.images.axes import ImageStack
from src_models.images.intensity import check_no_mask
from src_models.images.io import ENDINGS, READABLE, FileFormat, format_of, is_zarr, read_image
from src_models.images.picture import Picture
from src_models.models.description import ModelDescription

OutputFormat = Literal["auto", "ome-tiff", "imagej", "png", "ome-zarr"]
# Formats that bioio's readers open, taken from folders where bioio is installed.
_WITH_BIOIO = (".czi", ".lif", ".nd2", ".oib", ".oif", ".dv", ".sldy", ".ims", ".vsi")


@dataclass(frozen=True, slots=True)
class Job:
    """One file to upscale.

    Attributes
    ----------
    source : Path
        The file or OME-Zarr folder to read.
    target : Path
        What to write.
    format : {"ome-tiff", "imagej", "png", "ome-zarr"}
        In which format.
    """

    source: Path
    target: Path
    format: FileFormat


@dataclass(frozen=True, slots=True)
class JobSize:
    """What can be told of a file before any work.

    Attributes
    ----------
    pixels : int
        Input pixels that the network will see; 0 if the file cannot be read.
    shape : tuple of int
        Of the input.
    axes : str
        Of the input.
    problem : str
        Why it cannot be read; empty if it can.
    """

    pixels: int = 0
    shape: tuple[int, ...] = ()
    axes: str = ""
    problem: str = ""


def plan_jobs(
    inputs: Sequence[str | Path],
    output: str | Path,
    scale: int,
    *,
    file_format: OutputFormat = "auto",
    recursive: bool = False,
    pattern: str = "*",
) -> list[Job]:
    """List what there is to do, always in the same order and under the same names.

    Parameters
    ----------
    inputs : sequence of str or Path
        Files, OME-Zarr folders, and folders of such, in the order they are worked on; what is in
        a folder is sorted by name.
    output : str or Path
        A folder; or, for one file, a file name with an ending that can be written.
    scale : int
        For the names: ``cells.tif`` becomes ``cells_x2.ome.tif``.
    file_format : {"auto", "ome-tiff", "imagej", "png", "ome-zarr"}
        "auto" writes PNG for PNG and JPEG, OME-Zarr for OME-Zarr, OME-TIFF for all others.
    recursive : bool
        Whether folders inside folders count; they are made again in `output`.
    pattern : str
        Which files of folders count, such as ``"*.tif"``.

    Returns
    -------
    list of Job
        Names that would be equal get the ending of the input, such as ``cells-png_x2``, and
        then a number.

    Raises
    ------
    InvalidInputError
        If there is nothing to do, or `output` does not fit.
    """
    output = Path(output).expanduser()
    _check_output(inputs, output)
    found: list[tuple[Path, Path]] = []
    seen: set[str] = set()
    for given in inputs:
        for path, inside in _files(Path(given).expanduser(), recursive, pattern):
            place = os.path.abspath(path)
            is_result = inside != Path() and Path(place).is_relative_to(os.path.abspath(output))
            if place not in seen and not is_result:
                seen.add(place)
                found.append((path, inside))
    _check_found(found, inputs, recursive, pattern)
    if _is_file_name(output):
        if len(found) > 1 or (Path(inputs[0]).is_dir() and not is_zarr(Path(inputs[0]))):
            raise InvalidInputError(
                "Several files are written into a folder. "
                f"Received: {str(output)!r}, the name of a file, for {len(found)} files."
            )
        return [Job(found[0][0], output, _format_for(output, file_format))]
    jobs = [_job(path, inside, output, scale, file_format, "") for path, inside in found]
    jobs = _told_apart(jobs, found, output, scale, file_format)
    return jobs


def plan_pictures(
    names: Sequence[str], output: str | Path, scale: int, *, file_format: OutputFormat = "auto"
) -> list[Job]:
    """List what there is to do for images that are in no file, such as layers.

    Parameters
    ----------
    names : sequence of str
        Of the images; what a file's name cannot hold is replaced.
    output : str or Path
        A folder.
    scale : int
        For the names: ``cells`` becomes ``cells_x2.ome.tif``.
    file_format : {"auto", "ome-tiff", "imagej", "png", "ome-zarr"}
        "auto" writes OME-TIFF.

    Returns
    -------
    list of Job
        One a name. Their sources are the names, made different where two are equal.
    """
    output = Path(output).expanduser()
    chosen: FileFormat = "ome-tiff" if file_format == "auto" else file_format
    jobs, taken = [], set()
    for name in names:
        stem = re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", name).strip(" .") or "image"
        source, number = Path(stem), 2
        while _key(source) in taken:
            source, number = Path(f"{stem}-{number}"), number + 1
        taken.add(_key(source))
        jobs.append(Job(source, output / f"{source}_x{scale}{ENDINGS[chosen]}", chosen))
    return jobs


def _files(given: Path, recursive: bool, pattern: str) -> Iterator[tuple[Path, Path]]:
    """Yield files, and the folder inside `given` in which each is."""
    if not given.is_dir() or is_zarr(given):
        yield given, Path()
        return
    for folder, names, files in os.walk(given):
        names.sort()
        here = Path(folder)
        images = [name for name in names if is_zarr(here / name)]
        names[:] = [n for n in names if n not in images and recursive and not n.startswith(".")]
        for name in sorted([*files, *images]):
            is_image = name.lower().endswith(_endings()) or name in images
            if is_image and fnmatch(name, pattern) and not name.startswith("."):
                yield here / name, here.relative_to(given)


def _endings() -> tuple[str, ...]:
    from importlib.util import find_spec

    return (*READABLE, *_WITH_BIOIO) if find_spec("bioio") else READABLE


def _check_output(inputs: Sequence[str | Path], output: Path) -> None:
    """Refuse places where results would be taken for images, or lie over them."""
    for given in inputs:
        if os.path.realpath(Path(given).expanduser()) == os.path.realpath(output):
            raise InvalidInputError(
                "Results are written beside the images and never over them. "
                f"Received: {str(output)!r} to read and to write. Choose another output."
            )


def _check_found(
    found: list[tuple[Path, Path]],
    inputs: Sequence[str | Path],
    recursive: bool,
    pattern: str,
) -> None:
    given = ", ".join(repr(str(path)) for path in inputs[:3])
    if not found:
        also = "" if recursive else ", or take in the folders inside (--recursive)"
        named = "" if pattern == "*" else f" named {pattern!r}"
        raise InvalidInputError(
            f"There is no image{named} to upscale in {given or 'nothing'} (files that end with "
            f"{', '.join(READABLE)}): check the path{also}."
        )
    if not any(os.path.lexists(path) for path, _ in found):
        raise InvalidInputError(f"There is no such file: {given}. Check the path.")


def _is_file_name(output: Path) -> bool:
    if output.is_dir() and not is_zarr(output):
        return False
    return output.name.lower().endswith((*READABLE, ".bmp", ".gif", ".webp"))


def _format_for(output: Path, asked: OutputFormat) -> FileFormat:
    """Return the format for a file's name, which a format asked for must not contradict."""
    named = format_of(output)
    if asked == "auto":
        return named
    if asked == named or {asked, named} == {"ome-tiff", "imagej"}:
        return asked
    raise InvalidInputError(
        f"The name of a result must fit its format. Received: {output.name!r} for {asked}. "
        f"Choose a name that ends with {ENDINGS[asked]}, or leave the format to the name."
    )


def _job(
    path: Path, inside: Path, output: Path, scale: int, chosen: OutputFormat, ending: str
) -> Job:
    file_format = _automatic(path) if chosen == "auto" else chosen
    name = f"{_stem(path)}{ending}_x{scale}{ENDINGS[file_format]}"
    return Job(path, output / inside / name, file_format)


def _automatic(path: Path) -> FileFormat:
    if path.suffix.lower() in (".png", ".jpg", ".jpeg"):
        return "png"
    return "ome-zarr" if path.suffix.lower() == ".zarr" or is_zarr(path) else "ome-tiff"


def _stem(path: Path) -> str:
    name = path.name
    for ending in (".ome.tif", ".ome.tiff", ".ome.zarr"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return path.stem


def _key(path: Path) -> str:
    """Return what is equal for names that some file system takes for one."""
    return unicodedata.normalize("NFC", str(path)).casefold()


def _told_apart(
    jobs: list[Job],
    found: list[tuple[Path, Path]],
    output: Path,
    scale: int,
    chosen: OutputFormat,
) -> list[Job]:
    counts = Counter(_key(job.target) for job in jobs)
    for i, (path, inside) in enumerate(found):
        if counts[_key(jobs[i].target)] > 1:
            ending = "-" + path.name[len(_stem(path)) :].lstrip(".").replace(".", "-")
            jobs[i] = _job(path, inside, output, scale, chosen, ending)
    taken: set[str] = set()
    for i, job in enumerate(jobs):
        number = 2
        while _key(jobs[i].target) in taken:
            jobs[i], number = numbered_job(job, number), number + 1
        taken.add(_key(jobs[i].target))
    return jobs


def numbered_job(job: Job, number: int) -> Job:
    """Return a job whose result has a number before its ending."""
    ending, name = ENDINGS[job.format], job.target.name
    stem = name.removesuffix(ending) if name.endswith(ending) else job.target.stem
    return replace(job, target=job.target.with_name(f"{stem}-{number}{name[len(stem) :]}"))


def uncertainty_job(job: Job) -> Job:
    """Return where the uncertainty of a result goes: beside it, in a format that holds floats."""
    ending = ENDINGS[job.format]
    name = job.target.name
    stem = name.removesuffix(ending) if name.endswith(ending) else job.target.stem
    kept: FileFormat = "ome-zarr" if job.format == "ome-zarr" else "ome-tiff"
    # Results that differ in their endings alone keep uncertainties of their own.
    of = "" if job.format == kept else ending.replace(".", "-")
    target = job.target.with_name(f"{stem}{of}_uncertainty{ENDINGS[kept]}")
    return replace(job, target=target, format=kept)


def network_pixels(picture: Picture, channels: int) -> int:
    """Return how many input pixels a network of so many channels sees of a picture."""
    stack = ImageStack.of(picture.array, picture.axes, channels)
    return sum(1 for _ in stack.planes()) * math.prod(stack.size)


def size_of(
    job: Job, model: ModelDescription, axes: str | None = None, keep_intensities: bool = False
) -> JobSize:
    """Look into a file without reading its pixels.

    Parameters
    ----------
    job : Job
        The file.
    model : ModelDescription
        What it will be upscaled with.
    axes : str, optional
        Instead of the file's own.
    keep_intensities : bool
        Whether the result shall keep them, which that of a mask cannot.
    """
    try:
        picture = read_image(job.source)
        if keep_intensities:
            check_no_mask(picture.array.dtype)
        picture = picture if axes is None else picture.with_axes(axes)
        pixels = network_pixels(picture, model.channels)
    except SuperResolutionError as error:
        return JobSize(problem=str(error))
    return JobSize(pixels, tuple(picture.array.shape), picture.axes)
