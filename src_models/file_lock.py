"""One work at a time, of this process and of all others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock


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
