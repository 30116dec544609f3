"""A result on its image's grid again: shrunk as the model's record says that images were."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from src_models.errors import InvalidInputError
from src_models.images.degradation import Degradation, binned_mean, resize_bicubic
from src_models.models.description import ModelDescription
from src_models.models.registry import describe_model

# Input pixels that cubic resampling reaches, and standard deviations that a blur does.
_CUBIC, _TRUNCATE = 4, 4.0
_BINNING = Degradation(name="binned")


def degradation_of(model: str | Path | ModelDescription | None) -> Degradation:
    """Return what a model's record names most often; binning if it names nothing usable."""
    if model is None:
        return _BINNING
    description = model if isinstance(model, ModelDescription) else describe_model(model)
    found: Any = description.training
    for key in ("settings", "data", "degradations"):
        found = found.get(key) if isinstance(found, Mapping) else None
    named = [way for way in found if isinstance(way, Mapping)] if isinstance(found, list) else []
    if not named:
        return _BINNING
    name = Counter(str(way.get("name")) for way in named).most_common(1)[0][0]
    settings = next(way for way in named if str(way.get("name")) == name)
    try:
        return Degradation(name=settings["name"], blur=tuple(settings.get("blur", (0.5, 1.2))))
    except (InvalidInputError, TypeError, KeyError):  # a record of other software
        return _BINNING


def reach_of(way: Degradation, scale: int) -> int:
    """Return how many input pixels around a part `apply_forward_model` has to see."""
    if way.name == "binned":
        return 0
    return _CUBIC + math.ceil(_TRUNCATE * sum(way.blur) / 2 / scale)


def apply_forward_model(
    high: NDArray[np.float64], scale: int, way: Degradation
) -> NDArray[np.float64]:
    """Shrink without rounding, and as the mean over all noise would be."""
    if way.name == "microscope":
        high = gaussian_filter(high, sum(way.blur) / 2, mode="nearest", truncate=_TRUNCATE)
    if way.name in ("microscope", "binned"):
        return binned_mean(high, scale)
    if not np.isfinite(high).any():
        return binned_mean(high, scale)
    # Float32 computes it: large offsets are kept out.
    low, top = float(np.nanmin(high)), float(np.nanmax(high))
    span = (top - low) or 1.0
    size = high.shape[0] // scale, high.shape[1] // scale
    return resize_bicubic((high - low) / span, size).astype(np.float64) * span + low
