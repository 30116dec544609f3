"""The networks' operations as OpenVINO's: what a network is written down with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.models.weights import Weights


class OpenVinoOperations:
    """The network's operations as OpenVINO's, on features ``(B, C, H, W)``."""

    def __init__(self, weights: Weights) -> None:
        from openvino import opset13

        self._weights, self._ops = weights, opset13

    def conv(self, x: Any, name: str, relu: bool = False) -> Any:
        """Run a convolution, see `src_models.engines.graph.Operations`."""
        kernel, bias = self._weights[f"{name}/kernel"], self._weights[f"{name}/bias"]
        output = self._sum(x if isinstance(x, list) else [x], kernel, bias)
        return self._ops.relu(output) if relu else output

    def fuse(self, parts: Sequence[Any], name: str, factor: float = 1.0) -> Any:
        """Close a dense block: the middle of its kernel adds the first part as well."""
        kernel = self._weights[f"{name}/kernel"] * np.float32(factor)
        bias = self._weights[f"{name}/bias"] * np.float32(factor)
        middle, channels = kernel.shape[0] // 2, bias.size
        kernel[middle, middle, :channels] += np.eye(channels, dtype=np.float32)
        return self._sum(parts, kernel, bias)

    def fuse_blocks(self, blocks: Sequence[Any], name: str) -> Any:
        """Convolve what the blocks made, each as soon as it is there, so that none has to wait.

        OpenVINO runs what a convolution takes before what is added to it. So the sum of the
        earlier blocks is what is taken here, by a convolution that changes nothing.
        """
        kernel, bias = self._weights[f"{name}/kernel"], self._weights[f"{name}/bias"]
        same = self._ops.constant(np.eye(bias.size, dtype=np.float32)[:, :, None, None])
        onto = self._ops.constant(bias.reshape(1, -1, 1, 1))
        kernels = np.split(kernel, len(blocks), axis=2)
        for number, (block, own) in enumerate(zip(blocks, kernels, strict=True)):
            if number:
                onto = self._ops.convolution(onto, same, [1, 1], [0, 0], [0, 0], [1, 1])
            onto = self._ops.add(onto, self._convolve([block], own))
        return onto

    def _sum(
        self, parts: Sequence[Any], kernel: NDArray[np.float32], bias: NDArray[np.float32]
    ) -> Any:
        """Convolve parts of features, each with its channels of a kernel, and add the answers."""
        return self._convolve(parts, kernel, self._ops.constant(bias.reshape(1, -1, 1, 1)))

    def _convolve(self, parts: Sequence[Any], kernel: NDArray[np.float32], onto: Any = None) -> Any:
        """Convolve as `_sum` does, without a bias; adding onto a tensor costs nothing."""
        pad = [length // 2 for length in kernel.shape[:2]]
        start = 0
        for part in parts:
            stop = start + part.get_output_partial_shape(0)[1].get_length()
            own = np.ascontiguousarray(kernel[:, :, start:stop].transpose(3, 2, 0, 1))
            filters = self._ops.constant(own)
            convolved = self._ops.convolution(part, filters, [1, 1], pad, pad, [1, 1])
            onto = convolved if onto is None else self._ops.add(convolved, onto)
            start = stop
        return onto

    def concat(self, parts: Sequence[Any]) -> list[Any]:
        """Leave the parts as they are: a convolution of all is the sum of one of each.

        So nothing is copied, and no part is kept for the others.
        """
        return list(parts)

    def add(self, a: Any, b: Any, factor: float = 1.0) -> Any:
        """Return ``a + factor * b``."""
        if factor != 1:
            b = self._ops.multiply(b, self._ops.constant(np.float32(factor)))
        return self._ops.add(a, b)

    def shuffle(self, x: Any, scale: int) -> Any:
        """Make pixels of channels."""
        return self._ops.depth_to_space(x, "blocks_first", scale)

    def repeat(self, x: Any, scale: int) -> Any:
        """Repeat each pixel along Y and X."""
        return self._ops.interpolate(
            x,
            np.array([scale, scale], np.float32),
            "nearest",
            "scales",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
            axes=np.array([2, 3]),
        )
