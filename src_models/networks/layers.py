"""What the networks share: parts of Keras alone, so that plain Keras opens their files."""

from __future__ import annotations

from typing import Any

from src_models.networks.backend import keras


def pixel_shuffle(x: Any, scale: int) -> Any:
    """Rearrange channels into a larger image (sub-pixel convolution's second half [1]_).

    Parameters
    ----------
    x : tensor
        Features of shape ``(B, H, W, C * scale**2)``.
    scale : int
        Output pixels per input pixel along each axis.

    Returns
    -------
    tensor
        Of shape ``(B, H * scale, W * scale, C)``.

    References
    ----------
    .. [1] Shi et al., CVPR 2016, https://arxiv.org/abs/1609.05158
    """
    if scale == 1:  # some backends refuse a block of one
        return x
    return keras.ops.depth_to_space(x, scale, data_format="channels_last")


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
