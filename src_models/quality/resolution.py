"""The finest detail that is told apart in an image, by its spatial frequencies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.quality.fourier_rings import (
    Rings,
    as_pixel_size,
    as_plane,
    as_second_plane,
    fading_power,
    independent,
    transform,
)

Curve = NDArray[np.float64]

# Where signal has a sixth of the power of noise: the convention of microscopy (Nieuwenhuizen 2013).
# In rings of few pixels noise alone exceeds it, so that there three of its standard deviations
# count, the criterion of van Heel and Schatz (2005).
_SEVENTH = 1 / 7
_SIGMAS, _MOST = 3.0, 0.9
_SMOOTHED = 0.04
# Without noise every frequency correlates, down to what rounding and the window spill: what has
# less than this share of the mean power of coarser detail is none. For phases it may be less.
_FLOOR, _PHASE_FLOOR = 3e-5, 1e-6
_ROUNDING = 1 / 12
# Rings over which the window smears a sudden end of the spectrum; those just inside it; and how
# clearly they rise above noise, for an end to be seen.
_SMEARED, _PLATEAU, _SHARP = 5, 5, 0.5
# High-pass filters: Gaussians of these widths, in pixels, subtracted so many times.
_WIDTHS = np.concatenate([[0.0], np.geomspace(0.15, 40, 30)])
_TIMES = (1, 2, 4)
_LEAST_PEAK, _LEAST_DROP = 0.05, 5e-4


@dataclass(frozen=True, slots=True)
class ResolutionCurve:
    """A resolution, and the curve that it was read from.

    Attributes
    ----------
    resolution : float
        The finest detail that is told apart, as a period (a line and a gap), in the units of
        ``pixel_size``; nan if there is none. Never below two pixels, the limit of sampling.
    frequencies : ndarray of float64
        ``(N,)``, ascending, in cycles per unit of ``pixel_size``, up to half a cycle per pixel.
    curve : ndarray of float64
        ``(N,)``. For FRC the correlation, smoothed, up to 1; for decorrelation the correlation of
        the image with its phases up to each frequency, filtered as where the resolution was found.
    threshold : ndarray of float64 or None
        ``(N,)``: what FRC has to exceed. None for decorrelation, whose peak counts.
    method : str
        ``"FRC, one image"``, ``"FRC, two images"`` or ``"decorrelation"``.
    """

    resolution: float
    frequencies: Curve
    curve: Curve
    threshold: Curve | None
    method: str

    @property
    def in_words(self) -> str:
        """One sentence."""
        if math.isnan(self.resolution):
            return f"No detail rises above noise ({self.method})."
        words = f"Detail is told apart down to a period of {self.resolution:.3g} ({self.method})"
        if self.is_limited_by_sampling:
            return f"{words}, which is two pixels, the limit of sampling."
        return f"{words}."

    @property
    def is_limited_by_sampling(self) -> bool:
        """Whether detail goes on to half a cycle per pixel; the object may hold finer detail."""
        return bool(self.resolution * self.frequencies[-1] <= 1)


def fourier_ring_correlation(
    image: Any, other: Any = None, *, pixel_size: float = 1.0
) -> ResolutionCurve:
    """Find where two recordings, or the pixels of one, stop agreeing.

    Parameters
    ----------
    image : array_like
        ``(Y, X)``, of any real dtype, at least 32 pixels each way, finite.
    other : array_like, optional
        Another recording of the same field, of equal shape, in the same place, with noise of its
        own. Its brightness and contrast may differ.
    pixel_size : float
        The side of a pixel, which is square.

    Returns
    -------
    ResolutionCurve
        At the first frequency where the correlation falls below 1/7, or, where few pixels make a
        ring, below three standard deviations of what noise gives.

    Raises
    ------
    InvalidInputError
        If an image or ``pixel_size`` is not as above.

    Notes
    -----
    One image is split like a checkerboard, whose halves correlate at frequency k as
    (P(k) - P(k')) / (P(k) + P(k')), where P is the power of the image and k' the frequency
    mirrored at (1/4, 1/4) cycles per pixel [2]_. There, noise of single pixels has the power that
    it has everywhere, and detail below half a cycle per pixel has none beyond that: so P(k') is
    taken as the mean power in the corners of Fourier space. Two halves of twice the noise each
    correlate by c where two recordings correlate by 2 c / (1 + c) = (P(k) - P(k')) / P(k), the
    curve that is returned. Frequencies need no calibration then, and both kinds of FRC compare.

    Noise that neighbours share (after interpolation, denoising, a network) counts as detail; an
    image without any loss up to the corners counts as noise. Splitting photons at random [3]_ needs
    no such corners, but the number of photons.

    Without noise, detail ends where less than 3e-5 of the power of coarser detail is left. Where it
    ends within five rings, which is what the window smears, the end is where its power halves.

    References
    ----------
    .. [1] Nieuwenhuizen et al., "Measuring image resolution in optical nanoscopy", Nature Methods
       10 (2013), https://doi.org/10.1038/nmeth.2448. On thresholds: van Heel, Schatz, "Fourier
       shell correlation threshold criteria", Journal of Structural Biology 151 (2005),
       https://doi.org/10.1016/j.jsb.2005.05.009
    .. [2] Splitting one image: Koho et al., "Fourier ring correlation simplifies image restoration
       in fluorescence microscopy", Nature Communications 10 (2019),
       https://doi.org/10.1038/s41467-019-11024-z
    .. [3] Rieger et al., "Single image Fourier ring correlation", Optics Express 32 (2024), 21767
    """
    pixel_size = as_pixel_size(pixel_size)
    first = as_plane(image)
    rings = Rings.of(first.shape)
    count = rings.sums(np.ones(rings.index.shape))
    spectrum = transform(first)
    if other is None:
        power = np.abs(spectrum) ** 2
        total = rings.sums(power)
        common = total - rings.in_corners(power) * count
    else:
        second = as_second_plane(other, first)
        cross, total = _cross(spectrum, transform(second), rings)
        most = _rounding(image, first) * _rounding(other, second) * fading_power(first.shape)
        rounding = min(max(rings.in_corners(cross), 0.0), most)
        common = rings.sums(cross) - rounding * count
    raw = common / np.maximum(total + _FLOOR * _inside(total, count) * count, np.finfo(float).tiny)
    curve, pixels = _smoothed(raw, count)
    # The power of one spectrum varies more than the product of two.
    sigma = math.sqrt(2 if other is None else 1) / np.sqrt(independent(pixels))
    threshold = np.clip(_SIGMAS * sigma, _SEVENTH, _MOST)
    ring = _crossing(curve, threshold)
    if math.isfinite(ring):
        ring = min(ring, _sudden_end(curve, common / count, math.ceil(ring) - 1))
    frequency = ring / min(first.shape)
    return ResolutionCurve(
        resolution=pixel_size / min(frequency, 0.5),
        frequencies=rings.frequencies / pixel_size,
        curve=curve,
        threshold=threshold,
        method="FRC, one image" if other is None else "FRC, two images",
    )


def decorrelation_analysis(image: Any, *, pixel_size: float = 1.0) -> ResolutionCurve:
    """Find the finest frequency up to which an image correlates with its own phases.

    Parameters
    ----------
    image : array_like
        ``(Y, X)``, of any real dtype, at least 32 pixels each way, finite.
    pixel_size : float
        The side of a pixel, which is square.

    Returns
    -------
    ResolutionCurve
        At the peak of the highest frequency among the curves of all high-pass filters; nan if
        none has a peak, as in noise.

    Raises
    ------
    InvalidInputError
        If the image or ``pixel_size`` is not as above.

    Notes
    -----
    The correlation of an image I with I / abs(I) in Fourier space, masked beyond a radius r, has
    its peak where the amplitude falls to half its mean within r. It is the sum of abs(I) within r
    over the root of (the sum of abs(I)^2 over all times the number of points within r), so that
    every radius and filter follows from sums over rings. Filters are 1 minus a Gaussian, as
    in [1]_, applied up to four times: once leaves a transfer function that fades out, as optics
    have, 15 to 30 % short of its end; four times 5 %.

    References
    ----------
    .. [1] Descloux, Grussmayer, Radenovic, "Parameter-free image resolution estimation based on
       decorrelation analysis", Nature Methods 16 (2019), https://doi.org/10.1038/s41592-019-0515-7
    """
    pixel_size = as_pixel_size(pixel_size)
    plane = as_plane(image)
    rings = Rings.of(plane.shape)
    amplitude = np.abs(transform(plane))
    count = rings.sums(np.ones(amplitude.shape))
    power = rings.sums(amplitude**2)
    floor = _PHASE_FLOOR * _inside(power, count)
    power += floor * count
    mean = np.hypot(rings.sums(amplitude) / count, np.sqrt(floor))
    best, ring = _correlation(mean * count, power, count), 0.0
    for width in _WIDTHS:
        once = 1 - np.exp(-2 * (np.pi * width * rings.frequencies) ** 2) if width else 1.0
        for times in _TIMES if width else (1,):
            gain = once**times
            curve = _correlation(gain * mean * count, gain**2 * power, count)
            peak = _peak(curve)
            # The window smears a sudden end of the spectrum by half a ring to half amplitude.
            if peak is not None and peak - 0.5 > ring:
                best, ring = curve, peak - 0.5
    return ResolutionCurve(
        resolution=pixel_size * min(plane.shape) / ring if ring else math.nan,
        frequencies=rings.frequencies / pixel_size,
        curve=best,
        threshold=None,
        method="decorrelation",
    )


def _cross(a: NDArray[Any], b: NDArray[Any], rings: Rings) -> tuple[Curve, Curve]:
    """Return what two transforms have in common, and the mean of their powers in each ring."""
    powers = [rings.sums(np.abs(transformed) ** 2) for transformed in (a, b)]
    return np.asarray((a * b.conj()).real), np.asarray(np.sqrt(powers[0] * powers[1]))


def _rounding(image: Any, plane: Curve) -> float:
    """Return the deviation that comes from rounding to whole numbers, in the units of the plane.

    An image without noise shares it with its copy. Few levels are taken for exact.
    """
    array = np.asarray(image)
    deviation = float(array.std(dtype=np.float64))
    if array.dtype.kind not in "iu" or deviation < 1:
        return 0.0
    return math.sqrt(_ROUNDING) * float(plane.std()) / deviation


def _inside(total: Curve, count: Curve) -> Curve:
    """Return the mean power up to each ring."""
    return np.asarray(np.cumsum(total) / np.cumsum(count))


def _smoothed(raw: Curve, count: Curve) -> tuple[Curve, Curve]:
    """Return running medians over rings, which keep steps where they are, and pixels in each."""
    curve, pixels = np.empty_like(raw), np.empty_like(raw)
    for ring in range(len(raw)):
        reach = max(1, round(_SMOOTHED * (ring + 1)))
        near = slice(max(0, ring - reach), ring + reach + 1)
        curve[ring], pixels[ring] = np.median(raw[near]), count[near].sum()
    # A median varies more than a mean.
    return curve, pixels * 2 / np.pi


def _crossing(curve: Curve, threshold: Curve) -> float:
    """Return where a curve first falls below its threshold, in rings.

    Infinity if it never does, nan if it is never above. It may begin low: backgrounds do.
    """
    above = curve - threshold
    start = int(np.argmax(above))
    if above[start] <= 0:
        return math.nan
    below = np.flatnonzero(above[start:] <= 0)
    if not len(below):
        return math.inf
    ring = start + int(below[0])
    return float(ring + above[ring - 1] / (above[ring - 1] - above[ring]))


def _sudden_end(curve: Curve, signal: Curve, ring: int) -> float:
    """Return where power halves, in rings, if it ends suddenly before a ring; otherwise infinity.

    The window smears a sudden end over a few rings, which would all count as detail, but leaves
    half the power at the end itself.
    """
    for last in range(ring - 1, max(ring - _SMEARED, _PLATEAU) - 1, -1):
        half = float(np.median(signal[last - _PLATEAU : last])) / 2
        if signal[last] >= half > signal[last + 1]:
            if curve[last] < _SHARP:
                return math.inf
            return last + 1 + float((signal[last] - half) / (signal[last] - signal[last + 1]))
    return math.inf


def _correlation(amplitude: Curve, power: Curve, count: Curve) -> Curve:
    """Return the correlation of an image with its phases up to each ring."""
    scale = np.sqrt(power.sum() * np.cumsum(count))
    return np.asarray(np.cumsum(amplitude) / np.maximum(scale, np.finfo(float).tiny))


def _peak(curve: Curve) -> int | None:
    """Return the ring of the highest point that the curve then falls from, counted from 1."""
    end = len(curve)
    while end > 1:
        top = int(np.argmax(curve[:end]))
        if curve[top] - curve[top:end].min() > _LEAST_DROP:
            return top + 1 if curve[top] > _LEAST_PEAK else None
        end = min(top, end - 1)
    return None
