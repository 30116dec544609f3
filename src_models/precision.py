"""Training in half precision, where the machine has units that are faster in it."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from src_models.backend import keras

_PROCESSOR = Path("/proc/cpuinfo")


def multiplies_bfloat16() -> bool:
    """Say whether training runs on a processor with instructions for products of bfloat16.

    Known of TensorFlow on x86 under Linux; elsewhere the answer is no. Convolutions of the
    discriminator then take 0.6 times as long (``benchmarks/training.py``).
    """
    if keras.backend.backend() != "tensorflow" or platform.system() != "Linux":
        return False
    if any("gpu" in device for device in keras.distribution.list_devices()):
        return False
    try:
        flags = _PROCESSOR.read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return False
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags)


@contextmanager
def half_precision(
    networks: Sequence[keras.Model | None], kind: Literal["float16", "bfloat16"] = "float16"
) -> Iterator[None]:
    """Let networks compute in half precision within this context; their weights stay float32.

    Parameters
    ----------
    networks : sequence of keras.Model or None
        The last layer of each stays in float32, so that answers keep their digits.
    kind : {"float16", "bfloat16"}
        Eleven binary digits and a narrow range, for which losses must be scaled, or eight with
        the range of float32.
    """
    policies = {}
    for network in networks:
        for layer in network.layers[:-1] if network is not None else ():
            if not isinstance(layer, keras.layers.InputLayer):
                policies[layer] = layer.dtype_policy
                layer.dtype_policy = keras.DTypePolicy(f"mixed_{kind}")
    try:
        yield
    finally:
        for layer, policy in policies.items():
            layer.dtype_policy = policy
        for network in networks:
            if network is not None:
                network.predict_function = None  # compiled for half precision
