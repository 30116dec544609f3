"""The networks as a walk over a few operations, for any library that has these. Free of Keras.

`RDN` and `RRDN` say the same in Keras' layers; a test holds that both agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from src_models.models.config import NetworkConfig, RDNConfig, RRDNConfig

Tensor = TypeVar("Tensor")


class Operations(Protocol[Tensor]):
    """What a network is made of, in the words of some library.

    Features are ``(B, C, H, W)`` or ``(B, H, W, C)``, as the library likes it.
    """

    def conv(self, x: Tensor, name: str, relu: bool = False) -> Tensor:
        """Run the convolution of that name, padded with zeros, with its bias."""

    def concat(self, parts: Sequence[Tensor]) -> Tensor:
        """Put the channels of features one behind the other."""

    def fuse(self, parts: Sequence[Tensor], name: str, factor: float = 1.0) -> Tensor:
        """Return the first part plus `factor` times the convolution of all: a dense block's end."""

    def fuse_blocks(self, blocks: Sequence[Tensor], name: str) -> Tensor:
        """Run the 1x1 convolution of what all dense blocks made: global feature fusion."""

    def add(self, a: Tensor, b: Tensor, factor: float = 1.0) -> Tensor:
        """Return ``a + factor * b``."""

    def shuffle(self, x: Tensor, scale: int) -> Tensor:
        """Make pixels of channels: channel ``(i * scale + j) * C + c`` gives row i, column j."""

    def repeat(self, x: Tensor, scale: int) -> Tensor:
        """Repeat each pixel along Y and X."""


def walk(config: NetworkConfig, image: Tensor, operations: Operations[Tensor]) -> Tensor:
    """Run a network, or write it down, as its operations do.

    Parameters
    ----------
    config : RDNConfig or RRDNConfig
        The network.
    image : tensor
        Of ``config.c_dim`` channels, in [0, 1].
    operations : Operations
        What each step does.

    Returns
    -------
    tensor
        The image, `config.x` times larger.
    """
    if isinstance(config, RDNConfig):
        return _walk_rdn(config, image, operations)
    return _walk_rrdn(config, image, operations)


def _walk_rdn(config: RDNConfig, image: Tensor, ops: Operations[Tensor]) -> Tensor:
    first = ops.conv(image, "F_m1")
    x = ops.conv(first, "F_0")
    blocks = []
    for d in range(1, config.D + 1):
        dense = _dense(x, [f"F_{d}_{c}" for c in range(1, config.C + 1)], ops)
        x = ops.fuse(dense, f"LFF_{d}")
        blocks.append(x)
    x = ops.conv(ops.fuse_blocks(blocks, "GFF_1"), "GFF_2")
    x = ops.add(x, first)
    x = ops.conv(ops.conv(x, "UPN1", relu=True), "UPN2", relu=True)
    x = ops.conv(x, "UPN3")
    if config.x > 1:
        enlarge = ops.shuffle if config.upscaling == "shuffle" else ops.repeat
        x = enlarge(x, config.x)
    return ops.conv(x, "SR")


def _walk_rrdn(config: RRDNConfig, image: Tensor, ops: Operations[Tensor]) -> Tensor:
    first = x = ops.conv(image, "Pre_blocks_conv")
    for t in range(1, config.T + 1):
        outer = x
        for d in range(1, config.D + 1):
            dense = _dense(x, [f"F_{t}_{d}_{c}" for c in range(1, config.C + 1)], ops)
            x = ops.fuse(dense, f"LFF_{t}_{d}", config.beta)
        x = ops.add(outer, x, config.beta)
    x = ops.add(ops.conv(x, "post_blocks_conv"), first)
    x = ops.conv(x, "PreShuffle")
    if config.x > 1:
        x = ops.shuffle(x, config.x)
    return ops.conv(x, "SR")


def _dense(x: Tensor, names: list[str], ops: Operations[Tensor]) -> list[Tensor]:
    """Return features and what each convolution makes of all before it: an RDB's dense part."""
    parts = [x]
    for name in names:
        parts.append(ops.conv(_joined(parts, ops), name, relu=True))
    return parts


def _joined(parts: list[Tensor], ops: Operations[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else ops.concat(parts)
