"""The overlap that makes a model's tiles invisible: its effective receptive field, measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from src_models.engines.opening import Engine, EngineName, open_engine
from src_models.upscaling.predict import upscale

if TYPE_CHECKING:
    from src_models.networks.image_model import ImageModel

_TILE, _STEP, _SIZE = 32, 4, 96


def measure_overlap(
    model: str | Path | ImageModel | Engine,
    images: Iterable[NDArray[Any]] = (),
    *,
    engine: EngineName = "auto",
) -> int:
    """Find the smallest overlap at which tiled and whole differ by less than a grey level of 255.

    What comes out belongs into the model's description, once it is trained:
    ``model.describe(overlap=measure_overlap(model, images))``.

    Parameters
    ----------
    model : str, Path, RDN, RRDN or Engine
        As for `src_models.upscale`.
    images : iterable of ndarray
        Images ``(Y, X)`` or ``(Y, X, C)`` of any dtype, of which the middle 96 x 96 pixels are
        used; noise, and the finest checkerboard and stripes, the hardest, are always among them.
    engine : {"auto", "keras", "openvino", "onnxruntime"}
        What runs the network.

    Returns
    -------
    int
        Input pixels, a multiple of 4, or what the network can reach at the most.
    """
    network = open_engine(model, engine)
    shape = (_SIZE, _SIZE, network.description.channels)
    farthest = network.description.config.receptive_radius
    needed = 0
    for image in (*_hardest(shape), *images):
        middle = _middle(image)
        whole = upscale(middle, network, axes="YXC", tile_size=_SIZE, overlap=farthest)
        while needed < farthest:
            tiled = upscale(middle, network, axes="YXC", tile_size=_TILE, overlap=needed)
            if np.abs(tiled - whole).max() < np.ptp(middle) / 255:
                break
            needed = min(needed + _STEP, farthest)
    return needed


def _hardest(shape: tuple[int, int, int]) -> Iterator[NDArray[np.float32]]:
    """Yield noise of all levels and of two, and what repeats every two or four pixels."""
    noise = np.random.default_rng(0).random(shape, np.float32)
    yield noise
    yield np.rint(noise)
    y, x, _ = np.indices(shape)
    for repeating in (y + x, x, y, x // 2, y // 2):
        yield (repeating % 2).astype(np.float32)


def _middle(image: NDArray[Any]) -> NDArray[np.float32]:
    image = np.atleast_3d(image)
    y, x = (max((n - _SIZE) // 2, 0) for n in image.shape[:2])
    return image[y : y + _SIZE, x : x + _SIZE].astype(np.float32)
