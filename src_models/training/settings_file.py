"""A training in a TOML file: the model, its network, the folders of images, the settings.

::

    [model]
    name = "cells-x2"            # under which it joins the named models
    start_from = "microscopy-x2" # or a [network]
    [network]
    scale = 2
    [data]
    high = "images"              # high-resolution images; relative to the file
    [training]                   # of TrainingSettings
    epochs = 50
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from src_models.errors import InvalidInputError
from src_models.models.config import NetworkConfig, RDNConfig, RRDNConfig
from src_models.models.description import Intensity
from src_models.models.user_models import check_model_name, user_models
from src_models.training.settings import TrainingSettings, complaint

if TYPE_CHECKING:
    from src_models.networks.image_model import ImageModel
    from src_models.training.trainer import Trainer

_STRICT = {"extra": "forbid"}
_FEATURES = (5, 9)  # block2_conv2 and block3_conv3, as ISR
# An RDN carries two signed copies of the interpolated image through its 32 last filters.
_MOST_PHASES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSection:
    """What the model is called and begins with.

    Attributes
    ----------
    name : str
        Under which it joins the named models.
    summary : str
        What it is for, in a sentence.
    start_from : str or None
        A named model or a model file to go on from; None for a new network.
    intensity : {"measured", "8-bit"}
        As in `ModelDescription`; of a new network.
    folder : str or None
        For checkpoint, models and curves; ``NAME-training`` beside the file if None.
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = _STRICT

    name: str
    summary: str = ""
    start_from: str | None = None
    intensity: Intensity = "measured"
    folder: str | None = None

    def __post_init__(self) -> None:
        check_model_name(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSection:
    """A new network: an RDN, or an RRDN if T is given; symbols as in `src_models.models.config`.

    Attributes
    ----------
    scale, channels : int
        Output pixels per input pixel along each axis; image channels.
    C, D, G, G0 : int
        Convolutions in a block, blocks, growth rate, features.
    T : int or None
        Blocks of blocks, of an RRDN.
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = _STRICT

    scale: int = 2
    channels: int = 1
    C: int = 3
    D: int = 4
    G: int = 16
    G0: int = 32
    T: int | None = None

    def __post_init__(self) -> None:
        self.config()

    def config(self) -> NetworkConfig:
        """Return the network's settings, checked."""
        shared = {"C": self.C, "D": self.D, "G": self.G, "G0": self.G0}
        size = {"x": self.scale, "c_dim": self.channels}
        if self.T is not None:
            return RRDNConfig(**shared, **size, T=self.T)
        if self.channels * self.scale**2 > _MOST_PHASES:
            raise InvalidInputError(
                f"An RDN of {self.channels} channels cannot start at scale {self.scale}: give T "
                f"in [network], for an RRDN. Received: {shared}."
            )
        return RDNConfig(**shared, **size, upscaling="shuffle")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSection:
    """Folders of images, relative to the settings file.

    Attributes
    ----------
    high, low : str
        To learn from. Without `low` the low-resolution side is made from `high`, as
        ``[training.data]`` says.
    high_validation, low_validation : str, optional
        To judge with; without them a part of the others is held out.
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = _STRICT

    high: str
    low: str | None = None
    high_validation: str | None = None
    low_validation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFile:
    """What a settings file says.

    Attributes
    ----------
    model, network, data
        Its sections.
    training : TrainingSettings
        Its section ``[training]``.
    base : Path
        The folder that paths in it start from.
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = _STRICT

    model: ModelSection
    data: DataSection
    network: NetworkSection | None = None
    training: TrainingSettings = field(default_factory=TrainingSettings)
    base: Path = Path()

    @property
    def folder(self) -> Path:
        """Where the training is kept."""
        return self.path(self.model.folder or f"{self.model.name}-training")

    def path(self, text: str) -> Path:
        """Return a path of the file's."""
        return self.base / Path(text).expanduser()

    @property
    def is_begun(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return any(self.folder.rglob("checkpoint.npz"))


def read_training_file(path: str | Path) -> TrainingFile:
    """Read and check a settings file; no image is read.

    Parameters
    ----------
    path : str or Path
        TOML with the sections ``[model]``, ``[network]``, ``[data]`` and ``[training]``.

    Raises
    ------
    InvalidInputError
        If it cannot be read, or says something that does not fit; the message names the place.
    """
    from pydantic import TypeAdapter, ValidationError

    path = Path(path).expanduser()
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInputError(
            f"The settings file {str(path)!r} cannot be read ({error.strerror}): check the path."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError(
            f"{path.name!r} is not a TOML file: {error}. Mend that line."
        ) from error
    try:
        file = TypeAdapter(TrainingFile).validate_python({"base": path.parent, **values})
    except ValidationError as error:
        raise InvalidInputError(f"{path.name!r}: {_complaint(error.errors()[0])}") from error
    return _checked(replace(file, base=path.parent), path.name)


def _complaint(error: Mapping[str, Any]) -> str:
    """Say in our words what pydantic found, as whoever writes the file knows it."""
    where = [str(part) for part in error["loc"]]
    section, key = f"[{'.'.join(where[:-1])}]", where[-1]
    known = ", ".join(f"[{part.name}]" for part in fields(TrainingFile) if part.name != "base")
    if error["type"] == "missing":
        received = ", ".join(name for name in error["input"] if name != "base") or "nothing"
        if len(where) == 1:
            return f"There must be a section [{key}]. Received: {received}. Add it."
        return f"{section} must say {key!r}. Received: {received}. Add a line {key} = ..."
    if len(where) == 1 and error["type"] in ("unexpected_keyword_argument", "dataclass_type"):
        return (
            f"It must say all in the sections {known}. Received: {key!r}. Correct the name, or "
            "move it."
        )
    if error["type"] == "unexpected_keyword_argument":
        return (
            f"There is no {key!r} in {section}. Received: {error['input']!r} for it. Leave it out."
        )
    return complaint(error)


def _checked(file: TrainingFile, name: str) -> TrainingFile:
    if file.network is not None and file.model.start_from is not None:
        raise InvalidInputError(
            f"{name!r}: a model either starts from another one or has a [network] of its own. "
            "Received: both. Leave out start_from or [network]."
        )
    if file.model.name in user_models():
        raise InvalidInputError(
            f"{name!r}: there is a model {file.model.name!r} already. Choose another name, or "
            f"remove it: napari-isr models remove {file.model.name}."
        )
    return file


def make_trainer(file: TrainingFile) -> Trainer:
    """Build the network and open the images of a settings file.

    Raises
    ------
    SuperResolutionError
        If the model cannot be read, or there is nothing to train on.
    """
    from src_models.networks.discriminator import Discriminator
    from src_models.networks.vgg19 import Cut_VGG19
    from src_models.training.trainer import Trainer

    generator = _network(file)
    loss, size = file.training.loss, file.training.patch.size * generator.scale
    judge = extractor = None
    if loss.adversarial_weight:
        judge = Discriminator(size, c_dim=generator.c_dim)
    if loss.perceptual_weight:
        extractor = Cut_VGG19(size, _FEATURES, c_dim=generator.c_dim)
    data = file.data
    folders = (data.low, data.high, data.low_validation, data.high_validation)
    low, high, low_valid, high_valid = (None if f is None else file.path(f) for f in folders)
    return Trainer(
        generator,
        judge,
        extractor,
        low,
        high,
        low_valid,
        high_valid,
        settings=file.training,
        log_dirs={"logs": file.folder / "logs", "weights": file.folder},
    )


def _network(file: TrainingFile) -> ImageModel:
    from src_models.models.description import ModelDescription
    from src_models.networks.initialization import start_as_interpolation
    from src_models.networks.model_files import load_model, new_model

    model = file.model
    if model.start_from is not None:
        beside = file.path(model.start_from)
        network: ImageModel = load_model(beside if beside.is_file() else model.start_from)
        network.describe(training={})
    else:
        config = (file.network or NetworkSection()).config()
        network = new_model(ModelDescription(name=model.name, config=config))
        start_as_interpolation(network, file.training.seed)
        network.describe(intensity=model.intensity)
    network.describe(name=model.name)
    if model.summary:
        network.describe(summary=model.summary)
    return network
