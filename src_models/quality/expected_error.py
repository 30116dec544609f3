"""Where a result is likely to be wrong: the uncertainty, weighed by what makes errors large.

The deviation over eight answers alone is coarse: eight numbers a pixel, and blind to what noise
did to the input. Errors are larger where there is fine structure to be mistaken, and where it is
bright, as photon noise is. The formula was chosen on a third of the microscopy test images for its
rank correlation with the true error; `docs/trust.md` says what that is on the others.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from src_models.errors import InvalidInputError
from src_models.images.axes import ImageStack, check_axes, guess_axes
from src_models.progress import drain

# Standard deviations in output pixels: of the detail, its surroundings, and the uncertainty's.
_DETAIL, _AROUND, _SMOOTH = 1.0, 1.5, 2.0
_DARK = 0.02
# Rows at a time, and how far a row sees: four standard deviations of both blurs of the detail.
_ROWS, _REACH = 512, 12
_CENTRAL = 0.1, 99.9


def expected_error(
    result: NDArray[Any], uncertainty: NDArray[Any], *, axes: str | None = None
) -> NDArray[np.float32]:
    """Rank the pixels of a result by how wrong they are likely to be.

    Parameters
    ----------
    result, uncertainty : ndarray
        As `src_models.upscale_with_uncertainty` returns them.
    axes : str, optional
        Of both; guessed as `src_models.upscale` does.

    Returns
    -------
    ndarray of float32
        Same shape, 0 or more, in the image's units. It tells one place from another; as a size of
        errors it is not calibrated. 0 in alpha, NaN where the result is not finite.

    Raises
    ------
    InvalidInputError
        If the shapes do not fit.

    Notes
    -----
    The geometric mean of the smoothed uncertainty and of the local strength of fine detail,
    times the square root of the brightness from 0 to 1.
    """
    return drain(expected_error_steps(result, uncertainty, axes=axes))


def expected_error_steps(
    result: NDArray[Any], uncertainty: NDArray[Any], *, axes: str | None = None
) -> Generator[None, None, NDArray[np.float32]]:
    """Do the same step by step; closing the generator cancels."""
    letters = check_axes(guess_axes(result.shape) if axes is None else axes, result.shape)
    if uncertainty.shape != result.shape:
        raise InvalidInputError(
            "Result and uncertainty must have one shape. "
            f"Received: {result.shape} and {uncertainty.shape}. Give both of one call."
        )
    stack = ImageStack.of(result, letters, 1)
    other = ImageStack(uncertainty, letters, stack.joint, stack.colours)
    out = np.zeros(result.shape, np.float32)
    height, _ = stack.size
    levels: dict[int, tuple[float, float]] = {}
    for plane in stack.planes():
        if plane.channel not in levels:
            levels[plane.channel] = _levels(result, letters, plane.channel)
        for start in range(0, height, _ROWS):
            first, stop = max(start - _REACH, 0), min(start + _ROWS, height)
            rows = slice(first, stop + _REACH)
            values, spread = (s.read(plane, rows, slice(None))[..., 0] for s in (stack, other))
            expected = _expected(values.astype(np.float64), spread, *levels[plane.channel])
            kept = expected[start - first :][: stop - start, :, None]
            stack.write(out, plane, slice(start, stop), slice(None), kept)
            yield
    return out


def _levels(result: NDArray[Any], axes: str, channel: int) -> tuple[float, float]:
    """Return the ends of the central range of a channel."""
    values = result.take(channel, axis=axes.index("C")) if "C" in axes else result
    values = values[np.isfinite(values)].astype(np.float64)
    low, high = np.percentile(values, _CENTRAL) if values.size else (0.0, 0.0)
    return float(low), float(high)


def _expected(
    values: NDArray[np.float64], spread: NDArray[Any], low: float, high: float
) -> NDArray[np.float64]:
    is_known = np.isfinite(values) & np.isfinite(spread)
    seen = np.where(is_known, values, low)
    detail = _local(seen - gaussian_filter(seen, _DETAIL), _AROUND)
    doubt = _local(np.where(is_known, spread, 0).astype(np.float64), _SMOOTH)
    unit = (gaussian_filter(seen, _DETAIL) - low) / ((high - low) or 1.0)
    brightness = np.sqrt(np.clip(unit, 0, None) + _DARK)
    return np.where(is_known, np.sqrt(detail * doubt) * brightness, np.nan)


def _local(values: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Return the local root of the mean square."""
    return np.asarray(np.sqrt(gaussian_filter(values**2, sigma)))
