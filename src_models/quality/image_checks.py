"""What speaks against upscaling an image as it is, told before it is done."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from src_models.errors import InvalidInputError
from src_models.images.axes import ArrayLike, ImageStack, Plane, check_axes, guess_axes
from src_models.images.intensity import fill_gaps
from src_models.models.description import ModelDescription
from src_models.models.registry import BUNDLED, DEFAULT_MODEL, describe_model
from src_models.quality.annotations import drawn_over
from src_models.quality.jpeg_grid import jpeg_grid
from src_models.quality.noise import estimate_noise
from src_models.quality.oversampling import oversampling
from src_models.quality.saturation import count_levels, saturation, span

Kind = Literal["oversampled", "saturated", "noisy", "jpeg", "range"]

DENOISER, ARTEFACT_REMOVER = "microscopy-denoise-x2", "photo-artefact-x2"
_SAMPLE = 384
_JPEG_BLOCK = 8
_LEAST_SIDE = 16
_MOST_CHANNELS = 4
# Pixels along an axis from all over a plane, in parts in which edges are as soft as in the plane.
_OVERVIEW, _PART = 512, 64
_CLIPPED = 0.005
_GRID = 0.14
# Fewer levels, and a smaller part of 8 bits, than bundled models were trained on.
_FEWEST_LEVELS, _NARROWEST = 16, 64
# A model copes with noise a little beyond what it learnt from.
_TOLERATED = 0.65
_BRIGHTNESS = (0.299, 0.587, 0.114)
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that speaks against upscaling an image with a model as it is.

    Attributes
    ----------
    kind : {"oversampled", "saturated", "noisy", "jpeg", "range"}
        What was found.
    message : str
        One sentence for people: what it is and what to do.
    value : float
        How strong: the factor of oversampling; the share of saturated pixels; photons at the top
        of the range; the excess of steps every 8 pixels; grey levels.
    suggests : str
        Name of a bundled model that suits the image better; may be empty.
    """

    kind: Kind
    message: str
    value: float
    suggests: str = ""


class _Sample(NamedTuple):
    """Some channels ``(Y, X)``: their middle, and pixels from all over the plane, gaps filled."""

    middle: list[NDArray[Any]]
    overview: list[NDArray[Any]]
    # The middle with its gaps, for filled ones have no noise.
    as_read: list[NDArray[Any]]

    @classmethod
    def of(cls, middle: list[NDArray[Any]], overview: list[NDArray[Any]]) -> _Sample:
        """Fill gaps with the nearest pixels."""
        filled, elsewhere = ([fill_gaps(part) for part in x] for x in (middle, overview))
        return cls(filled, elsewhere, middle)


Look = Callable[[_Sample, ModelDescription], Finding | None]


def check_image(
    image: ArrayLike,
    axes: str | None = None,
    model: str | Path | ModelDescription = DEFAULT_MODEL,
) -> list[Finding]:
    """Look for what speaks against upscaling an image with a model as it is.

    A quick look: at the middle 384 x 384 pixels of the middle plane, in each of the first four
    channels; for saturation at pixels from all over that plane. If that plane is blank, the ones a
    quarter of the stack before and behind it are looked at. Of a lazy array only the middle is
    read. An image that cannot be looked at has no findings; what is wrong with it is told when it
    is upscaled.

    Parameters
    ----------
    image : array-like
        Of any real dtype.
    axes : str, optional
        Meaning of the dimensions, such as ``"ZYX"``; guessed as by `upscale` if None.
    model : str, Path or ModelDescription
        What the image is to be upscaled with.

    Returns
    -------
    list of Finding
        In the order oversampled, saturated, noisy, jpeg, range; empty if nothing was found.

    Raises
    ------
    ModelFileError
        If there is no such model.

    Examples
    --------
    >>> import numpy as np
    >>> from src_models import check_image
    >>> ramp = np.minimum(np.arange(64 * 64).reshape(64, 64), 3000).astype(np.uint16)
    >>> [finding.kind for finding in check_image(ramp)]
    ['saturated']
    """
    description = model if isinstance(model, ModelDescription) else describe_model(model)
    try:
        if not hasattr(image, "shape"):
            image = np.asarray(image)
        letters = check_axes(guess_axes(image.shape) if axes is None else axes, image.shape)
        stack = ImageStack.of(image, letters, description.channels)
    except InvalidInputError:
        return []
    return check_stack(stack, description) if np.dtype(image.dtype).kind != "c" else []


