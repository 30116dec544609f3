"""One training step for every loss on every backend: a Keras model with its own `compute_loss`.

Generator and discriminator learn in the same step from one sum of losses. That is the same as
two steps with two optimisers: in the generator's losses the discriminator's weights are
constants, in the discriminator's loss the generator's answer is one, and Adam treats every
weight by itself. The generator runs once a step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from src_models.networks.backend import keras
from src_models.training.losses import (
    adversarial_loss,
    discriminator_loss,
    perceptual_loss,
    pixel_loss,
)
from src_models.training.settings import LossSettings

ops = keras.ops


class TrainingStep(keras.Model):
    """The networks of a training, with the loss that they share.

    Parameters
    ----------
    generator : keras.Model
        ``(B, H, W, C)`` to ``(B, H * scale, W * scale, C)``; intensities from 0 to 1.
    losses : LossSettings
        Which losses, and their weights.
    discriminator : keras.Model, optional
        Images to *logits*; needed for the adversarial loss.
    feature_extractor : keras.Model, optional
        Images to a list of feature maps; needed for the perceptual loss. Never changed.
    dtype : str, optional
        "mixed_float16" where the networks compute in it, so that losses are scaled.
    """

    def __init__(
        self,
        generator: keras.Model,
        losses: LossSettings,
        discriminator: keras.Model | None = None,
        feature_extractor: keras.Model | None = None,
        dtype: str | None = None,
    ) -> None:
        super().__init__(name="training_step", dtype=dtype)
        self.generator = generator
        self.discriminator = discriminator if losses.adversarial_weight > 0 else None
        self._settings = losses
        self._features: Callable[[Any], list[Any]] | None = None
        if feature_extractor is not None and losses.perceptual_weight > 0:
            feature_extractor.trainable = False
            # In a closure, so that its weights are part of neither model nor checkpoint.
            self._features = _as_list(feature_extractor)
        self._trackers = {
            name: keras.metrics.Mean(name=name)
            for name in ("pixel_loss", "PSNR", *self._extra_losses())
        }
        self.built = True

    def _extra_losses(self) -> list[str]:
        names = ["perceptual_loss"] if self._features else []
        return names + (["adversarial_loss", "discriminator_loss"] if self.discriminator else [])

    def call(self, lr: Any, training: bool = False) -> Any:
        """Return the generator's answer."""
        return self.generator(lr, training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the sum of all losses, and note each.

        Parameters
        ----------
        x, y, y_pred : tensor
            Low-resolution patches, truths and answers.
        sample_weight : tensor, optional
            Factors of the pixel loss, ``(B,)``.
        training : bool
            Passed on to the discriminator.
        """
        hr, sr = ops.cast(y, "float32"), ops.cast(y_pred, "float32")
        weights = self._settings
        per_image = pixel_loss(weights.pixel, hr, sr)
        if sample_weight is not None:
            per_image = per_image * ops.cast(ops.reshape(sample_weight, (-1,)), "float32")
        pixel = ops.mean(per_image)
        total = weights.pixel_weight * pixel
        noted = {"pixel_loss": pixel, "PSNR": _psnr(hr, sr)}
        if self._features:
            truths = [ops.stop_gradient(f) for f in self._features(hr)]
            perceptual = perceptual_loss(truths, self._features(sr))
            total = total + weights.perceptual_weight * perceptual
            noted["perceptual_loss"] = perceptual
        if self.discriminator is not None:
            generator_loss, fooled_loss = self._adversarial(hr, sr, training)
            total = total + weights.adversarial_weight * generator_loss + fooled_loss
            noted |= {"adversarial_loss": generator_loss, "discriminator_loss": fooled_loss}
        for name, value in noted.items():
            self._trackers[name].update_state(value)
        return total

    def _adversarial(self, hr: Any, sr: Any, training: bool) -> tuple[Any, Any]:
        """Return what generator and discriminator pay."""
        kind, judge = self._settings.adversarial, self.discriminator
        assert judge is not None
        hr, sr = _with_channels(hr, judge), _with_channels(sr, judge)
        real = _float(judge(hr, training=training))
        # Two gradients through one judgement: that of the weights, with the answer constant, and
        # that of the answer, with the weights constant. Weights are read once, so that compilers
        # see that both run forward alike and do it once.
        weights = [_read(v) for v in judge.trainable_variables]
        state = [_read(v) for v in judge.non_trainable_variables]
        fake, new_state = judge.stateless_call(
            weights, state, ops.stop_gradient(sr), training=training
        )
        frozen = [ops.stop_gradient(w) for w in weights]
        judged, _ = judge.stateless_call(frozen, state, sr, training=training)
        for variable, value in zip(judge.non_trainable_variables, new_state, strict=True):
            variable.assign(value)
        generator_loss = adversarial_loss(kind, ops.stop_gradient(real), _float(judged))
        return generator_loss, discriminator_loss(kind, real, _float(fake))


def _as_list(extractor: keras.Model) -> Callable[[Any], list[Any]]:
    def features(images: Any) -> list[Any]:
        output = extractor(_with_channels(images, extractor), training=False)
        return list(output) if isinstance(output, list | tuple) else [output]

    return features


def _with_channels(images: Any, network: keras.Model) -> Any:
    """Show grey images to a network of colours as grey ones."""
    wanted, given = network.input_shape[-1], images.shape[-1]
    return ops.repeat(images, wanted, axis=-1) if given == 1 != wanted else images


def _read(variable: Any) -> Any:
    """Return a variable's value as a tensor; in TensorFlow `convert_to_tensor` does not."""
    return ops.reshape(variable, variable.shape)


def _float(x: Any) -> Any:
    return ops.cast(x, "float32")


def _psnr(hr: Any, sr: Any) -> Any:
    error = ops.mean(ops.square(hr - sr), axis=(1, 2, 3))
    return ops.mean(-10.0 * ops.log10(ops.maximum(error, 1e-10)))
