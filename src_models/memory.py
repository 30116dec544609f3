"""How large a tile may be: the machine's free memory against the network's need per pixel."""

from __future__ import annotations

import math

import psutil

from src_models.config import NetworkConfig

# A tile beyond this wins no speed (its overlap is a few per cent) and delays Cancel.
_MOST_BYTES = 320 * 2**20
_SMALLEST, _LARGEST = 32, 512


def bytes_per_pixel(config: NetworkConfig) -> int:
    """Return an estimate of the network's working memory per input pixel, in bytes.

    The feature maps that wait for a concatenation are counted with the widest convolution's
    input and output, which the backend holds twice.
    """
    waiting = config.D * config.G0
    widest = max((c.inputs + c.filters) * c.at_scale**2 for c in config.convs())
    return 4 * (waiting + 2 * widest)


def choose_tile_size(config: NetworkConfig, overlap: int, batch_size: int) -> int:
    """Return the tile size, without overlap, that keeps the working memory within bounds.

    Parameters
    ----------
    config : RDNConfig or RRDNConfig
        The network.
    overlap : int
        Pixels of context on every side of a tile.
    batch_size : int
        Tiles run at a time.

    Returns
    -------
    int
        Width and height in input pixels, from 32 to 512.
    """
    budget = min(_MOST_BYTES, psutil.virtual_memory().available // 4)
    side = math.isqrt(budget // (bytes_per_pixel(config) * batch_size)) - 2 * overlap
    return max(_SMALLEST, min(_LARGEST, side // 16 * 16))


def fits(size: int) -> bool:
    """Tell whether a result of so many bytes leaves room for other work: half of what is free."""
    return bool(size <= psutil.virtual_memory().available // 2)
