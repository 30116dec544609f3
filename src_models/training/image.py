"""One image to learn from, and parts of it in the network's intensities. Free of Keras."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.errors import InvalidInputError
from src_models.images.degradation import binned, degrade
from src_models.images.intensity import IntensityRange
from src_models.images.tiling import Region
from src_models.training.settings import DataSettings

# As at prediction: past this the network never sees intensities (`src_models.images.intensity`).
_KEPT = (-1.0, 3.0)
# Context around a patch that is degraded by itself, in low-resolution pixels.
_MARGIN = 6


@dataclass(frozen=True, slots=True, eq=False)
class TrainingImage:
    """One plane to learn from: a pair, or a high-resolution plane to degrade.

    Attributes
    ----------
    name : str
        For reports.
    read_lr : callable or None
        Returns ``(H, W, C)`` in the stored dtype; None to degrade the high-resolution image.
    read_hr : callable
        Returns ``(H * scale, W * scale, C)`` or more, in the stored dtype.
    scale : int
        High-resolution pixels per low-resolution pixel.
    region : Region
        Rows and columns of the low-resolution image to use.
    offset : tuple of int
        Where in the high-resolution image the low-resolution one begins; in its pixels.
    levels : IntensityRange
        What the network's 0 and 1 stand for.
    data_range : float
        Of scores, in the network's intensities.
    bicubic_error : float
        Mean absolute error of cubic interpolation, in the network's intensities.
    settings : DataSettings
        How low-resolution patches are made.
    fit : tuple of float
        Gain and offset that bring cubic interpolation closest to the high-resolution image, in
        the network's intensities.
    content : str
        Short text that is another one for other pixels.
    factor : float
        What the high-resolution intensities above that offset are multiplied by.
    """

    name: str
    read_lr: Callable[[], NDArray[Any]] | None
    read_hr: Callable[[], NDArray[Any]]
    scale: int
    region: Region
    offset: tuple[int, int]
    levels: IntensityRange
    data_range: float
    bicubic_error: float
    settings: DataSettings
    fit: tuple[float, float] = (1.0, 0.0)
    content: str = ""
    factor: float = 1.0

    def crop(
        self, region: Region, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the two sides of a part, in the network's intensities.

        Parameters
        ----------
        region : Region
            In low-resolution pixels of the whole image.
        rng : Generator
            For a degradation's noise and choices.

        Returns
        -------
        lr, hr : ndarray of float32
            ``(H, W, C)`` and ``(H * scale, W * scale, C)``.

        Raises
        ------
        InvalidInputError
            If the image cannot be read any more.
        """
        try:
            hr = self._hr(region)
            if self.read_lr is None:
                lr = self._degrade(region, rng)
            else:
                lr = _shrunk(self.read_lr(), region, self.settings.bin_lr)
        except InvalidInputError as error:
            raise InvalidInputError(
                f"The image {self.name} cannot be read any more: {error} Put it back and train "
                "again, which goes on from the last checkpoint."
            ) from error
        unit = np.clip(self._unit(lr), *_KEPT).astype(np.float32)
        truth = self._unit(hr)
        if self.factor != 1:
            truth = (truth - self.fit[1]) * self.factor + self.fit[1]
        return unit, truth.astype(np.float32)

    def _hr(self, region: Region) -> NDArray[Any]:
        s, (top, left) = self.scale, self.offset
        rows = slice(region.y0 * s + top, region.y1 * s + top)
        return self.read_hr()[rows, region.x0 * s + left : region.x1 * s + left]

    def _degrade(self, region: Region, rng: np.random.Generator) -> NDArray[Any]:
        whole = self.read_hr().shape
        limits = whole[0] // self.scale, whole[1] // self.scale
        wide = Region(
            max(0, region.y0 - _MARGIN),
            min(limits[0], region.y1 + _MARGIN),
            max(0, region.x0 - _MARGIN),
            min(limits[1], region.x1 + _MARGIN),
        )
        choices = self.settings.degradations
        degradation = choices[int(rng.integers(len(choices)))]
        lr = degrade(self._hr(wide), self.scale, degradation, rng=rng, levels=self.levels)
        top, left = region.y0 - wide.y0, region.x0 - wide.x0
        return lr[top : top + region.shape[0], left : left + region.shape[1]]

    def _unit(self, stored: NDArray[Any]) -> NDArray[Any]:
        return np.asarray((stored - self.levels.low) / ((self.levels.high - self.levels.low) or 1))


def _shrunk(lr: NDArray[Any], region: Region, bins: int) -> NDArray[Any]:
    part = lr[region.y0 * bins : region.y1 * bins, region.x0 * bins : region.x1 * bins]
    return part if bins == 1 else binned(part, bins)
