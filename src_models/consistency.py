"""Does a result agree with the image it was made of? Brought back to its grid, it should.

What is left over is counted in standard deviations of the image's own noise. Agreement does not
prove what was added: many sharp images bin to the same one. Disagreement disproves it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from src_models.axes import ArrayLike, ImageStack, Plane, check_axes, guess_axes
from src_models.back_projection import binned_mean, check_scaled
from src_models.degrade import resize_bicubic
from src_models.description import ModelDescription
from src_models.errors import InvalidInputError
from src_models.noise import LEAST_SIDE, estimate_noise, rough_sigma
from src_models.pretrained import describe_model
from src_models.steps import drained
from src_models.training_config import Degradation

_WITHIN = 3.0
_SAMPLE = 1024
_LEVELS = 255
_ALL = slice(None)
_ROWS = 256
# Input rows that cubic resampling reaches, and standard deviations that a blur does.
_AROUND, _TRUNCATE = 4, 4.0
_BINNING = Degradation(name="binned")


@dataclass(frozen=True, slots=True)
class Consistency:
    """How well a result agrees with its image.

    Attributes
    ----------
    residual : ndarray of float32
        Shape of the image: result on the image's grid minus image, in sigmas of its noise. NaN
        where either is not finite, 0 in alpha.
    share : float
        Of the pixels that can be compared, those within 3 sigma; NaN if there is none.
    sigmas : tuple of float
        The noise of each channel, in the image's units.
    degradation : {"binned", "bicubic", "microscope", "jpeg"}
        How the result was brought back.
    """

    residual: NDArray[np.float32]
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
    Noise is estimated by `src_models.noise`, once per channel on the middle of the middle plane.
    It was preferred to scikit-image's median of wavelet coefficients: of noise that was added to
    photos it came closer on all five of Set5, and it needs no further package. Either takes some
    structure of a clean image for noise, so on clean images the share is lenient. The noise counts
    at least as much as rounding does: to whole numbers, or to 255 levels of the range of floats.
    Photon noise grows with brightness and this figure is its mean, so bright structures disagree
    more easily.
    """
    return drained(measure_consistency_steps(result, image, axes=axes, model=model, sigma=sigma))


def measure_consistency_steps(
    result: NDArray[Any],
    image: ArrayLike,
    *,
    axes: str | None = None,
    model: str | Path | ModelDescription | None = None,
    sigma: float | None = None,
) -> Generator[None, None, Consistency]:
    """Do the same step by step; closing the generator cancels."""
    letters = check_axes(guess_axes(image.shape) if axes is None else axes, image.shape)
    y = letters.index("Y")
    at = result.shape[y] // image.shape[y] if result.ndim == len(letters) else 1
    check_scaled(result, image, letters, max(at, 1))
    if sigma is not None and not 0 < sigma < math.inf:
        raise InvalidInputError(f"sigma must be above 0. Received: {sigma!r}. None estimates it.")
    way = _degradation_of(model)
    stack = ImageStack.of(image, letters, 1)
    larger = ImageStack(result, letters, stack.joint, stack.colours)
    sigmas = _sigmas(stack) if sigma is None else dict.fromkeys(range(stack.colours), sigma)
    residual = np.zeros(image.shape, np.float32)
    within = compared = 0
    for plane in stack.planes():
        for rows in _strips(stack.size[0]):
            difference = _difference(stack, larger, plane, rows, at, way) / sigmas[plane.channel]
            within += int((np.abs(difference) <= _WITHIN).sum())
            compared += int(np.isfinite(difference).sum())
            stack.write(residual, plane, rows, _ALL, difference[..., None])
            yield
    share = within / compared if compared else math.nan
    return Consistency(residual, share, tuple(sigmas.values()), way.name)


def _strips(height: int) -> Iterator[slice]:
    for start in range(0, height, _ROWS):
        yield slice(start, min(start + _ROWS, height))


def _difference(
    stack: ImageStack, larger: ImageStack, plane: Plane, rows: slice, scale: int, way: Degradation
) -> NDArray[np.float64]:
    """Return result minus image of some rows, brought back with the rows around them."""
    around = 0
    if way.name != "binned":
        around = _AROUND + math.ceil(_TRUNCATE * sum(way.blur) / 2 / scale)
    first, last = max(rows.start - around, 0), min(rows.stop + around, stack.size[0])
    low = stack.read(plane, rows, _ALL)[..., 0].astype(np.float64)
    high = larger.read(plane, slice(first * scale, last * scale), _ALL)[..., 0].astype(np.float64)
    high[~np.isfinite(high)] = np.nan
    low[~np.isfinite(low)] = np.nan
    back = _brought_back(high, scale, way)[rows.start - first :][: len(low)]
    return np.asarray(back - low)


def _degradation_of(model: str | Path | ModelDescription | None) -> Degradation:
    """Return what a model's record names most often; binning if it names nothing usable."""
    if model is None:
        return _BINNING
    description = model if isinstance(model, ModelDescription) else describe_model(model)
    found: Any = description.training
    for key in ("settings", "data", "degradations"):
        found = found.get(key) if isinstance(found, Mapping) else None
    named = [way for way in found if isinstance(way, Mapping)] if isinstance(found, list) else []
    if not named:
        return _BINNING
    name = Counter(str(way.get("name")) for way in named).most_common(1)[0][0]
    settings = next(way for way in named if str(way.get("name")) == name)
    try:
        return Degradation(name=settings["name"], blur=tuple(settings.get("blur", (0.5, 1.2))))
    except (InvalidInputError, TypeError, KeyError):  # a record of other software
        return _BINNING


def _brought_back(high: NDArray[np.float64], scale: int, way: Degradation) -> NDArray[np.float64]:
    """Shrink without rounding, and as the mean over all noise would be."""
    if way.name == "microscope":
        high = gaussian_filter(high, sum(way.blur) / 2, mode="nearest", truncate=_TRUNCATE)
    if way.name in ("microscope", "binned"):
        return binned_mean(high, scale)
    if not np.isfinite(high).any():
        return binned_mean(high, scale)
    # Float32 computes it: large offsets are kept out.
    low, top = float(np.nanmin(high)), float(np.nanmax(high))
    span = (top - low) or 1.0
    size = high.shape[0] // scale, high.shape[1] // scale
    return resize_bicubic((high - low) / span, size).astype(np.float64) * span + low


def _sigmas(stack: ImageStack) -> dict[int, float]:
    """Estimate the noise of each channel in the image's units."""
    planes: dict[int, list[Plane]] = {}
    for plane in stack.planes():
        planes.setdefault(plane.channel, []).append(plane)
    starts = (max(0, (n - _SAMPLE) // 2) for n in stack.size)
    rows, columns = (slice(start, start + _SAMPLE) for start in starts)
    return {
        channel: _sigma(stack.read(of_one[len(of_one) // 2], rows, columns)[..., 0])
        for channel, of_one in planes.items()
    }


def _sigma(plane: NDArray[Any]) -> float:
    values = plane.astype(np.float64)
    values = values[np.isfinite(values)]
    low, high = np.percentile(values, (0.1, 99.9)) if values.size else (0.0, 0.0)
    level = 1.0 if plane.dtype.kind in "biu" else (float(high - low) or 1.0) / _LEVELS
    sigma = (
        rough_sigma(plane)
        if min(plane.shape) < LEAST_SIDE
        else estimate_noise(plane).sigma * float(high - low)
    )
    return max(sigma, level / math.sqrt(12))
