"""The table of named models, and where their files are. Free of Keras: it fills combo boxes."""

from __future__ import annotations

import os
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from src_models.errors import InvalidInputError, ModelFileError
from src_models.models.config import Upscaling
from src_models.models.description import ModelDescription, read_description
from src_models.models.download import fetch, find_cached, is_published
from src_models.models.isr_config import with_overrides
from src_models.models.isr_files import describe_legacy, is_legacy
from src_models.models.onnx_files import describe_onnx
from src_models.models.onnx_graph import is_onnx
from src_models.models.published import BUNDLED, DEFAULT_MODEL, PUBLISHED, Published
from src_models.models.user_models import user_models

__all__ = [
    "BUNDLED",
    "DEFAULT_MODEL",
    "describe_model",
    "find_model",
    "is_available_offline",
    "model_names",
]
_MODEL_ENDINGS = (".keras", ".onnx", ".onnx.zip", ".hdf5", ".h5")


def model_names() -> list[str]:
    """Return the names that `find_model` knows.

    The default first, then what is bundled, the user's own, and what can be downloaded.
    """
    bundled = sorted(BUNDLED, key=lambda name: (name != DEFAULT_MODEL, name))
    own = [name for name in user_models() if name not in BUNDLED and name not in PUBLISHED]
    return [*bundled, *own, *(name for name in PUBLISHED if name not in BUNDLED)]


def is_available_offline(name: str) -> bool:
    """Tell whether a named model is here already, so that `find_model` downloads nothing."""
    if name in PUBLISHED:
        return find_cached(PUBLISHED[name]) is not None
    return name in BUNDLED or name in user_models()


def split_sharpness(path_or_name: str | Path) -> tuple[str | Path, float]:
    """Split ``"name@0.3"`` into name and sharpness, which is 1 where none is given.

    Raises
    ------
    ModelFileError
        If the sharpness is not a number from 0 to 1.
    """
    name, at, number = str(path_or_name).rpartition("@")
    if not at or (name not in BUNDLED and name not in user_models()):
        return path_or_name, 1.0  # a path may hold the sign, too
    try:
        sharpness = float(number)
    except ValueError:
        sharpness = -1.0
    if not 0 <= sharpness <= 1:
        raise ModelFileError(
            f"The sharpness after the name of a model must be from 0 to 1, such as {name}@0.5. "
            f"Received: {str(path_or_name)!r}."
        )
    return name, sharpness


def find_model(path_or_name: str | Path) -> Path:
    """Return the file of a model, downloaded on first use if it is a published one.

    Parameters
    ----------
    path_or_name : str or Path
        A name of the table, with a sharpness after it if need be, or a path.

    Raises
    ------
    ModelFileError
        If it is neither a known name nor an existing file.
    DownloadError
        If a published model is neither cached nor reachable.
    """
    path_or_name, _ = split_sharpness(path_or_name)
    name = str(path_or_name)
    if name in BUNDLED:
        return BUNDLED[name]
    if name in PUBLISHED:
        return fetch(PUBLISHED[name])
    own = user_models()
    if name in own:
        return own[name]
    # os.path: pathlib raises on names too long, unknown users and the like.
    given: object = path_or_name
    if not isinstance(given, str | os.PathLike) or not os.path.isfile(os.path.expanduser(given)):
        raise ModelFileError(
            f"A model is one of the names {model_names()} or the path of a model file. "
            f"Received: {str(path_or_name)!r}, which is neither.{_suggest_name(str(path_or_name))}"
        )
    return Path(os.path.expanduser(given))


def _suggest_name(name: str) -> str:
    """Return what may have been meant by a name that there is not."""
    folder = Path(name).parent
    try:
        files = [str(folder / f) for f in os.listdir(folder) if f.lower().endswith(_MODEL_ENDINGS)]
    except (OSError, ValueError):
        files = []
    alike = get_close_matches(name, [*model_names(), *files], n=1, cutoff=0.7)
    return f" Did you mean {alike[0]!r}?" if alike else ""


def describe_model(
    path_or_name: str | Path, *, upscaling: Upscaling | None = None, beta: float | None = None
) -> ModelDescription:
    """Describe a model without Keras, and without downloading anything.

    Parameters
    ----------
    path_or_name : str or Path
        A named model, or the path of a model file, of an ISR weight file, or of an ONNX file,
        which is tried on small images.
    upscaling : {"ups", "shuffle"}, optional
        For an ISR weight file of an RDN: how it enlarges, where the file leaves it open.
    beta : float, optional
        For an ISR weight file of an RRDN: its residual factor, if it is not ISR's default.

    Returns
    -------
    ModelDescription

    Raises
    ------
    ModelFileError
        If there is no such model, or its file cannot be used.
    InvalidInputError
        If a keyword does not fit.
    """
    name = str(path_or_name)
    if name in PUBLISHED:
        published = PUBLISHED[name]
        config = with_overrides(published.description.network, upscaling, beta)
        return replace(published.description, config=config, summary=_summary(published))
    path = find_model(path_or_name)
    if is_legacy(path):
        found = describe_legacy(path, upscaling=upscaling, beta=beta)
        known = next((m for m in PUBLISHED.values() if is_published(path, m)), None)
        return replace(known.description, config=found.config) if known else found
    if upscaling is not None or beta is not None:
        raise InvalidInputError(
            "upscaling and beta settle what an ISR weight file leaves open; a model file says all "
            f"by itself. Received: upscaling={upscaling!r}, beta={beta!r} for {path.name!r}."
        )
    described = describe_onnx(path) if is_onnx(path) else read_description(path)
    base, sharpness = split_sharpness(path_or_name)
    if base == path_or_name:
        return described
    if not described.faithful:
        raise ModelFileError(
            f"The model {str(base)!r} has no sharpness to choose, since it was not made from a "
            f"faithful one. Received: {str(path_or_name)!r}. Use {str(base)!r}."
        )
    return replace(described, name=f"{described.name}@{sharpness:g}")


def _summary(model: Published) -> str:
    if is_available_offline(model.name):
        return model.description.summary
    return f"{model.description.summary} Downloaded on first use ({model.megabytes})."
