"""The intensity range of each channel of an image stack, measured before any tile is run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.errors import warn
from src_models.images.axes import ImageStack, Plane
from src_models.images.intensity import IntensityRange, RangeMeter
from src_models.images.tiling import Region, split_region
from src_models.models.description import ModelDescription

_BLOCK = 1024
_SAMPLED_BLOCKS = 32


def measure_channels(
    stack: ImageStack, description: ModelDescription, *, sample: bool | None = None
) -> Iterator[dict[int, IntensityRange]]:
    """Measure the range of each channel over all planes, block by block.

    Parameters
    ----------
    stack : ImageStack
        The image.
    sample : bool, optional
        Whether to measure on a sample of 32 blocks a channel, for a quick look; None to do so
        with what is not in memory, and to go on there while nothing but a constant was seen.
    description : ModelDescription
        Says whether uint8 images keep the fixed range 0 to 255.

    Yields
    ------
    dict of int to IntensityRange
        By channel, as known after each block; complete in the end. One range, under 0, for
        channels that go through the network together.
    """
    if description.intensity == "8-bit" and np.dtype(stack.array.dtype) == np.uint8:
        yield dict.fromkeys(range(stack.colours), IntensityRange(0.0, 255.0))
        return
    by_channel: dict[int, list[Plane]] = {}
    for plane in stack.planes():
        by_channel.setdefault(plane.channel, []).append(plane)
    ranges: dict[int, IntensityRange] = {}
    for channel, planes in by_channel.items():
        meter = RangeMeter()
        for block in _blocks(stack, planes, meter, sample):
            meter.add(block)
            ranges[channel] = meter.range
            yield ranges


def _blocks(
    stack: ImageStack, planes: list[Plane], meter: RangeMeter, sample: bool | None
) -> Iterator[NDArray[Any]]:
    """Yield the blocks to measure: all of an array in memory, a sample of a lazy one.

    A sample that shows nothing but a constant says little: more follow until there is more.
    """
    regions = list(split_region(Region(0, stack.size[0], 0, stack.size[1]), _BLOCK))
    order = np.arange(len(planes) * len(regions))
    sampled = len(order)
    is_sampled = not isinstance(stack.array, np.ndarray) if sample is None else sample
    if is_sampled and len(order) > _SAMPLED_BLOCKS:
        first = np.linspace(0, len(order) - 1, _SAMPLED_BLOCKS).round().astype(int)
        order, sampled = np.r_[first, np.setdiff1d(order, first)], _SAMPLED_BLOCKS
    if sample:
        order = order[: 2 * _SAMPLED_BLOCKS]
    for number, block in enumerate(order):
        if number >= sampled and meter.range.low < meter.range.high:
            return
        plane, region = planes[block // len(regions)], regions[block % len(regions)]
        part = stack.read(plane, *region.slices)
        for c in range(part.shape[-1]):
            yield part[..., c]


# Up to this share, hot pixels explain pixels far out of range.
_MANY_FAR = 0.002
_FEW_PIXELS = 100


@dataclass(slots=True)
class UnreliablePixels:
    """How many pixels of an image were seen, are not finite, or lie far out of its range."""

    seen: int = 0
    not_finite: int = 0
    far: int = 0

    def note(self, residual: NDArray[np.float64], levels: IntensityRange) -> None:
        """Count the pixels of a tile by what goes round the network.

        Those far out of range do so for their intensity, others for their digits.
        """
        finite = residual[np.isfinite(residual)]
        self.seen += residual.size
        self.not_finite += residual.size - finite.size
        self.far += int((np.abs(finite) > 0.01 * (levels.high - levels.low)).sum())

    def warn(self, counted: bool = True) -> None:
        """Tell of what the result cannot be trusted in.

        Parameters
        ----------
        counted : bool
            Say how many pixels; without, Python tells it once however many parts say it.
        """
        if self.far > max(_FEW_PIXELS, _MANY_FAR * self.seen):
            how_many = f"{self.far / self.seen:.1%}" if counted else "Some"
            warn(
                f"{how_many} of the pixels lie far outside the range of "
                "intensities that was measured, and were repeated instead of upscaled. A sample "
                "of a lazy array may have missed them: load the array into memory, or upscale "
                "bright and dim planes apart."
            )
        if self.not_finite:
            one = counted and self.not_finite == 1
            warn(
                f"{self.not_finite if counted else 'Some'} pixel{'s' * (not one)} of the image "
                f"{'is' if one else 'are'} not finite (NaN or infinite), and so is the result "
                "there; pixels around are estimated as if the nearest finite one stood there."
            )
