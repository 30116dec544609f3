"""The one place that imports Keras, so that its backend and napari can live in one process.

TensorFlow's libraries and the Mesa graphics driver each bring a copy of LLVM under the same
symbol names, and both are loaded where all libraries see them. Whichever comes second calls into
the first one's copy and the process dies: TensorFlow at its import in a running napari, or napari
at its first window after TensorFlow. So on Linux TensorFlow is loaded here privately: it exports
nothing (`RTLD_LOCAL`, which its own loader falls back to when the module that says otherwise
cannot be imported) and looks into its own libraries first (`RTLD_DEEPBIND`). The thread that
imports it matters too, see the end of this module.

Import Keras from here: ``from src_models.networks.backend import keras``.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_MAKES_GLOBAL = "tensorflow.python.pywrap_dlopen_global_flags"


def chosen_backend() -> str:
    """Return the name of the backend that Keras takes: tensorflow, torch or jax."""
    if "KERAS_BACKEND" in os.environ:
        return os.environ["KERAS_BACKEND"]
    home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
    try:
        settings: dict[str, Any] = json.loads((home / "keras.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "tensorflow"
    return str(settings.get("backend", "tensorflow"))


@contextmanager
def _private_libraries() -> Iterator[None]:
    needed = chosen_backend() == "tensorflow" and hasattr(os, "RTLD_DEEPBIND")
    if not needed or "tensorflow" in sys.modules:
        yield
        return
    flags = sys.getdlopenflags()
    sys.modules[_MAKES_GLOBAL] = None  # type: ignore[assignment]  # Python's "cannot be imported"
    sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
    try:
        yield
    finally:
        sys.setdlopenflags(flags)
        sys.modules.pop(_MAKES_GLOBAL, None)


def _import_keras() -> None:
    with _private_libraries():
        importlib.import_module("keras")


if threading.current_thread() is threading.main_thread():
    _import_keras()
else:
    # TensorFlow's pybind11 remembers the Python thread state of the thread that imports it. The
    # one of a thread in Qt's pool is gone when its first job ends, and the pool's next job in that
    # thread would use it all the same. A thread of its own takes the memory with it.
    _importer = threading.Thread(target=_import_keras, name="import-keras")
    _importer.start()
    _importer.join()

import keras


def graphics_processors() -> list[str]:
    """Return the names of the graphics processors and the like that Keras' backend runs on."""
    if keras.backend.backend() == "torch":  # which Keras does not ask for its devices
        torch = sys.modules["torch"]
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        return [torch.cuda.get_device_name(i) for i in range(count)]
    devices = [str(device) for device in keras.distribution.list_devices()]
    return [device for device in devices if not device.lower().startswith("cpu")]


__all__ = ["chosen_backend", "graphics_processors", "keras"]
