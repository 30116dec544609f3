"""Half precision, where the machine has units that are faster in it."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from src_models.networks.backend import keras

_OF_DENSE_BLOCKS = re.compile(r"(F|LFF|RDB_Concat)_\d+_|LFF_\d+$")
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
    hidden = [layer for network in networks if network is not None for layer in network.layers[:-1]]
    try:
        with _computing_in(kind, hidden):
            yield
    finally:
        for network in networks:
            if network is not None:
                network.predict_function = None  # compiled for half precision


@contextmanager
def dense_blocks_in_half(network: keras.Model) -> Iterator[None]:
    """Let the dense blocks of an RDN or RRDN compute in float16 within this context.

    Half to nearly all of the work is theirs. What carries the image past them, sums and all, stays
    in float32: the answer is then within 1e-3 of the range of float32's, where a network wholly
    in float16 is not.

    Parameters
    ----------
    network : keras.Model
        As `RDN` and `RRDN` name its layers.
    """
    with _computing_in("float16", [x for x in network.layers if _OF_DENSE_BLOCKS.match(x.name)]):
        yield


@contextmanager
def _computing_in(kind: str, layers: Sequence[keras.layers.Layer]) -> Iterator[None]:
    policies = {}
    for layer in layers:
        if not isinstance(layer, keras.layers.InputLayer):
            policies[layer] = layer.dtype_policy
            layer.dtype_policy = keras.DTypePolicy(f"mixed_{kind}")
    try:
        yield
    finally:
        for layer, policy in policies.items():
            layer.dtype_policy = policy
