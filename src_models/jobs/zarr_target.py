"""The place that an OME-Zarr file is written to: what may be there, and one work at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import Timeout

from src_models.errors import InvalidInputError
from src_models.files import claimed, writing


def check_has_name(target: Path) -> None:
    """Refuse a place that has no name, as the root of a disk.

    Raises
    ------
    InvalidInputError
        If so.
    """
    if not target.name:
        raise InvalidInputError(
            f"A target is a folder with a name of its own. Received: {str(target)!r}. "
            "Choose a name in it."
        )


def check_target(target: Path, overwrite: bool) -> None:
    """Refuse to write over what may not be.

    Raises
    ------
    InvalidInputError
        If something is there, and may not be overwritten or is no Zarr folder.
    """
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


def check_not_nested(target: Path, source: Path) -> None:
    """Refuse a target that is its source, lies in it, or holds it; both without links.

    Raises
    ------
    InvalidInputError
        If so: work would change its source, or remove it.
    """
    if target == source or source in target.parents or target in source.parents:
        raise InvalidInputError(
            "A target must lie apart from its source, which is never changed. "
            f"Received: the target {str(target)!r} for the source {str(source)!r}. "
            "Choose another name."
        )


@contextmanager
def alone(target: Path) -> Iterator[None]:
    """Keep other work out that would write the same file; make the folder it lies in.

    Raises
    ------
    InvalidInputError
        If other work is at it, in this process or in another one, or nothing can be written there.
    DiskFullError
        If there is no room.
    """
    lock = target.with_name(f".{target.name}.lock")
    with ExitStack() as held:
        with writing(target):
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                held.enter_context(claimed(lock))
            except Timeout as error:
                raise InvalidInputError(
                    f"One work at a time writes a file. Received: {str(target)!r}, which other "
                    "work is writing: wait for it, stop it, or choose another name."
                ) from error
            except NotImplementedError:  # a file system without locks: nobody can be kept out
                pass
        held.callback(_remove, lock)  # while it is held
        yield


def _remove(lock: Path) -> None:
    with suppress(OSError):  # Windows removes it, once it is not held any more
        lock.unlink()


def _is_zarr(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray"))
