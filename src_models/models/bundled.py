"""The models that come with the package, by name. Free of Keras."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

_FOLDER = Path(__file__).parents[1] / "weights"

BUNDLED: Mapping[str, Path] = MappingProxyType(
    {path.stem: path for path in sorted(_FOLDER.glob("*.keras"))}
)
DEFAULT_MODEL = "microscopy-x2"
