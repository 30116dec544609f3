"""A discriminator's output before its sigmoid, which losses need to stay finite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from src_models.networks.backend import keras


@contextmanager
def logits_of(discriminator: keras.Model | None) -> Iterator[keras.Model | None]:
    """Give a model of the same layers and weights that ends before a final sigmoid.

    Parameters
    ----------
    discriminator : keras.Model or None
        Ends in a sigmoid, as a layer or as the last layer's activation, or in logits.

    Yields
    ------
    keras.Model or None
        Images to logits. Within this context the last layer's sigmoid is switched off.
    """
    if discriminator is None:
        yield None
        return
    last = discriminator.layers[-1]
    if getattr(last, "activation", None) is not keras.activations.sigmoid:
        yield discriminator
    elif isinstance(last, keras.layers.Activation):
        yield keras.Model(discriminator.input, last.input, name="logits")
    else:
        last.activation = keras.activations.linear
        try:
            yield discriminator
        finally:
            last.activation = keras.activations.sigmoid
