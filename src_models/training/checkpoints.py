"""The whole state of a training in one file, written all or nothing."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from src_models.errors import TrainingError
from src_models.training.training_folder import write_atomically

FILE_NAME = "checkpoint.npz"
_FORMAT = 1


@dataclass(kw_only=True)
class TrainingState:
    """How far a training is.

    Attributes
    ----------
    epoch : int
        Number of epochs done. Patches, noise and places follow from it and the seed, so this is
        the random state as well.
    seconds : float
        Time spent.
    curve : list of dict
        One point an epoch: losses, learning rate and scores.
    rate_factor : float
        What the learning rate is multiplied by; halved whenever an epoch had to be undone.
    best : dict
        Best value of each monitored metric so far.
    scores : list of dict
        Of every validation patch at the last validation.
    settings : dict
        Settings of the training, for the record.
    network : dict
        Configuration of the generator, to refuse another one.
    images : str
        What `TrainingImages.identity` of its images is, to refuse others.
    begun_from : str
        Which weights it was begun from, if from given ones.
    """

    epoch: int = 0
    seconds: float = 0.0
    rate_factor: float = 1.0
    curve: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, float] = field(default_factory=dict)
    scores: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)
    images: str = ""
    initial_weights: str = ""


def save_checkpoint(
    folder: Path, state: TrainingState, variables: dict[str, Sequence[Any]]
) -> Path:
    """Write a checkpoint.

    Parameters
    ----------
    folder : Path
        It has one checkpoint, the newest.
    state : TrainingState
        How far the training is.
    variables : dict of str to sequence of keras.Variable
        Of generator, discriminator and optimizer.

    Raises
    ------
    OSError
        If there is no room; the previous checkpoint is untouched then.
    """
    arrays: dict[str, Any] = {
        f"{owner}/{number}": np.asarray(variable)
        for owner, owned in variables.items()
        for number, variable in enumerate(owned)
    }
    record = json.dumps({"format": _FORMAT, **state.__dict__})
    arrays["state"] = np.frombuffer(record.encode(), np.uint8)
    buffer = BytesIO()
    np.savez(buffer, **arrays)
    path = folder / FILE_NAME
    write_atomically(path, buffer.getvalue())
    return path


def load_checkpoint(folder: Path) -> tuple[TrainingState, dict[str, Any]] | None:
    """Read a checkpoint.

    Returns
    -------
    tuple or None
        State and arrays by name; None where there is no checkpoint.

    Raises
    ------
    TrainingError
        If the file is damaged.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        record = json.loads(arrays.pop("state").tobytes())
        record.pop("format")
        return TrainingState(**record), arrays
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise TrainingError(
            f"The checkpoint {str(path)!r} is damaged ({error}): copy it again, or remove it to "
            "begin anew. The models beside it can still be loaded."
        ) from error


def restore_variables(arrays: dict[str, Any], variables: dict[str, Sequence[Any]]) -> None:
    """Put the arrays of a checkpoint back into variables.

    Raises
    ------
    TrainingError
        If they belong to other networks; nothing is changed then.
    """
    names = {f"{owner}/{i}": v for owner, owned in variables.items() for i, v in enumerate(owned)}
    fits = names.keys() == arrays.keys() and all(
        tuple(variable.shape) == arrays[name].shape for name, variable in names.items()
    )
    if not fits:
        raise TrainingError(
            "The checkpoint is of a training with other networks or losses: train into another "
            "folder, or begin anew with resume=False."
        )
    for name, variable in names.items():
        variable.assign(arrays[name])
