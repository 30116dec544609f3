"""The table of named models, and where their files are. Free of Keras: it fills combo boxes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from src_models.errors import ModelFileError
from src_models.user_models import user_models

_BUNDLED_FOLDER = Path(__file__).parent / "weights"

BUNDLED: Mapping[str, Path] = MappingProxyType(
    {path.stem: path for path in sorted(_BUNDLED_FOLDER.glob("*.keras"))}
)
DEFAULT_MODEL = "microscopy-x2"


def model_names() -> list[str]:
    """Return the names that `find_model` knows, the default first and the user's own last."""
    bundled = sorted(BUNDLED, key=lambda name: (name != DEFAULT_MODEL, name))
    return [*bundled, *(name for name in user_models() if name not in bundled)]


def find_model(path_or_name: str | Path) -> Path:
    """Return the file of a model.

    Parameters
    ----------
    path_or_name : str or Path
        A name of the table, or a path.

    Raises
    ------
    ModelFileError
        If it is neither a known name nor an existing file.
    """
    if str(path_or_name) in BUNDLED:
        return BUNDLED[str(path_or_name)]
    own = user_models()
    if str(path_or_name) in own:
        return own[str(path_or_name)]
    # os.path: pathlib raises on names too long, unknown users and the like.
    given: object = path_or_name
    if not isinstance(given, str | os.PathLike) or not os.path.isfile(os.path.expanduser(given)):
        raise ModelFileError(
            f"A model is one of the names {model_names()} or the path of a model file. "
            f"Received: {str(path_or_name)!r}, which is neither."
        )
    return Path(os.path.expanduser(given))
