"""What a training's thread does: networks made, one or two phases trained.

The library is imported in here, inside the functions that run in the thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_isr.bridge.garbage import frozen_gc
from napari_isr.widgets.train.job import TrainingJob
from src_models.errors import DownloadError, InvalidInputError
from src_models.models.description import ModelDescription
from src_models.training.events import TrainingControl, TrainingEvent, TrainingResult
from src_models.training.settings import LearningRate, LossSettings, TrainingSettings

if TYPE_CHECKING:
    from src_models.networks.image_model import ImageModel

_PREVIEW_SECONDS = 10.0
_FAITHFUL_SHARE = 0.6
# SRGAN's factors; ISR's are for features a hundred times smaller.
_SHARP = LossSettings(
    adversarial="relativistic", pixel_weight=0.1, perceptual_weight=0.006, adversarial_weight=0.001
)
_SHARP_WITHOUT_FEATURES = LossSettings(adversarial="relativistic", adversarial_weight=0.005)
_SHARP_RATE = 1e-4
_FEATURES = (5, 9)  # block2_conv2 and block3_conv3, as ISR

Tell = Callable[[TrainingEvent | str], None]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What came of a training.

    Attributes
    ----------
    model_file : Path
        The model to keep.
    reason : str
        Why it ended, as in `TrainingResult`.
    epochs : int
        Of the last phase.
    seconds : float
        Time spent.
    gain : float or None
        PSNR over that of bicubic in dB; None without validation.
    curve : list of dict
        Of the last phase, one point an epoch.
    report : str
        What was skipped of the images.
    trained_on : str
        The images in a few words.
    remark : str
        What was not as asked for; a sentence, or empty.
    """

    model_file: Path
    reason: str
    epochs: int
    seconds: float
    gain: float | None
    curve: list[dict[str, float]]
    report: str
    trained_on: str
    remark: str = ""


def run_job(job: TrainingJob, control: TrainingControl, tell: Tell) -> Trained:
    """Train; called in a thread of its own.

    Parameters
    ----------
    job : TrainingJob
        What to do.
    control : TrainingControl
        To pause and stop.
    tell : callable
        Called with every event, and with sentences about what is going on.

    Raises
    ------
    SuperResolutionError
        If it cannot be done.
    """
    tell("Starting. The first time in a session starts the backend, which takes some seconds …")
    generator = _make_generator(job)
    with frozen_gc():
        return _run_phases(generator, job, control, tell)


def _run_phases(
    generator: ImageModel, job: TrainingJob, control: TrainingControl, tell: Tell
) -> Trained:
    sharp_folder = job.folder / "sharp"
    is_sharp_begun = job.more and sharp_folder.exists()
    result = report = None
    remark = ""
    if not is_sharp_begun:
        share = _FAITHFUL_SHARE if job.goal == "sharp" else 1.0
        settings = _for_a_share(job, share, job.epochs_before)
        result, report = _train(generator, job, settings, job.folder / "faithful", control, tell)
    if job.goal == "sharp" and not control.is_stopped:
        before = job.epochs_before if is_sharp_begun else 0
        settings = _for_a_share(job, 1 - _FAITHFUL_SHARE, before)
        result, report, remark = _train_sharp(generator, job, settings, sharp_folder, control, tell)
    assert result is not None
    assert report is not None
    return replace(_as_trained(result, job, report), remark=remark)


def _make_generator(job: TrainingJob) -> ImageModel:
    description = job.describe()
    from src_models.networks.initialization import start_as_interpolation
    from src_models.networks.model_files import load_model, new_model

    if job.model is not None:
        generator: ImageModel = load_model(job.model)  # not the cached one: this one is changed
        generator.describe(training={})
        return generator
    generator = new_model(description)
    start_as_interpolation(generator, job.settings.seed)
    return generator


def _for_a_share(job: TrainingJob, share: float, epochs_before: int) -> TrainingSettings:
    settings = job.settings
    seconds = None if settings.seconds is None else settings.seconds * share
    epochs = max(1, round(settings.epochs * share)) + epochs_before
    return replace(settings, epochs=epochs, seconds=seconds)


def _train(
    generator: ImageModel,
    job: TrainingJob,
    settings: TrainingSettings,
    folder: Path,
    control: TrainingControl,
    tell: Tell,
    **judges: Any,
) -> tuple[TrainingResult, Any]:
    from src_models.training.trainer import Trainer

    tell("Reading the images …")
    trainer = Trainer(
        generator,
        lr_train_dir=job.lr,
        hr_train_dir=job.hr,
        settings=settings,
        log_dirs={"logs": folder / "logs", "weights": folder},
        **judges,
    )
    tell("Compiling the network …")
    run = trainer.prepare()
    result = run.run(control=control, on_event=tell, preview_every=_PREVIEW_SECONDS)
    return result, trainer.images.report


def _train_sharp(
    generator: ImageModel,
    job: TrainingJob,
    settings: TrainingSettings,
    folder: Path,
    control: TrainingControl,
    tell: Tell,
) -> tuple[TrainingResult, Any, str]:
    discriminator, extractor, remark = _judges(generator.description, settings.patch.size)
    tell(remark or "The sharp phase begins.")
    losses = _SHARP if extractor is not None else _SHARP_WITHOUT_FEATURES
    rate = LearningRate(initial=_SHARP_RATE, decay="cosine")
    settings = replace(settings, loss=losses, learning_rate=rate)
    result, report = _train(
        generator,
        job,
        settings,
        folder,
        control,
        tell,
        discriminator=discriminator,
        feature_extractor=extractor,
    )
    return result, report, remark


def _judges(description: ModelDescription, patch: int) -> tuple[Any, Any, str]:
    """Return the discriminator, VGG19's features if they can be had, and what to say of it."""
    size, channels = patch * description.scale, description.channels
    from src_models import Cut_VGG19, Discriminator

    discriminator = Discriminator(size, c_dim=channels)
    try:
        extractor = Cut_VGG19(size, list(_FEATURES), c_dim=channels)
    except (DownloadError, InvalidInputError) as error:
        reason = str(error).splitlines()[0]
        return discriminator, None, f"Trained without VGG19's features. {reason}"
    return discriminator, extractor, ""


def _as_trained(result: TrainingResult, job: TrainingJob, report: Any) -> Trained:
    # A sharper answer scores less: there the best is the last.
    files = (result.last_model, result.best_model)
    file = next(f for f in (files if job.goal == "sharp" else files[::-1]) if f is not None)
    gains = [point["val_gain"] for point in result.curve if "val_gain" in point]
    gain = None if not gains else gains[-1] if job.goal == "sharp" else max(gains)
    planes = "1 image" if report.used == 1 else f"{report.used} images"
    measured = "" if gain is None else f", {gain:+.1f} dB PSNR against bicubic on parts held out"
    return Trained(
        model_file=file,
        reason=result.reason,
        epochs=result.epochs,
        seconds=result.seconds,
        gain=gain,
        curve=result.curve,
        report=report.in_words,
        trained_on=f"{planes} of your own{measured}",
    )
