"""The discriminator of SRGAN, which tells photos from a generator's answers.

References
----------
.. [1] Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial
   Network", CVPR 2017, https://arxiv.org/abs/1609.04802
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, ClassVar

from src_models.checks import check_whole
from src_models.networks.backend import keras


class Discriminator:
    """ISR's variant of the discriminator of SRGAN [1]_: it judges patches of the image, not all.

    Parameters
    ----------
    patch_size : int
        Width and height of the high-resolution training patches.
    kernel_size : int
        Kernel width of the convolutions.
    c_dim : int
        Number of image channels; ISR knows 3.

    Attributes
    ----------
    model : keras.Model
        ``(B, patch_size, patch_size, c_dim)`` to ``(B, patch_size / 4, patch_size / 4, 1)``: the
        probability that a place is of a real photo. Compiled as ISR does.
    logits : keras.Model
        The same layers up to the sigmoid, for losses that stay finite.
    block_param : mapping
        Filters and strides of the convolutions after the first.
    name : str
        ``"srgan-large"``.

    Raises
    ------
    InvalidInputError
        If a setting is no whole number of at least 1.
    """

    name: ClassVar[str] = "srgan-large"

    def __init__(self, patch_size: int, kernel_size: int = 3, c_dim: int = 3) -> None:
        self.patch_size = check_whole("patch_size", patch_size)
        self.kernel_size = check_whole("kernel_size", kernel_size)
        self.c_dim = check_whole("c_dim", c_dim)
        self.block_param = MappingProxyType(
            {"filters": (64, 128, 128, 256, 256, 512, 512), "strides": (2, 1, 2, 1, 1, 1, 1)}
        )
        self.block_num = len(self.block_param["filters"])
        image = keras.Input((patch_size, patch_size, c_dim), name="HR")
        logits = self._judge(image)
        real = keras.layers.Activation("sigmoid", name="real")(logits)
        self.model = keras.Model(image, real, name="discriminator")
        self.logits = keras.Model(image, logits, name="discriminator_logits")
        self.model.compile(
            keras.optimizers.Adam(0.0002, 0.5), loss="binary_crossentropy", metrics=["accuracy"]
        )

    def _judge(self, image: Any) -> Any:
        x = self._conv(image, 64, 1, 1, normalised=False)
        settings = zip(self.block_param["filters"], self.block_param["strides"], strict=True)
        for number, (filters, strides) in enumerate(settings, start=2):
            x = self._conv(x, filters, strides, number)
        # On the channels of each place: ISR leaves out SRGAN's flattening.
        x = keras.layers.Dense(1024, name="Dense_1024")(x)  # (B, patch/4, patch/4, 1024)
        x = keras.layers.LeakyReLU(negative_slope=0.2, name="Dense_1024_LeakyReLU")(x)
        return keras.layers.Dense(1, name="Dense_last")(x)  # (B, patch/4, patch/4, 1)

    def _conv(
        self, x: Any, filters: int, strides: int, number: int, normalised: bool = True
    ) -> Any:
        layers, name = keras.layers, f"Conv_{number}"
        x = layers.Conv2D(filters, self.kernel_size, strides, padding="same", name=name)(x)
        x = layers.LeakyReLU(negative_slope=0.2, name=f"{name}_LeakyReLU")(x)
        if normalised:
            x = layers.BatchNormalization(momentum=0.8, name=f"{name}_BatchNorm")(x)
        return x
