"""Sample images for File > Open Sample.

They were halved in size by 2x2 binning, so that a x2 result can be judged against the truth.
Where they come from: ``samples/SOURCES.md``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FOLDER = Path(__file__).parent / "samples"

LayerData = tuple[NDArray[Any], dict[str, Any], str]


def read_sample(name: str) -> NDArray[Any]:
    """Read one of the sample files, ``(Y, X)`` or ``(Y, X, 3)``."""
    with Image.open(FOLDER / f"{name}.png") as image:
        pixels = np.asarray(image)
    # Pillow opens 16-bit PNGs as 32-bit integers.
    return pixels.astype(np.uint16) if pixels.dtype.itemsize > 2 else pixels


def _opened(name: str, **metadata: Any) -> list[LayerData]:
    return [(read_sample(name), {"name": name, **metadata}, "image")]


def embl_plant_12bit() -> list[LayerData]:
    """Open a confocal image of a plant: 12 bits in uint16."""
    return _opened("embl_plant_12bit")


def skimage_skin() -> list[LayerData]:
    """Open an RGB image of stained skin."""
    return _opened("skimage_skin", rgb=True)


def diatom_025() -> list[LayerData]:
    """Open an electron microscopy image of a diatom."""
    return _opened("diatom_025")
