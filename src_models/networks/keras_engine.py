"""Run networks with Keras, on whichever backend it is set to."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.backend_errors import translate_backend_errors
from src_models.models.description import ModelDescription
from src_models.networks.backend import graphics_processors
from src_models.networks.image_model import ImageModel
from src_models.networks.mixed_precision import dense_blocks_in_half


class KerasEngine:
    """A network run by Keras.

    Parameters
    ----------
    network : RDN or RRDN
        The network; its weights may change between batches.
    reason : str
        Why this engine was chosen, in a sentence.
    half : bool, optional
        Whether the dense blocks compute in float16; None where the backend has a graphics
        processor. The network itself stays in float32.
    """

    name = "keras"

    def __init__(self, network: ImageModel, reason: str = "", half: bool | None = None) -> None:
        self._network = network
        self.description: ModelDescription = network.description
        is_ours = bool(getattr(network, "is_as_built", False))
        self._half = is_ours and (bool(graphics_processors()) if half is None else half)
        self.reason = reason
        if self._half:
            self.reason = f"{reason} Dense blocks compute in half precision.".lstrip()
        self._lock = threading.Lock()
        self._compiled: Any = None

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Answer a batch ``(B, H, W, C)`` in [0, 1].

        Raises
        ------
        OutOfMemoryError
            If the backend has not enough memory for it; a smaller one may still fit.
        NetworkError
            If it failed otherwise.
        """
        with translate_backend_errors(batch.shape):
            # predict() per batch leaks and is slow; this is the same graph, called directly.
            if not self._half:
                return np.asarray(self._network.model.predict_on_batch(batch))
            return self._run_in_half(batch)

    def _run_in_half(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Swap the compiled function with the precision: either would be compiled anew else."""
        model = self._network.model
        with self._lock, dense_blocks_in_half(model):
            usual, model.predict_function = model.predict_function, self._compiled
            try:
                return np.asarray(model.predict_on_batch(batch))
            finally:
                self._compiled, model.predict_function = model.predict_function, usual

    def stop(self, batch: NDArray[np.float32]) -> None:
        """Do nothing: what Keras' backends began they finish."""

    def release(self) -> None:
        """Do nothing: Keras' backends keep no features."""
