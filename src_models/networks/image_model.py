"""What RDN and RRDN share: ISR's face over a Keras model and its description."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.checks import check_whole
from src_models.errors import InvalidInputError
from src_models.models.config import Conv, NetworkConfig
from src_models.models.description import ModelDescription
from src_models.models.isr_files import as_isr_trained
from src_models.networks.backend import keras
from src_models.networks.isr_weights import patch_load_weights

# The last axis holds channels where it is as long as the network has.
_AXES = {3: "YXC", 4: "ZYXC", 5: "TZYXC"}


class ImageModel:
    """A super-resolution network with its description.

    Parameters
    ----------
    config : RDNConfig or RRDNConfig
        The network's settings.
    init_range : float
        Weights start uniformly distributed in ``[-init_range, init_range]``.
    patch_size : int or None
        Remembered for training. The network itself takes images of any size, whatever it was
        trained on.

    Attributes
    ----------
    model : keras.Model
        Functional model, float32 ``(B, H, W, c_dim)`` in [0, 1] to
        ``(B, H * scale, W * scale, c_dim)``.
    """

    def __init__(self, config: NetworkConfig, init_range: float, patch_size: int | None) -> None:
        self._description = ModelDescription(name=config.network, config=config)
        self.patch_size = check_patch_size(patch_size)
        _check_init_range(init_range)
        self._init_range = init_range
        self._convs = {conv.name: conv for conv in config.convs()}
        self._built = self.model = patch_load_weights(self._build())

    def _build(self) -> keras.Model:
        raise NotImplementedError

    def _conv(self, name: str) -> keras.layers.Conv2D:
        conv: Conv = self._convs[name]
        # A new initialiser each: one instance gives layers of equal shape equal weights.
        uniform = keras.initializers.RandomUniform(-self._init_range, self._init_range)
        return keras.layers.Conv2D(
            conv.filters,
            conv.kernel,
            padding="same",
            data_format="channels_last",  # whatever the user's keras.json says
            kernel_initializer=uniform,
            name=name,
        )

    @property
    def description(self) -> ModelDescription:
        """What there is to know of it, apart from the weights."""
        # The model may have been replaced by another one of the same shapes.
        if getattr(self.model, "has_isr_weights", False):
            return as_isr_trained(self._description)
        return self._description

    @description.setter
    def description(self, description: ModelDescription) -> None:
        self._description = description

    @property
    def is_as_built(self) -> bool:
        """Whether `model` is the network of `config`, not another that was put in its place."""
        return self.model is self._built

    @property
    def config(self) -> NetworkConfig:
        """The network's settings."""
        return self._description.network

    @property
    def name(self) -> str:
        """Kind of network: ``"rdn"`` or ``"rrdn"``."""
        return self.config.network

    @property
    def scale(self) -> int:
        """Output pixels per input pixel along each axis."""
        return self.config.x

    @property
    def c_dim(self) -> int:
        """Number of image channels."""
        return self.config.c_dim

    @property
    def params(self) -> dict[str, int]:
        """The architecture in the papers' symbols (see `src_models.models.config`)."""
        return self.config.arch_params

    def describe(self, **changes: Any) -> None:
        """Change fields of the description, such as its name, summary or training record."""
        self.description = replace(self.description, **changes)

    def predict(
        self,
        input_image_array: NDArray[Any],
        by_patch_of_size: int | None = None,
        batch_size: int = 10,
        padding_size: int = 2,
    ) -> NDArray[Any]:
        """Upscale an image, with ISR's argument names.

        Parameters
        ----------
        input_image_array : ndarray
            Image ``(Y, X)``, ``(Y, X, 3)`` or ``(Y, X, 4)``, or a stack of such, of any dtype
            that `upscale` takes.
        by_patch_of_size : int, optional
            Size of the tiles in input pixels; None or 0 for the whole image at once.
        batch_size : int
            Number of tiles run at a time; only with `by_patch_of_size`.
        padding_size : int
            Input pixels of context read around each tile, at least; only with
            `by_patch_of_size`. What the network needs for invisible seams is always read.

        Returns
        -------
        ndarray
            The image, `scale` times larger along Y and X, of the same dtype.

        Raises
        ------
        InvalidInputError
            If the image or a setting does not fit.
        """
        from src_models.upscaling.predict import upscale

        shape = np.shape(input_image_array)
        axes = _AXES.get(len(shape)) if shape and shape[-1] == self.c_dim else None
        if not by_patch_of_size:
            return upscale(input_image_array, self, axes=axes, tile_size=max((1, *shape)))
        check_whole("by_patch_of_size", by_patch_of_size)
        check_whole("batch_size", batch_size)
        check_whole("padding_size", padding_size, 0)
        return upscale(
            input_image_array,
            self,
            axes=axes,
            tile_size=by_patch_of_size,
            overlap=max(padding_size, self.description.default_overlap),
            batch_size=batch_size,
        )

    def save(self, path: str | Path) -> Path:
        """Write network, weights and description into one file.

        Parameters
        ----------
        path : str or Path
            Where to; ``.keras`` is appended if it is missing.

        Returns
        -------
        Path
            The file written.
        """
        from src_models.networks.model_files import save_model

        return save_model(self, path)


def check_patch_size(patch_size: int | None) -> int | None:
    """Return the patch size for training if it can be one.

    Raises
    ------
    InvalidInputError
        If it is neither None nor a whole number of at least 1.
    """
    return None if patch_size is None else check_whole("patch_size", patch_size)


def _check_init_range(init_range: object) -> None:
    if not isinstance(init_range, int | float) or not 0 <= init_range < np.inf:
        raise InvalidInputError(
            "New weights are drawn between minus and plus a number of at least 0. "
            f"Received: {init_range!r}."
        )
