"""How visible the 8 x 8 blocks of JPEG are in an image."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 8
_LEAST_SIDE = 4 * _BLOCK
_REPEATS = (2, 4, 6)
_CENTRAL = 0.1, 99.9
_KEPT = 0.75


def jpeg_grid(plane: NDArray[Any]) -> float:
    """Measure the steps between the blocks of JPEG.

    Parameters
    ----------
    plane : ndarray
        ``(Y, X)``, one channel or the brightness, of any real dtype, finite.

    Returns
    -------
    float
        By how much the steps that stand out from those beside them are larger every 8 pixels than
        elsewhere, as a share, along the axis where it is less; wherever the grid begins. Lines of
        the grid count up to three quarters, so that single edges are none. About 0 without a grid,
        0.1 for faint traces, 1 and more for strong compression. 0 for images of fewer than 32
        pixels along an axis.
    """
    if min(plane.shape) < _LEAST_SIDE:
        return 0.0
    values = plane.astype(np.float64)
    # A few hot pixels would outweigh all blocks.
    values = np.clip(values, *np.percentile(values, _CENTRAL))
    return max(min(_excess(values), _excess(values.T)), 0.0)


def _excess(rows: NDArray[np.float64]) -> float:
    steps = np.diff(rows, axis=1)
    alone = np.abs(steps[:, 1:-1] - (steps[:, :-2] + steps[:, 2:]) / 2).mean(axis=0)
    periods = alone[: len(alone) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    # Of each phase without its largest quarter: frames, seams and bars are a few lines, however
    # large their steps. What is blank has no blocks.
    periods = np.sort(periods[periods.any(axis=1)], axis=0)
    if not len(periods):
        return 0.0
    phases = periods[: math.ceil(_KEPT * len(periods))].mean(axis=0)
    top = int(phases.argmax())
    # Enlarging by 2 or 4 makes steps that are larger every 2 or 4 pixels: these don't count.
    repeats = [phases[(top + shift) % _BLOCK] for shift in _REPEATS]
    usual = max(float(np.median(np.delete(phases, top))), *map(float, repeats))
    return float(phases[top]) / usual - 1 if usual > 0 else 0.0
