"""What the Train widget's choices mean: whether they fit together, and what they would cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from napari_isr.widgets.train.job import (
    FINE_TUNING_RATE,
    SIZES,
    Goal,
    TrainingJob,
    count_channels,
    scratch_config,
)
from src_models.engines.timing import estimate_seconds, in_words
from src_models.errors import InvalidInputError
from src_models.images.degradation import Degradation, DegradationName
from src_models.models.config import NetworkConfig
from src_models.models.description import ModelDescription
from src_models.models.user_models import user_model_folder
from src_models.training.image_files import list_images
from src_models.training.settings import (
    DataSettings,
    Flatness,
    LearningRate,
    PatchSettings,
    TrainingSettings,
    ValidationSettings,
)
from src_models.training.sources import Source

USUAL_PATCH, USUAL_BATCH = 32, 16
# A step is a pass forward and about twice its work backward.
_PASSES = 3
_WITHOUT_END = 100_000
_WARM_UP = 50
_VALIDATION = ValidationSettings(patches=8, size=64)
_VALIDATION_SHARE = 0.15

_GOALS = {
    "faithful": "Faithful: as close to the truth as can be; invents the least.",
    "sharp": "Sharp: a faithful phase, then one that pleases the eye and invents detail; not for "
    "measuring.",
}


@dataclass(frozen=True, kw_only=True)
class TrainChoices:
    """What is chosen in the form.

    Attributes
    ----------
    images, low : folder, list of TakenLayer, or None
        High- and low-resolution side; None where nothing is chosen.
    is_paired : bool
        Whether there are images of the low-resolution side.
    model : str or None
        Name or path of the model to go on from; None from scratch.
    description : ModelDescription or None
        Of that model.
    size, scale, channels
        From scratch, as in `TrainingJob`.
    goal : {"faithful", "sharp"}
        As in `TrainingJob`.
    minutes, epochs
        How long to train; `epochs` counts if it is not None.
    degradation : str
        How the low-resolution side is made.
    patch, batch : int
        Low-resolution pixels along an axis, and patches in a step.
    steps : int or None
        In an epoch; None for what suits the size.
    learning_rate : float or None
        Likewise.
    flips : bool
        Whether patches are mirrored and turned.
    flatness : float
        Least detail of a patch.
    correct_shifts : bool
        Whether shifts between the sides of a pair are corrected.
    bin_low : int
        Pixels of the low-resolution side to average first, along an axis.
    """

    images: Source | None
    low: Source | None = None
    is_paired: bool = False
    model: str | None = None
    description: ModelDescription | None = None
    size: str = "small"
    scale: int = 2
    channels: int | None = None
    goal: Goal = "faithful"
    minutes: float = 10.0
    epochs: int | None = None
    degradation: DegradationName = "bicubic"
    patch: int = USUAL_PATCH
    batch: int = USUAL_BATCH
    steps: int | None = None
    learning_rate: float | None = None
    flips: bool = True
    flatness: float = 0.0
    correct_shifts: bool = False
    bin_low: int = 1


@dataclass(frozen=True)
class TrainPlan:
    """The choices in words.

    Attributes
    ----------
    image_complaint, low_complaint, model_complaint : str
        What keeps the training from starting.
    model_words, goal_words, cost : str
        What would be trained, and what it takes.
    """

    image_complaint: str = ""
    low_complaint: str = ""
    model_complaint: str = ""
    model_words: str = ""
    goal_words: str = ""
    cost: str = ""

    @property
    def is_possible(self) -> bool:
        """Whether it can be started."""
        return not (self.image_complaint or self.low_complaint or self.model_complaint)


def check_choices(choices: TrainChoices) -> TrainPlan:
    """Check the choices against each other; never raises, and reads no pixels."""
    image_complaint = _complaint_about(choices.images, "high")
    low_complaint = ""
    if choices.is_paired:
        low_complaint = _complaint_about(choices.low, "low") or _complaint_about_pairs(choices)
    model_complaint = model_words = cost = ""
    if choices.model is not None and choices.description is None:
        model_complaint = "Choose a model file that napari-isr saved, or start from scratch."
    else:
        config = _config(choices)
        model_words = _model_in_words(choices, config)
        cost = _cost_in_words(choices, config)
    return TrainPlan(
        image_complaint,
        low_complaint,
        model_complaint,
        model_words,
        _GOALS[choices.goal],
        cost,
    )


def make_job(choices: TrainChoices, folder: Path) -> TrainingJob:
    """Return the training that the choices ask for.

    Raises
    ------
    InvalidInputError
        If they do not fit.
    """
    plan = check_choices(choices)
    if choices.images is None or not plan.is_possible:
        complaints = (plan.image_complaint, plan.low_complaint, plan.model_complaint)
        raise InvalidInputError(" ".join(complaints).strip())
    return TrainingJob(
        hr=choices.images,
        lr=choices.low if choices.is_paired else None,
        model=choices.model,
        size=choices.size,
        scale=choices.scale,
        channels=choices.channels,
        goal=choices.goal,
        settings=make_settings(
            choices.size if choices.model is None else None,
            minutes=choices.minutes,
            epochs=choices.epochs,
            degradation=choices.degradation,
            patch=PatchSettings(
                size=choices.patch,
                flips=choices.flips,
                turns=choices.flips,
                flatness=Flatness(min=choices.flatness),
            ),
            batch=choices.batch,
            steps=choices.steps,
            learning_rate=choices.learning_rate,
            correct_shifts=choices.correct_shifts,
            bin_low=choices.bin_low,
        ),
        folder=folder,
    )


def make_settings(
    size: str | None,
    *,
    minutes: float = 10.0,
    epochs: int | None = None,
    degradation: DegradationName = "bicubic",
    patch: PatchSettings | None = None,
    batch: int = USUAL_BATCH,
    steps: int | None = None,
    learning_rate: float | None = None,
    correct_shifts: bool = False,
    bin_low: int = 1,
) -> TrainingSettings:
    """Return the settings of a training; `size` is None to go on from a model.

    Raises
    ------
    InvalidInputError
        If one does not fit.
    """
    if epochs is None and (isinstance(minutes, bool) or not isinstance(minutes, int | float)):
        raise InvalidInputError(f"minutes must be a number. Received: minutes={minutes!r}.")
    usual = FINE_TUNING_RATE if size is None else SIZES[size].learning_rate
    rate = LearningRate(
        initial=learning_rate or usual, decay="cosine", warmup_steps=_WARM_UP, minimum=1e-6
    )
    return TrainingSettings(
        epochs=_WITHOUT_END if epochs is None else epochs,
        seconds=minutes * 60 if epochs is None else None,
        steps_per_epoch=steps or SIZES[size or "small"].steps,
        batch_size=batch,
        jit_compile=False,
        learning_rate=rate,
        patch=patch or PatchSettings(size=USUAL_PATCH),
        data=DataSettings(
            degradations=(Degradation(name=degradation),),
            alignment="correct" if correct_shifts else "warn",
            bin_lr=bin_low,
            validation_share=_VALIDATION_SHARE,
        ),
        validation=_VALIDATION,
    )


def new_training_folder() -> Path:
    """Return a folder for one training, beside the user's models."""
    now = datetime.now().astimezone()
    return user_model_folder() / "trainings" / now.strftime("%Y-%m-%d_%H-%M-%S_%f")


