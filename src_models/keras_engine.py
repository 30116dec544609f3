"""Run networks with Keras, on whichever backend it is set to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from src_models.description import ModelDescription
from src_models.engine_errors import our_errors
from src_models.image_model import ImageModel


class KerasEngine:
    """A network run by Keras.

    Parameters
    ----------
    network : RDN or RRDN
        The network; its weights may change between batches.
    reason : str
        Why this engine was chosen, in a sentence.
    """

    name = "keras"

    def __init__(self, network: ImageModel, reason: str = "") -> None:
        self._network = network
        self.description: ModelDescription = network.description
        self.reason = reason

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Answer a batch ``(B, H, W, C)`` in [0, 1].

        Raises
        ------
        OutOfMemoryError
            If the backend has not enough memory for it; a smaller one may still fit.
        NetworkError
            If it failed otherwise.
        """
        with our_errors(batch.shape):
            # predict() per batch leaks and is slow; this is the same graph, called directly.
            return np.asarray(self._network.model.predict_on_batch(batch))

    def stop(self, batch: NDArray[np.float32]) -> None:
        """Do nothing: what Keras' backends began they finish."""

    def release(self) -> None:
        """Do nothing: Keras' backends keep no features."""
