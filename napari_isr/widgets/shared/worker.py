"""Threads that napari knows of, for the generators that the widgets run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.qt.threading import create_worker
from superqt.utils import GeneratorWorker


class ClosingWorker(GeneratorWorker[Any, Any, Any]):
    """Runs a generator and closes it, however it ends.

    superqt leaves a cancelled generator to the garbage collection, and with it the threads and
    the memory that it holds.
    """

    def work(self) -> Any:
        """Run the generator; called in the worker's thread."""
        try:
            return super().work()
        finally:
            self._gen.close()


def new_worker(
    function: Callable[..., Any], *arguments: Any, worker_class: type[ClosingWorker] = ClosingWorker
) -> Any:
    """Return a worker that is not started yet, of which napari knows and asks before it closes."""
    return create_worker(
        function,
        *arguments,
        _start_thread=False,
        # napari's own class shows a traceback and every warning of the backend.
        _worker_class=worker_class,
        _ignore_errors=True,
    )
