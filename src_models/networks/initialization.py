"""Start a network as an interpolator, so that training only has to learn what is better.

A fresh RDN answers with noise and spends its first thousand steps on learning to copy its input.
Here some of its weights are set so that it answers with cubic interpolation (RDN) or bilinear
interpolation (RRDN) from the first step on, exactly constant on constants, while all other
weights start small. The architecture is untouched.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from src_models.errors import InvalidInputError
from src_models.models.config import RDNConfig
from src_models.networks.image_model import ImageModel

_SMALL = 0.1
_Tap = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def start_as_interpolation(model: ImageModel, seed: int = 0) -> None:
    """Set the weights of a new network so that it interpolates.

    Parameters
    ----------
    model : RDN or RRDN
        Changed in place. An RDN must have ``upscaling="shuffle"`` and channels enough to carry
        the image beside the features: ``2 * c_dim * x**2 <= 32``.
    seed : int
        Of the small random weights that break the symmetry.

    Raises
    ------
    InvalidInputError
        If the network is too narrow for it.
    """
    config = model.config
    phases = config.c_dim * config.x**2
    is_rdn = isinstance(config, RDNConfig)
    if isinstance(config, RDNConfig) and (config.upscaling != "shuffle" or 2 * phases > 32):
        raise InvalidInputError(
            "An RDN that starts as interpolation needs upscaling='shuffle' and "
            f"2 * c_dim * x**2 <= 32. Received: {config}."
        )
    if config.c_dim > config.G0:
        raise InvalidInputError(f"The trunk must be at least as wide as c_dim. Received: {config}.")
    rng = np.random.default_rng(seed)
    for conv in config.convs():
        layer = model.model.get_layer(conv.name)
        spread = math.sqrt(2 / (conv.kernel**2 * conv.inputs))
        kernel = rng.normal(0, spread, layer.kernel.shape).astype(np.float32)
        layer.set_weights([kernel, np.zeros(conv.filters, np.float32)])
    _damp(model, "LFF", _SMALL)
    _carry_image(model, "F_m1" if is_rdn else "Pre_blocks_conv")
    _leave_image_alone(model, "GFF_2" if is_rdn else "post_blocks_conv")
    if is_rdn:
        _interpolate(model, "UPN1", _cubic, signed=True)
        _pass_on(model, "UPN2", phases)
        _combine(model, "UPN3", phases)
    else:
        _interpolate(model, "PreShuffle", _linear, signed=False)
    _carry_image(model, "SR")


def _damp(model: ImageModel, prefix: str, factor: float) -> None:
    for conv in model.config.convs():
        if conv.name.startswith(prefix):
            layer = model.model.get_layer(conv.name)
            layer.kernel.assign(np.asarray(layer.kernel) * factor)


def _carry_image(model: ImageModel, name: str) -> None:
    """Make the first outputs copies of the image's channels."""
    layer = model.model.get_layer(name)
    kernel = np.asarray(layer.kernel).copy()
    middle = kernel.shape[0] // 2
    for c in range(model.c_dim):
        kernel[..., c] = 0
        kernel[middle, middle, c, c] = 1
    layer.kernel.assign(kernel)


def _leave_image_alone(model: ImageModel, name: str) -> None:
    """Add nothing yet to the features that carry the image's channels."""
    layer = model.model.get_layer(name)
    kernel = np.asarray(layer.kernel) * _SMALL
    kernel[..., : model.c_dim] = 0
    layer.kernel.assign(kernel)


def _interpolate(model: ImageModel, name: str, tap: _Tap, *, signed: bool) -> None:
    """Make the first outputs the sub-pixel positions of the interpolated image.

    With `signed` each comes twice, the second time negative, so that a ReLU loses nothing.
    """
    layer = model.model.get_layer(name)
    kernel = np.asarray(layer.kernel).copy()
    kernel *= _SMALL
    scale, channels = model.scale, model.c_dim
    offsets = np.arange(kernel.shape[0]) - kernel.shape[0] // 2
    for phase in range(scale**2 * channels):
        cell, c = divmod(phase, channels)
        row, column = divmod(cell, scale)
        weights = [tap(offsets - ((i + 0.5) / scale - 0.5)) for i in (row, column)]
        outputs = ((2 * phase, 1.0), (2 * phase + 1, -1.0)) if signed else ((phase, 1.0),)
        for output, sign in outputs:
            kernel[..., output] = 0
            kernel[:, :, c, output] = sign * np.outer(*weights)
    layer.kernel.assign(kernel)


def _pass_on(model: ImageModel, name: str, phases: int) -> None:
    """Hand the signed pairs of sub-pixel positions on."""
    layer = model.model.get_layer(name)
    kernel = np.asarray(layer.kernel).copy()
    middle = kernel.shape[0] // 2
    kernel[..., : 2 * phases] = 0
    for i in range(2 * phases):
        kernel[middle, middle, i, i] = 1
    layer.kernel.assign(kernel)


def _combine(model: ImageModel, name: str, phases: int) -> None:
    """Take each pair's difference, and nothing yet of everything else."""
    layer = model.model.get_layer(name)
    kernel = np.zeros(layer.kernel.shape, np.float32)
    middle = kernel.shape[0] // 2
    for i in range(phases):
        kernel[middle, middle, 2 * i, i] = 1
        kernel[middle, middle, 2 * i + 1, i] = -1
    layer.kernel.assign(kernel)


def _cubic(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic convolution kernel with a = -1/2, made to sum to 1."""
    d = np.abs(distance)
    near = (1.5 * d - 2.5) * d**2 + 1
    far = ((-0.5 * d + 2.5) * d - 4) * d + 2
    taps = np.where(d <= 1, near, np.where(d < 2, far, 0.0))
    return np.asarray(taps / taps.sum())


def _linear(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bilinear interpolation's kernel."""
    taps = np.clip(1 - np.abs(distance), 0, None)
    return np.asarray(taps / taps.sum())
