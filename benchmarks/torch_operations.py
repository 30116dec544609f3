"""The networks in plain torch, a peer for `upscaling.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


class TorchOperations:
    """The network's operations as torch's, on features ``(B, C, H, W)``."""

    def __init__(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        self.weights = {
            name: torch.from_numpy(
                np.ascontiguousarray(w.transpose(3, 2, 0, 1)) if w.ndim == 4 else w
            )
            for name, w in weights.items()
        }

    def conv(self, x: Any, name: str, relu: bool = False) -> Any:
        """Run a convolution."""
        kernel, bias = self.weights[f"{name}/kernel"], self.weights[f"{name}/bias"]
        x = torch.nn.functional.conv2d(x, kernel, bias, padding=kernel.shape[-1] // 2)
        return torch.relu_(x) if relu else x

    def concat(self, parts: Sequence[Any]) -> Any:
        """Join channels."""
        return torch.cat(list(parts), 1)

    def fuse(self, parts: Sequence[Any], name: str, factor: float = 1.0) -> Any:
        """Close a dense block."""
        return self.add(parts[0], self.conv(self.concat(parts), name), factor)

    def fuse_blocks(self, blocks: Sequence[Any], name: str) -> Any:
        """Convolve what the blocks made."""
        return self.conv(self.concat(blocks), name)

    def add(self, a: Any, b: Any, factor: float = 1.0) -> Any:
        """Return ``a + factor * b``."""
        return torch.add(a, b, alpha=factor)

    def shuffle(self, x: Any, scale: int) -> Any:
        """Make pixels of channels."""
        b, c, h, w = x.shape
        x = x.reshape(b, scale, scale, -1, h, w).permute(0, 3, 4, 1, 5, 2)
        return x.reshape(b, c // scale**2, h * scale, w * scale)

    def repeat(self, x: Any, scale: int) -> Any:
        """Repeat pixels."""
        return torch.nn.functional.interpolate(x, scale_factor=scale, mode="nearest")
