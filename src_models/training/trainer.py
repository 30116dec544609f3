"""ISR's face of training, in both its generations, and the same from settings."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from src_models.errors import InvalidInputError, ModelFileError
from src_models.networks.image_model import ImageModel
from src_models.networks.model_files import load_model
from src_models.training import isr_arguments as isr_settings
from src_models.training.collect import collect_images
from src_models.training.events import Listener, TrainingControl, TrainingResult
from src_models.training.image_set import TrainingImages, hold_out, match_gains
from src_models.training.run import TrainingRun
from src_models.training.settings import PatchSettings, TrainingSettings, ValidationSettings
from src_models.training.sources import Source

_USUAL_PATCH = 32


class Trainer:
    """Trains a network on images, with ISR's arguments or with `TrainingSettings`.

    Parameters
    ----------
    generator : RDN or RRDN
        The network to train, changed in place.
    discriminator : Discriminator, optional
        For the adversarial loss; its ``patch_size`` is the generator's times the scale.
    feature_extractor : Cut_VGG19, optional
        For the perceptual loss; likewise.
    lr_train_dir, hr_train_dir : folder, array, layer or list of arrays or layers
        The images to learn from. Without `lr_train_dir` the low-resolution side is made from the
        other one (``settings.data.degradations``).
    lr_valid_dir, hr_valid_dir : likewise, optional
        The images to judge with; without them a part of the others is held out.
    loss_weights : dict
        ``generator``, ``feature_extractor`` (or ``feat_extr``), ``discriminator``.
    losses : dict
        ``generator``: "mae", "mse" or "charbonnier"; ``discriminator``: "binary_crossentropy"
        (SRGAN's) or "relativistic" (ESRGAN's).
    dataname : str, optional
        Part of the name of the folders. Trained again with the same network, `dataname` and
        images, a training goes on where it stopped; with others it is refused.
    log_dirs : dict, or logs_dir and weights_dir : path
        For TensorBoard's files (``logs``), and for checkpoint, models and curves (``weights``);
        each training has a folder of its own in them.
    weights_generator, weights_discriminator : path, optional
        Where to take weights from before the first epoch.
    n_validation : int, optional
        Number of validation patches.
    learning_rate : float or dict, and lr_decay_factor, lr_decay_frequency
        The dictionary has ``initial_value``, ``decay_factor``, ``decay_frequency`` (epochs).
    flatness : dict, or T : float
        Least detail of patches: ``min``, ``max``, ``increase``, ``increase_frequency``.
    adam_optimizer : dict
        ``beta1``, ``beta2``, ``epsilon``, ``clip_norm``.
    metrics : dict
        ``{"generator": "PSNR_Y"}``: what the best model is best in.
    fallback_save_every_n_epochs : int
        How often the last model is written even if it is not the best.
    settings : TrainingSettings, optional
        What the arguments above do not say; what they do say wins.

    Raises
    ------
    InvalidInputError
        If a setting does not fit, or there is nothing to train on; the message lists why each
        image was skipped.
    ModelFileError
        If weights cannot be read.

    Attributes
    ----------
    images : TrainingImages
        What was found; ``images.report.in_words`` lists what is skipped.
    folder : Path
        Of this training.

    Examples
    --------
    >>> from src_models import RDN, Trainer
    >>> rdn = RDN({"C": 3, "D": 4, "G": 16, "G0": 32, "x": 2}, c_dim=1, patch_size=32)
    >>> trainer = Trainer(rdn, hr_train_dir="cells")  # doctest: +SKIP
    >>> trainer.train(epochs=20, steps_per_epoch=200, batch_size=16)  # doctest: +SKIP
    """

    def __init__(
        self,
        generator: ImageModel,
        discriminator: Any = None,
        feature_extractor: Any = None,
        lr_train_dir: Source | None = None,
        hr_train_dir: Source | None = None,
        lr_valid_dir: Source | None = None,
        hr_valid_dir: Source | None = None,
        *,
        loss_weights: Mapping[str, float] | None = None,
        losses: Mapping[str, str] | None = None,
        dataname: str | None = None,
        log_dirs: Mapping[str, Any] | None = None,
        logs_dir: str | Path | None = None,
        weights_dir: str | Path | None = None,
        weights_generator: str | Path | None = None,
        weights_discriminator: str | Path | None = None,
        n_validation: int | None = None,
        learning_rate: float | Mapping[str, Any] | None = None,
        lr_decay_factor: float | None = None,
        lr_decay_frequency: int | None = None,
        flatness: Mapping[str, Any] | None = None,
        T: float | None = None,
        adam_optimizer: Mapping[str, Any] | None = None,
        metrics: Mapping[str, str] | None = None,
        fallback_save_every_n_epochs: int | None = None,
        settings: TrainingSettings | None = None,
    ) -> None:
        if not isinstance(generator, ImageModel):
            raise InvalidInputError(
                f"generator must be a network, such as load_model gives. Received: {generator!r}."
            )
        if hr_train_dir is None:
            raise InvalidInputError("hr_train_dir must name the high-resolution images.")
        if lr_valid_dir is not None and hr_valid_dir is None:
            raise InvalidInputError(
                "Validation images need their high-resolution side: name it in hr_valid_dir too, "
                "or leave lr_valid_dir out. Received: lr_valid_dir alone."
            )
        self.generator, self.discriminator = generator, discriminator
        self.feature_extractor = feature_extractor
        self._metrics = metrics
        given: Any = TrainingSettings() if settings is None else settings
        if not isinstance(given, TrainingSettings):
            raise InvalidInputError(
                f"settings must be TrainingSettings. Received: {type(given).__name__}. "
                "Make them of a dictionary by TrainingSettings.from_dict."
            )
        changes: dict[str, Any] = {}
        if settings is None or loss_weights or losses:
            changes["loss"] = isr_settings.losses_from(
                loss_weights,
                losses,
                isr_settings.USUAL_LOSSES if settings is None else given.loss,
                judged=discriminator is not None,
                seen=feature_extractor is not None,
            )
        changes["learning_rate"] = isr_settings.learning_rate_from(
            learning_rate, lr_decay_factor, lr_decay_frequency, given.learning_rate
        )
        changes["adam"] = isr_settings.adam_from(adam_optimizer, given.adam)
        if fallback_save_every_n_epochs is not None:
            changes["save_every"] = fallback_save_every_n_epochs
        changes["patch"] = _patch(given.patch, generator, settings is None, flatness, T)
        changes["validation"] = _validation(given.validation, n_validation)
        self.settings = replace(given, **changes)
        self._check_networks()
        _take_weights(generator, discriminator, weights_generator, weights_discriminator)
        self._initial_weights = _identity_of(weights_generator) + _identity_of(
            weights_discriminator
        )
        logs, weights = isr_settings.folders_from(log_dirs, logs_dir, weights_dir)
        name = _run_name(generator, dataname)
        self.log_folder, self.folder = logs / name, weights / name
        self.images = self._collect(lr_train_dir, hr_train_dir, lr_valid_dir, hr_valid_dir)

    def _check_networks(self) -> None:
        size = self.settings.patch.size * self.generator.scale
        others = {
            "discriminator": self.discriminator,
            "feature_extractor": self.feature_extractor,
        }
        for name, network in others.items():
            if network is not None and getattr(network, "patch_size", size) != size:
                raise InvalidInputError(
                    f"The patch_size of the {name} must be the generator's times its scale, "
                    f"{size}. Received: patch_size={network.patch_size}."
                )
        weights = self.settings.loss
        for name, weight in (
            ("discriminator", weights.adversarial_weight),
            ("feature_extractor", weights.perceptual_weight),
        ):
            if weight > 0 and others[name] is None:
                raise InvalidInputError(f"The loss of a {name} needs one. Received: None.")

    def _collect(
        self, lr: Source | None, hr: Source, lr_valid: Source | None, hr_valid: Source | None
    ) -> TrainingImages:
        size, data = self.settings.patch.size, self.settings.data
        description = self.generator.description
        images, report = collect_images(lr, hr, description, data, least_size=size)
        if hr_valid is None:
            training, validation = hold_out(images, data.validation_share, size)
        else:
            training = images
            validation, found = collect_images(
                lr_valid, hr_valid, description, data, least_size=8, purpose="validate with"
            )
            report = replace(
                report,
                skipped=(*report.skipped, *found.skipped),
                notes=(*report.notes, *found.notes),
            )
        if data.match_gain:
            training = match_gains(training)
        return TrainingImages(training=training, validation=validation, report=report)

    def prepare(
        self,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        batch_size: int | None = None,
        monitored_metrics: Mapping[str, str] | None = None,
    ) -> TrainingRun:
        """Return the training that `train` runs; parameters as there."""
        asked = {"epochs": epochs, "steps_per_epoch": steps_per_epoch, "batch_size": batch_size}
        changes: dict[str, Any] = {k: v for k, v in asked.items() if v is not None}
        if monitored_metrics is not None or self._metrics is not None:
            monitored = isr_settings.monitored_from(self._metrics, monitored_metrics)
            changes["validation"] = replace(self.settings.validation, monitored=monitored)
        self.settings = replace(self.settings, **changes)
        return TrainingRun(
            self.generator,
            self.images,
            self.settings,
            self.folder,
            log_folder=self.log_folder,
            discriminator=getattr(self.discriminator, "model", self.discriminator),
            feature_extractor=getattr(self.feature_extractor, "model", self.feature_extractor),
            initial_weights=self._initial_weights,
        )

    def train(
        self,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        batch_size: int | None = None,
        monitored_metrics: Mapping[str, str] | None = None,
        *,
        control: TrainingControl | None = None,
        on_event: Listener | None = None,
        resume: bool = True,
    ) -> TrainingResult:
        """Train up to a number of epochs; what an earlier call or process did counts.

        Parameters
        ----------
        epochs, steps_per_epoch, batch_size : int, optional
            An epoch is so many steps of so many patches; by default as in the settings.
        monitored_metrics : dict, optional
            Such as ``{"val_PSNR_Y": "max"}``: the best model by each is kept.
        control : TrainingControl, optional
            To pause and stop from another thread.
        on_event : callable, optional
            Called in this thread with every `StepDone`, `EpochDone` and `Preview`.
        resume : bool
            False to begin anew instead of going on from the checkpoint in `folder`.

        Returns
        -------
        TrainingResult
            Curves, scores beside bicubic's, and where the models are.

        Raises
        ------
        TrainingError
            If the loss stops being a number, something cannot be written or read, another training
            is at work in `folder`, or the one there is of another network or other images.
        OutOfMemoryError, NetworkError
            If the backend fails.
        """
        run = self.prepare(epochs, steps_per_epoch, batch_size, monitored_metrics)
        return run.run(control=control, on_event=on_event, resume=resume)


def _patch(
    given: PatchSettings,
    generator: ImageModel,
    is_default: bool,
    flatness: Mapping[str, Any] | None,
    threshold: float | None,
) -> PatchSettings:
    changes: dict[str, Any] = {}
    if generator.patch_size is not None and is_default:
        changes["size"] = generator.patch_size
    changes["flatness"] = isr_settings.flatness_from(flatness, threshold, given.flatness)
    return replace(given, **changes)


def _validation(given: ValidationSettings, patches: int | None) -> ValidationSettings:
    return given if patches is None else replace(given, patches=patches)


def _run_name(generator: ImageModel, dataname: str | None) -> str:
    symbols = "-".join(f"{symbol}{value}" for symbol, value in generator.params.items())
    name = f"{generator.name}-{symbols}"
    return f"{name}_{dataname}" if dataname else name


def _take_weights(
    generator: ImageModel,
    discriminator: Any,
    for_generator: str | Path | None,
    for_discriminator: str | Path | None,
) -> None:
    if for_generator:
        if str(for_generator).endswith((".h5", ".hdf5")):
            _load(generator.model, for_generator)
        else:
            _take_from_model(generator, for_generator)
    if for_discriminator:
        if discriminator is None:
            raise InvalidInputError(
                "weights_discriminator needs a discriminator to load them into. Received: "
                "discriminator=None."
            )
        _load(getattr(discriminator, "model", discriminator), for_discriminator)


def _identity_of(weights: str | Path | None) -> str:
    """Return a short text that is another one for a file with other weights."""
    if not weights:
        return ""
    path = Path(weights)
    content = path.read_bytes() if path.is_file() else str(weights).encode()  # a model's name
    return hashlib.sha256(content).hexdigest()[:16]


def _take_from_model(generator: ImageModel, path: str | Path) -> None:
    loaded = load_model(path)
    if loaded.config != generator.config:
        raise InvalidInputError(
            f"weights_generator must be of the same network. Received: {loaded.config}, to train "
            f"{generator.config}. Or train the model itself: Trainer(generator=load_model(...))."
        )
    generator.model.set_weights(loaded.model.get_weights())
    generator.describe(intensity=loaded.description.intensity)


def _load(model: Any, path: str | Path) -> None:
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelFileError(
            f"The weights {str(path)!r} cannot be read into this network ({first_line}): check "
            "the path, and that they are of a network with the same settings."
        ) from error
