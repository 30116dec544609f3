"""A training from settings: networks and images in, checkpoints, logs and models out."""

from __future__ import annotations

import csv
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from src_models.errors import (
    ModelFileError,
    NetworkError,
    OutOfMemoryError,
    SuperResolutionError,
    SuperResolutionWarning,
    TrainingError,
)
from src_models.models.config import config_to_dict
from src_models.networks.backend import keras
from src_models.networks.image_model import ImageModel
from src_models.networks.mixed_precision import half_precision, multiplies_bfloat16
from src_models.training import callbacks as parts
from src_models.training.batches import PatchBatches
from src_models.training.checkpoints import (
    TrainingState,
    load_checkpoint,
    restore_variables,
    save_checkpoint,
)
from src_models.training.events import EpochDone, Listener, TrainingControl, TrainingResult
from src_models.training.image_set import TrainingImages
from src_models.training.losses import logits_of
from src_models.training.patches import PatchSampler, fixed_patches
from src_models.training.settings import AdamSettings, TrainingSettings
from src_models.training.step import TrainingStep
from src_models.training.training_folder import training_in, write_atomically
from src_models.training.validation import Validator

logger = logging.getLogger(__name__)
_COLLAPSE = 4
_OUT_OF_MEMORY = ("out of memory", "oom when", "resource_exhausted", "bad_alloc", "allocate")


