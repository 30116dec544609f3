"""What runs a network: batches of float32 tiles in, batches out, errors as ours."""

from __future__ import annotations

import re
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from src_models.errors import NetworkError, OutOfMemoryError, SuperResolutionError

# How TensorFlow, torch, jax and the C++ library say it; none of them has a common type for it.
_OUT_OF_MEMORY = (
    "out of memory",
    "oom when allocating",
    "resource_exhausted",
    "resourceexhausted",
    "bad_alloc",
    "can't allocate memory",
    "failed to allocate",
    "not enough memory",
    "alloc_failed",
    "dst tensor is not initialized",
)


class Engine(Protocol):
    """Something that runs a network."""

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Answer ``(B, H, W, C)`` with ``(B, H * scale, W * scale, C)``."""


class KerasEngine:
    """Run a network with Keras, on whichever backend Keras is set to.

    Parameters
    ----------
    model : keras.Model
        The network.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Answer a batch.

        Raises
        ------
        OutOfMemoryError
            If the backend has not enough memory for it; a smaller one may still fit.
        NetworkError
            If it failed otherwise.
        """
        try:
            # predict() per batch leaks and is slow; this is the same graph, called directly.
            return np.asarray(self._model.predict_on_batch(batch))
        except SuperResolutionError:
            raise
        except Exception as error:  # every backend has its own tree of errors
            raise _as_ours(error, batch.shape) from error


def _as_ours(error: Exception, shape: tuple[int, ...]) -> SuperResolutionError:
    words = f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError) or any(w in words.lower() for w in _OUT_OF_MEMORY):
        return OutOfMemoryError(f"The network ran out of memory on a batch of shape {shape}.")
    # Keras puts where it happened first, and what happened on a later line in bold.
    lines = [line for line in re.sub(r"\x1b\[\d*m", "", str(error)).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith("Exception encountered when calling")]
    reason = told[0].strip() if told else "no reason given"
    return NetworkError(
        f"The network failed on a batch of shape {shape}: {type(error).__name__}: {reason}"
    )
