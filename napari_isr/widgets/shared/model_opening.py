"""Model files that are opened through a dialog; those to be tried first are, beside the window."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any

from magicgui.widgets import ComboBox
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_isr.bridge.upscaling import with_own_errors
from napari_isr.widgets.shared.worker import new_worker
from src_models.images.picture import printable
from src_models.models.description import ModelDescription
from src_models.models.onnx_graph import is_described, is_onnx
from src_models.models.registry import describe_model

_FILTER = "Model files (*.keras *.onnx *.onnx.zip *.hdf5 *.h5);;All (*)"


def needs_probing(path: str | Path) -> bool:
    """Tell whether a file is one of other people, which is tried on images to know what it does."""
    return is_onnx(path) and not is_described(path)


@with_own_errors
def looking(path: str | Path) -> Generator[None, None, ModelDescription]:
    """Describe a model in a thread; asked again for the same file, the answer is at hand."""
    yield
    return describe_model(path)


class ModelOpening:
    """Asks for a model file and hands it over once what it does is known.

    Parameters
    ----------
    combo : ComboBox
        Where models are chosen; it waits while a file is tried.
    choose : callable
        Called with the path of a file that can be described at once; empty if none was chosen.
    complain : callable
        Called with what is wrong with a file that was tried.
    changed : callable
        Called when `words` have changed.

    Attributes
    ----------
    words : str
        What is going on; empty if nothing is.
    """

    def __init__(
        self,
        combo: ComboBox,
        choose: Callable[[str], None],
        complain: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        self._combo, self._choose, self._complain = combo, choose, complain
        self._changed = changed
        self._worker: Any = None
        self.words = ""

    def ask(self, parent: QWidget) -> None:
        """Let a file be chosen in a dialog, and open it."""
        path, _ = QFileDialog.getOpenFileName(parent, "Open a model file", "", _FILTER)
        if not needs_probing(path):
            self._choose(path)
            return
        self._choose("")  # the last model stays chosen until this one is known
        self._worker = worker = new_worker(looking, path)
        worker.returned.connect(partial(self._end, worker, self._choose, path))
        worker.errored.connect(lambda error: self._end(worker, self._complain, str(error)))
        self.words = f"Trying what {printable(Path(path).name)!r} does, on small images …"
        self._combo.enabled = False
        self._changed()
        worker.start()

    def _end(self, worker: Any, tell: Callable[[str], None], told: str, *_: Any) -> None:
        if worker is self._worker:
            self._worker, self.words = None, ""
            self._combo.enabled = True
            tell(told)

    def disconnect_all(self) -> None:
        """Forget a file that is being tried: the widget is closed, and its combo box gone."""
        self._worker = None
