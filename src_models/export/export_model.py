"""Models for other programs: as ONNX or OpenVINO file, or as package of the BioImage Model Zoo."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from src_models.engines.opening import weights_in
from src_models.errors import InvalidInputError
from src_models.export.portable import as_onnx, as_openvino
from src_models.files import flush_to_disk, reason_of, writing
from src_models.models.description import ModelDescription
from src_models.models.registry import BUNDLED, describe_model, find_model
from src_models.models.weights import Weights, read_weights

if TYPE_CHECKING:
    from src_models.networks.image_model import ImageModel

Target = Literal["onnx", "openvino", "bioimageio"]
_ENDINGS: dict[Target, str] = {
    "onnx": ".onnx",
    "openvino": ".xml",
    "bioimageio": ".bioimageio.zip",
}
_NEEDS: dict[Target, tuple[str, ...]] = {
    "onnx": ("onnx",),
    "openvino": ("openvino",),
    "bioimageio": ("bioimageio", "onnx", "onnxruntime"),
}
_EXTRA: dict[Target, str] = {"onnx": "onnx", "openvino": "fast", "bioimageio": "bioimageio"}


def export_model(
    model: str | Path | ImageModel,
    to: Target = "onnx",
    path: str | Path | None = None,
    *,
    overwrite: bool = False,
    authors: Sequence[str] = (),
    license_id: str | None = None,
) -> Path:
    """Write a model into a file that other programs can run.

    Parameters
    ----------
    model : str, Path, RDN or RRDN
        Name of a model, path of a model file, or a model.
    to : {"onnx", "openvino", "bioimageio"}
        An ONNX file; an OpenVINO file, which consists of an ``.xml`` and a ``.bin`` beside it; or
        a package of the BioImage Model Zoo with the network as ONNX, a test image with the
        network's answer, a cover and the model card. See `src_models.export.portable` for what the
        networks take and give.
    path : str or Path, optional
        The file, to which the ending is appended if it is missing, or a folder; None for the
        model's name in the current folder.
    overwrite : bool
        Whether what is there may be replaced.
    authors : sequence of str
        Who made the model, for the package; by default as its training record says.
    license_id : str, optional
        Its licence, an SPDX identifier such as ``"CC-BY-4.0"``, for the package; by default as its
        training record says.

    Returns
    -------
    Path
        The file written. It is complete or not there at all.

    Raises
    ------
    InvalidInputError
        If a setting does not fit, a library is missing (the message says what to install), or the
        file is there already or cannot be written.
    ModelFileError
        If there is no such model, or its file cannot be used.
    DiskFullError
        If there is no room.
    """
    if to not in get_args(Target):
        raise InvalidInputError(
            f"A model is exported to one of {list(get_args(Target))}. Received: {to!r}."
        )
    _check_installed(to)
    description, weights, file = _open(model)
    path = _target(path, description.name, to)
    taken = [file for file in _files_of(path, to) if os.path.lexists(file)]
    if taken and not overwrite:
        raise InvalidInputError(
            f"There is {str(taken[0])!r} already, and nothing is overwritten unasked: choose "
            "another name, or ask for it (overwrite=True, --overwrite)."
        )

    def write(temporary: Path) -> None:
        if to == "onnx":
            temporary.write_bytes(as_onnx(description, weights))
        elif to == "openvino":
            _write_openvino(description, weights, temporary)
        else:
            from src_models.export.bioimageio import Card, write_package

            card = Card.of(description, file in BUNDLED.values(), authors, license_id)
            write_package(description, weights, card, temporary, file)

    _write(path, to, write)
    return path


def _check_installed(to: Target) -> None:
    missing = [package for package in _NEEDS[to] if find_spec(package) is None]
    if missing:
        raise InvalidInputError(
            f"The export to {to} needs the package {missing[0]}, which is not installed. "
            f'Install it with pip install "napari-isr[{_EXTRA[to]}]".'
        )


def _open(model: str | Path | ImageModel) -> tuple[ModelDescription, Weights, Path | None]:
    """Return what a model is made of, and its file if it lies in one."""
    if isinstance(model, str | os.PathLike):
        file = find_model(model)
        description = describe_model(model)
        return description, read_weights(file, description.network), file
    if not getattr(model, "is_as_built", False):
        raise InvalidInputError(
            "A network whose model was replaced by hand cannot be exported: its settings no "
            f"longer say what it is. Received: {model!r}."
        )
    return model.description, weights_in(model), None


def _target(path: str | Path | None, name: str, to: Target) -> Path:
    """Return the path with the ending that the format has."""
    # A name of a file's model may hold what no file name can.
    usual = re.sub(r"[^\w .+-]", "-", name).strip() + _ENDINGS[to]
    if path is None:
        return Path(usual)
    path = Path(os.path.expanduser(path))
    if path.is_dir():
        return path / usual
    ending = ".zip" if to == "bioimageio" else _ENDINGS[to]
    return path if path.suffix.lower() == ending else path.with_name(path.name + _ENDINGS[to])


def _files_of(path: Path, to: Target) -> Iterable[Path]:
    """Return the files that an export consists of, the one that counts last."""
    return (path.with_suffix(".bin"), path) if to == "openvino" else (path,)


def _write(path: Path, to: Target, write: Callable[[Path], None]) -> None:
    """Let write under a temporary name, and rename what is complete."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".exporting-") as folder:
            temporary = Path(folder) / path.name
            write(temporary)
            flush_to_disk(Path(folder))
            for file in _files_of(path, to):
                os.replace(temporary.with_name(file.name), file)


def _write_openvino(description: ModelDescription, weights: Weights, path: Path) -> None:
    """Write a network and read it back, in case that not all of it was written."""
    import openvino

    try:
        openvino.serialize(as_openvino(description, weights), path)
        openvino.Core().read_model(path)
    except RuntimeError as error:
        needed = sum(values.nbytes for values in weights.values())
        is_full = shutil.disk_usage(path.parent).free < needed
        number = errno.ENOSPC if is_full else errno.EIO
        raise OSError(number, f"OpenVINO says: {reason_of(error)}") from error
