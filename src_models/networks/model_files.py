"""Models to files and back.

A model file is a ``.keras`` archive (configuration and weights, as Keras writes them) with our
description as one more member. Loading never builds what the file says: the network is built
from our own classes and the description's numbers, and only the weights are taken, so no code
in a file can run.
"""

from __future__ import annotations

import logging
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from src_models.errors import ModelFileError
from src_models.models.config import RDNConfig, Upscaling
from src_models.models.description import MEMBER, ModelDescription, read_member
from src_models.models.download import is_published
from src_models.models.isr_files import is_legacy
from src_models.models.published import PUBLISHED
from src_models.models.registry import describe_model, find_model, split_sharpness
from src_models.models.weights import WEIGHTS, refuse_code, weights_of
from src_models.networks.backend import keras
from src_models.networks.image_model import ImageModel, check_patch_size
from src_models.networks.rdn import RDN
from src_models.networks.rrdn import RRDN

logger = logging.getLogger(__name__)


def save_model(model: ImageModel, path: str | Path) -> Path:
    """Write network, weights and description into one file, all or nothing.

    Parameters
    ----------
    model : RDN or RRDN
        What to save.
    path : str or Path
        Where to; ``.keras`` is appended if it is missing. An existing file is replaced.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ModelFileError
        If it cannot be written; what was there before is left as it was.
    InvalidInputError
        If the training record holds more than plain JSON values.
    """
    text = model.description.to_json()
    path = Path(os.path.expanduser(path))
    if path.suffix != ".keras":
        path = path.with_name(path.name + ".keras")
    # Beside the target, so that the last step is a rename and a full disk costs nothing.
    with _writing(path), tempfile.TemporaryDirectory(dir=path.parent, prefix=".saving-") as folder:
        temporary = Path(folder) / path.name
        # A fresh shell over the same layers: the state of a compiled model's optimizer stays out.
        network = keras.Model(model.model.inputs, model.model.outputs, name=model.model.name)
        network.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(MEMBER, text)
        os.replace(temporary, path)
    return path


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Make the folder; tell what the system says against writing in a sentence."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise ModelFileError(
            f"The model cannot be saved as {str(path)!r} ({error.strerror or error}): choose "
            "another folder or name, or make room."
        ) from error


def load_model(
    path_or_name: str | Path, *, upscaling: Upscaling | None = None, beta: float | None = None
) -> RDN | RRDN:
    """Load a model, with nothing typed but its name or path.

    Parameters
    ----------
    path_or_name : str or Path
        A named model such as ``"microscopy-x2"``, ``"psnr-small"`` or, between sharp and faithful,
        ``"photo-sharp-x4@0.5"``; the path of a model file; or that of a weight file of ISR (Keras
        2, ``.hdf5``), which tells its network by itself.
    upscaling : {"ups", "shuffle"}, optional
        For a weight file of an RDN: how it enlarges, where the file leaves it open (at scale 1).
    beta : float, optional
        For a weight file of an RRDN: its residual factor, if it is not ISR's default of 0.2.

    Returns
    -------
    RDN or RRDN
        The network with weights and description.

    Raises
    ------
    ModelFileError
        If the name is unknown, or the file is missing, damaged, neither ours nor ISR's, or holds
        code.
    DownloadError
        If a published model is neither in the cache nor reachable.
    InvalidInputError
        If a keyword does not fit the file.
    """
    path = find_model(path_or_name)
    model = new_model(describe_model(path_or_name, upscaling=upscaling, beta=beta))
    if is_legacy(path):
        model.model.load_weights(path)
        _tell_if_replaced(str(path_or_name), path)
    else:
        _load_weights(model, path)
    if split_sharpness(path_or_name)[1] != 1:
        weights = weights_of(path_or_name, model.description)
        for layer in model.model.layers:
            if layer.weights:
                layer.set_weights([weights[f"{layer.name}/{v.name}"] for v in layer.weights])
    return model


def load_cached(model: str | Path | ImageModel) -> ImageModel:
    """Load a model as `load_model` does, or take it from memory if its file is unchanged.

    A model that is one already is returned as it is.
    """
    if isinstance(model, ImageModel):
        return model
    path = find_model(model)
    return _load(str(model), path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _load(path_or_name: str, _path: Path, _modified: int) -> ImageModel:
    return load_model(path_or_name)


def _tell_if_replaced(name: str, path: Path) -> None:
    if name in PUBLISHED and not is_published(path, PUBLISHED[name]):
        logger.warning("%s is not the file that was published as %s; used as it is.", path, name)


def new_model(description: ModelDescription) -> RDN | RRDN:
    """Build the network that a description describes, with new weights."""
    config = description.network
    common: dict[str, Any] = {"c_dim": config.c_dim, "kernel_size": config.kernel_size}
    model: RDN | RRDN
    if isinstance(config, RDNConfig):
        model = RDN(config.arch_params, upscaling=config.upscaling, **common)
    else:
        model = RRDN(config.arch_params, beta=config.beta, **common)
    model.description = description
    return model


def load_into(
    model: ImageModel, path_or_name: str | Path, patch_size: int | None = None, **settings: Any
) -> None:
    """Make `model` the one that a name or file holds, if it is of the same kind.

    Parameters
    ----------
    model : RDN or RRDN
        Changed in place.
    path_or_name, **settings
        As for `load_model`; the settings count for ISR's weight files only.
    patch_size : int, optional
        Remembered for training.

    Raises
    ------
    ModelFileError
        If the file cannot be read or holds the other kind of network.
    """
    opens = settings if is_legacy(find_model(path_or_name)) else {}
    loaded = load_model(path_or_name, **opens)
    if type(loaded) is not type(model):
        raise ModelFileError(
            f"weights={str(path_or_name)!r} hold a network of kind {type(loaded).__name__}: "
            f"use {type(loaded).__name__}(weights=...) or load_model(...) for it."
        )
    model.__dict__.update(loaded.__dict__)
    model.patch_size = check_patch_size(patch_size)


def _load_weights(model: ImageModel, path: Path) -> None:
    refuse_code(path)
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / WEIGHTS
        weights.write_bytes(read_member(path, weights.name))
        try:
            model.model.load_weights(weights)
            stored = _count_weights(weights)
        except Exception as error:  # Keras and HDF5 each have a dozen kinds for damaged files
            reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
            raise ModelFileError(
                f"The weights in {path.name!r} are damaged or do not fit the network it "
                f"describes ({reason}): copy the file again, or save the model again."
            ) from error
    if stored != model.config.num_parameters:
        raise ModelFileError(
            f"{path.name!r} holds {stored} weights for a network of "
            f"{model.config.num_parameters}: copy the file again, or save the model again."
        )


def _count_weights(path: Path) -> int:
    """Count what is stored: Keras takes what it looks for and leaves the rest unmentioned."""
    import h5py

    sizes: list[int] = []
    with h5py.File(path) as file:
        file["layers"].visititems(lambda _, node: sizes.append(getattr(node, "size", 0)))
    return sum(sizes)
