"""What the libraries that run networks raise, as our errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from src_models.errors import NetworkError, OutOfMemoryError, SuperResolutionError

# How TensorFlow, torch, jax, OpenVINO, ONNX Runtime and the C++ library say it; none of them has a
# common type for it.
_OUT_OF_MEMORY = (
    "out of memory",
    "oom when allocating",
    "resource_exhausted",
    "resourceexhausted",
    "bad_alloc",
    "bad allocation",
    "can't alloc",
    "cannot allocate memory",
    "failed to allocate",
    "not enough memory",
    "alloc_failed",
    "dst tensor is not initialized",
    "failed to map segment",  # of OpenVINO's plugin, loaded with the first batch
    "resource temporarily unavailable",  # for a thread's stack
)


@contextmanager
def translate_backend_errors(shape: tuple[int, ...]) -> Iterator[None]:
    """Turn whatever is raised while a batch runs into one of our errors.

    Parameters
    ----------
    shape : tuple of int
        Of the batch.

    Raises
    ------
    OutOfMemoryError
        If there is not enough memory for it; a smaller one may still fit.
    NetworkError
        If it failed otherwise.
    """
    try:
        yield
    except SuperResolutionError:
        raise
    except Exception as error:  # every library has its own tree of errors
        raise _as_ours(error, shape) from error


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
