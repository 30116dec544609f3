"""Small images and networks to train."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from src_models import RDN
from src_models.networks.initialization import start_as_interpolation


@pytest.fixture
def cells():
    """Make images ``(size, size)`` of blurred noise, uint16."""

    def make(count: int = 1, size: int = 64, seed: int = 0, dtype=np.uint16) -> list[np.ndarray]:
        rng = np.random.default_rng(seed)
        images = []
        for _ in range(count):
            image = gaussian_filter(rng.random((size, size)), 1.2)
            image = (image - image.min()) / (image.max() - image.min())
            images.append((image * np.iinfo(dtype).max).astype(dtype))
        return images

    return make


@pytest.fixture
def folder_of(tmp_path):
    """Write images into a new folder of PNG files."""

    def write(name: str, images: dict[str, np.ndarray]) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for file, image in images.items():
            Image.fromarray(image).save(folder / file)
        return folder

    return write


@pytest.fixture
def small_rdn():
    """A network of one channel that starts as interpolation."""

    def make(x: int = 2, c_dim: int = 1, patch_size: int | None = 16) -> RDN:
        rdn = RDN(
            {"C": 1, "D": 1, "G": 8, "G0": 8, "x": x},
            c_dim=c_dim,
            patch_size=patch_size,
            upscaling="shuffle",
        )
        rdn.describe(intensity="measured")
        start_as_interpolation(rdn)
        return rdn

    return make
