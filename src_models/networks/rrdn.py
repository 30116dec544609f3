"""The residual-in-residual dense network, generator of ESRGAN.

References
----------
.. [1] Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks",
   ECCV Workshops 2018, https://arxiv.org/abs/1809.00219
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from src_models.models.config import RRDNConfig, config_from_arch_params
from src_models.networks.backend import keras
from src_models.networks.image_model import ImageModel
from src_models.networks.layers import dense_convs, pixel_shuffle


class RRDN(ImageModel):
    """Residual-in-residual dense network [1]_, with ISR's arguments and layer names.

    Parameters
    ----------
    arch_params : mapping
        ``C, D, G, G0, T, x`` (see `src_models.models.config`).
    patch_size : int, optional
        Remembered for training; the network takes images of any size.
    beta : float
        Factor of the residuals before they are added, in (0, 1].
    c_dim : int
        Number of image channels.
    kernel_size : int
        Kernel width of the dense convolutions; odd.
    init_val : float
        Weights start uniformly distributed between minus and plus this.
    weights : str
        Name of a model such as ``"gans"``, or path of a model file or of ISR's weights, to take
        network and weights from; overrides the other arguments but `patch_size`, and `beta` for
        ISR's weights, which do not tell it.

    Raises
    ------
    InvalidInputError
        If a setting is out of range.
    ModelFileError
        If `weights` cannot be read or is not an RRDN.
    """

    DEFAULT: ClassVar[Mapping[str, int]] = MappingProxyType(
        {"C": 4, "D": 3, "G": 32, "G0": 32, "T": 10, "x": 4}
    )

    def __init__(
        self,
        arch_params: Mapping[str, int] = DEFAULT,
        patch_size: int | None = None,
        beta: float = 0.2,
        c_dim: int = 3,
        kernel_size: int = 3,
        init_val: float = 0.05,
        weights: str = "",
    ) -> None:
        if weights:
            from src_models.networks.model_files import load_into

            settings = {"beta": beta} if beta != 0.2 else {}
            load_into(self, weights, patch_size, **settings)
            return
        config = config_from_arch_params(
            "rrdn", arch_params, c_dim=c_dim, kernel_size=kernel_size, beta=beta
        )
        super().__init__(config, init_val, patch_size)

    def _build(self) -> keras.Model:
        config = self.config
        assert isinstance(config, RRDNConfig)
        image = keras.Input((None, None, config.c_dim), name="LR_input")  # (B, H, W, c_dim)
        first = self._conv("Pre_blocks_conv")(image)  # (B, H, W, G0)
        x = first
        for t in range(1, config.T + 1):
            x = self._rrdb(x, t, config)
        x = keras.layers.Add(name="GRL")([self._conv("post_blocks_conv")(x), first])
        x = self._conv("PreShuffle")(x)  # (B, H, W, c_dim * x**2)
        x = pixel_shuffle(x, config.x)  # (B, H*x, W*x, c_dim)
        return keras.Model(image, self._conv("SR")(x), name="generator")

    def _rrdb(self, x: Any, t: int, config: RRDNConfig) -> Any:
        block_input = x
        for d in range(1, config.D + 1):
            names = [f"F_{t}_{d}_{c}" for c in range(1, config.C + 1)]
            fused = self._conv(f"LFF_{t}_{d}")(dense_convs(x, self._conv, names))
            residual = keras.layers.Rescaling(config.beta, name=f"beta_{t}_{d}")(fused)
            x = keras.layers.Add(name=f"LRL_{t}_{d}")([x, residual])
        x = keras.layers.Rescaling(config.beta, name=f"beta_{t}")(x)
        return keras.layers.Add(name=f"RRDB_{t}_out")([block_input, x])
