"""The weights in a model file, by name. Free of Keras, so that other engines need none.

A tensor is called ``"F_1_2/kernel"`` or ``"F_1_2/bias"``, as in ISR's files
(`src_models.models.isr_files`).
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.errors import ModelFileError
from src_models.models.config import NetworkConfig
from src_models.models.description import ModelDescription, read_member
from src_models.models.isr_config import check_tensors, shapes_of
from src_models.models.isr_files import is_legacy, read_tensors
from src_models.models.registry import describe_model, find_model, split_sharpness

Weights = Mapping[str, NDArray[np.float32]]
WEIGHTS = "model.weights.h5"


def read_weights(path: str | Path, config: NetworkConfig) -> Weights:
    """Read the weights of a network from a model file or a weight file of ISR.

    Parameters
    ----------
    path : str or Path
        The file.
    config : RDNConfig or RRDNConfig
        The network they are for.

    Returns
    -------
    mapping
        ``"layer/kernel"`` to ``(kernel, kernel, inputs, filters)`` and ``"layer/bias"`` to
        ``(filters,)``, float32; exactly those of the network.

    Raises
    ------
    ModelFileError
        If the file is missing or damaged, holds code, or its weights are another network's.
    """
    path = Path(path)
    if is_legacy(path):
        weights = read_tensors(path)
    else:
        refuse_code(path)
        weights = _stored_by_keras(path)
    found = {name: values.shape for name, values in weights.items()}
    check_tensors(found, shapes_of(config), path.name, "that it describes")
    return weights


def fingerprint(weights: Weights, *more: str) -> str:
    """Return a name for the content of weights, and of whatever else counts."""
    digest = hashlib.sha256("\0".join(more).encode())
    for name, values in sorted(weights.items()):
        digest.update(f"{name} {values.shape} {values.dtype.str}\0".encode())
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def _stored_by_keras(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read what Keras 3 wrote: a group per layer, which knows the layer's name."""
    import h5py

    weights = {}
    content = read_member(path, WEIGHTS)
    try:
        with h5py.File(io.BytesIO(content)) as file:
            for group in file["layers"].values():
                tensors = group["vars"]
                # A convolution's: kernel and bias, in this order.
                for kind, key in zip(("kernel", "bias"), sorted(tensors), strict=False):
                    name = f"{tensors.attrs['name']}/{kind}"
                    weights[name] = np.asarray(tensors[key], np.float32)
    except Exception as error:  # HDF5 has a dozen kinds for damaged files
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise ModelFileError(
            f"The weights in {path.name!r} are damaged or do not fit the network it "
            f"describes ({reason}): copy the file again, or save the model again."
        ) from error
    return weights


def refuse_code(path: Path) -> None:
    """Refuse a file that asks Keras for anything but plain layers.

    Raises
    ------
    ModelFileError
        If it does, or its configuration is damaged.
    """
    asked: set[tuple[str, str]] = set()

    def collect(node: dict[str, Any]) -> dict[str, Any]:
        if "class_name" in node:
            asked.add((str(node.get("module")), str(node["class_name"])))
        return node

    text = read_member(path, "config.json")
    try:
        json.loads(text, object_hook=collect)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(
            f"The network's configuration in {path.name!r} is damaged ({error}): copy the file "
            "again, or save the model again."
        ) from error
    for module, name in sorted(asked):
        plain = module in ("None", "keras") or module.startswith("keras.")
        if name in ("Lambda", "__lambda__") or not plain:
            raise ModelFileError(
                f"{path.name!r} holds code or foreign layers ({module}.{name}), which is never "
                "run: ask whoever made the file for one that napari-isr saved."
            )


def weights_of(path_or_name: str | Path, description: ModelDescription) -> Weights:
    """Read the weights of a model, interpolated if its name says so.

    Parameters
    ----------
    path_or_name : str or Path
        As for `load_model`.
    description : ModelDescription
        Its description.

    Raises
    ------
    ModelFileError
        If a file cannot be used, or the two networks are not alike.
    """
    sharp = read_weights(find_model(path_or_name), description.network)
    _, sharpness = split_sharpness(path_or_name)
    if sharpness == 1:
        return sharp
    other = describe_model(description.faithful)
    if other.config != description.config:
        raise ModelFileError(
            "Only networks that are alike have others between them. Received: "
            f"{description.name!r} and {description.faithful!r}. Use either of them."
        )
    faithful = read_weights(find_model(description.faithful), other.network)
    return {
        name: sharpness * values + (1 - sharpness) * faithful[name]
        for name, values in sharp.items()
    }
