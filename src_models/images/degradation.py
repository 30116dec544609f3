"""Low-resolution images from high-resolution ones, the ways cameras and programs make them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from src_models.checks import require, require_choice, require_interval
from src_models.images.intensity import IntensityRange, as_dtype

DegradationName = Literal["bicubic", "binned", "microscope", "jpeg"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Degradation:
    """How a low-resolution image is made from a high-resolution one.

    Attributes
    ----------
    name : {"bicubic", "binned", "microscope", "jpeg"}
        Antialiased cubic shrinking; the mean over camera pixels; blur, binning, photon and read
        noise; cubic shrinking and JPEG compression.
    blur : pair of float
        Range of the Gaussian's sigma in high-resolution pixels ("microscope").
    photons : pair of float
        Range of the photons at the 99.9th percentile of the binned image ("microscope").
    read_noise : pair of float
        Range of the standard deviation of the read noise, in photons ("microscope").
    quality : pair of float
        Range of JPEG's quality from 1 to 95 ("jpeg").
    """

    __pydantic_config__: ClassVar[Mapping[str, str]] = {"extra": "forbid"}

    name: DegradationName = "bicubic"
    blur: tuple[float, float] = (0.5, 1.2)
    photons: tuple[float, float] = (100.0, 1000.0)
    read_noise: tuple[float, float] = (0.5, 3.0)
    quality: tuple[float, float] = (40.0, 90.0)

    def __post_init__(self) -> None:
        require_choice("degradation", self.name, DegradationName)
        require_interval("blur", self.blur, 0)
        require_interval("photons", self.photons, 1)
        require_interval("read_noise", self.read_noise, 0)
        require_interval("quality", self.quality, 1)
        require(self.quality[1] <= 95, "JPEG quality must be at most 95.", self.quality)


def resize_bicubic(image: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resample with cubic interpolation, antialiased where it gets smaller.

    Parameters
    ----------
    image : ndarray
        ``(Y, X)`` or ``(Y, X, C)``.
    size : tuple of int
        Height and width of the result. Borders, not pixel centres, are kept in place.

    Returns
    -------
    ndarray of float32
        Neither rounded nor clipped.
    """
    planes = image[..., None] if image.ndim == 2 else image
    height, width = size
    resized = [
        np.asarray(
            Image.fromarray(planes[..., c].astype(np.float32)).resize(
                (width, height), Image.Resampling.BICUBIC
            )
        )
        for c in range(planes.shape[-1])
    ]
    return resized[0] if image.ndim == 2 else np.stack(resized, axis=-1)


