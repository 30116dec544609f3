"""How a result was made: what its file tells of the model, the engine and the source."""

from __future__ import annotations

import os
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src_models.models.description import ModelDescription
from src_models.models.registry import find_model

if TYPE_CHECKING:
    from src_models.engines.opening import Engine
    from src_models.networks.image_model import ImageModel


def model_identity(model: str | Path | ImageModel | Engine) -> str:
    """Return what changes if the weights do; of an open engine, if the description does."""
    digest = sha256()
    if isinstance(model, str | os.PathLike):
        with find_model(model).open("rb") as file:
            for piece in iter(lambda: file.read(2**20), b""):
                digest.update(piece)
    else:
        digest.update(model.description.to_json().encode())
        network = getattr(model, "model", None)
        for weights in [] if network is None else network.get_weights():
            digest.update(weights.tobytes())
    return digest.hexdigest()[:16]


def provenance(
    description: ModelDescription, engine: str, identity: str, source: Path | None
) -> dict[str, Any]:
    """Return how a result was made, for its file; `source` is None for an array."""
    try:
        made_with = f"napari-isr {version('napari-isr')}"
    except PackageNotFoundError:  # a source tree that was not installed
        made_with = "napari-isr"
    return {
        "software": made_with,
        "model": description.name,
        "model_version": identity,
        "scale": description.scale,
        "engine": engine,
        "source": "an array" if source is None else source.name,
    }
