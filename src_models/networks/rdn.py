"""The residual dense network.

References
----------
.. [1] Zhang et al., "Residual Dense Network for Image Super-Resolution", CVPR 2018,
   https://arxiv.org/abs/1802.08797
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from src_models.models.config import RDNConfig, Upscaling, config_from_arch_params
from src_models.networks.backend import keras
from src_models.networks.image_model import ImageModel
from src_models.networks.layers import dense_convs, pixel_shuffle


class RDN(ImageModel):
    """Residual dense network [1]_, with ISR's arguments and layer names.

    Parameters
    ----------
    arch_params : mapping
        ``C, D, G, G0, x`` (see `src_models.models.config`).
    patch_size : int, optional
        Remembered for training; the network takes images of any size.
    c_dim : int
        Number of image channels.
    kernel_size : int
        Kernel width of the trunk's convolutions; odd.
    upscaling : {"ups", "shuffle"}
        Nearest-neighbour repetition (ISR's weights) or pixel shuffle (the paper).
    init_extreme_val : float
        Weights start uniformly distributed between minus and plus this.
    weights : str
        Name of a model such as ``"psnr-small"``, or path of a model file or of ISR's weights, to
        take network and weights from; overrides the other arguments but `patch_size`.

    Raises
    ------
    InvalidInputError
        If a setting is out of range.
    ModelFileError
        If `weights` cannot be read or is not an RDN.

    Examples
    --------
    >>> rdn = RDN({"C": 2, "D": 2, "G": 8, "G0": 8, "x": 2}, c_dim=1)
    >>> rdn.model.output_shape
    (None, None, None, 1)
    """

    DEFAULT: ClassVar[Mapping[str, int]] = MappingProxyType(
        {"C": 3, "D": 10, "G": 64, "G0": 64, "x": 2}
    )

    def __init__(
        self,
        arch_params: Mapping[str, int] = DEFAULT,
        patch_size: int | None = None,
        c_dim: int = 3,
        kernel_size: int = 3,
        upscaling: Upscaling = "ups",
        init_extreme_val: float = 0.05,
        weights: str = "",
    ) -> None:
        if weights:
            from src_models.networks.model_files import load_into

            settings = {"upscaling": upscaling} if upscaling != "ups" else {}
            load_into(self, weights, patch_size, **settings)
            return
        config = config_from_arch_params(
            "rdn", arch_params, c_dim=c_dim, kernel_size=kernel_size, upscaling=upscaling
        )
        super().__init__(config, init_extreme_val, patch_size)

    def _build(self) -> keras.Model:
        config = self.config
        assert isinstance(config, RDNConfig)
        layers = keras.layers
        image = keras.Input((None, None, config.c_dim), name="LR")  # (B, H, W, c_dim)
        first = self._conv("F_m1")(image)  # (B, H, W, G0)
        x = self._conv("F_0")(first)
        blocks = []
        for d in range(1, config.D + 1):
            names = [f"F_{d}_{c}" for c in range(1, config.C + 1)]
            fused = self._conv(f"LFF_{d}")(dense_convs(x, self._conv, names))
            x = layers.Add(name=f"LRL_{d}")([fused, x])
            blocks.append(x)
        if config.D > 1:
            x = layers.Concatenate(name="LRLs_Concat")(blocks)  # (B, H, W, D*G0)
        x = self._conv("GFF_2")(self._conv("GFF_1")(x))  # (B, H, W, G0)
        x = layers.Add(name="FDF")([x, first])
        x = self._upscale(x, config)
        return keras.Model(image, self._conv("SR")(x), name="generator")  # (B, H*x, W*x, c_dim)

    def _upscale(self, x: Any, config: RDNConfig) -> Any:
        layers = keras.layers
        x = layers.Activation("relu", name="UPN1_Relu")(self._conv("UPN1")(x))  # (B, H, W, 64)
        x = layers.Activation("relu", name="UPN2_Relu")(self._conv("UPN2")(x))  # (B, H, W, 32)
        x = self._conv("UPN3")(x)  # (B, H, W, c_dim * x**2)
        if config.upscaling == "shuffle":
            return pixel_shuffle(x, config.x)  # (B, H*x, W*x, c_dim)
        return layers.UpSampling2D(config.x, "channels_last", name="UPsample")(
            x
        )  # (B, H*x, W*x, c_dim * x**2)
