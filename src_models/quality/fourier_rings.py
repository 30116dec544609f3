"""Sums over rings of equal spatial frequency in the Fourier transform of an image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from src_models.errors import InvalidInputError

Plane = NDArray[np.float64]
Spectrum = NDArray[np.complex128]

LEAST_SIDE = 32


def as_plane(image: Any, name: str = "image") -> Plane:
    """Check one plane, and bring it to mean 0 and largest deviation 1 (all 0 if constant).

    Raises
    ------
    InvalidInputError
        Unless it is ``(Y, X)`` with at least 32 pixels each way, real and finite.
    """
    array = np.asarray(image)
    received = f"Received: {name} of shape {array.shape}, dtype {array.dtype}."
    if array.ndim == 3 and array.shape[-1] in (3, 4):
        raise InvalidInputError(
            f"Resolution is measured in one channel. {received} "
            "Take one, such as image[..., 1], or the mean of the colours."
        )
    if array.ndim != 2:
        raise InvalidInputError(
            f"Resolution is measured in one plane, (Y, X). {received} Take one plane of it."
        )
    if array.dtype.kind not in "buif":
        raise InvalidInputError(
            f"Resolution is measured in real numbers. {received} Take its magnitude, for instance."
        )
    if min(array.shape) < LEAST_SIDE:
        raise InvalidInputError(
            f"Resolution is measured from {LEAST_SIDE} x {LEAST_SIDE} pixels on. {received} "
            "Take a larger part of the image."
        )
    values = array.astype(np.float64)
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise InvalidInputError(
            "Resolution is measured where all pixels are finite: the borders of filled holes would "
            f"count as detail. {received[:-1]}, {bad} of its pixels NaN or infinite. "
            "Take a part without them."
        )
    # In two steps: the mean of the largest floats would overflow.
    values = values / (np.abs(values).max() or 1.0)
    values -= values.mean()
    largest = np.abs(values).max()
    # What is left of a constant is rounding.
    return values / largest if largest > 1e-14 else np.zeros_like(values)


def as_pixel_size(pixel_size: float) -> float:
    """Check the side of a pixel."""
    given: object = pixel_size
    is_number = isinstance(given, Real) or (isinstance(given, np.ndarray) and given.ndim == 0)
    if not (is_number and np.isfinite(pixel_size) and pixel_size > 0):
        raise InvalidInputError(
            f"Pixels have a side above 0. Received: pixel_size={pixel_size!r}. "
            "Give the size of a pixel in your unit, or leave it out for pixels."
        )
    return float(pixel_size)


def as_second_plane(other: Any, first: Plane) -> Plane:
    """Check another recording of the same field as `as_plane` does, and that it has its shape."""
    second = as_plane(other, "other")
    if second.shape != first.shape:
        raise InvalidInputError(
            "Two recordings are compared pixel by pixel. "
            f"Received: image of shape {first.shape}, other of shape {second.shape}. "
            "Cut both to the same field, or leave out `other`."
        )
    return second


@dataclass(frozen=True, slots=True)
class Rings:
    """The rings of a plane's Fourier transform, one for each whole number of periods per side.

    Attributes
    ----------
    frequencies : ndarray
        Their mean radii in cycles per pixel, the first above 0, the last at most 0.5.
    index : ndarray of int
        The ring of each point of the transform by ``rfft2``, counted from 0, the mean; larger
        numbers than there are frequencies lie in the corners beyond 0.5.
    weights : ndarray
        2 for points whose mirror image ``rfft2`` leaves out, otherwise 1.
    """

    frequencies: NDArray[np.float64]
    index: NDArray[np.intp]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, shape: tuple[int, int]) -> Rings:
        """Lay rings over the transform of a plane of this shape."""
        side = min(shape)
        radius = np.hypot(fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])[None])
        weights = np.full(radius.shape, 2.0)
        weights[:, 0] = 1
        if shape[1] % 2 == 0:
            weights[:, -1] = 1
        count = side // 2
        return cls(np.arange(1, count + 1) / side, np.rint(radius * side).astype(np.intp), weights)

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum values of the transform over each ring."""
        totals = np.bincount(self.index.ravel(), (values * self.weights).ravel())
        return np.asarray(totals[1 : len(self.frequencies) + 1], dtype=np.float64)

    def in_corners(self, values: NDArray[np.float64]) -> float:
        """Average values of the transform over what lies beyond 0.55 cycles per pixel."""
        corners = self.index > 1.1 * len(self.frequencies)
        return float(np.average(values[corners], weights=self.weights[corners]))


def transform(plane: Plane) -> Spectrum:
    """Return ``rfft2`` of a plane that fades out towards its borders, without mean and slope.

    What is left of a slope would spill over all frequencies, and outweigh faint detail.
    """
    rows, columns = (_slopes(n) for n in plane.shape)
    faded = plane * np.outer(*(hann(n) for n in plane.shape))
    return np.asarray(fft.rfft2(faded - rows @ (rows.T @ faded @ columns) @ columns.T))


def _slopes(length: int) -> NDArray[np.float64]:
    """Return a constant and a slope that fade out, orthonormal, one a column."""
    window = hann(length)
    both = np.stack([window, window * np.linspace(-1, 1, length)], axis=1)
    return np.asarray(both / np.linalg.norm(both, axis=0))


def fading_power(shape: tuple[int, int]) -> float:
    """Return the power that white noise of variance 1 has at each point of `transform`."""
    return math.prod(float((hann(n) ** 2).sum()) for n in shape)


def independent(count: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how many of so many neighbouring points of `transform` are independent.

    A window makes neighbours alike: of each axis (mean w^2)^2 / mean w^4 of the points are left.
    """
    window = hann(LEAST_SIDE) ** 2
    return np.asarray(count * (window.mean() ** 2 / (window**2).mean()) ** 2)


def hann(length: int) -> NDArray[np.float64]:
    """Return a raised cosine that is the same from both ends."""
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(length) + 0.5) / length))
