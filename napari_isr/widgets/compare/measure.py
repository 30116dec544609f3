"""What the Compare widget's threads do: read planes, measure each, make layers of differences."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_isr.bridge.upscaling import with_own_errors
from napari_isr.bridge.world import Units
from napari_isr.widgets.compare.request import BASELINE_OF, Candidate, Request
from src_models.errors import SuperResolutionError
from src_models.quality.comparison import (
    Scores,
    brightness,
    compare_with_truth,
    difference,
    interpolated,
    interpolated_stack,
    symmetric_limit,
    usual_range,
)
from src_models.quality.consistency import measure_consistency
from src_models.quality.resolution import (
    ResolutionCurve,
    decorrelation_analysis,
    fourier_ring_correlation,
)

INPUT, BICUBIC, RESULT, TRUTH = "input", "bicubic", "result", "truth"
_BACK = {
    "binned": "binning",
    "bicubic": "bicubic shrinking",
    "microscope": "blur and binning, as its model was trained",
    "jpeg": "bicubic shrinking",
}


@dataclass(frozen=True, eq=False)
class Row:
    """One candidate with all that was measured of it.

    Attributes
    ----------
    kind : {"input", "bicubic", "result", "truth"}
        What it is.
    candidate : Candidate
        Its layer; for bicubic that of the input.
    factor : int
        How much larger than the input it is.
    plane : ndarray
        The plane that was measured.
    closeness : Closeness or None
        To the truth, where there is one of its size.
    agreement : float or None
        Share of the input's pixels that it agrees with.
    agreement_words : str
        The same in words, and how it was brought back.
    rings, decorrelation : ResolutionCurve or None
        Its resolution, in the unit of the request; with a truth of its size, `rings` is of the two
        together.
    with_truth : bool
        Whether `rings` is of the two together.
    notes : tuple of str
        What could not be measured, and why.
    """

    kind: str
    candidate: Candidate
    factor: int
    plane: NDArray[Any]
    closeness: Scores | None = None
    agreement: float | None = None
    agreement_words: str = ""
    rings: ResolutionCurve | None = None
    decorrelation: ResolutionCurve | None = None
    with_truth: bool = False
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What to call it."""
        if self.kind == BICUBIC:
            return f"bicubic x{self.factor}"
        return self.candidate.name

    def pixel_at(self, world: NDArray[Any], units: Units) -> NDArray[np.float64]:
        """Return row and column of a point of the viewer; pixel centres are whole numbers."""
        here = self.candidate.pixel_at(world, units)
        return (here + 0.5) * self.factor - 0.5 if self.kind == BICUBIC else here


@dataclass(frozen=True)
class Step:
    """How far the work is.

    Attributes
    ----------
    done, total : int
        Of equal parts, roughly.
    words : str
        What is done now.
    """

    done: int
    total: int
    words: str


@dataclass(frozen=True, eq=False)
class Measured:
    """What comes back.

    Attributes
    ----------
    request : Request
        What was measured.
    rows : tuple of Row
        Input, bicubic for each factor, the results, the truth.
    data_range : float or None
        That PSNR and SSIM refer to, with a truth.
    """

    request: Request
    rows: tuple[Row, ...]
    data_range: float | None


@dataclass(frozen=True, eq=False)
class NewLayer:
    """A layer to add: pixels, what `napari.layers.Image` takes besides, and its record."""

    pixels: Any
    arguments: dict[str, Any]
    record: dict[str, Any] = field(default_factory=dict)


@with_own_errors
def measuring(request: Request) -> Generator[Step, None, Measured]:
    """Measure all candidates, telling before each part what it is."""
    count = 2 + len(request.factors) + len(request.results)
    total, done = 3 * count, 0
    origin = request.input
    yield Step(done, total, f"Reading {origin.name} …")
    low = origin.read()
    rows = [Row(INPUT, origin, 1, low)]
    for factor in request.factors:
        yield Step(len(rows), total, f"Interpolating {origin.name} …")
        rows.append(Row(BICUBIC, origin, factor, interpolated(low, factor)))
    for result in request.results:
        yield Step(len(rows), total, f"Reading {result.name} …")
        rows.append(Row(RESULT, result, result.factor, result.read()))
    truth = None
    if request.truth is not None:
        yield Step(len(rows), total, f"Reading {request.truth.name} …")
        truth = request.truth.read()
        rows.append(Row(TRUTH, request.truth, request.truth.factor, truth))
    data_range = None if truth is None else usual_range(truth)
    for number, row in enumerate(rows):
        done = count + 2 * number
        yield Step(done, total, f"Comparing {row.name} …")
        row = _with_closeness(row, truth, data_range, fit=request.fits)
        if row.kind in (BICUBIC, RESULT):
            row = _with_agreement(row, low, _model_of(row, request))
        yield Step(done + 1, total, f"Resolution of {row.name} …")
        rows[number] = _with_resolution(row, request.pixel_size / row.factor, truth)
    return Measured(request, tuple(rows), data_range)


