"""The user's own models: a folder of model files whose names join the named models. Free of Keras.

The environment variable ``NAPARI_ISR_MODELS`` names another folder than the usual one of the
platform.
"""

from __future__ import annotations

import os
import re
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from src_models.errors import InvalidInputError, ModelFileError
from src_models.models.description import MEMBER, read_description
from src_models.models.onnx_files import describe_onnx, keep_onnx
from src_models.models.onnx_graph import ONNX_ARCHIVE, is_onnx
from src_models.models.published import BUNDLED, PUBLISHED

_VARIABLE = "NAPARI_ISR_MODELS"
# What every file system takes, and no shell or combo box stumbles over.
_NAME = re.compile(r"\w(?:[\w .+-]{0,62}\w)?")


def user_model_folder() -> Path:
    """Return the folder of the user's models, which need not exist yet."""
    chosen = os.environ.get(_VARIABLE)
    return Path(chosen).expanduser() if chosen else user_data_path("napari-isr", False) / "models"


def user_models() -> dict[str, Path]:
    """Return the files of the user's models by name, sorted."""
    folder = user_model_folder()
    try:
        found = {
            path.name.removesuffix(ending): path
            for ending in (ONNX_ARCHIVE, ".keras")
            for path in folder.glob(f"*{ending}")
        }
    except OSError:  # a folder that may not be listed offers nothing
        return {}
    return dict(sorted(found.items()))


def check_model_name(name: str) -> str:
    """Return a name without the blanks around it.

    Raises
    ------
    InvalidInputError
        If a file cannot have it, or a bundled or published model has it.
    """
    if not isinstance(name, str):
        raise InvalidInputError(f"The name of a model is a text. Received: name={name!r}.")
    stripped = name.strip()
    if not _NAME.fullmatch(stripped):
        raise InvalidInputError(
            "The name of a model has 1 to 64 letters, digits, blanks and any of . + - _, and "
            f"begins and ends with a letter or digit. Received: {name!r}."
        )
    if stripped in BUNDLED or stripped in PUBLISHED:
        raise InvalidInputError(
            f"The name must not be that of a model that everybody has. Received: {name!r}. Choose "
            "another one."
        )
    return stripped


def add_user_model(
    source: str | Path, name: str, *, summary: str = "", training: Mapping[str, Any] | None = None
) -> Path:
    """Copy a model file into the folder of the user's models, under a new name.

    Parameters
    ----------
    source : str or Path
        The model file, or an ONNX file; it is left as it is.
    name : str
        For the model and its file.
    summary : str
        What the model is for; as in the source if empty.
    training : mapping, optional
        Fields to add to the record of the training.

    Returns
    -------
    Path
        The new file. It is complete or not there at all.

    Raises
    ------
    InvalidInputError
        If the name does not fit.
    ModelFileError
        If the source is no model file, or an ONNX file that cannot be used, there is a model of
        the name, or the file cannot be written.
    """
    name = check_model_name(name)
    source = Path(source)
    foreign = is_onnx(source)
    description = describe_onnx(source) if foreign else read_description(source)
    description = replace(
        description,
        name=name,
        summary=summary or description.summary,
        training={**description.training, **(training or {})},
    )
    target = user_model_folder() / f"{name}{ONNX_ARCHIVE if foreign else '.keras'}"
    if name in (there := user_models()):
        raise ModelFileError(
            f"There is a model {name!r} already: choose another name, or delete "
            f"{str(there[name])!r}."
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".saving-") as folder:
            temporary = Path(folder) / target.name
            if foreign:
                keep_onnx(source, temporary, description)
            else:
                _copy_described(source, temporary, description.to_json())
            os.replace(temporary, target)
    except OSError as error:
        raise ModelFileError(
            f"The model cannot be written to {str(target)!r} ({error}): make room there, or name "
            f"another folder in {_VARIABLE}."
        ) from error
    return target


def _copy_described(source: Path, target: Path, description: str) -> None:
    """Copy the members of a model file, with another description."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.infolist():
            if member.filename != MEMBER:
                new.writestr(member, old.read(member))
        new.writestr(MEMBER, description)
