"""What a training is asked for, free of Keras: the network's size, the images, how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from src_models.errors import InvalidInputError, SuperResolutionError
from src_models.models.config import NetworkConfig, RDNConfig, RRDNConfig
from src_models.models.description import ModelDescription, read_description
from src_models.models.registry import find_model
from src_models.training.collect import collect_images
from src_models.training.image_files import list_images, read_planes
from src_models.training.image_set import DataReport
from src_models.training.patches import ValidationPatch, fixed_patches
from src_models.training.settings import TrainingSettings
from src_models.training.sources import Source

if TYPE_CHECKING:
    import napari.layers

Goal = Literal["faithful", "sharp"]
_SHOWN = 3
# An RDN carries two signed copies of the interpolated image through its 32 last filters.
_MOST_PHASES = 16


@dataclass(frozen=True)
class Size:
    """A network to start from scratch with.

    Attributes
    ----------
    words : str
        For whom it is.
    rdn, rrdn : dict
        Its settings; the second where an RDN cannot start as interpolation.
    learning_rate : float
        What it is trained with at first.
    steps : int
        Steps between two validations.
    """

    words: str
    rdn: dict[str, int]
    rrdn: dict[str, int]
    learning_rate: float
    steps: int


SIZES: Mapping[str, Size] = MappingProxyType(
    {
        "small": Size(
            "to try things out, and for few images",
            {"C": 2, "D": 2, "G": 8, "G0": 16},
            {"C": 2, "D": 1, "T": 2, "G": 8, "G0": 16},
            1e-3,
            100,
        ),
        "medium": Size(
            "about the size of the bundled models; half an hour to hours on a processor",
            {"C": 3, "D": 4, "G": 16, "G0": 32},
            {"C": 3, "D": 2, "T": 2, "G": 16, "G0": 32},
            1e-3,
            100,
        ),
        "large": Size(
            "for many images and a graphics card, or a night",
            {"C": 4, "D": 6, "G": 32, "G0": 64},
            {"C": 4, "D": 3, "T": 3, "G": 32, "G0": 64},
            4e-4,
            50,
        ),
    }
)
FINE_TUNING_RATE = 1e-4


@dataclass(frozen=True, eq=False)
class LayerSnapshot:
    """Pixels of a layer, taken when the work starts: the layer may change or go meanwhile.

    Attributes
    ----------
    name : str
        The layer's.
    data : array-like
        Never copied, never written; of a multiscale layer the finest level.
    rgb : bool
        Whether the last dimension holds colours.
    """

    name: str
    data: Any
    rgb: bool

    @classmethod
    def of(cls, layer: napari.layers.Image) -> LayerSnapshot:
        """Take an image layer."""
        return cls(str(layer.name), layer.data[0] if layer.multiscale else layer.data, layer.rgb)


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """A training as asked for.

    Attributes
    ----------
    hr, lr
        Images to learn from: a folder or a list of `LayerSnapshot`; `lr` is None to make the
        low-resolution side.
    model : str, Path or None
        The model to go on from; None to start from scratch.
    size : str
        One of `SIZES`, from scratch.
    scale : int
        From scratch.
    channels : int or None
        From scratch; None for 3 if all images are RGB, else 1.
    goal : {"faithful", "sharp"}
        Close to the truth; or, after that, like it to the eye.
    settings : TrainingSettings
        Of the faithful phase, with the whole time.
    folder : Path
        For checkpoints, models and curves; of this training alone.
    more : bool
        Whether to go on in `folder` for the same time again.
    epochs_before : int
        How many epochs there have been in the phase to go on with.
    """

    hr: Source
    lr: Source | None
    model: str | Path | None
    size: str
    scale: int
    channels: int | None
    goal: Goal
    settings: TrainingSettings
    folder: Path
    more: bool = False
    epochs_before: int = 0

    def continued(self, epochs: int) -> TrainingJob:
        """Return the job of training on after so many epochs of the last phase."""
        return replace(self, more=True, epochs_before=epochs)

    def describe(self) -> ModelDescription:
        """Describe the network to train; may read an image to count its channels.

        Raises
        ------
        SuperResolutionError
            If there are no images, or the model cannot be read.
        """
        if self.model is not None:
            return read_description(find_model(self.model))
        channels = self.channels or count_channels(self.hr)
        config = scratch_config(self.size, self.scale, channels)
        return ModelDescription(name="new", config=config, intensity="measured")


@dataclass(frozen=True, eq=False)
class Checked:
    """What was found in the images.

    Attributes
    ----------
    report : DataReport
        What can be used, what not, and what looks odd.
    patches : list of ValidationPatch
        A few pairs to look at.
    description : ModelDescription
        Of the network that would be trained.
    """

    report: DataReport
    patches: list[ValidationPatch]
    description: ModelDescription


def check_images(job: TrainingJob) -> Checked:
    """Open, pair and check the images of a job.

    Raises
    ------
    SuperResolutionError
        If nothing can be used; the message says why for each image.
    """
    description, settings = job.describe(), job.settings
    images, report = collect_images(
        job.lr, job.hr, description, settings.data, least_size=settings.patch.size
    )
    patches = fixed_patches(images, _SHOWN, settings.validation.size, settings.seed)
    return Checked(report, patches, description)


def scratch_config(size: str, scale: int, channels: int) -> NetworkConfig:
    """Return the network of a size.

    Raises
    ------
    InvalidInputError
        If there is no such size, or scale or channels do not fit.
    """
    if size not in SIZES:
        raise InvalidInputError(f"size must be one of {list(SIZES)}. Received: {size!r}.")
    rdn = RDNConfig(**SIZES[size].rdn, x=scale, c_dim=channels, upscaling="shuffle")
    if rdn.c_dim * rdn.x**2 > _MOST_PHASES:
        return RRDNConfig(**SIZES[size].rrdn, x=scale, c_dim=channels)
    return rdn


def count_channels(images: Source) -> int:
    """Return 3 if all layers, or the first readable file of a folder, are RGB; else 1."""
    if isinstance(images, str | Path):
        return _channels_of_folder(Path(images).expanduser())
    sources = images if isinstance(images, list | tuple) else [images]
    return 3 if sources and all(getattr(image, "rgb", False) for image in sources) else 1


def _channels_of_folder(folder: Path) -> int:
    if folder.is_dir():
        for path in list_images(folder):
            try:
                return 3 if read_planes(path).shape[-1] == 3 else 1
            except SuperResolutionError:
                continue
    return 1