def check_stack(stack: ImageStack, description: ModelDescription) -> list[Finding]:
    """Do as `check_image` does, with what an image and a model turned out to be."""
    try:
        sample = _sample(stack)
        with np.errstate(all="ignore"):  # of intensities near the largest float
            found = [look(sample, description) for look in _LOOKS] if sample.middle else []
    except Exception:  # what the libraries under lazy arrays raise; advice is no reason to fail
        logger.debug("An image could not be looked at.", exc_info=True)
        return []
    return [finding for finding in found if finding is not None]


def _sample(stack: ImageStack) -> _Sample:
    """Look at the middle; of an array in memory, a quarter off where that is blank."""
    is_quick = isinstance(stack.array, np.ndarray) and not isinstance(stack.array, np.memmap)
    window = [[_middle(length)] for length in stack.size]
    if not is_quick:
        middle = _read(stack, 1 / 2, *window)
        return _Sample.of(middle, middle)
    everywhere = [_spread(length) for length in stack.size]
    for share in (1 / 2, 1 / 4, 3 / 4):
        if middle := _read(stack, share, *window):
            return _Sample.of(middle, _read(stack, share, *everywhere) or middle)
    return _Sample.of([], [])


def _read(
    stack: ImageStack, share: float, rows: list[slice], columns: list[slice]
) -> list[NDArray[Any]]:
    """Return parts of a plane's first channels, put together; constant ones are left out."""
    parts = []
    for plane in _planes_at(stack, share):
        lines = [np.concatenate([stack.read(plane, y, x) for x in columns], axis=1) for y in rows]
        part = np.concatenate(lines)
        parts += [part[..., c] for c in range(part.shape[-1])]
    numbers = (p.astype(np.uint8) if p.dtype.kind == "b" else p for p in parts[:_MOST_CHANNELS])
    return [part for part in numbers if min(part.shape) >= _LEAST_SIDE and _varies(part)]


def _planes_at(stack: ImageStack, share: float) -> Iterator[Plane]:
    """Yield the plane of each channel that is a share of the way along all other axes."""
    at = {axis: int(n * share) for axis, n in zip(stack.axes, stack.array.shape, strict=True)}
    channels = range(1) if stack.joint or "C" not in stack.axes else range(stack.colours)
    for channel in channels[:_MOST_CHANNELS]:
        here = at | {"C": channel}
        whole = "YXC" if stack.joint else "YX"
        index = tuple(None if axis in whole else here[axis] for axis in stack.axes)
        yield Plane(index, channel)


