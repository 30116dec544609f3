"""ISR's dictionaries and loose arguments, of both its generations, as our settings."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from src_models.errors import InvalidInputError, SuperResolutionWarning
from src_models.training.settings import AdamSettings, Flatness, LearningRate, LossSettings

Options = Mapping[str, Any] | None
_PIXEL_LOSSES = {
    "mae": "mae",
    "mean_absolute_error": "mae",
    "mse": "mse",
    "mean_squared_error": "mse",
    "charbonnier": "charbonnier",
}
_ADVERSARIAL_LOSSES = {
    "binary_crossentropy": "srgan",
    "srgan": "srgan",
    "relativistic": "relativistic",
}
# ISR's weights where none are named.
USUAL_LOSSES = LossSettings(adversarial_weight=0.003, perceptual_weight=1 / 12)
_SCORES = ("PSNR", "PSNR_Y", "SSIM", "gain", "gain_fitted")


def losses_from(
    weights: Options, losses: Options, base: LossSettings, *, judged: bool, seen: bool
) -> LossSettings:
    """Read ISR's ``loss_weights`` and ``losses``.

    Parameters
    ----------
    weights : mapping, optional
        Of ``generator`` (once ``MSE``), ``discriminator`` and ``feature_extractor`` (once
        ``feat_extr``).
    losses : mapping, optional
        Names of the losses under the same keys.
    base : LossSettings
        What is not said; of weights, once one is said, the others are 0.
    judged, seen : bool
        Whether there is a discriminator, and a feature extractor; without it its weight is 0.
    """
    names = {"MSE": "generator", "feat_extr": "feature_extractor"}
    given = {names.get(key, key): value for key, value in (weights or {}).items()}
    default = {
        "generator": base.pixel_weight,
        "discriminator": base.adversarial_weight,
        "feature_extractor": base.perceptual_weight,
    }
    given = _checked("loss_weights", given, default) if weights else default
    kinds = {"generator": "mse"} if weights and "MSE" in weights else {}
    kinds |= _checked("losses", losses or {}, default)
    if kinds.get("feature_extractor", "mse") != "mse":
        raise InvalidInputError(
            f"The loss of the feature extractor is 'mse'. Received: {kinds['feature_extractor']!r}."
        )
    pixel, adversarial = base.pixel, base.adversarial
    if "generator" in kinds:
        pixel = _one_of("losses['generator']", kinds["generator"], _PIXEL_LOSSES)
    if "discriminator" in kinds:
        adversarial = _one_of(
            "losses['discriminator']", kinds["discriminator"], _ADVERSARIAL_LOSSES
        )
    return LossSettings(
        pixel=pixel,
        adversarial=adversarial,
        pixel_weight=given.get("generator", 0.0),
        perceptual_weight=given.get("feature_extractor", 0.0) if seen else 0.0,
        adversarial_weight=given.get("discriminator", 0.0) if judged else 0.0,
    )


def learning_rate_from(
    rate: float | Mapping[str, Any] | None,
    factor: float | None,
    frequency: int | None,
    base: LearningRate,
) -> LearningRate:
    """Read ISR's ``learning_rate``, a number or a dictionary, and the older loose arguments.

    What they do not say is as in `base`.
    """
    if isinstance(rate, Mapping):
        allowed = {"initial_value": None, "decay_factor": None, "decay_frequency": None}
        given = _checked("learning_rate", rate, allowed)
    else:
        given = {"initial_value": rate, "decay_factor": factor, "decay_frequency": frequency}
    known = {k.replace("initial_value", "initial"): v for k, v in given.items() if v is not None}
    return replace(base, **known)


def flatness_from(flatness: Options, threshold: float | None, base: Flatness) -> Flatness:
    """Read ISR's ``flatness``, or ``T``, the old name of an unchanging threshold."""
    if flatness is None:
        return base if threshold is None else Flatness(min=threshold)
    allowed = dict.fromkeys(("min", "max", "increase", "increase_frequency"))
    given = {k: v for k, v in _checked("flatness", flatness, allowed).items() if v is not None}
    # ISR writes 0.0 where it means never.
    if "increase_frequency" in given:
        given["increase_frequency"] = int(given["increase_frequency"] or 1)
    return replace(base, **given)


def adam_from(options: Options, base: AdamSettings) -> AdamSettings:
    """Read ISR's ``adam_optimizer``; what it does not say is as in `base`."""
    names = {"beta1": "beta_1", "beta2": "beta_2", "epsilon": "epsilon", "clip_norm": "clip_norm"}
    given = _checked("adam_optimizer", options or {}, names)
    return replace(base, **{names[k]: v for k, v in given.items() if v is not None})


def folders_from(
    log_dirs: Options, logs_dir: str | Path | None, weights_dir: str | Path | None
) -> tuple[Path, Path]:
    """Read ISR's ``log_dirs``, or the older ``logs_dir`` and ``weights_dir``."""
    default = {"logs": "logs", "weights": "weights"}
    given = {**default, **_checked("log_dirs", log_dirs or {}, default)}
    logs, weights = logs_dir or given["logs"], weights_dir or given["weights"]
    for name, folder in (("logs", logs), ("weights", weights)):
        if not isinstance(folder, str | Path):
            raise InvalidInputError(f"The folder of the {name} is a path. Received: {folder!r}.")
    return Path(logs), Path(weights)


def monitored_from(metrics: Options, monitored: Mapping[str, str] | None) -> dict[str, str]:
    """Read ISR's ``monitored_metrics``; without them its ``metrics`` say what is best.

    Warns
    -----
    SuperResolutionWarning
        For a metric that is not measured; it is left out, as in ISR.
    """
    if monitored is None:
        chosen = (metrics or {}).get("generator", "PSNR_Y")
        return {f"val_{chosen}": "max"} if chosen in _SCORES else {"val_PSNR_Y": "max"}
    known: dict[str, str] = {}
    losses = ("loss", "pixel_loss", "perceptual_loss", "adversarial_loss", "discriminator_loss")
    measured = (*(f"val_{name}" for name in _SCORES), "PSNR", *losses)
    for name, mode in monitored.items():
        plain = name.replace("generator_", "").removeprefix("train_")
        if plain in measured:
            known[plain] = mode
        else:
            warnings.warn(
                f"The metric {name!r} is not measured, so no best model is kept by it. "
                f"Measured are {list(measured)}.",
                SuperResolutionWarning,
                stacklevel=3,
            )
    return known


def _checked(name: str, given: Mapping[str, Any], allowed: Mapping[str, Any]) -> dict[str, Any]:
    unknown = [key for key in given if key not in allowed]
    if unknown:
        raise InvalidInputError(
            f"The keys of {name} are {list(allowed)}. Received: {dict(given)!r} "
            f"(unknown: {unknown})."
        )
    return dict(given)


def _one_of(name: str, value: str, table: Mapping[str, str]) -> Any:
    if value not in table:
        raise InvalidInputError(f"{name} must be one of {list(table)}. Received: {value!r}.")
    return table[value]
