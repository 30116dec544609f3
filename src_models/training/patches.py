"""Random patches for training and fixed ones for validation. Free of Keras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.images.degradation import resize_bicubic
from src_models.images.tiling import Region
from src_models.quality.metrics import fit_intensity
from src_models.training.image import TrainingImage
from src_models.training.settings import PatchSettings

_TRIES = 50


def detail(patch: NDArray[Any]) -> float:
    """How much there is to see in a patch ``(H, W, C)``, as ISR measures it.

    The mean standard deviation along its rows or along its columns, whichever is larger.
    """
    return float(max(patch.std(axis=0).mean(), patch.std(axis=1).mean()))


class PatchSampler:
    """Draws patches from images.

    Parameters
    ----------
    images : sequence of TrainingImage
        All at least as large as a patch.
    settings : PatchSettings
        How patches are cut and varied.
    """

    def __init__(self, images: Sequence[TrainingImage], settings: PatchSettings) -> None:
        self._images, self._settings = list(images), settings
        floor = settings.balance_floor
        weights = [1.0 if floor is None else 1 / (i.bicubic_error + floor) for i in images]
        self._weights = np.array(weights) / np.mean(weights)

    def draw(
        self, rng: np.random.Generator, flatness: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
        """Draw one patch.

        Parameters
        ----------
        rng : Generator
            Source of everything random.
        flatness : float
            Patches of less detail are drawn again, up to fifty times.

        Returns
        -------
        lr, hr : ndarray of float32
            ``(size, size, C)`` and ``(size * scale, size * scale, C)``.
        weight : float
            How much the patch counts in the loss, 1 on average over the images.
        """
        number = int(rng.integers(len(self._images)))
        lr, hr = self._cut(number, rng)
        for _ in range(_TRIES):
            if flatness <= 0 or detail(lr) >= flatness:
                break
            number = int(rng.integers(len(self._images)))
            lr, hr = self._cut(number, rng)
        flip = self._settings.flips and bool(rng.integers(2))
        turns = int(rng.integers(4)) if self._settings.turns else 0
        gain, offset = self._gain(rng)
        lr, hr = (
            np.ascontiguousarray(np.rot90(v[::-1] if flip else v, turns) * gain + offset)
            for v in (lr, hr)
        )
        weight = float(self._weights[number])
        # Decibels are relative: a patch made darker counts as before.
        return lr, hr, weight if self._settings.balance_floor is None else weight / float(gain)

    def _cut(
        self, number: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        image, size = self._images[number], self._settings.size
        region = image.region
        y = int(rng.integers(region.y0, region.y1 - size + 1))
        x = int(rng.integers(region.x0, region.x1 - size + 1))
        return image.crop(Region(y, y + size, x, x + size), rng)

    def _gain(self, rng: np.random.Generator) -> tuple[np.float32, np.float32]:
        if self._settings.gain_share == 0 or rng.random() >= self._settings.gain_share:
            return np.float32(1), np.float32(0)
        gain = float(np.exp(rng.uniform(np.log(self._settings.smallest_gain), np.log(1.5))))
        return np.float32(gain), np.float32(rng.uniform(0, max(1 - gain, 0)))


@dataclass(frozen=True, slots=True, eq=False)
class ValidationPatch:
    """A fixed patch with what bicubic interpolation makes of it.

    Attributes
    ----------
    name : str
        Of the image.
    lr, hr, bicubic : ndarray of float32
        ``(H, W, C)``, and ``(H * scale, W * scale, C)`` twice; in the network's intensities.
    fitted : ndarray of float64
        `bicubic` with the gain and offset that fit `hr` best.
    data_range : float
        Of scores.
    """

    name: str
    lr: NDArray[np.float32]
    hr: NDArray[np.float32]
    bicubic: NDArray[np.float32]
    fitted: NDArray[np.float64]
    data_range: float


def fixed_patches(
    images: Sequence[TrainingImage], count: int, size: int, seed: int
) -> list[ValidationPatch]:
    """Cut the patches to validate with, the same for the same seed.

    Parameters
    ----------
    images : sequence of TrainingImage
        They take turns.
    count : int
        How many.
    size : int
        Height and width in low-resolution pixels; less where an image is smaller.
    seed : int
        Of the places, and of a degradation's noise.
    """
    patches = []
    for number in range(count if images else 0):
        image = images[number % len(images)]
        rng = np.random.default_rng((seed, number))
        region = _most_detailed(image, size, rng)
        lr, hr = image.crop(region, rng)
        bicubic = resize_bicubic(lr, (hr.shape[0], hr.shape[1]))
        fitted = fit_intensity(bicubic, hr)
        patches.append(ValidationPatch(image.name, lr, hr, bicubic, fitted, image.data_range))
        is_whole = region.shape == image.region.shape
        if is_whole and number + 1 >= len(images):
            break
    return patches


def _most_detailed(image: TrainingImage, size: int, rng: np.random.Generator) -> Region:
    """Choose the part with the most detail of three: an empty corner tells nothing."""
    whole = image.region
    height, width = min(size, whole.shape[0]), min(size, whole.shape[1])
    parts = []
    for _ in range(3):
        y = int(rng.integers(whole.y0, whole.y1 - height + 1))
        x = int(rng.integers(whole.x0, whole.x1 - width + 1))
        parts.append(Region(y, y + height, x, x + width))
    return max(parts, key=lambda part: detail(image.crop(part, np.random.default_rng(0))[0]))
