"""A training's folder: one training in it at a time, and files that are whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

from filelock import Timeout

from src_models.errors import TrainingError
from src_models.files import claimed

_TEMPORARY = ".writing-"
_LOCK = ".training.lock"


@contextmanager
def training_in(folder: Path) -> Iterator[None]:
    """Keep other trainings out of a folder, which is made if it is missing.

    The operating system gives the folder free again when a process ends, however it ends.

    Raises
    ------
    TrainingError
        If another training is at work there, in this process or in another one, or the folder
        cannot be written.
    """
    with ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(claimed(folder / _LOCK))
            _remove_leftovers(folder)
        except Timeout as error:
            raise TrainingError(
                f"One training at a time works in a folder. Received: {str(folder)!r}, where one "
                "is at work: wait for it, stop it, or train into another folder."
            ) from error
        except (OSError, NotImplementedError) as error:  # file systems without locks
            raise TrainingError(
                f"The training folder {str(folder)!r} cannot be written ({error}): "
                "choose another one."
            ) from error
        yield


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a crash leaves the old one or the new one, never a part.

    Raises
    ------
    OSError
        If it cannot be written; the old file is untouched then and no other is left behind.
    """
    temporary = path.with_name(f"{_TEMPORARY}{uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _remove_leftovers(folder: Path) -> None:
    """Remove what a killed process was writing."""
    for path in folder.glob(f"{_TEMPORARY}*"):
        path.unlink(missing_ok=True)
