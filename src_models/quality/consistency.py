"""Does a result agree with the image it was made of? Brought back to its grid, it should.

What is left over is counted in standard deviations of the image's own noise. Agreement does not
prove what was added: many sharp images bin to the same one. Disagreement disproves it.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.errors import InvalidInputError
from src_models.images.axes import (
    ArrayLike,
    ImageStack,
    Plane,
    check_axes,
    check_scaled,
    guess_axes,
)
from src_models.images.degradation import Degradation
from src_models.models.description import ModelDescription
from src_models.progress import drain
from src_models.quality.forward_model import apply_forward_model, degradation_of, reach_of
from src_models.quality.noise import LEAST_SIDE, estimate_noise, replace_outliers, rough_sigma

_WITHIN = 3.0
_SAMPLE, _PLANES = 1024, 3
_LEVELS = 255
# Input pixels at a time, which bounds the memory that images on disk take.
_ROWS, _COLUMNS = 256, 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsistencySummary:
    """How well a result agrees with its image, as a number.

    Attributes
    ----------
    share : float
        Of the pixels that can be compared, those within 3 sigma; NaN if there is none.
    sigmas : tuple of float
        The noise of each channel, in the image's units.
    degradation : {"binned", "bicubic", "microscope", "jpeg"}
        How the result was brought back.
    """

    share: float
    sigmas: tuple[float, ...]
    degradation: str

    @property
    def in_words(self) -> str:
        """Such as "99.6 % of pixels agree within 3 sigma", rounded down."""
        if math.isnan(self.share):
            return "no pixel can be compared"
        return (
            f"{math.floor(self.share * 1000) / 10:.1f} % of pixels agree within {_WITHIN:g} sigma"
        )

    @property
    def record(self) -> dict[str, Any]:
        """The figures and the words, without the residual, as plain JSON values."""
        return {
            "share": None if math.isnan(self.share) else self.share,
            "words": self.in_words,
            "sigmas": list(self.sigmas),
            "degradation": self.degradation,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Consistency(ConsistencySummary):
    """How well a result agrees with its image, as a number and pixel by pixel.

    Attributes
    ----------
    residual : ndarray of float32
        Shape of the image: result on the image's grid minus image, in sigmas of its noise. NaN
        where either is not finite, 0 in alpha.
    share, sigmas, degradation
        As of `ConsistencySummary`.
    """

    residual: NDArray[np.float32]


def measure_consistency(
    result: NDArray[Any],
    image: ArrayLike,
    *,
    axes: str | None = None,
    model: str | Path | ModelDescription | None = None,
    sigma: float | None = None,
) -> Consistency:
    """Compare a result, brought back to the grid of its image, with the image.

    Parameters
    ----------
    result : ndarray
        An upscaled image.
    image : array-like
        What was upscaled.
    axes : str, optional
        Of both; guessed as `src_models.upscale` does.
    model : str, Path or ModelDescription, optional
        Whose degradation brings the result back: the one its training record names most often,
        without its noise or compression. Without a model or a record it is binning.
    sigma : float, optional
        Standard deviation of the noise in the image's units, if known; None to estimate it.

    Returns
    -------
    Consistency

    Raises
    ------
    InvalidInputError
        If shapes do not fit, or `sigma` is not above 0.
    ModelFileError
        If there is no such model.

    Notes
    -----
    Noise is estimated by `src_models.quality.noise`, once per channel: the median of three planes,
    of the middle of each. It was preferred to scikit-image's median of wavelet coefficients: of
    noise that was added to photos it came closer on all five of Set5, and it needs no further
    package.
    Either takes some structure of a clean image for noise, so on clean images the share is
    lenient. The noise counts at least as much as rounding does: to whole numbers, or to 255
    levels of the range of floats. Photon noise grows with brightness and this figure is its mean,
    so bright structures disagree more easily.
    """
    pair: list[Any] = [a if hasattr(a, "shape") else np.asarray(a) for a in (result, image)]
    return drain(measure_consistency_steps(*pair, axes=axes, model=model, sigma=sigma))


def measure_consistency_steps(
    result: NDArray[Any],
    image: ArrayLike,
    *,
    axes: str | None = None,
    model: str | Path | ModelDescription | None = None,
    sigma: float | None = None,
) -> Generator[None, None, Consistency]:
    """Do the same step by step; closing the generator cancels."""
    residual = np.zeros(image.shape, np.float32)
    found = yield from measure_consistency_summary_steps(
        result, image, axes=axes, model=model, sigma=sigma, residual=residual
    )
    return Consistency(
        residual=residual,
        share=found.share,
        sigmas=found.sigmas,
        degradation=found.degradation,
    )


def measure_consistency_summary_steps(
    result: ArrayLike,
    image: ArrayLike,
    *,
    axes: str | None = None,
    model: str | Path | ModelDescription | None = None,
    sigma: float | None = None,
    residual: NDArray[np.float32] | None = None,
) -> Generator[None, None, ConsistencySummary]:
    """Compare as `measure_consistency` does, reading parts of images of any size.

    Parameters
    ----------
    result, image, axes, model, sigma
        As for `measure_consistency`; any array-like.
    residual : ndarray of float32, optional
        Of the shape of the image, to be filled with the differences in sigmas.

    Returns
    -------
    Agreement
    """
    letters = check_axes(guess_axes(image.shape) if axes is None else axes, image.shape)
    y = letters.index("Y")
    at = result.shape[y] // image.shape[y] if len(result.shape) == len(letters) else 1
    check_scaled(result, image, letters, max(at, 1))
    if sigma is not None and not 0 < sigma < math.inf:
        raise InvalidInputError(f"sigma must be above 0. Received: {sigma!r}. None estimates it.")
    way = degradation_of(model)
    stack = ImageStack.of(image, letters, 1)
    larger = ImageStack(result, letters, stack.joint, stack.colours)
    sigmas = _sigmas(stack) if sigma is None else dict.fromkeys(range(stack.colours), sigma)
    within = compared = 0
    for plane in stack.planes():
        for rows, columns in product(*map(_parts, stack.size, (_ROWS, _COLUMNS))):
            difference = _difference(stack, larger, plane, (rows, columns), at, way)
            difference /= sigmas[plane.channel]
            within += int((np.abs(difference) <= _WITHIN).sum())
            compared += int(np.isfinite(difference).sum())
            if residual is not None:
                stack.write(residual, plane, rows, columns, difference[..., None])
            yield
    share = within / compared if compared else math.nan
    return ConsistencySummary(share=share, sigmas=tuple(sigmas.values()), degradation=way.name)


def _parts(length: int, step: int) -> Iterator[slice]:
    for start in range(0, length, step):
        yield slice(start, min(start + step, length))


def _difference(
    stack: ImageStack,
    larger: ImageStack,
    plane: Plane,
    part: tuple[slice, slice],
    scale: int,
    way: Degradation,
) -> NDArray[np.float64]:
    """Return result minus image of a part, brought back with the pixels around it."""
    around = reach_of(way, scale)
    wider = [
        slice(max(side.start - around, 0), min(side.stop + around, length))
        for side, length in zip(part, stack.size, strict=True)
    ]
    rows, columns = (slice(side.start * scale, side.stop * scale) for side in wider)
    low = stack.read(plane, *part)[..., 0].astype(np.float64)
    high = larger.read(plane, rows, columns)[..., 0].astype(np.float64)
    high[~np.isfinite(high)] = np.nan
    low[~np.isfinite(low)] = np.nan
    back = apply_forward_model(high, scale, way)
    top, left = (side.start - wide.start for side, wide in zip(part, wider, strict=True))
    return np.asarray(back[top:, left:][: low.shape[0], : low.shape[1]] - low)


def _sigmas(stack: ImageStack) -> dict[int, float]:
    """Estimate the noise of each channel in the image's units."""
    planes: dict[int, list[Plane]] = {}
    for plane in stack.planes():
        planes.setdefault(plane.channel, []).append(plane)
    starts = (max(0, (n - _SAMPLE) // 2) for n in stack.size)
    rows, columns = (slice(start, start + _SAMPLE) for start in starts)
    found = {}
    for channel, of_one in planes.items():
        # A stack may begin, end, or have a gap without signal.
        some = [of_one[len(of_one) * part // (2 * _PLANES)] for part in range(1, 2 * _PLANES, 2)]
        values = [_sigma(stack.read(x, rows, columns)[..., 0]) for x in dict.fromkeys(some)]
        found[channel] = float(np.median(values))
    return found


def _sigma(plane: NDArray[Any]) -> float:
    low, high = np.percentile(replace_outliers(plane)[0], (0.1, 99.9))
    if low == high and (finite := plane[np.isfinite(plane)]).size:  # spots on nothing
        low, high = float(finite.min()), float(finite.max())
    level = 1.0 if plane.dtype.kind in "biu" else (float(high - low) or 1.0) / _LEVELS
    is_small = min(plane.shape) < LEAST_SIDE
    sigma = rough_sigma(plane) if is_small else estimate_noise(plane).sigma
    return max(sigma, level / math.sqrt(12))
