"""Write 3x3 convolutions down for OpenVINO with half the multiplications, by Winograd's way.

Four rows of an answer take six products along Y instead of twelve: F(4, 3) of A. Lavin, S. Gray,
"Fast algorithms for convolutional neural networks", CVPR 2016, along one axis. OpenVINO has no
such convolutions on x86 processors, yet all that they are made of: features lie there as four
tensors of every fourth row, so what goes before and after the products are sums of tensors.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.config import NetworkConfig, RDNConfig
from src_models.openvino_operations import OpenVinoOperations
from src_models.weight_file import Weights

_ROWS = 4
# What a kernel's three rows give to each of the six products: at 0, 1, -1, 2, -2 and infinity.
_OF_KERNEL = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)
# Fewer channels, and the sums before and after the products take all the time that these save.
_FEWEST_CHANNELS = 32
# Of channels times the wide convolutions, on average, that take what a step of a dense block made:
# for each such step the sums before the products are made once. 96 (gans) saved an eighth of the
# time, 64 (an RDN of C=3, G=32) nothing.
_LEAST_USE = 80
# Of pixels times squared channels: from here on one tile should save about the time that the larger
# network takes longer to compile for its shape, by what smaller tiles saved (docs/performance.md).
_LEAST_WORK = 2**30


def saves_time(config: NetworkConfig, shape: Sequence[int]) -> bool:
    """Tell whether to write a network down in this way, for batches of a shape.

    Parameters
    ----------
    config : RDNConfig or RRDNConfig
        The network.
    shape : sequence of int
        Of the batches, ``(B, H, W, C)``; -1 where any length will do.
    """
    if -1 in shape or platform.machine().lower() not in ("x86_64", "amd64"):
        return False  # on ARM OpenVINO's own convolutions are Winograd's
    channels = min(config.G, config.G0)
    # Not by the batch's length, so that the last, shorter batch of an image is no exception.
    work = math.prod(shape[1:3]) * channels**2
    takers = (config.C + (1 if isinstance(config, RDNConfig) else 2)) / 2
    is_wide = config.kernel_size == 3 and channels >= _FEWEST_CHANNELS
    return is_wide and channels * takers >= _LEAST_USE and work >= _LEAST_WORK


@dataclass(slots=True, eq=False)
class RowPhases:
    """Features as four tensors ``(B, C, ceil(H / 4), W)``: phase i has the rows i, i + 4, ...

    Rows past the last one of the features are zero.
    """

    phases: list[Any]
    transformed: list[Any] = field(default_factory=list)


class WinogradOperations(OpenVinoOperations):
    """The network's operations as OpenVINO's, on features ``(B, C, H, W)`` or `RowPhases`.

    What comes after the enlargement has other rows and is written in the usual way.

    Parameters
    ----------
    weights : mapping
        The network's.
    height : int
        Rows of the batches.
    """

    def __init__(self, weights: Weights, height: int) -> None:
        super().__init__(weights)
        self._height = height
        self._constants: dict[tuple[str, bytes], Any] = {}
        # By identity, for tensors compare as networks do; each is kept with its phases.
        self._split: dict[int, tuple[Any, RowPhases]] = {}

    def whole(self, x: Any) -> Any:
        """Return features as one tensor."""
        if not isinstance(x, RowPhases):
            return x
        ops = self._ops
        batch, channels, rows, width = x.phases[0].get_output_shape(0)
        together = ops.concat([ops.unsqueeze(phase, np.array([3])) for phase in x.phases], 3)
        shape = np.array([batch, channels, rows * _ROWS, width])
        whole = ops.reshape(together, shape, False)
        more = shape[2] - self._height
        return self._padded(whole, 0, -more) if more else whole

    def add(self, a: Any, b: Any, factor: float = 1.0) -> Any:
        """Return ``a + factor * b``."""
        if not isinstance(a, RowPhases) and not isinstance(b, RowPhases):
            return super().add(a, b, factor)
        pairs = zip(self._phases(a).phases, self._phases(b).phases, strict=True)
        return RowPhases([super(WinogradOperations, self).add(p, q, factor) for p, q in pairs])

    def shuffle(self, x: Any, scale: int) -> Any:
        """Make pixels of channels."""
        return super().shuffle(self.whole(x), scale)

    def repeat(self, x: Any, scale: int) -> Any:
        """Repeat each pixel along Y and X."""
        return super().repeat(self.whole(x), scale)

    def fuse_blocks(self, blocks: Sequence[Any], name: str) -> RowPhases:
        """Convolve what the blocks made, see `OpenVinoOperations.fuse_blocks`."""
        # The phases of one block together, else the first phase of the last block would come first.
        joined = [self._ops.concat(self._phases(block).phases, 2) for block in blocks]
        answer = self._ops.split(super().fuse_blocks(joined, name), 2, _ROWS)
        return RowPhases(self._ending_in_zeros(answer.outputs()))

    def _relu(self, x: Any) -> Any:
        if not isinstance(x, RowPhases):
            return super()._relu(x)
        return RowPhases([super(WinogradOperations, self)._relu(phase) for phase in x.phases])

    def _sum(
        self, parts: Sequence[Any], kernel: NDArray[np.float32], bias: NDArray[np.float32]
    ) -> Any:
        are_phases = any(isinstance(part, RowPhases) for part in parts)
        is_wide = kernel.shape[:2] == (3, 3) and min(kernel.shape[2:]) >= _FEWEST_CHANNELS
        if is_wide and all(self._has_the_images_rows(part) for part in parts):
            return self._products([self._phases(part) for part in parts], kernel, bias)
        if kernel.shape[:2] == (1, 1) and are_phases:
            phased = [self._phases(part).phases for part in parts]
            sums = [
                super(WinogradOperations, self)._sum(rows, kernel, bias)
                for rows in zip(*phased, strict=True)
            ]
            return RowPhases(self._ending_in_zeros(sums))
        return super()._sum([self.whole(part) for part in parts], kernel, bias)

    def _has_the_images_rows(self, x: Any) -> bool:
        return isinstance(x, RowPhases) or x.get_output_shape(0)[2] == self._height

    def _products(
        self, parts: list[RowPhases], kernel: NDArray[np.float32], bias: NDArray[np.float32]
    ) -> RowPhases:
        """Convolve features by the six products and what makes four rows of them."""
        ops, times = self._ops, self._times
        kernels = np.einsum("ki,ixcf->kxcf", _OF_KERNEL, kernel)[:, None].astype(np.float32)
        taken = [self._transformed(part) for part in parts]

        def product(number: int, onto: Any = None) -> Any:
            return self._convolve([part[number] for part in taken], kernels[number], onto)

        # The second product goes into each of the four rows once, so the bias rides on it.
        near = product(1, ops.constant(bias.reshape(1, -1, 1, 1))), product(2)
        far = product(3), product(4)
        even, odd = ops.add(*near), ops.subtract(*near)
        far_even, far_odd = ops.add(*far), ops.subtract(*far)
        rows = [
            product(0, ops.add(even, far_even)),
            ops.add(odd, times(far_odd, 2)),
            ops.add(even, times(far_even, 4)),
            product(5, ops.add(odd, times(far_odd, 8))),
        ]
        return RowPhases(self._ending_in_zeros(rows))

    def _transformed(self, x: RowPhases) -> list[Any]:
        """Return what the six products take; kept, for more than one convolution reads it."""
        if not x.transformed:
            ops, times = self._ops, self._times
            above, below = self._moved(x.phases[3], 1), self._moved(x.phases[0], -1)
            a, b, c, d = x.phases
            even, odd = ops.add(d, times(b, -4)), ops.add(c, times(a, -4))
            far_even, far_odd = ops.subtract(d, b), times(ops.subtract(c, a), 2)
            near, far = ops.add(even, odd), ops.add(far_even, far_odd)
            x.transformed = [
                ops.add(times(above, 4), ops.add(d, times(b, -5))),
                near,
                ops.add(near, times(odd, -2)),
                far,
                ops.add(far, times(far_odd, -2)),
                ops.add(below, ops.add(times(a, 4), times(c, -5))),
            ]
        return x.transformed

    def _phases(self, x: Any) -> RowPhases:
        """Return features as phases of rows."""
        if isinstance(x, RowPhases):
            return x
        if id(x) not in self._split:
            ops, more = self._ops, -self._height % _ROWS
            padded = self._padded(x, 0, more) if more else x
            stop, step, as_given = list(padded.get_output_shape(0)), [1, 1, _ROWS, 1], [0] * 4
            phases = [
                ops.strided_slice(padded, [0, 0, i, 0], stop, step, as_given, as_given)
                for i in range(_ROWS)
            ]
            self._split[id(x)] = x, RowPhases(phases)
        return self._split[id(x)][1]

    def _ending_in_zeros(self, phases: list[Any]) -> list[Any]:
        """Make the rows past the last one zero again, as the next convolution pads with them."""
        more = -self._height % _ROWS
        mask = np.ones((1, 1, -(-self._height // _ROWS), 1), np.float32)
        mask[0, 0, -1] = 0
        kept, passing = phases[: _ROWS - more], phases[_ROWS - more :]
        return kept + [self._ops.multiply(phase, self._ops.constant(mask)) for phase in passing]

    def _times(self, x: Any, factor: float) -> Any:
        return self._ops.multiply(x, self._constant(np.float32(factor)))

    def _moved(self, phase: Any, rows: int) -> Any:
        """Move a phase down by so many rows; zeros come in, as past the image's border."""
        return self._padded(phase, rows, -rows)

    def _padded(self, x: Any, above: int, below: int) -> Any:
        """Add rows of zeros, or take away as many, if negative."""
        begin, end = (self._constant(np.array([0, 0, rows, 0])) for rows in (above, below))
        return self._ops.pad(x, begin, end, "constant", self._constant(np.float32(0)))

    def _constant(self, value: NDArray[Any] | np.float32) -> Any:
        """Return a constant, the same for the same value: there are thousands of uses."""
        key = value.dtype.char, value.tobytes()
        if key not in self._constants:
            self._constants[key] = self._ops.constant(value)
        return self._constants[key]