def _complaint_about(images: Source | None, side: str) -> str:
    if images is None or (isinstance(images, list) and not images):
        return (
            f"Choose the {side}-resolution images: open layers, or a folder. To try it out, open "
            "one of File > Open Sample > napari-isr."
        )
    if isinstance(images, str | Path):
        folder = Path(images).expanduser()
        if not folder.is_dir():
            return f"{str(images)!r} is not a folder."
        if not list_images(folder):
            return f"{folder.name!r} holds no PNG, JPEG or TIFF files."
    return ""


def _complaint_about_pairs(choices: TrainChoices) -> str:
    images, low = choices.images, choices.low
    if not (isinstance(images, list) and isinstance(low, list)):
        return ""
    if len(images) != len(low):
        return (
            f"{len(images)} high- and {len(low)} low-resolution layers are chosen: they are paired "
            "in the order of the lists, so choose as many."
        )
    if {layer.name for layer in images} & {layer.name for layer in low}:
        return "A layer is chosen for both sides."
    return ""


def _config(choices: TrainChoices) -> NetworkConfig:
    if choices.description is not None:
        return choices.description.network
    is_list = isinstance(choices.images, list)
    channels = choices.channels or (count_channels(choices.images) if is_list else 1)
    return scratch_config(choices.size, choices.scale, channels)


def _model_in_words(choices: TrainChoices, config: NetworkConfig) -> str:
    if choices.description is not None:
        return choices.description.in_words
    return f"{config.num_parameters / 1000:,.0f} thousand weights: {SIZES[choices.size].words}."


def _cost_in_words(choices: TrainChoices, config: NetworkConfig) -> str:
    step = estimate_seconds(config, _PASSES * choices.batch * choices.patch**2)
    megapixel = estimate_seconds(config, 1_000_000)
    steps = choices.steps or SIZES[choices.size].steps
    if choices.epochs is None:
        length = f"{choices.minutes * 60 / max(step, 1e-6):,.0f} steps in that time"
    else:
        length = f"{in_words(step * steps * choices.epochs)} for {choices.epochs} epochs"
    return (
        f"Here, by a rough estimate: {length}; afterwards "
        f"{in_words(megapixel)} to upscale a megapixel."
    )