def crop_to_multiple(image: NDArray[Any], scale: int) -> NDArray[Any]:
    """Cut rows and columns at the end, so that `scale` divides height and width."""
    height, width = (n // scale * scale for n in image.shape[:2])
    return image[:height, :width]


def bicubic(hr: NDArray[Any], scale: int) -> NDArray[Any]:
    """Shrink by antialiased cubic interpolation, the usual input of the literature.

    Parameters
    ----------
    hr : ndarray
        ``(Y, X)`` or ``(Y, X, C)``; `scale` divides Y and X.
    scale : int
        Factor.

    Returns
    -------
    ndarray
        Same dtype, rounded and clipped.
    """
    size = hr.shape[0] // scale, hr.shape[1] // scale
    return as_dtype(resize_bicubic(hr, size).astype(np.float64), hr.dtype)


def binned(hr: NDArray[Any], scale: int) -> NDArray[Any]:
    """Shrink by the mean over `scale` x `scale` pixels, as camera binning does.

    Parameters and result are those of `bicubic`.
    """
    height, width = hr.shape[0] // scale, hr.shape[1] // scale
    cells = hr.astype(np.float64).reshape(height, scale, width, scale, *hr.shape[2:])
    return as_dtype(cells.mean(axis=(1, 3)), hr.dtype)


def microscope(
    hr: NDArray[Any],
    scale: int,
    *,
    rng: np.random.Generator,
    levels: IntensityRange,
    blur: float,
    photons: float,
    read_noise: float,
) -> NDArray[Any]:
    """Shrink as a microscope with a coarser camera would: blur, binning, photons, read noise.

    Parameters
    ----------
    hr : ndarray
        ``(Y, X)`` or ``(Y, X, C)``; `scale` divides Y and X.
    scale : int
        Factor.
    rng : Generator
        Source of the noise.
    levels : IntensityRange
        Intensities of no light and of `photons` photons.
    blur : float
        Standard deviation of the Gaussian in pixels of `hr`.
    photons : float
        Photons per binned pixel at ``levels.high``; fewer are noisier.
    read_noise : float
        Standard deviation in photons.

    Returns
    -------
    ndarray
        Same dtype, rounded and clipped.
    """
    size = hr.shape[0] // scale, hr.shape[1] // scale
    sigmas = (blur, blur, 0)[: hr.ndim]
    blurred = gaussian_filter(hr.astype(np.float64), sigmas, mode="nearest")
    cells = blurred.reshape(size[0], scale, size[1], scale, *hr.shape[2:]).mean(axis=(1, 3))
    unit = ((levels.high - levels.low) or 1.0) / photons
    expected = np.clip((cells - levels.low) / unit, 0, None)
    counted = rng.poisson(expected) + rng.normal(0, read_noise, cells.shape)
    return as_dtype(counted * unit + levels.low, hr.dtype)


def jpeg(hr: NDArray[Any], scale: int, *, levels: IntensityRange, quality: int) -> NDArray[Any]:
    """Shrink by cubic interpolation and compress with JPEG.

    Parameters
    ----------
    hr : ndarray
        ``(Y, X)`` or ``(Y, X, C)``; `scale` divides Y and X.
    scale : int
        Factor.
    levels : IntensityRange
        Intensities that become 0 and 255 in the JPEG.
    quality : int
        1 (worst) to 95.

    Returns
    -------
    ndarray
        Same dtype, rounded and clipped.
    """
    small = resize_bicubic(hr, (hr.shape[0] // scale, hr.shape[1] // scale))
    span = (levels.high - levels.low) or 1.0
    stored = as_dtype((small.astype(np.float64) - levels.low) * 255 / span, np.dtype(np.uint8))
    if stored.ndim == 3 and stored.shape[-1] == 3:
        restored = _through_jpeg(stored, quality)
    elif stored.ndim == 3:
        channels = [_through_jpeg(channel, quality) for channel in np.moveaxis(stored, -1, 0)]
        restored = np.stack(channels, axis=-1)
    else:
        restored = _through_jpeg(stored, quality)
    return as_dtype(restored.astype(np.float64) * span / 255 + levels.low, hr.dtype)


def _through_jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def degrade(
    hr: NDArray[Any],
    scale: int,
    degradation: Degradation,
    *,
    rng: np.random.Generator,
    levels: IntensityRange,
) -> NDArray[Any]:
    """Make a low-resolution image as the settings say, drawing what they leave open.

    Parameters
    ----------
    hr : ndarray
        ``(Y, X)`` or ``(Y, X, C)``; `scale` divides Y and X.
    scale : int
        Factor.
    degradation : Degradation
        The kind, and ranges of its parameters.
    rng : Generator
        Source of everything random.
    levels : IntensityRange
        Range of the whole image, of which `hr` may be a part.

    Returns
    -------
    ndarray
        Same dtype, rounded and clipped.
    """
    if degradation.name == "microscope":
        return microscope(
            hr,
            scale,
            rng=rng,
            levels=levels,
            blur=rng.uniform(*degradation.blur),
            photons=float(np.exp(rng.uniform(*np.log(degradation.photons)))),
            read_noise=rng.uniform(*degradation.read_noise),
        )
    if degradation.name == "jpeg":
        quality = round(rng.uniform(*degradation.quality))
        return jpeg(hr, scale, levels=levels, quality=quality)
    return (bicubic if degradation.name == "bicubic" else binned)(hr, scale)


def binned_mean(high: NDArray[np.float64], scale: int) -> NDArray[np.float64]:
    """Return the means ``(Y, X)`` of blocks of `scale` x `scale` pixels, unrounded."""
    height, width = high.shape[0] // scale, high.shape[1] // scale
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(high.reshape(height, scale, width, scale).mean(axis=(1, 3)))
