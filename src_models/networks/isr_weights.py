"""ISR's weight files into a Keras model, each tensor by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from src_models.models.isr_config import check_tensors
from src_models.models.isr_files import is_legacy, read_shapes, read_tensors
from src_models.networks.backend import keras


def patch_load_weights(model: keras.Model) -> keras.Model:
    """Let a network's own ``load_weights`` take ISR's files by name, or refuse them in a sentence.

    Keras takes the tensors of such a file in their order, and changes the first layers before it
    finds that a later one does not fit. All other files, and calls with more arguments, are left
    to Keras. It is done to the one model, not in a class of ours, so that plain Keras opens what
    the model saves.

    Parameters
    ----------
    model : keras.Model
        Functional, with ISR's layer names.

    Returns
    -------
    keras.Model
        The same.
    """
    by_keras = model.load_weights

    def load_weights(filepath: str | Path, skip_mismatch: bool = False, **kwargs: Any) -> None:
        if skip_mismatch or kwargs or not is_legacy(filepath):
            by_keras(filepath, skip_mismatch=skip_mismatch, **kwargs)
        else:
            set_isr_weights(model, filepath)

    model.load_weights = load_weights
    return model


def set_isr_weights(model: keras.Model, path: str | Path) -> None:
    """Set all weights of a network from a file of ISR.

    Parameters
    ----------
    model : keras.Model
        Functional, with ISR's layer names.
    path : str or Path
        HDF5, as Keras 2 saved it.

    Raises
    ------
    ModelFileError
        If the file cannot be read, or its tensors are not exactly the model's; nothing is changed
        then.

    Notes
    -----
    The model is marked by ``has_isr_weights``: ISR's networks were trained with bare borders.
    """
    weights = {f"{layer.name}/{w.name}": w for layer in model.layers for w in layer.weights}
    shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
    check_tensors(read_shapes(path), shapes, Path(path).name, "that is to take them")
    for name, values in read_tensors(path).items():
        weights[name].assign(values)
    model.has_isr_weights = True