class TrainingRun:
    """Trains one network in one folder; begun again there, it goes on.

    Parameters
    ----------
    generator : RDN or RRDN
        Changed in place.
    images : TrainingImages
        What it learns from.
    settings : TrainingSettings
        How.
    folder : Path
        For checkpoint, models and curves; made if it is missing.
    log_folder : Path, optional
        For TensorBoard's files.
    discriminator : keras.Model, optional
        Images to probabilities or logits that they are real.
    feature_extractor : keras.Model, optional
        Images to feature maps.
    begun_from : str
        Which weights the networks were given to begin with; "" if they are what they are.
    """

    def __init__(
        self,
        generator: ImageModel,
        images: TrainingImages,
        settings: TrainingSettings,
        folder: Path,
        *,
        log_folder: Path | None = None,
        discriminator: keras.Model | None = None,
        feature_extractor: keras.Model | None = None,
        initial_weights: str = "",
    ) -> None:
        self._initial_weights = initial_weights
        self.generator, self.images, self.settings = generator, images, settings
        self.folder, self._log_folder = folder, log_folder
        self._discriminator, self._extractor = discriminator, feature_extractor
        chosen = settings.validation
        patches = fixed_patches(images.validation, chosen.patches, chosen.size, settings.seed)
        self.validator = Validator(patches) if patches else None
        self.state = TrainingState()
        self._improved: tuple[str, ...] = ()
        self._listener: Listener = _ignore
        self._seconds_before = 0.0
        self._has_checkpoint = False  # of this training; one of another may lie in the folder

    @property
    def monitored(self) -> dict[str, str]:
        """The metrics to keep the best model by, with "max" or "min"."""
        wanted = self.settings.validation.monitored
        return {k: v for k, v in wanted.items() if self.validator or not k.startswith("val_")}

    def model_path(self, metric: str | None = None) -> Path:
        """Return where the best model by a metric is written; the last one for None."""
        name = "last" if metric is None else f"best-{metric}"
        return self.folder / f"{name}.keras"

    def run(
        self,
        *,
        control: TrainingControl | None = None,
        on_event: Listener | None = None,
        resume: bool = True,
        preview_every: float = 15.0,
    ) -> TrainingResult:
        """Train to the end of the settings' epochs, from the last checkpoint on if there is one.

        Parameters
        ----------
        control : TrainingControl, optional
            To pause and stop from another thread.
        on_event : callable, optional
            Called in this thread with every `StepDone`, `EpochDone` and `Preview`.
        resume : bool
            False to begin anew; the old checkpoint is replaced after the first epoch.
        preview_every : float
            Seconds between previews; one is shown after every epoch as well.

        Returns
        -------
        TrainingResult
            What came of it.

        Raises
        ------
        TrainingError
            If the loss stops being a number, or something cannot be written or read.
        OutOfMemoryError, NetworkError
            If the backend fails.
        """
        self._listener = on_event or _ignore
        with training_in(self.folder), logits_of(self._discriminator) as judge, self._precision():
            step = self._compile(judge)
            self.state = self._restore(step, resume)
            if self.state.epoch >= self.settings.epochs:
                return self._result("already finished")
            self._seconds_before = self.state.seconds
            clock = parts.Clock(self.settings.seconds)
            obey = parts.StopOnRequest(control or TrainingControl(), clock)
            self._fit(step, clock, obey, preview_every)
            return self._finish(obey.reason)

    def _precision(self) -> AbstractContextManager[None]:
        wanted = self.settings.mixed_precision
        if wanted == "auto":
            return half_precision(
                [self._discriminator] if multiplies_bfloat16() else [], "bfloat16"
            )
        networks = [self.generator.model, self._discriminator, self._extractor]
        return half_precision(networks if wanted else [])

    def _compile(self, judge: keras.Model | None) -> TrainingStep:
        dtype = "mixed_float16" if self.settings.mixed_precision is True else None
        step = TrainingStep(
            self.generator.model, self.settings.loss, judge, self._extractor, dtype=dtype
        )
        wanted = self.settings.jit_compile
        step.compile(
            optimizer=_adam(self.settings.adam, self.settings.learning_rate.initial),
            jit_compile=compiling_pays() if wanted == "auto" else wanted,
        )
        step.optimizer.build(step.trainable_variables)
        return step

    def _variables(self, step: TrainingStep) -> dict[str, Sequence[Any]]:
        judge = [] if step.discriminator is None else step.discriminator.variables
        return {
            "generator": self.generator.model.variables,
            "discriminator": judge,
            "optimizer": step.optimizer.variables,
        }

    def _restore(self, step: TrainingStep, resume: bool) -> TrainingState:
        found = load_checkpoint(self.folder) if resume else None
        begun = TrainingState(
            settings=self.settings.to_dict(),
            network=config_to_dict(self.generator.config),
            images=self.images.identity,
            initial_weights=self._initial_weights,
        )
        if found is None:
            return begun
        state, arrays = found
        self._check_alike(state, begun)
        self._has_checkpoint = True
        restore_variables(arrays, self._variables(step))
        state.settings, state.images = begun.settings, begun.images
        logger.info("Going on after epoch %d in %s.", state.epoch, self.folder)
        return state

    def _check_alike(self, found: TrainingState, asked: TrainingState) -> None:
        """Refuse to go on with a training that is not the one asked for."""
        other = ""
        if found.network != asked.network:
            other = "of another network"
        elif found.images not in ("", asked.images):
            other = "on other images, or on pairs made from them in another way"
        elif asked.initial_weights and found.initial_weights != asked.initial_weights:
            other = "that was begun from other weights"
        if other:
            raise TrainingError(
                f"The folder {str(self.folder)!r} holds a training {other}: train into another "
                "folder (such as by another dataname), begin anew with resume=False, or train the "
                f"model that it made further: load_model({str(self.model_path())!r})."
            )

    def _fit(
        self, step: TrainingStep, clock: parts.Clock, obey: parts.StopOnRequest, preview: float
    ) -> None:
        settings = self.settings
        initial = self.generator.model.get_weights()
        sampler = PatchSampler(self.images.training, settings.patch)
        batches = PatchBatches(sampler, settings, self.state.epoch)
        validate = None if self.validator is None else parts.Validate(self.validator, settings)

        def keep(epoch: int, logs: dict[str, float]) -> None:
            self.state.seconds = self._seconds_before + clock.seconds
            self._keep(step, epoch, logs, [] if validate is None else validate.table)

        listed = [
            parts.SetLearningRate(settings, clock, lambda: self.state.rate_factor),
            parts.StopWhenDiverged(),
            obey,
            validate,
            self._tensorboard(),
            parts.Tell(self._listener, settings, clock, self.validator, preview),
            parts.Keep(keep),
        ]
        try:
            with _our_errors(batches):
                step.fit(
                    batches,
                    epochs=settings.epochs,
                    initial_epoch=self.state.epoch,
                    steps_per_epoch=settings.steps_per_epoch,
                    shuffle=False,
                    verbose=0,
                    callbacks=[callback for callback in listed if callback is not None],
                )
        except TrainingError:
            self._go_back(step, initial)
            raise
        finally:
            batches.close()

    def _tensorboard(self) -> keras.callbacks.Callback | None:
        if self._log_folder is None:
            return None
        callback = parts.tensorboard(self._log_folder)
        if callback is None:
            warnings.warn(
                "TensorBoard's files need the packages tensorflow and tensorboard, and one is "
                f"not installed: the same curves are in {self.folder / 'curves.csv'}.",
                SuperResolutionWarning,
                stacklevel=5,
            )
        return callback

    def _go_back(self, step: TrainingStep, initial: list[Any]) -> None:
        """Give the generator the weights of the last checkpoint, or those it began with."""
        found = load_checkpoint(self.folder) if self._has_checkpoint else None
        if found is None:
            self.generator.model.set_weights(initial)
        else:
            restore_variables(found[1], self._variables(step))

    def _keep(
        self, step: TrainingStep, epoch: int, logs: dict[str, float], scores: list[dict[str, Any]]
    ) -> None:
        """Write down a finished epoch, the checkpoint first."""
        state = self.state
        if self._has_collapsed(logs):
            self._undo(step, epoch)
            logs["undone"] = 1.0
        elif "val_PSNR" in logs:
            state.scores = scores
        old_best = dict(state.best)
        state.epoch = epoch + 1
        state.curve = [p for p in state.curve if p["epoch"] <= epoch]
        state.curve.append({"epoch": epoch + 1, "seconds": state.seconds, **logs})
        for metric, mode in self.monitored.items():
            if (
                "undone" not in logs
                and metric in logs
                and _is_better(logs[metric], state.best.get(metric), mode)
            ):
                state.best[metric] = logs[metric]
        self._improved = tuple(m for m in state.best if state.best[m] != old_best.get(m))
        is_due = state.epoch % self.settings.save_every == 0
        with _disk_errors(self.folder, epoch):
            # The best model before the checkpoint: a crash between them only writes it again.
            for metric in self._improved:
                self._save_model(self.model_path(metric))
            save_checkpoint(self.folder, state, self._variables(step))
            self._has_checkpoint = True
            write_atomically(self.folder / "curves.csv", _as_csv(state.curve))
            if is_due or state.epoch == self.settings.epochs:
                self._save_model(self.model_path())
        logger.info("Epoch %d of %d: %s", state.epoch, self.settings.epochs, logs)
        self._listener(EpochDone(state.epoch, self.settings.epochs, logs, self._improved))

    def _has_collapsed(self, logs: dict[str, float]) -> bool:
        """Say whether one step too long has undone what was learnt, and no later one mends it."""
        losses = self.settings.loss
        if losses.adversarial_weight or losses.perceptual_weight:
            return False  # they may well trade pixels for looks
        earlier = [p["pixel_loss"] for p in self.state.curve if "undone" not in p]
        return bool(earlier) and logs["pixel_loss"] > _COLLAPSE * min(earlier)

    def _undo(self, step: TrainingStep, epoch: int) -> None:
        """Go back to the last checkpoint, and on with half the learning rate."""
        found = load_checkpoint(self.folder) if self._has_checkpoint else None
        if found is None:
            return
        restore_variables(found[1], self._variables(step))
        self.state.rate_factor /= 2
        logger.warning(
            "The loss rose %d-fold in epoch %d, so its steps are undone and the learning rate is "
            "halved.",
            _COLLAPSE,
            epoch + 1,
        )

    def _save_model(self, path: Path) -> None:
        self.generator.describe(training=self.record())
        self.generator.save(path)

    def record(self) -> dict[str, Any]:
        """Return the record of the training that goes into the model's file."""
        return {
            "settings": self.state.settings,
            "data": {
                "training_images": len(self.images.training),
                "validation_images": len(self.images.validation),
                "skipped": [list(pair) for pair in self.images.report.skipped],
            },
            "curve": self.state.curve,
            "scores": self.state.scores,
            "epochs": self.state.epoch,
            "seconds": self.state.seconds,
            "backend": keras.backend.backend(),
        }

    def _finish(self, reason: str) -> TrainingResult:
        with _disk_errors(self.folder, self.state.epoch):
            self._save_model(self.model_path())
        return self._result(reason)

    def _result(self, reason: str) -> TrainingResult:
        best = [self.model_path(metric) for metric in self.monitored if metric in self.state.best]
        written = [path for path in best if path.is_file()]
        last = self.model_path()
        return TrainingResult(
            epochs=self.state.epoch,
            seconds=self.state.seconds,
            reason=reason,
            curve=self.state.curve,
            scores=self.state.scores,
            best_model=written[0] if written else None,
            last_model=last if last.is_file() else None,
        )


