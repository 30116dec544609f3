"""Training in half precision, for graphics cards whose half-precision units are the fast ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from src_models.backend import keras


@contextmanager
def half_precision(networks: Sequence[keras.Model | None]) -> Iterator[None]:
    """Let networks compute in float16 within this context; their weights stay float32.

    Parameters
    ----------
    networks : sequence of keras.Model or None
        The last layer of each stays in float32, so that answers keep their digits.
    """
    policies = {}
    for network in networks:
        for layer in network.layers[:-1] if network is not None else ():
            if not isinstance(layer, keras.layers.InputLayer):
                policies[layer] = layer.dtype_policy
                layer.dtype_policy = keras.DTypePolicy("mixed_float16")
    try:
        yield
    finally:
        for layer, policy in policies.items():
            layer.dtype_policy = policy
        for network in networks:
            if network is not None:
                network.predict_function = None  # compiled for float16
