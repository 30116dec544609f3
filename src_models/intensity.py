"""Stored intensities to the network's [0, 1] and back, exactly invertible.

One affine map per channel serves a whole stack, so neither tiles nor planes can show. What the
map cannot carry (NaN, infinities, pixels far out of range such as hot ones, digits past float32)
goes round the network as a residual and is added to the result, repeated over the pixels that
the stored pixel became.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.errors import InvalidInputError

# Networks see intensities a little past [0, 1] in training; farther out they only guess.
_KEPT = (-1.0, 3.0)


@dataclass(frozen=True, slots=True)
class IntensityRange:
    """The affine map that takes `low` to 0 and `high` to 1.

    Attributes
    ----------
    low, high : float
        Stored intensities; equal for a constant image.
    """

    low: float
    high: float

    def to_unit(self, stored: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Map stored intensities to the network's.

        Parameters
        ----------
        stored : ndarray
            Pixels of any real dtype and shape ``(H, W, ...)``.

        Returns
        -------
        unit : ndarray of float32
            Finite values, mostly within [0, 1] and never outside [-1, 3].
        residual : ndarray of float64
            What `unit` does not carry, in stored units.
        """
        values = stored.astype(np.float64)
        finite = np.isfinite(values)
        filled = values if finite.all() else _fill_from_neighbours(values, finite, self.low)
        mapped = (filled - self.low) / ((self.high - self.low) or 1.0)
        unit = np.clip(mapped, *_KEPT).astype(np.float32)
        residual = values - (unit.astype(np.float64) * (self.high - self.low) + self.low)
        return unit, residual

    def to_stored(
        self, unit: NDArray[np.float32], residual: NDArray[np.float64], dtype: np.dtype[Any]
    ) -> NDArray[Any]:
        """Map the network's intensities back, rounded and clipped to `dtype`.

        Parameters
        ----------
        unit : ndarray of float32
            What the network answered.
        residual : ndarray of float64
            What `to_unit` set aside, repeated to the shape of `unit`.
        dtype : dtype
            Type of the stored image.

        Returns
        -------
        ndarray of `dtype`
        """
        stored = unit.astype(np.float64) * (self.high - self.low) + self.low + residual
        return as_dtype(stored, dtype)


def as_dtype(values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Round and clip float64 values to a dtype; floats keep NaN and infinities."""
    if dtype.kind == "b":
        return values >= 0.5
    if dtype.kind in "iu":
        # 2**63 - 1 has no float64: step to the largest one below, or the cast would wrap.
        info = np.iinfo(dtype)
        top = float(info.max)
        top = top if int(top) <= info.max else float(np.nextafter(top, 0))
        return np.clip(np.rint(values), float(info.min), top).astype(dtype)
    limit = float(np.finfo(dtype).max)
    return np.where(np.isfinite(values), np.clip(values, -limit, limit), values).astype(dtype)


def check_dtype(dtype: np.dtype[Any]) -> None:
    """Refuse what has no order of intensities.

    Raises
    ------
    InvalidInputError
        If `dtype` is not boolean, integer or floating.
    """
    if dtype.kind not in "biuf":
        raise InvalidInputError(
            "An image must hold real numbers (bool, integers or floats). "
            f"Received: dtype {dtype}. Take its magnitude or a real part first."
        )


def measure_range(blocks: Iterable[NDArray[Any]]) -> IntensityRange:
    """Measure the range of intensities that structures in an image take.

    The range reaches from the darkest to the brightest level that a whole 2x2 block of pixels
    attains, and at least over the central 99.8 % of the pixels. So single hot or dead pixels,
    and the unused bits of a 12-bit camera, do not count, while small bright spots on an empty
    background do. It follows every affine change of the intensities exactly.

    Parameters
    ----------
    blocks : iterable of ndarray
        Pieces ``(H, W)`` of one channel; non-finite pixels are ignored.

    Returns
    -------
    IntensityRange
        With ``low == high`` for a constant image, and 0 to 0 without any finite pixel.
    """
    lows, highs, minima, maxima = [], [], [], []
    for block in blocks:
        low, high, minimum, maximum = _measure_block(np.asarray(block))
        if minimum <= maximum:
            lows.append(low)
            highs.append(high)
            minima.append(minimum)
            maxima.append(maximum)
    if not lows:
        return IntensityRange(0.0, 0.0)
    if min(lows) < max(highs):
        return IntensityRange(min(lows), max(highs))
    return IntensityRange(min(minima), max(maxima))


def _measure_block(block: NDArray[Any]) -> tuple[float, float, float, float]:
    """Return low, high, minimum and maximum; minimum > maximum if nothing is finite."""
    if block.dtype.kind == "b":
        block = block.astype(np.uint8)
    pixels = block.ravel()
    if block.dtype.kind == "f":
        finite = np.isfinite(block)
        pixels = block[finite]
        # Neutral for the block-wise extremes below: a gap never widens the range.
        dark, bright = np.where(finite, block, -np.inf), np.where(finite, block, np.inf)
    else:
        dark = bright = block
    if pixels.size == 0:
        return np.inf, -np.inf, np.inf, -np.inf
    last = pixels.size - 1
    tail = int(last * 0.001 + 0.5) if last > 1 else 0
    tail = max(tail, 1) if last >= 4 else tail
    ordered = np.partition(pixels, (tail, last - tail))
    reached_high = _of_2x2(dark, np.minimum).max()
    reached_low = _of_2x2(bright, np.maximum).min()
    low, high = float(ordered[tail]), float(ordered[last - tail])
    if np.isfinite(reached_low):
        low = min(low, float(reached_low))
    if np.isfinite(reached_high):
        high = max(high, float(reached_high))
    return low, high, float(pixels.min()), float(pixels.max())


def _of_2x2(block: NDArray[Any], extreme: Any) -> NDArray[Any]:
    """Reduce every 2x2 neighbourhood (1x2 in an image of one row) with a ufunc."""
    if block.shape[0] > 1:
        block = extreme(block[:-1], block[1:])
    if block.shape[1] > 1:
        block = extreme(block[:, :-1], block[:, 1:])
    return block


def _fill_from_neighbours(
    values: NDArray[np.float64], finite: NDArray[np.bool_], fallback: float
) -> NDArray[np.float64]:
    """Give each gap the value of the nearest finite pixel of its plane and channel."""
    from scipy.ndimage import distance_transform_edt

    filled = values.copy()
    for c in range(values.shape[-1]):
        good = finite[..., c]
        if not good.any():
            filled[..., c] = fallback
        elif not good.all():
            nearest = distance_transform_edt(~good, return_distances=False, return_indices=True)
            filled[..., c] = values[..., c][tuple(nearest)]
    return filled