def _ignore(_event: Any) -> None:
    """Listen to nothing."""


def compiling_pays() -> bool:
    """Say whether XLA makes steps faster: on processors oneDNN's convolutions beat its own."""
    backend = keras.backend.backend()
    if backend != "tensorflow":
        return bool(backend == "jax")
    return any("gpu" in device for device in keras.distribution.list_devices())


def _adam(settings: AdamSettings, rate: float) -> keras.optimizers.Optimizer:
    return keras.optimizers.Adam(
        rate,
        beta_1=settings.beta_1,
        beta_2=settings.beta_2,
        epsilon=settings.epsilon,
        clipnorm=settings.clip_norm,
    )


def _is_better(value: float, best: float | None, mode: str) -> bool:
    return best is None or (value > best if mode == "max" else value < best)


def _as_csv(curve: list[dict[str, float]]) -> bytes:
    names = list(dict.fromkeys(name for point in curve for name in point))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(curve)
    return text.getvalue().encode()


@contextmanager
def _disk_errors(folder: Path, epochs_kept: int) -> Iterator[None]:
    try:
        yield
    except (OSError, ModelFileError) as error:  # from checkpoints and from models
        kept = f"The last checkpoint there, after epoch {epochs_kept}, is intact"
        raise TrainingError(
            f"The training cannot be written to {str(folder)!r} ({error.__cause__ or error}). "
            f"{kept if epochs_kept else 'There is no checkpoint yet'}: make room and train "
            "again, and it goes on from there."
        ) from error


@contextmanager
def _our_errors(batches: PatchBatches) -> Iterator[None]:
    """Turn what the backend throws into ours."""
    try:
        yield
    except SuperResolutionError:
        raise
    except Exception as error:  # every backend has its own tree of errors
        if isinstance(batches.error, SuperResolutionError):
            raise batches.error from error
        words = f"{type(error).__name__}: {error}".strip()
        if isinstance(error, MemoryError) or any(w in words.lower() for w in _OUT_OF_MEMORY):
            raise OutOfMemoryError(
                "Training ran out of memory: choose a smaller batch_size or patch size. "
                "The last checkpoint is intact."
            ) from error
        raise NetworkError(f"Training failed: {words.splitlines()[0]}") from error
