"""The Keras model inside RDN and RRDN: Keras' own, but for how it reads ISR's weight files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.backend import keras
from src_models.legacy import is_legacy, read_shapes, read_tensors
from src_models.legacy_config import account_for


@keras.saving.register_keras_serializable(package="src_models")
class Generator(keras.Model):
    """A functional model ``(B, H, W, C)`` to ``(B, H * scale, W * scale, C)``.

    Attributes
    ----------
    has_isr_weights : bool
        Whether it took the weights of an ISR file, which were trained with bare borders.
    """

    has_isr_weights = False

    def load_weights(
        self, filepath: str | Path, skip_mismatch: bool = False, **kwargs: Any
    ) -> None:
        """Load weights as `keras.Model.load_weights` does, and ISR's files by name, each tensor.

        Keras takes the tensors of such a file in their order, and changes the first layers
        before it finds that a later one does not fit.

        Parameters
        ----------
        filepath : str or Path
            ``.weights.h5`` of Keras 3, or ``.hdf5`` or ``.h5`` of Keras 2.
        skip_mismatch, **kwargs
            As for Keras; with any of them the file is left to Keras.

        Raises
        ------
        ModelFileError
            If an ISR file cannot be read, or its tensors are not exactly this network's; nothing
            is changed then.
        """
        if skip_mismatch or kwargs or not is_legacy(filepath):
            super().load_weights(filepath, skip_mismatch=skip_mismatch, **kwargs)
            return
        shapes = {
            f"{layer.name}/{weight.name}": tuple(weight.shape)
            for layer in self.layers
            for weight in layer.weights
        }
        account_for(read_shapes(filepath), shapes, Path(filepath).name, "that is to take them")
        self.set_tensors(read_tensors(filepath))
        self.has_isr_weights = True

    def set_tensors(self, tensors: dict[str, NDArray[np.float32]]) -> None:
        """Set all weights by name.

        Parameters
        ----------
        tensors : dict
            ``"layer/tensor"``, such as ``"F_1_2/kernel"``, to values; exactly this network's.
        """
        for layer in self.layers:
            for weight in layer.weights:
                weight.assign(tensors[f"{layer.name}/{weight.name}"])
