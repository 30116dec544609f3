"""ONNX files of other people as models: opened, described, and kept in one file of ours.

The file kept is an archive with the network and our description, as our own model files, so that
it can be listed without opening the network. Free of Keras.
"""

from __future__ import annotations

import os
import zipfile
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from src_models.errors import InvalidInputError, ModelFileError
from src_models.models.description import MEMBER, ModelDescription, read_description
from src_models.models.onnx_config import OnnxConfig
from src_models.models.onnx_graph import (
    ONNX_MEMBER,
    Cost,
    complete_network,
    is_described,
    measure_cost,
    network_in,
)
from src_models.models.onnx_probe import Finding, UnsupportedNetworkError, probe

# Under which files that we exported carry our description (`src_models.export.portable`).
_KEY = "napari-isr"
# Nobody knows what a foreign network needs; the largest ones of ISR need so much.
_OVERLAP = 32


def check_onnxruntime() -> None:
    """Check that there is what runs ONNX files.

    Raises
    ------
    InvalidInputError
        If there is not; the message says what to install.
    """
    if find_spec("onnxruntime") is None or find_spec("onnx") is None:
        raise InvalidInputError(
            "A model from an ONNX file needs ONNX Runtime, which is not installed. Install it with "
            'pip install "napari-isr[onnx]", or choose another model.'
        )


def open_session(path: str | Path, **settings: Any) -> Any:
    """Open the network in a file with ONNX Runtime.

    Parameters
    ----------
    path : str or Path
        An ONNX file, or our archive with one in it.
    **settings
        Of ``onnxruntime.InferenceSession``.

    Raises
    ------
    ModelFileError
        If there is no such file, or ONNX Runtime cannot open it.
    InvalidInputError
        If ONNX Runtime is not installed.
    """
    check_onnxruntime()
    import onnxruntime

    path = Path(path)
    if not path.is_file():
        raise ModelFileError(
            f"There is no model file {str(path)!r}: check the path, or choose a named model."
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised as well
    # Its arena keeps whatever the largest batch took, for every session.
    options.enable_cpu_mem_arena = False
    try:
        return onnxruntime.InferenceSession(network_in(path), options, **settings)
    except ModelFileError:
        raise
    except Exception as error:  # ONNX Runtime's, of a dozen kinds
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelFileError(
            f"{path.name!r} cannot be opened as an ONNX file ({line}): copy the file again, with "
            "the files of weights that belong to it, or choose another model."
        ) from error


def describe_onnx(path: str | Path) -> ModelDescription:
    """Describe the network in an ONNX file; a foreign one is tried on small images.

    Parameters
    ----------
    path : str or Path
        An ONNX file, or our archive with one in it.

    Returns
    -------
    ModelDescription
        Its `config` is an `OnnxConfig`.

    Raises
    ------
    ModelFileError
        If there is no such file, it is damaged, or the network is no super-resolution network
        with one image in and one larger image out; the message says why.
    InvalidInputError
        If ONNX Runtime is not installed.
    """
    path = Path(os.path.expanduser(path))
    if is_described(path):
        return read_description(path)
    if not path.is_file():
        raise ModelFileError(
            f"There is no model file {str(path)!r}: check the path, or choose a named model."
        )
    stat = path.stat()
    return _describe(path.absolute(), stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=32)
def _describe(path: Path, _modified: int, _size: int) -> ModelDescription:
    session = open_session(path, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    told = _told(metadata)
    try:
        found = probe(session, None if told is None else 1)
    except UnsupportedNetworkError as refusal:
        raise ModelFileError(
            f"The network in {path.name!r} cannot be used: it {refusal}. Choose the ONNX file of a "
            "network that makes one image larger by a whole number, such as 2 or 4."
        ) from refusal
    border = metadata.get("border", "")
    known = int(border) if border.isdecimal() else 0
    return _described(path.stem, found, _cost(path, found), told, known)


def _cost(path: Path, found: Finding) -> Cost:
    """Return the cost per input pixel."""
    pixels = found.height * found.width
    plane = (found.height, found.width)
    shape = (1, found.channels, *plane) if found.layout == "NCHW" else (1, *plane, found.channels)
    parameters, operations, features = measure_cost(path, shape)
    if operations < parameters * pixels:  # the graph does not tell; a convolution takes twice that
        operations = 2 * parameters * pixels
    return Cost(parameters, max(operations // pixels, 1), max(features // pixels, 16))


def _told(metadata: dict[str, str]) -> ModelDescription | None:
    """Return our own description, if we exported the file."""
    try:
        return ModelDescription.from_json(metadata[_KEY])
    except (KeyError, InvalidInputError):
        return None


def _described(
    name: str, found: Finding, cost: Cost, told: ModelDescription | None, border: int
) -> ModelDescription:
    rows, columns = (
        size if fixed else 0
        for size, fixed in zip((found.height, found.width), found.is_fixed, strict=True)
    )
    facts: dict[str, Any] = {
        "x": found.scale,
        "c_dim": found.channels,
        "layout": found.layout,
        "data_range": found.data_range,
        "num_parameters": cost.parameters,
        "operations_per_pixel": cost.operations,
        "features": cost.features,
        "multiple": found.multiple,
        "fixed_height": rows,
        "fixed_width": columns,
    }
    if told is None or told.scale != found.scale or told.channels != found.channels:
        least = min(found.height, found.width)
        config = OnnxConfig(least=least, **facts)
        summary = "From an ONNX file."
        return ModelDescription(name=name, config=config, overlap=_OVERLAP, summary=summary)
    # Our own files do by themselves what is to be done at the border.
    radius = told.config.receptive_radius
    return ModelDescription(
        name=told.name,
        config=OnnxConfig(least=border + 1, receptive_radius=radius, **facts),
        intensity=told.intensity,
        overlap=told.overlap,
        border="bare",
        summary=told.summary,
        training=told.training,
    )


def keep_onnx(source: Path, target: Path, description: ModelDescription) -> None:
    """Write our archive: the network of an ONNX file, complete, with a description."""
    network = network_in(source) if is_described(source) else complete_network(source)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(ONNX_MEMBER, network)
        archive.writestr(MEMBER, description.to_json())
