"""The settings of a training: frozen, checked where they enter, free of Keras."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

from src_models.checks import require, require_choice, require_real, require_whole
from src_models.errors import InvalidInputError
from src_models.images.degradation import Degradation

PixelLoss = Literal["mae", "mse", "charbonnier"]
AdversarialLoss = Literal["srgan", "relativistic"]
Alignment = Literal["warn", "correct", "ignore"]
Decay = Literal["steps", "cosine"]
# For `TrainingSettings.from_dict`: a name that no setting has is an error.
_STRICT = {"extra": "forbid"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LossSettings:
    """What is minimised: a weighted sum of up to three losses.

    Attributes
    ----------
    pixel : {"mae", "mse", "charbonnier"}
        Distance of the pixels. "mse" gives the highest PSNR, above all on noisy truths.
    adversarial : {"srgan", "relativistic"}
        SRGAN's loss [1]_ or ESRGAN's relativistic average [2]_, both from logits.
    pixel_weight, perceptual_weight, adversarial_weight : float
        Factors in the generator's loss. The perceptual one needs a feature extractor, the
        adversarial one a discriminator.

    References
    ----------
    .. [1] Ledig et al., CVPR 2017, https://arxiv.org/abs/1609.04802
    .. [2] Wang et al., ECCV Workshops 2018, https://arxiv.org/abs/1809.00219
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = _STRICT

    pixel: PixelLoss = "mae"
    adversarial: AdversarialLoss = "srgan"
    pixel_weight: float = 1.0
    perceptual_weight: float = 0.0
    adversarial_weight: float = 0.0

    def __post_init__(self) -> None:
        require_choice("pixel loss", self.pixel, PixelLoss)
        require_choice("adversarial loss", self.adversarial, AdversarialLoss)
        weights = (self.pixel_weight, self.perceptual_weight, self.adversarial_weight)
        for name, weight in zip(("pixel", "perceptual", "adversarial"), weights, strict=True):
            require_real(f"{name}_weight", weight, 0)
        require(sum(weights) > 0, "At least one weight of a loss must be above 0.", weights)


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningRate:
    """How fast the weights move, and how that changes.

    Attributes
    ----------
    initial : float
        Learning rate at the start (after the warm-up).
    decay : {"steps", "cosine"}
        Multiply by `decay_factor` every `decay_frequency` epochs, as ISR; or follow a half
        cosine to `minimum` at the end of the training, which suits a training of known length.
    decay_factor : float
        In (0, 1].
    decay_frequency : int
        In epochs.
    warmup_steps : int
        Steps over which the rate climbs from zero.
    minimum : float
        It never gets smaller.
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = _STRICT

    initial: float = 4e-4
    decay: Decay = "steps"
    decay_factor: float = 0.5
    decay_frequency: int = 100
    warmup_steps: int = 0
    minimum: float = 1e-7

    def __post_init__(self) -> None:
        require_real("initial learning rate", self.initial, 1e-12, 10)
        require_choice("decay", self.decay, Decay)
        require_real("decay_factor", self.decay_factor, 1e-6, 1)
        require_whole("decay_frequency", self.decay_frequency, 1)
        require_whole("warmup_steps", self.warmup_steps, 0)
        require_real("minimum learning rate", self.minimum, 0, 10)

    def at(self, step: int, epoch: int, fraction_done: float) -> float:
        """Return the rate.

        Parameters
        ----------
        step, epoch : int
            Counted from 0 over the whole training.
        fraction_done : float
            Part of the training that is over, in [0, 1].
        """
        if self.decay == "cosine":
            rate = self.initial * 0.5 * (1 + math.cos(math.pi * min(fraction_done, 1.0)))
        else:
            rate = self.initial * self.decay_factor ** (epoch // self.decay_frequency)
        rate = max(rate, min(self.minimum, self.initial))
        return rate * min(1.0, (step + 1) / (self.warmup_steps + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class AdamSettings:
    """Adam's constants.

    Attributes
    ----------
    beta_1, beta_2, epsilon : float
        As in the paper, https://arxiv.org/abs/1412.6980.
    clip_norm : float or None
        Largest norm of the gradient of one variable; None for no limit.
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = _STRICT

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        require_real("beta_1", self.beta_1, 0, 0.999999)
        require_real("beta_2", self.beta_2, 0, 0.99999999)
        require_real("epsilon", self.epsilon, 1e-16, 1)
        if self.clip_norm is not None:
            require_real("clip_norm", self.clip_norm, 1e-12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flatness:
    """Least detail of a training patch, rising with the epochs.

    Detail is ISR's: the mean standard deviation of the low-resolution patch along its rows or
    along its columns, whichever is larger, in intensities of 0 to 1.

    Attributes
    ----------
    min, max : float
        Threshold at the start, and where it stops rising.
    increase : float
        Added to the threshold every `increase_frequency` epochs.
    increase_frequency : int
        In epochs.
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = _STRICT

    min: float = 0.0
    max: float = 1.0
    increase: float = 0.0
    increase_frequency: int = 1

    def __post_init__(self) -> None:
        for name in ("min", "max", "increase"):
            require_real(f"flatness {name}", getattr(self, name), 0, 1)
        require_whole("flatness increase_frequency", self.increase_frequency, 1)

    def at(self, epoch: int) -> float:
        """Return the threshold in an epoch, counted from 0."""
        risen = self.min + self.increase * (epoch // self.increase_frequency)
        return max(self.min, min(self.max, risen)) if self.increase else self.min


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSettings:
    """Which pairs are made of the images.

    Attributes
    ----------
    degradations : tuple of Degradation
        Where there are high-resolution images only: one is drawn for every patch.
    bin_lr : int
        Average so many by so many pixels of the low-resolution images first; for pairs of one
        pixel size, such as a confocal image that samples its resolution twice too finely.
    alignment : {"warn", "correct", "ignore"}
        What to do about pairs that phase correlation finds shifted.
    match_gain : bool
        Scale the high-resolution images to train on so that the brightness ratio of all pairs is
        the median of theirs. Two instruments' ratio differs from field to field for reasons that
        no image shows; learning it by heart spoils what is learnt of the structures.
    validation_share : float
        Part of the images (of their area, if they are few) held out from training to validate
        with, where no validation images are given.
    cache_bytes : int
        Memory for images read from files.
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = _STRICT

    degradations: tuple[Degradation, ...] = (Degradation(),)
    bin_lr: int = 1
    alignment: Alignment = "warn"
    match_gain: bool = False
    validation_share: float = 0.1
    cache_bytes: int = 2**31

    def __post_init__(self) -> None:
        require(len(self.degradations) > 0, "At least one degradation is needed.", ())
        require_whole("bin_lr", self.bin_lr, 1)
        require_choice("alignment", self.alignment, Alignment)
        require_real("validation_share", self.validation_share, 0, 0.5)
        require_whole("cache_bytes", self.cache_bytes, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchSettings:
    """How patches are cut from the pairs.

    Attributes
    ----------
    size : int
        Height and width in low-resolution pixels.
    flips, turns : bool
        Whether patches are mirrored, and turned by multiples of 90 degrees, at random.
    flatness : Flatness
        Least detail.
    gain_share : float
        Share of the patches whose intensities are scaled down into a part of the range.
    smallest_gain : float
        Least factor of that; the largest is 1.5.
    balance_floor : float or None
        None to weigh all patches alike; otherwise by 1 / (error of bicubic in their image + this).
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = _STRICT

    size: int = 32
    flips: bool = True
    turns: bool = True
    flatness: Flatness = Flatness()
    gain_share: float = 0.0
    smallest_gain: float = 0.1
    balance_floor: float | None = None

    def __post_init__(self) -> None:
        require_whole("patch size", self.size, 4)
        require_real("gain_share", self.gain_share, 0, 1)
        require_real("smallest_gain", self.smallest_gain, 1e-3, 1.5)
        if self.balance_floor is not None:
            require_real("balance_floor", self.balance_floor, 1e-9)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationSettings:
    """How the network is judged after every so many epochs.

    Attributes
    ----------
    patches : int
        Number of fixed patches, spread over the validation images.
    size : int
        Their height and width in low-resolution pixels, where the image is as large.
    every : int
        In epochs.
    monitored : dict of str to {"max", "min"}
        The best model by each of these is kept; the first is *the* best model.
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = _STRICT

    patches: int = 16
    size: int = 96
    every: int = 1
    monitored: dict[str, str] = field(default_factory=lambda: {"val_PSNR": "max"})

    def __post_init__(self) -> None:
        require_whole("number of validation patches", self.patches, 1)
        require_whole("size of validation patches", self.size, 8)
        require_whole("every", self.every, 1)
        modes = set(self.monitored.values())
        require(modes <= {"max", "min"}, "Metrics are monitored for 'max' or 'min'.", modes)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """Everything about a training but networks, images and folders.

    Attributes
    ----------
    epochs, steps_per_epoch, batch_size : int
        An epoch is so many steps (batches) of so many patches.
    seconds : float or None
        Stop, well, after so long.
    seed : int
        Of everything random.
    save_every : int
        The last model is written after so many epochs (a checkpoint after every one).
    jit_compile : bool or "auto"
        XLA; "auto" uses it with JAX, and with TensorFlow on graphics cards.
    mixed_precision : bool or "auto"
        True computes in float16, with scaled losses; for GPUs. "auto" computes in float32, but in
        bfloat16 in the discriminator on processors that are faster in it: it only judges, and the
        network that is kept learns in float32. False: float32 everywhere.
    workers : int
        Threads that prepare patches.
    loss, learning_rate, adam, patch, data, validation
        See there.
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = _STRICT

    epochs: int = 100
    steps_per_epoch: int = 200
    batch_size: int = 16
    seconds: float | None = None
    seed: int = 1
    save_every: int = 2
    jit_compile: bool | Literal["auto"] = "auto"
    mixed_precision: bool | Literal["auto"] = "auto"
    workers: int = 2
    loss: LossSettings = LossSettings()
    learning_rate: LearningRate = LearningRate()
    adam: AdamSettings = AdamSettings()
    patch: PatchSettings = PatchSettings()
    data: DataSettings = DataSettings()
    validation: ValidationSettings = field(default_factory=ValidationSettings)

    def __post_init__(self) -> None:
        for name in ("epochs", "steps_per_epoch", "batch_size", "save_every", "workers"):
            require_whole(name, getattr(self, name), 1)
        require_whole("seed", self.seed, 0)
        if self.seconds is not None:
            require_real("seconds", self.seconds, 0)
        for name in ("jit_compile", "mixed_precision"):
            value = getattr(self, name)
            require(value in (True, False, "auto"), f"{name} is a bool or 'auto'.", value)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values, for a record."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingSettings:
        """Return the settings of nested values such as a record's or a TOML file's.

        Parameters
        ----------
        values : mapping
            As `to_dict` returns them; what is missing has its default.

        Raises
        ------
        InvalidInputError
            If there is a name that no setting has, or a value that does not fit.
        """
        from pydantic import TypeAdapter, ValidationError

        try:
            return TypeAdapter(cls).validate_python(values)
        except ValidationError as error:
            raise InvalidInputError(complaint(error.errors()[0])) from error


def complaint(error: Mapping[str, Any]) -> str:
    """Say in our words what pydantic found."""
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] == "value_error":  # one of ours
        return f"{place}: {error['ctx']['error']}"
    if error["type"] == "unexpected_keyword_argument":
        return f"There is no training setting {place!r}. Received: {error['input']!r} for it."
    return f"{place}: {error['msg']}. Received: {error['input']!r}."
