"""How many times finer than its detail an image is sampled: spectra, and pixels that repeat."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEAST_SIDE = 48
# Of cubic enlargements of the test images: power beyond the old limit against power within it.
_FACTORS = (1.5, 1.75, 2.0, 2.5, 3.0, 4.0)
_MOST_LEFT = (0.032, 0.018, 0.0105, 0.0062, 0.0045, 0.0032)
_WITHIN, _BEYOND, _LAST = (0.2, 0.4), 0.62, 0.44
_ROUNDING = 1 / 12
_OVER_ROUNDING = 4
_MOST_REPEATS = 8
# Of the differences of neighbours: within the cells of a coarser grid (a seam or a spot may cross
# it), and of its lines, those that show.
_WITHIN_CELLS, _LINES = 0.01, 0.5


def oversampling(plane: NDArray[Any]) -> float:
    """Estimate by which factor an image could be shrunk without losing detail.

    Parameters
    ----------
    plane : ndarray
        ``(Y, X)``, one channel of any real dtype, finite.

    Returns
    -------
    float
        By how much pixels repeat, as after enlarging to the nearest pixel, along both axes: a whole
        number up to 8. Otherwise the largest of 1.5, 1.75, 2, 2.5, 3 and 4 for which the power
        spectrum beyond the limit of the shrunk image is as empty as cubic interpolation leaves it,
        along both axes; 1 if there is none, or if the image is smaller than 48 pixels along an axis
        or constant.

    Notes
    -----
    Noise fills the outer spectrum: an image that is sampled finely, but noisy, counts as 1. The
    noise of rounding is taken off first, a twelfth of the square of the smallest step between the
    values that there are, whatever dtype they are stored in; what does not rise above it says
    nothing.
    """
    if min(plane.shape) < _LEAST_SIDE:
        return 1.0
    values = plane.astype(np.float64)
    repeats = min(_repeats(values), _repeats(values.T))
    if repeats > 1:
        return float(repeats)
    floor = _ROUNDING * float(np.diff(np.unique(values)).min(initial=np.inf)) ** 2
    spectra = [_spectrum(values), _spectrum(values.T)]
    found = 1.0
    for factor, most in zip(_FACTORS, _MOST_LEFT, strict=True):
        if all(_left_beyond(*spectrum, factor, floor) <= most for spectrum in spectra):
            found = factor
    return found


def _repeats(rows: NDArray[np.float64]) -> int:
    """Return the side of the largest cells that rows are made of, wherever the first one ends."""
    differ = (np.diff(rows, axis=1) != 0).sum(axis=0)
    for side in range(_MOST_REPEATS, 1, -1):
        lines = [differ[first::side] for first in range(side)]
        grid = max(lines, key=np.sum)
        if differ.sum() - grid.sum() <= _WITHIN_CELLS * differ.sum() and np.mean(grid > 0) > _LINES:
            return side
    return 1


def _spectrum(rows: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return frequencies, and the mean power along rows, in which white noise is its variance."""
    window = np.hanning(rows.shape[1])
    centred = rows - rows.mean(axis=1, keepdims=True)
    power = (np.abs(np.fft.rfft(centred * window, axis=1)) ** 2).mean(axis=0)
    return np.asarray(np.fft.rfftfreq(len(window))), np.asarray(power / (window**2).sum())


def _left_beyond(
    frequency: NDArray[Any], power: NDArray[Any], factor: float, floor: float
) -> float:
    """Return the power beyond the limit of a `factor` times smaller image against that within."""
    low, high = (edge / factor for edge in _WITHIN)
    within = float(power[(frequency >= low) & (frequency <= high)].mean())
    beyond = float(power[frequency >= min(_BEYOND / factor, _LAST)].mean())
    if within <= _OVER_ROUNDING * floor:
        return np.inf
    return max(beyond - floor, 0.0) / (within - floor)
