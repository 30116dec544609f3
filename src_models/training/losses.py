"""What a training minimises. All tensors are float32 and all functions run on every backend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from src_models.networks.backend import keras
from src_models.training.settings import AdversarialLoss, PixelLoss

ops = keras.ops
_CHARBONNIER_EPSILON = 1e-3


def pixel_loss(kind: PixelLoss, hr: Any, sr: Any) -> Any:
    """Distance of the pixels.

    Parameters
    ----------
    kind : {"mae", "mse", "charbonnier"}
        Mean absolute or squared error, or the smooth absolute error of [1]_.
    hr, sr : tensor
        Truth and answer, ``(B, H, W, C)``.

    Returns
    -------
    tensor
        One value per image, ``(B,)``.

    References
    ----------
    .. [1] Lai et al., CVPR 2017, https://arxiv.org/abs/1704.03915
    """
    difference = hr - sr
    if kind == "mse":
        distance = ops.square(difference)
    elif kind == "mae":
        distance = ops.absolute(difference)
    else:
        distance = ops.sqrt(ops.square(difference) + _CHARBONNIER_EPSILON**2)
    return ops.mean(distance, axis=(1, 2, 3))  # (B,)


def perceptual_loss(hr_features: list[Any], sr_features: list[Any]) -> Any:
    """Mean squared difference of feature maps, averaged over the layers (SRGAN [1]_).

    Parameters
    ----------
    hr_features, sr_features : list of tensor
        Features of truth and answer, layer by layer.

    Returns
    -------
    tensor
        A scalar.

    References
    ----------
    .. [1] Ledig et al., CVPR 2017, https://arxiv.org/abs/1609.04802
    """
    pairs = zip(hr_features, sr_features, strict=True)
    distances = [ops.mean(ops.square(ops.cast(a, "float32") - b)) for a, b in pairs]
    return sum(distances[1:], distances[0]) / len(distances)


def adversarial_loss(kind: AdversarialLoss, real: Any, fake: Any) -> Any:
    """What the generator pays for answers that the discriminator tells from truths.

    Parameters
    ----------
    kind : {"srgan", "relativistic"}
        Cross-entropy of "the answer is real", or ESRGAN's of "the answer is more real than the
        average truth", and the truth less than the average answer.
    real, fake : tensor
        Logits of truths and answers, of any equal shape.

    Returns
    -------
    tensor
        A scalar. Softplus of logits neither overflows nor loses its gradient, as the logarithm
        of a sigmoid does.
    """
    if kind == "srgan":
        return _bce_real(fake)
    return (_bce_real(fake - ops.mean(real)) + _bce_fake(real - ops.mean(fake))) / 2


def discriminator_loss(kind: AdversarialLoss, real: Any, fake: Any) -> Any:
    """What the discriminator pays for its mistakes; parameters as for `adversarial_loss`."""
    if kind == "srgan":
        return (_bce_real(real) + _bce_fake(fake)) / 2
    return (_bce_real(real - ops.mean(fake)) + _bce_fake(fake - ops.mean(real))) / 2


def _bce_real(logits: Any) -> Any:
    return ops.mean(ops.softplus(-logits))


def _bce_fake(logits: Any) -> Any:
    return ops.mean(ops.softplus(logits))


@contextmanager
def logits_of(discriminator: keras.Model | None) -> Iterator[keras.Model | None]:
    """Give a model of the same layers and weights that ends before a final sigmoid.

    Parameters
    ----------
    discriminator : keras.Model or None
        Ends in a sigmoid, as a layer or as the last layer's activation, or in logits.

    Yields
    ------
    keras.Model or None
        Images to logits. Within this context the last layer's sigmoid is switched off.
    """
    if discriminator is None:
        yield None
        return
    last = discriminator.layers[-1]
    if getattr(last, "activation", None) is not keras.activations.sigmoid:
        yield discriminator
    elif isinstance(last, keras.layers.Activation):
        yield keras.Model(discriminator.input, last.input, name="logits")
    else:
        last.activation = keras.activations.linear
        try:
            yield discriminator
        finally:
            last.activation = keras.activations.sigmoid
