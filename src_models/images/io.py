"""Images from files and into files, whatever their format. Free of Keras."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from src_models.errors import InvalidInputError
from src_models.files import flush_to_disk, reading, reason_of, writing
from src_models.images.ome_zarr_files import check_ome_zarr, read_ome_zarr, write_ome_zarr
from src_models.images.picture import Picture, printable
from src_models.images.raster import check_png, read_raster, write_png
from src_models.images.tiff_reading import read_tiff
from src_models.images.tiff_writing import (
    check_imagej,
    check_ome_tiff,
    write_imagej,
    write_ome_tiff,
)

FileFormat = Literal["ome-tiff", "imagej", "png", "ome-zarr"]
ENDINGS: dict[FileFormat, str] = {
    "ome-tiff": ".ome.tif",
    "imagej": ".tif",
    "png": ".png",
    "ome-zarr": ".ome.zarr",
}
RASTER_ENDINGS = (".png", ".jpg", ".jpeg")
TIFF_ENDINGS = (".tif", ".tiff")
ZARR_ENDINGS = (".zarr",)
READABLE = (*RASTER_ENDINGS, *TIFF_ENDINGS, *ZARR_ENDINGS)
_CHECKS: dict[FileFormat, Callable[[Picture], None]] = {
    "ome-tiff": check_ome_tiff,
    "imagej": check_imagej,
    "png": check_png,
    "ome-zarr": check_ome_zarr,
}
_WRITERS: dict[FileFormat, Callable[[Picture, Path], None]] = {
    "ome-tiff": write_ome_tiff,
    "imagej": write_imagej,
    "png": write_png,
    "ome-zarr": write_ome_zarr,
}


def read_image(path: str | Path) -> Picture:
    """Open an image file.

    Parameters
    ----------
    path : str or Path
        TIFF (ImageJ, OME, tiled, BigTIFF), PNG, JPEG or the folder of an OME-Zarr image; other
        formats where the package bioio and a reader of it for the format are installed.

    Returns
    -------
    Picture
        Its pixels are read when they are asked for; call ``loaded()`` to have them in memory.

    Raises
    ------
    InvalidInputError
        If it is missing, empty, damaged or not an image. The message goes on from the file's name.
    """
    path = Path(path)
    if not os.path.lexists(path):
        raise InvalidInputError("there is no such file: check the path.")
    if is_zarr(path):
        return read_ome_zarr(path)
    if path.is_dir():
        raise InvalidInputError(
            "this is a folder, and not an OME-Zarr image: name the files in it."
        )
    with reading():
        if path.stat().st_size == 0:
            raise InvalidInputError("the file is empty.")
    ending = path.suffix.lower()
    if ending in TIFF_ENDINGS:
        return read_tiff(path)
    if ending in RASTER_ENDINGS:
        return read_raster(path)
    return _read_other(path)


def is_zarr(path: Path) -> bool:
    """Tell whether a path is a Zarr folder."""
    if path.suffix.lower() in ZARR_ENDINGS:
        return path.is_dir()
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup"))


def _read_other(path: Path) -> Picture:
    """Open a file with bioio."""
    try:
        from bioio import BioImage
    except ImportError as error:
        raise InvalidInputError(
            f"files {path.suffix or 'without an ending'!r} need the package bioio: "
            'pip install "napari-isr[bioio]", and a reader such as bioio-czi or bioio-nd2.'
        ) from error
    try:
        image = BioImage(path)
        data, order = image.dask_data, str(image.dims.order)
        keep = [a in "YXS" or n > 1 for a, n in zip(order, data.shape, strict=True)]
        axes = "".join(a for a, kept in zip(order, keep, strict=True) if kept)
        sizes = {a: getattr(image.physical_pixel_sizes, a) for a in "ZYX" if a in axes}
        names = tuple(str(name) for name in image.channel_names or ())
    except Exception as error:  # each of bioio's readers has kinds of its own
        raise InvalidInputError(
            f"the file cannot be read with bioio ({reason_of(error).partition('. ')[0]}). Save it "
            "as TIFF or PNG, or install a reader for its format: see the list on bioio's pages."
        ) from error
    array = data[tuple(slice(None) if kept else 0 for kept in keep)]
    rgb = axes.endswith("S")
    sizes = {a: float(n) for a, n in sizes.items() if n}
    return Picture(
        array=np.asarray(array),
        axes=axes.replace("S", "C") if rgb else axes,
        rgb=rgb,
        pixel_size=sizes,
        units=dict.fromkeys(sizes, "micrometer"),
        channel_names=names if "C" in axes else (),
        name=printable(path.stem),
        format=path.suffix.lstrip(".").upper(),
    )


def format_of(path: str | Path) -> FileFormat:
    """Return the format that the ending of a name asks for.

    Raises
    ------
    InvalidInputError
        If it asks for none that can be written.
    """
    name = Path(path).name.lower()
    if name.endswith((".ome.tif", ".ome.tiff")):
        return "ome-tiff"
    if name.endswith(TIFF_ENDINGS):
        return "imagej"
    if name.endswith(".png"):
        return "png"
    if name.endswith(".zarr"):
        return "ome-zarr"
    raise InvalidInputError(
        f"Images are written as {', '.join(sorted(ENDINGS.values()))}. "
        f"Received: {Path(path).name!r}."
    )


def check_writable(picture: Picture, file_format: FileFormat) -> None:
    """Refuse, before any work, what a format cannot hold.

    Raises
    ------
    InvalidInputError
        With the reason, and the formats that can.
    """
    if picture.dtype.kind == "c":
        raise InvalidInputError(
            f"An image must hold real numbers. Received: {picture.dtype}. Save its magnitude, or "
            "its real part, and take that."
        )
    _CHECKS[file_format](picture)


def write_image(
    picture: Picture,
    path: str | Path,
    file_format: FileFormat | None = None,
    *,
    overwrite: bool = False,
) -> Path:
    """Write an image file, all or nothing.

    Parameters
    ----------
    picture : Picture
        What to write.
    path : str or Path
        Where to; the folder is made if it is missing.
    file_format : {"ome-tiff", "imagej", "png", "ome-zarr"}, optional
        By the ending of `path` if None.
    overwrite : bool
        Whether what is there may be replaced.

    Returns
    -------
    Path
        The file, or the folder of the OME-Zarr image.

    Raises
    ------
    InvalidInputError
        If the format cannot hold the picture, there is such a file, or it cannot be written.
    DiskFullError
        If there is no room; what was begun is removed.
    """
    path = Path(path)
    temporary = write_beside(picture, path, file_format or format_of(path))
    try:
        put_in_place(temporary, path, overwrite=overwrite)
    finally:
        remove(temporary)
    return path


def temporary_name(path: Path) -> Path:
    """Return where a file is written before it gets its name."""
    return path.with_name(f".{path.name}.part")


def write_beside(picture: Picture, path: Path, file_format: FileFormat) -> Path:
    """Write a file completely, but under a temporary name; errors as for `write_image`."""
    if file_format not in get_args(FileFormat):
        raise InvalidInputError(
            f"The format is one of {list(get_args(FileFormat))}. Received: {file_format!r}."
        )
    temporary = temporary_name(path)
    written = False
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            remove(temporary)
            _WRITERS[file_format](picture, temporary)
            flush_to_disk(temporary)
        written = True
    finally:
        if not written:
            remove(temporary)
    return temporary


def put_in_place(temporary: Path, path: Path, *, overwrite: bool) -> None:
    """Give a complete file its name.

    Raises
    ------
    InvalidInputError
        If there is one already and it may not be replaced.
    """
    with writing(path):
        if os.path.lexists(path):
            if not overwrite:
                raise InvalidInputError(
                    f"There is {str(path)!r} already, and nothing is overwritten unasked: "
                    "choose another name, or ask for it (overwrite=True)."
                )
            if path.is_dir() and not path.is_symlink() and not is_zarr(path):
                raise InvalidInputError(f"{str(path)!r} is a folder: choose another name.")
            if path.is_dir() or temporary.is_dir():
                remove(path)
        os.replace(temporary, path)


def remove(path: Path) -> None:
    """Remove a file or folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
