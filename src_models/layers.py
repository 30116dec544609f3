"""The registered Keras layers that the networks need beside Keras' own."""

from __future__ import annotations

from typing import Any

from src_models.backend import keras


@keras.saving.register_keras_serializable(package="src_models")
class PixelShuffle(keras.layers.Layer):
    """Rearrange channels into a larger image (sub-pixel convolution's second half [1]_).

    Parameters
    ----------
    scale : int
        Output pixels per input pixel along each axis.

    Notes
    -----
    Input shape ``(B, H, W, C * scale**2)``, output shape ``(B, H * scale, W * scale, C)``.

    References
    ----------
    .. [1] Shi et al., CVPR 2016, https://arxiv.org/abs/1609.05158
    """

    def __init__(self, scale: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, x: Any) -> Any:
        """Return `x` rearranged."""
        if self.scale == 1:  # some backends refuse a block of one
            return x
        return keras.ops.depth_to_space(x, self.scale, data_format="channels_last")

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the output for a shape of the input."""
        batch, height, width, channels = input_shape
        return (
            batch,
            height and height * self.scale,
            width and width * self.scale,
            channels and channels // self.scale**2,
        )

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable(package="src_models")
class MultiplyBeta(keras.layers.Layer):
    """Scale a residual by a constant before it is added, as ESRGAN does.

    Parameters
    ----------
    beta : float
        The factor.
    """

    def __init__(self, beta: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.beta = beta

    def call(self, x: Any) -> Any:
        """Return `x` times beta."""
        return x * self.beta

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the output, the input's own."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "beta": self.beta}


def dense_convs(x: Any, conv: Any, names: list[str]) -> Any:
    """Append the output of each named convolution to its input: the dense part of an RDB.

    Parameters
    ----------
    x : tensor
        Features of shape ``(B, H, W, G0)``.
    conv : callable
        ``conv(name)`` gives the convolution layer of that name.
    names : list of str
        Names of the C convolutions.

    Returns
    -------
    tensor
        Features of shape ``(B, H, W, G0 + C * G)``.
    """
    for name in names:
        growth = keras.layers.Activation("relu", name=f"{name}_Relu")(conv(name)(x))  # (B, H, W, G)
        x = keras.layers.Concatenate(name=name.replace("F_", "RDB_Concat_", 1))([x, growth])
    return x
