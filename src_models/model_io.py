"""Models to files and back.

A model file is a ``.keras`` archive (configuration and weights, as Keras writes them) with our
description as one more member. Loading never builds what the file says: the network is built
from our own classes and the description's numbers, and only the weights are taken, so no code
in a file can run.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from src_models.config import RDNConfig, Upscaling
from src_models.description import MEMBER, ModelDescription
from src_models.download import is_published
from src_models.errors import ModelFileError
from src_models.image_model import ImageModel, check_patch_size
from src_models.legacy import is_legacy
from src_models.pretrained import describe_model, find_model
from src_models.published import PUBLISHED
from src_models.rdn import RDN
from src_models.rrdn import RRDN

logger = logging.getLogger(__name__)

_OUR_MODULES = ("src_models.layers",)


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
    """
    path = Path(path)
    if path.suffix != ".keras":
        path = path.with_name(path.name + ".keras")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that the last step is a rename and a full disk costs nothing.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".saving-") as folder:
        temporary = Path(folder) / path.name
        model.model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(MEMBER, model.description.to_json())
        os.replace(temporary, path)
    return path


def load_model(
    path_or_name: str | Path, *, upscaling: Upscaling | None = None, beta: float | None = None
) -> RDN | RRDN:
    """Load a model, with nothing typed but its name or path.

    Parameters
    ----------
    path_or_name : str or Path
        A named model such as ``"microscopy-x2"`` or ``"psnr-small"``, the path of a model file, or
        that of a weight file of ISR (Keras 2, ``.hdf5``), which tells its network by itself.
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
    return model


def _tell_if_replaced(name: str, path: Path) -> None:
    if name in PUBLISHED and not is_published(path, PUBLISHED[name]):
        logger.warning("%s is not the file that was published as %s; used as it is.", path, name)


def new_model(description: ModelDescription) -> RDN | RRDN:
    """Build the network that a description describes, with new weights."""
    config = description.config
    common: dict[str, Any] = {"c_dim": config.c_dim, "kernel_size": config.kernel_size}
    model: RDN | RRDN
    if isinstance(config, RDNConfig):
        model = RDN(config.arch_params, upscaling=config.upscaling, **common)
    else:
        model = RRDN(config.arch_params, beta=config.beta, **common)
    model.description = description
    return model


def adopt(
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
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "model.weights.h5"
        try:
            with zipfile.ZipFile(path) as archive:
                _refuse_code(archive, path)
                weights.write_bytes(archive.read("model.weights.h5"))
            model.model.load_weights(weights)
        except (zipfile.BadZipFile, KeyError, ValueError, OSError, EOFError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
            raise ModelFileError(
                f"The weights in {path.name!r} are damaged or do not fit the network it "
                f"describes ({reason}): copy the file again, or save the model again."
            ) from error


def _refuse_code(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse a file that asks Keras for anything but plain layers and ours."""
    asked: set[tuple[str, str]] = set()

    def collect(node: dict[str, Any]) -> dict[str, Any]:
        if "class_name" in node:
            asked.add((str(node.get("module")), str(node["class_name"])))
        return node

    json.loads(archive.read("config.json"), object_hook=collect)
    for module, name in sorted(asked):
        plain = module in ("None", "keras") or module.startswith("keras.")
        if name in ("Lambda", "__lambda__") or not (plain or module in _OUR_MODULES):
            raise ModelFileError(
                f"{path.name!r} holds code or foreign layers ({module}.{name}), which is never "
                "run: ask whoever made the file for one that napari-isr saved."
            )
