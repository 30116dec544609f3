"""The intensity range of each channel of an image stack, measured before any tile is run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
