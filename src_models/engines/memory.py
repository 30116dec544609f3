"""How large a tile may be: the free memory against the network's measured need."""

from __future__ import annotations

import math

from src_models.engines.free_memory import free_memory
from src_models.models.config import RDNConfig
from src_models.models.onnx_config import AnyConfig, OnnxConfig

# Up to here a larger tile wins speed: measured with microscopy-x2 on two cores, tiles of 256 take
# a twentieth longer than tiles of 512.
_SMALLEST, _USUAL = 32, 512
# (1 + 2 / 44)**2 = 1.093: tiles of 44 times the overlap spend under a tenth of the work on it.
_TIMES_OVERLAP = 44
# To so many channels the processor's libraries round up; OpenVINO to fewer, if at all.
_LANES = {"openvino": 8}
_MOST_LANES = 16
# The one convolution that takes what all blocks made, which other engines join for it.
_JOINS_BLOCKS = "GFF_1"
# Peak resident memory over what `_features` says, as measured (docs/performance.md): OpenVINO
# 0.5 to 1.3, Keras on TensorFlow 1.1 to 1.7, ONNX Runtime 1.2 to 2.4, the highest for a network
# of 8 features, whose tiles are small anyway.
_OVER = {"openvino": 1.35, "keras": 1.5, "onnxruntime": 1.8}


def bytes_per_pixel(config: AnyConfig, engine: str = "keras") -> int:
    """Return the network's working memory per input pixel, in bytes.

    Parameters
    ----------
    config : RDNConfig, RRDNConfig or OnnxConfig
        The network.
    engine : str
        What runs it: ``"keras"``, ``"openvino"`` or ``"onnxruntime"``; any other is taken to need
        as much as the one that needs the most.
    """
    features = _features(config, engine != "openvino", _LANES.get(engine, _MOST_LANES))
    return math.ceil(4 * features * _OVER.get(engine, max(_OVER.values())))


def _features(config: AnyConfig, copies: bool, lanes: int) -> int:
    """Return how many numbers per input pixel are there at once, in the widest place.

    Those are a dense block's; where the engine `copies` what it joins, with the blocks that wait
    to be joined, or these with their joint copy; or what a convolution takes and gives, whose
    channels are rounded up to whole `lanes`.
    """
    if isinstance(config, OnnxConfig):
        return config.features
    dense = config.G0 + config.C * config.G
    widest = 3 * config.G0 + 2 * dense
    if isinstance(config, RDNConfig) and copies:
        waiting = config.D * config.G0
        widest = waiting + 2 * config.G0 + max(waiting, 2 * dense)
    convs = (
        (_rounded_up(conv.inputs, lanes) + _rounded_up(conv.filters, lanes)) * conv.at_scale**2
        for conv in config.convs()
        if copies or conv.name != _JOINS_BLOCKS
    )
    return max(widest, *convs) + config.c_dim * config.x**2


def _rounded_up(channels: int, lanes: int) -> int:
    return -(-channels // lanes) * lanes


def choose_tile_size(
    config: AnyConfig,
    overlap: int,
    batch_size: int,
    engine: str = "keras",
    budget: int | None = None,
) -> int:
    """Return the tile size, without overlap, that suits the network and the memory there is.

    It is 512, or what keeps the work on the overlap under a tenth if that is more, or what fits
    into the memory if that is less.

    Parameters
    ----------
    config : RDNConfig, RRDNConfig or OnnxConfig
        The network.
    overlap : int
        Pixels of context on every side of a tile.
    batch_size : int
        Tiles run at a time.
    engine : str
        What runs the network.
    budget : int, optional
        Bytes that the network may take; by default a quarter of the free memory.

    Returns
    -------
    int
        Width and height in input pixels, at least 32.
    """
    if budget is None:
        budget = free_memory() // 4
    pixels = budget // (bytes_per_pixel(config, engine) * batch_size)
    fits = (math.isqrt(pixels) - 2 * overlap) // 16 * 16
    return max(_SMALLEST, min(max(_USUAL, _TIMES_OVERLAP * overlap), fits))


def is_little(size: int) -> bool:
    """Tell whether so many bytes may be kept for a while: an eighth of what is free.

    As a tile takes at most a quarter, keeping them changes no tile's size.
    """
    return bool(size <= free_memory() // 8)


def fits(size: int) -> bool:
    """Tell whether a result of so many bytes leaves room for other work: half of what is free."""
    return bool(size <= free_memory() // 2)