def _middle(length: int) -> slice:
    start = max(0, (length - _SAMPLE) // 2) // _JPEG_BLOCK * _JPEG_BLOCK
    return slice(start, start + _SAMPLE)


def _spread(length: int) -> list[slice]:
    """Return parts from all over an axis, or all of a short one."""
    if length <= _OVERVIEW:
        return [slice(None)]
    count = _OVERVIEW // _PART
    starts = [(2 * i + 1) * length // (2 * count) - _PART // 2 for i in range(count)]
    return [slice(start, start + _PART) for start in starts]


def _varies(part: NDArray[Any]) -> bool:
    finite = part[np.isfinite(part)]
    return bool(finite.size and np.ptp(finite) > 0)


def _oversampled(sample: _Sample, model: ModelDescription) -> Finding | None:
    factor = min(oversampling(channel) for channel in sample.middle)
    if factor == 1:
        return None
    message = (
        f"The image has no detail finer than {2 * factor:g} pixels, as if enlarged about "
        f"{factor:g} times already: begin with the original, or shrink it by {factor:g} first."
    )
    return Finding("oversampled", message, factor)


def _saturated(sample: _Sample, model: ModelDescription) -> Finding | None:
    # Photos are white somewhere as a rule, those that models learn from, too.
    if model.intensity == "8-bit":
        return None
    channels = [c for c in sample.overview if count_levels(c) >= _FEWEST_LEVELS]
    if not channels:
        return None
    share, top = max(saturation(channel[~drawn_over(channel)]) for channel in channels)
    if share < _CLIPPED:
        return None
    message = (
        f"{100 * share:.2g} % of the pixels are saturated, at the value {top:g}: what was brighter "
        "there is lost, and no model brings it back."
    )
    return Finding("saturated", message, share)


def _noisy(sample: _Sample, model: ModelDescription) -> Finding | None:
    noise = [estimate_noise(channel) for channel in sample.as_read]
    low_light = [estimate.photons for estimate in noise if estimate.is_low_light]
    if len(low_light) * 2 < len(noise):
        return None
    photons = float(np.median(low_light))
    learnt = _training_degradation(model, "microscope")
    if learnt is not None:
        fewest = min(learnt.get("photons") or (0.0,))
        if photons >= _TOLERATED * fewest:
            return None
        message = (
            f"The image is noisier, as of {photons:.0f} photons in its brightest pixels, than the "
            f"images of {fewest:.0f} photons or more that {model.name} was trained on: it may take "
            "noise for detail, so record longer or average images if you can."
        )
        return Finding("noisy", message, photons)
    message = (
        f"The image looks like a recording with few photons, noisier than those that {model.name} "
        "was trained on: "
    )
    if DENOISER not in BUNDLED:
        return Finding("noisy", f"{message}it may take noise for detail.", photons)
    return Finding("noisy", f"{message}{DENOISER} removes the noise.", photons, DENOISER)


def _jpeg(sample: _Sample, model: ModelDescription) -> Finding | None:
    if _training_degradation(model, "jpeg") is not None:
        return None
    channels = sample.middle
    if len(channels) == 3:  # JPEG compresses brightness and colours apart
        weighted = zip(channels, _BRIGHTNESS, strict=True)
        channels = [np.sum([channel * weight for channel, weight in weighted], axis=0)]
    grid = float(np.median([jpeg_grid(channel) for channel in channels]))
    if grid < _GRID:
        return None
    message = "The image shows the 8 x 8 blocks of JPEG, which upscaling makes larger: "
    if ARTEFACT_REMOVER not in BUNDLED:
        return Finding("jpeg", f"{message}take the original.", grid)
    message += f"take the original, or {ARTEFACT_REMOVER}, which removes them."
    return Finding("jpeg", message, grid, ARTEFACT_REMOVER)


def _range(sample: _Sample, model: ModelDescription) -> Finding | None:
    channels = sample.middle
    levels = max(count_levels(channel) for channel in channels)
    if levels < _FEWEST_LEVELS:
        message = (
            f"The image has {levels} grey levels, fewer than any that {model.name} was trained "
            "on, like a mask: steps between levels may come out as detail."
        )
        return Finding("range", message, levels)
    filled = max(span(channel) for channel in channels)
    is_fixed = model.intensity == "8-bit" and all(c.dtype == np.uint8 for c in channels)
    if not is_fixed or filled >= _NARROWEST:
        return None
    message = (
        f"The image fills {filled:.0f} of 256 grey levels, and {model.name} was trained on images "
        "that fill them all: stretch the contrast first, or choose a model for microscopy."
    )
    return Finding("range", message, filled)


def _training_degradation(model: ModelDescription, name: str) -> Mapping[str, Any] | None:
    """Return the settings of a degradation that a model learnt to undo; from files, so in doubt."""
    record: Any = model.training
    for key in ("settings", "data", "degradations"):
        record = record.get(key) if isinstance(record, Mapping) else None
    entries = record if isinstance(record, list) else []
    return next((e for e in entries if isinstance(e, Mapping) and e.get("name") == name), None)


_LOOKS: tuple[Look, ...] = (_oversampled, _saturated, _noisy, _jpeg, _range)
