"""The high-resolution images that bundled models learn from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from src_models.images.intensity import as_dtype

_BLUR = (0.7, 2.5)
_DIM_LEVELS, _DIM_OFFSET = (24, 80), (0, 10)
_GRAIN, _GRAIN_SIZE = (0.04, 0.15), (0.0, 0.8)
_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff"}

Images = list[NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Which images, how often each, and which of them to judge with.

    Attributes
    ----------
    folders : dict of str to int
        Folders below the data folder; how many times as often as once their images are drawn.
    held_out_of : str
        The folder some images of which validate, and are not trained on.
    held_out_every : int
        Every so many of them.
    blurred_share : float
        Part of the images of which a blurred copy is learnt from, too: oversampled data.
    dim_share : float
        Part of the images of which a copy is learnt from, too, that fills few grey levels of
        uint8; half of them are blurred.
    grainy_share : float
        Part of the images of which a copy with noise is learnt from, too: the truth's own noise,
        which stays, as against noise that a degradation adds, which goes.
    """

    folders: dict[str, int]
    held_out_of: str
    held_out_every: int
    blurred_share: float = 0.0
    dim_share: float = 0.0
    grainy_share: float = 0.0
    seed: int = field(default=1)

    def read(self, root: Path, channels: int) -> tuple[Images, Images]:
        """Return images to train on and to validate with, ``(H, W)`` or ``(H, W, 3)``.

        Parameters
        ----------
        root : Path
            The data folder.
        channels : int
            Of the model: one of 1 channel learns from each colour of microscopy by itself and
            from photos' luminance, one of 3 from colour images only.
        """
        rng = np.random.default_rng(self.seed)
        training: Images = []
        held_out: Images = []
        for folder, times in self.folders.items():
            paths = sorted(p for p in (root / folder).rglob("*") if p.suffix.lower() in _SUFFIXES)
            if not paths:
                raise FileNotFoundError(f"There are no images in {root / folder}.")
            for number, path in enumerate(paths):
                images = list(_read(path, channels, folder.startswith("natural")))
                if folder == self.held_out_of and number % self.held_out_every == 5:
                    held_out += images
                    continue
                training += images * times
                if rng.random() < self.blurred_share:
                    training += [_blurred(image, rng.uniform(*_BLUR)) for image in images]
                if rng.random() < self.dim_share:
                    sigma = rng.uniform(*_BLUR) if rng.random() < 0.5 else 0.0
                    training += [_dimmed(_blurred(image, sigma), rng) for image in images]
                # Drawn only where it is asked for, so that other models' images stay as they were.
                if self.grainy_share and rng.random() < self.grainy_share:
                    training += [_grainy(image, rng) for image in images]
        return training, held_out


def _read(path: Path, channels: int, as_grey: bool) -> Iterator[NDArray[Any]]:
    image = Image.open(path)
    if image.mode.startswith("I"):
        if channels == 1:
            yield np.asarray(image).astype(np.uint16)
        return
    is_grey = image.mode == "L"
    if channels == 3:
        if not is_grey:
            yield np.asarray(image.convert("RGB"))
        return
    if is_grey or as_grey:
        yield np.asarray(image.convert("L"))
        return
    colours = np.asarray(image.convert("RGB"))
    for c in range(3):
        yield np.ascontiguousarray(colours[..., c])


def _dimmed(image: NDArray[Any], rng: np.random.Generator) -> NDArray[np.uint8]:
    low, high = float(image.min()), float(image.max())
    levels = rng.uniform(*_DIM_LEVELS) / max(high - low, 1e-9)
    return np.rint((image - low) * levels + rng.uniform(*_DIM_OFFSET)).astype(np.uint8)


def _grainy(image: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Add noise with a grain of a pixel or so, stronger where there is more light."""
    low, high = np.percentile(image, (0.1, 99.9))
    span = max(float(high - low), 1e-9)
    size = rng.uniform(*_GRAIN_SIZE)
    grain = gaussian_filter(rng.normal(size=image.shape), (size, size, 0)[: image.ndim])
    light = np.clip((image - low) / span, 0.05, 1.0)
    strength = rng.uniform(*_GRAIN) * span / grain.std()
    return as_dtype(image + strength * np.sqrt(light) * grain, image.dtype)


def _blurred(image: NDArray[Any], sigma: float) -> NDArray[Any]:
    sigmas = (sigma, sigma, 0)[: image.ndim]
    return as_dtype(gaussian_filter(image.astype(np.float64), sigmas), image.dtype)
