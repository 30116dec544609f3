"""Register our layers with Keras at the moment somebody imports Keras, and not before.

``keras.models.load_model`` knows only the layers whose modules were imported. Importing ours with
``import src_models`` would import Keras with it, which takes seconds that opening a widget does
not have.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

_REGISTERED_BY = ("src_models.layers", "src_models.generator")


class _KerasWatch(MetaPathFinder):
    """Sees the first import of Keras, leaves it to the others, and adds ours after it."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the others' spec of Keras, of nothing else."""
        if name != "keras":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def run_and_register(module: ModuleType) -> None:
            run(module)
            _register()

        spec.loader.exec_module = run_and_register  # type: ignore[method-assign]
        return spec


def _register() -> None:
    for module in _REGISTERED_BY:
        import_module(module)


def register_when_keras_comes() -> None:
    """Register our layers with Keras now if it is there, or as soon as it is imported."""
    if "keras" in sys.modules:
        _register()
    else:
        sys.meta_path.insert(0, _KerasWatch())