def _model_of(row: Row, request: Request) -> str:
    """Return the model whose degradation brings it back; bicubic's is that of its rivals."""
    if row.kind == RESULT:
        return row.candidate.model
    rivals = [result.model for result in request.results if result.factor == row.factor]
    return next((model for model in rivals if model), "")


def _with_closeness(
    row: Row, truth: NDArray[Any] | None, data_range: float | None, *, fit: bool
) -> Row:
    if truth is None or row.kind not in (BICUBIC, RESULT):
        return row
    if row.plane.shape != truth.shape:
        return _noted(row, "It is not as large as the truth.")
    try:
        found = compare_with_truth(truth, row.plane, data_range=data_range, fit=fit)
    except SuperResolutionError as error:
        return _noted(row, str(error))
    return replace(row, closeness=found)


def _with_agreement(row: Row, low: NDArray[Any], model: str) -> Row:
    axes = "YXC"[: low.ndim]
    try:
        found = measure_consistency(row.plane, low, axes=axes, model=model or None)
    except SuperResolutionError:
        # A model file that lies elsewhere now; its record is not at hand.
        try:
            found = measure_consistency(row.plane, low, axes=axes)
        except SuperResolutionError as error:
            return _noted(row, str(error))
    way = _BACK.get(found.degradation, found.degradation)
    words = f"{found.in_words}, brought back to the input's grid by {way}"
    return replace(row, agreement=found.share, agreement_words=words)


def _with_resolution(row: Row, pixel_size: float, truth: NDArray[Any] | None) -> Row:
    """Measure the resolution; FRC tells up to where an image agrees with a truth of its size."""
    plane, other = brightness(row.plane), None
    if row.kind in (BICUBIC, RESULT) and truth is not None and row.plane.shape == truth.shape:
        other = brightness(truth)
    try:
        rings = fourier_ring_correlation(plane, other, pixel_size=pixel_size)
    except SuperResolutionError as error:
        row = _noted(row, str(error))
    else:
        row = replace(row, rings=rings, with_truth=other is not None)
    try:
        return replace(row, decorrelation=decorrelation_analysis(plane, pixel_size=pixel_size))
    except SuperResolutionError as error:
        return _noted(row, str(error))


def _noted(row: Row, words: str) -> Row:
    return replace(row, notes=tuple(dict.fromkeys((*row.notes, words))))


@with_own_errors
def subtracting(request: Request, row: Row) -> Generator[Step, None, NewLayer]:
    """Make the layer of a candidate minus the truth, or minus the interpolated input."""
    yield Step(0, 2, f"Subtracting from {row.name} …")
    origin, truth = request.input.source, request.truth
    with_truth = truth is not None and truth.factor == row.factor
    reference = (
        truth.source.array
        if truth is not None and with_truth
        else interpolated_stack(origin.array, origin.axes, row.factor)
    )
    other = truth.name if truth is not None and with_truth else f"bicubic x{row.factor}"
    image = (
        interpolated_stack(origin.array, origin.axes, row.factor)
        if row.kind == BICUBIC
        else row.candidate.source.array
    )
    fit: dict[str, float] = {}
    if with_truth and request.fits and row.closeness is not None:
        fit = {"gain": row.closeness.gain, "offset": row.closeness.offset}
    pixels = difference(image, reference, origin.axes, rgb=origin.rgb, **fit)
    yield Step(1, 2, "Finding the range of differences …")
    index = row.candidate.index[: pixels.ndim]
    limit = symmetric_limit(np.asarray(pixels[index]))
    placed = _placement(row) | {
        "rgb": False,
        "contrast_limits": (-limit, limit),
        "gamma": 1.0,
        "opacity": 1.0,
        "blending": "translucent_no_depth",
        "interpolation2d": "nearest",
    }
    placed.pop("colormap", None)
    return NewLayer(pixels, placed | {"name": f"{row.name} - {other}"})


@with_own_errors
def interpolating(request: Request, factor: int) -> Generator[Step, None, NewLayer]:
    """Make the layer of the interpolated input."""
    yield Step(0, 1, "Interpolating …")
    origin = request.input.source
    pixels = interpolated_stack(origin.array, origin.axes, factor)
    placed = origin.placed(factor) | {"name": f"{origin.name} x{factor} [bicubic]"}
    return NewLayer(pixels, placed, {BASELINE_OF: origin.identity, "scale": factor})


def _placement(row: Row) -> dict[str, Any]:
    """Return where a candidate lies."""
    return row.candidate.source.placed(row.factor if row.kind == BICUBIC else 1)
