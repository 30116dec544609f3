"""What goes wrong with image files, as ours and in a sentence."""

from __future__ import annotations

import errno
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from PIL import Image

from src_models.errors import DiskFullError, InvalidInputError, SuperResolutionError

# What Pillow, tifffile and zarr raise on damaged files; none has one type for it.
UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    AttributeError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def reason_of(error: Exception) -> str:
    """Return the first line of what an error says, without the bytes that tifffile found."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return line.partition(": header=")[0]


@contextmanager
def reading() -> Iterator[None]:
    """Turn what the libraries raise on damaged files into ours.

    Raises
    ------
    InvalidInputError
        With a sentence that follows the file's name.
    """
    try:
        yield
    except SuperResolutionError:
        raise
    except UNREADABLE as error:
        raise InvalidInputError(f"the file cannot be read ({reason_of(error)}).") from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system says against writing into ours.

    Raises
    ------
    DiskFullError
        If there is no room.
    InvalidInputError
        If the place cannot be written for other reasons.
    """
    try:
        yield
    except OSError as error:
        # numpy's word where a file took a part only, without the system's number.
        cut_short = error.errno is None and "requested and" in str(error)
        if error.errno in _FULL or cut_short:
            raise DiskFullError(
                f"The disk of {str(path.parent)!r} is full: make room, or choose another place."
            ) from error
        raise InvalidInputError(
            f"{str(path)!r} cannot be written ({reason_of(error)}): choose another place."
        ) from error


def flush_to_disk(path: Path) -> None:
    """Wait until a file, or all files of a folder, are on the disk."""
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            with file.open("r+b") as opened:  # Windows flushes only what may be written
                os.fsync(opened.fileno())


@contextmanager
def needs_zarr() -> Iterator[None]:
    """Tell what to install if a package for OME-Zarr is missing.

    Raises
    ------
    InvalidInputError
        If one cannot be imported.
    """
    try:
        yield
    except ImportError as error:
        raise InvalidInputError(
            f"OME-Zarr needs the package {error.name}, which is not installed: "
            'pip install "napari-isr[zarr]".'
        ) from error


@contextmanager
def claimed(lock: Path) -> Iterator[None]:
    """Keep others out by a lock on a file, which is made if it is missing and stays.

    The operating system frees it when a process ends, however it ends.

    Parameters
    ----------
    lock : Path
        In a folder that is there.

    Raises
    ------
    filelock.Timeout
        If it is held by another one, in this process or in another one.
    OSError
        If it cannot be made.
    NotImplementedError
        If the file system has no locks.
    """
    # Not one lock a thread: two threads of one process must not both have it.
    held = FileLock(lock, blocking=False, thread_local=False)
    held.acquire()
    try:
        yield
    finally:
        held.release()
