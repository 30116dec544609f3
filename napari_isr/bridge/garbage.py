"""Python's garbage collections, kept from stopping the window while long work runs."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_lock = Lock()
_users = 0


@contextmanager
def frozen_gc() -> Iterator[None]:
    """Leave what is there already out of the collections, until the last work of all ends.

    With a backend loaded a full one takes half a second, in which napari stands still.
    """
    global _users
    with _lock:
        _users += 1
        gc.freeze()
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                gc.unfreeze()
