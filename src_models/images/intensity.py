"""Stored intensities to the network's [0, 1] and back, exactly invertible.

One affine map per channel serves a whole stack, so neither tiles nor planes can show. What the
map cannot carry (NaN, infinities, pixels far out of range such as hot ones, digits past float32)
goes round the network as a residual and is added to the result, repeated over the pixels that
the stored pixel became. The network sees in its place what stands around it, so that it neither
smears nor rings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.errors import InvalidInputError

# Networks see intensities a little past [0, 1] in training; farther out they only guess.
_KEPT = (-1.0, 3.0)
_NOTHING = (np.inf, -np.inf)
# Differences of float64 beyond this overflow.
_FARTHEST = 1e300
_FLOAT64 = (-np.finfo(np.float64).max, np.finfo(np.float64).max)


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
        with np.errstate(over="ignore"):  # what overflows is out of range by far
            mapped = (values - self.low) / ((self.high - self.low) or 1.0)
        unit = np.clip(mapped, *_KEPT).astype(np.float32)
        far = finite & ((mapped < _KEPT[0]) | (mapped > _KEPT[1]))
        if far.any():
            unit = np.where(far, _within_neighbours(unit, finite), unit)
        if not finite.all():
            channels = range(unit.shape[-1])
            filled = [fill_gaps(unit[..., c], finite[..., c]) for c in channels]
            unit = np.stack(filled, axis=-1)
        with np.errstate(over="ignore"):
            residual = values - self._stored(unit)
        np.clip(residual, *_FLOAT64, out=residual, where=finite)
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
        with np.errstate(over="ignore"):
            stored = self._stored(unit) + residual
        np.clip(stored, *_FLOAT64, out=stored, where=np.isfinite(residual))
        return as_dtype(stored, dtype)

    def _stored(self, unit: NDArray[np.float32]) -> NDArray[np.float64]:
        return unit.astype(np.float64) * (self.high - self.low) + self.low


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


def check_no_mask(dtype: np.dtype[Any]) -> None:
    """Refuse an image that has no sums to keep.

    Raises
    ------
    InvalidInputError
        If its dtype is bool.
    """
    if dtype.kind == "b":
        raise InvalidInputError(
            f"Only an image of integers or floats can keep intensities. Received: dtype {dtype}. "
            "Convert it to integers, or leave keep_intensities out."
        )


@dataclass(slots=True)
class RangeMeter:
    """Measures the range of intensities that structures in an image take, piece by piece.

    The range reaches from the darkest to the brightest level that a whole 2x2 block of pixels
    attains, and at least over the central 99.8 % of the pixels. So single hot or dead pixels,
    and the unused bits of a 12-bit camera, do not count, while small bright spots on an empty
    background do. Where nothing but a constant is found, thinner structures count, of two
    pixels that touch. It follows every affine change of the intensities exactly.
    """

    _found: tuple[float, float] = _NOTHING
    _thin: tuple[float, float] = _NOTHING

    def add(self, block: NDArray[Any]) -> None:
        """Take in a piece ``(H, W)`` of one channel; non-finite pixels are ignored."""
        if block.dtype.kind == "b":
            block = block.astype(np.uint8)
        pixels, dark, bright = block.ravel(), block, block
        if block.dtype.kind == "f":
            finite = np.isfinite(block)
            pixels = block[finite]
            # Neutral for the extremes below: a gap never widens the range.
            dark, bright = np.where(finite, block, -np.inf), np.where(finite, block, np.inf)
        if pixels.size == 0:
            return
        ends = _widen(_central(pixels), _of_2x2(bright, np.maximum), _of_2x2(dark, np.minimum))
        self._found = _union(self._found, ends)
        if ends[0] == ends[1]:
            pairs = zip(_of_pairs(bright, np.maximum), _of_pairs(dark, np.minimum), strict=True)
            for extremes in pairs:
                ends = _widen(ends, *extremes)
            self._thin = _union(self._thin, ends)

    @property
    def range(self) -> IntensityRange:
        """What was found: equal ends for a constant image, 0 to 0 without any finite pixel."""
        low, high = self._found if self._found[0] < self._found[1] else self._thin
        if low > high:
            return IntensityRange(0.0, 0.0)
        low, high = np.clip((low, high), -_FARTHEST, _FARTHEST)
        return IntensityRange(float(low), float(high))


def measure_range(blocks: Iterable[NDArray[Any]]) -> IntensityRange:
    """Measure the range of all pieces ``(H, W)`` of one channel, see `RangeMeter`."""
    meter = RangeMeter()
    for block in blocks:
        meter.add(np.asarray(block))
    return meter.range


def _central(pixels: NDArray[Any]) -> tuple[float, float]:
    """Return the ends of the central 99.8 %; from 5 pixels on, at least one is left out each."""
    last = pixels.size - 1
    tail = max(round(last * 0.001), 1) if last >= 4 else 0
    ordered = np.partition(pixels, (tail, last - tail))
    return float(ordered[tail]), float(ordered[last - tail])


def _widen(
    ends: tuple[float, float], bright: NDArray[Any], dark: NDArray[Any]
) -> tuple[float, float]:
    """Widen a range to the levels that neighbourhoods attain, given their extremes."""
    if bright.size == 0:
        return ends
    return min(ends[0], float(bright.min())), max(ends[1], float(dark.max()))


def _union(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    return min(a[0], b[0]), max(a[1], b[1])


def _of_2x2(block: NDArray[Any], extreme: Any) -> NDArray[Any]:
    """Reduce every 2x2 neighbourhood (1x2 in an image of one row) with a ufunc."""
    if block.shape[0] > 1:
        block = extreme(block[:-1], block[1:])
    if block.shape[1] > 1:
        block = extreme(block[:, :-1], block[:, 1:])
    return block


def _of_pairs(block: NDArray[Any], extreme: Any) -> Iterator[NDArray[Any]]:
    """Reduce all pairs of pixels that touch, by a side or a corner, with a ufunc."""
    yield extreme(block[:-1], block[1:])
    yield extreme(block[:, :-1], block[:, 1:])
    yield extreme(block[:-1, :-1], block[1:, 1:])
    yield extreme(block[:-1, 1:], block[1:, :-1])


def _within_neighbours(unit: NDArray[np.float32], finite: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Limit each pixel to the range of the eight around it, gaps and what is outside left out."""
    from scipy.ndimage import maximum_filter, minimum_filter

    ring = np.ones((3, 3, 1), bool)
    ring[1, 1] = False
    border: dict[str, Any] = {"footprint": ring, "mode": "constant"}
    darkest = minimum_filter(np.where(finite, unit, np.inf), cval=np.inf, **border)
    brightest = maximum_filter(np.where(finite, unit, -np.inf), cval=-np.inf, **border)
    limited = np.clip(unit, darkest, brightest)
    return np.where(darkest <= brightest, limited, unit)


def fill_gaps(plane: NDArray[Any], is_known: NDArray[np.bool_] | None = None) -> NDArray[Any]:
    """Give each gap of a plane the value of the nearest pixel that has one.

    Parameters
    ----------
    plane : ndarray
        ``(Y, X)``, of any real dtype.
    is_known : ndarray of bool, optional
        Which pixels have a value; by default the finite ones.

    Returns
    -------
    ndarray
        The plane itself if it has no gaps; zeros if it has nothing else.
    """
    from scipy.ndimage import distance_transform_edt

    if is_known is None:
        is_known = np.isfinite(plane)
    if is_known.all():
        return plane
    if not is_known.any():
        return np.zeros_like(plane)
    nearest = distance_transform_edt(~is_known, return_distances=False, return_indices=True)
    filled: NDArray[Any] = plane[tuple(nearest)]
    return filled
