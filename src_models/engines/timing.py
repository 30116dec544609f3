"""How long a network will take: its operations against this machine's speed. Free of Keras."""

from __future__ import annotations

import os
import time
from functools import lru_cache

import numpy as np

from src_models.models.onnx_config import AnyConfig

# Keras' share of the speed of a large matrix product, for small networks as for large ones, seen
# on two AVX2 cores with TensorFlow. The first real run replaces it by what was measured.
_USUAL_SHARE = 0.6
_SIZE = 768
# How often a network sees each tile for the mean over flips and quarter turns.
SELF_ENSEMBLE_PASSES = 8


@lru_cache(maxsize=1)
def matrix_product_speed() -> float:
    """Measure the speed of a float32 matrix product once, in operations per second.

    Takes some 100 ms, so that a busy moment does not count.
    """
    a = np.ones((_SIZE, _SIZE), np.float32)
    times = []
    for _ in range(12):
        started = time.perf_counter()
        np.matmul(a, a)
        times.append(time.perf_counter() - started)
    return 2 * _SIZE**3 / min(times)


def useful_operations(config: AnyConfig, pixels: int) -> float:
    """Return the operations that so many input pixels take, overlap and padding not counted."""
    return float(config.operations_per_pixel) * pixels


def estimate_seconds(config: AnyConfig, pixels: int, speed: float | None = None) -> float:
    """Estimate how long a network takes, without loading it.

    Parameters
    ----------
    config : RDNConfig, RRDNConfig or OnnxConfig
        The network.
    pixels : int
        Input pixels of all planes.
    speed : float, optional
        Useful operations per second, as measured in a run before; None to guess it from the
        speed of a matrix product.
    """
    if speed is None:
        speed = _USUAL_SHARE * matrix_product_speed()
    return useful_operations(config, pixels) / speed


def in_words(seconds: float) -> str:
    """Return a duration as people say it, in English.

    Examples
    --------
    >>> in_words(0.2), in_words(42), in_words(400)
    ('under a second', 'about 42 s', 'about 7 min')
    """
    if seconds < 1:
        return "under a second"
    if seconds < 90:
        return f"about {seconds:.0f} s"
    if seconds < 90 * 60:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} h"


def processors_in_words() -> str:
    """Return what the processor offers."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"CPU ({count} cores)"
