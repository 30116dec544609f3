"""Low-resolution images from high-resolution ones, the ways cameras and programs make them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from src_models.intensity import as_dtype


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
