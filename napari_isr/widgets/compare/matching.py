"""Whether layers fit each other, in words where they do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.transforms import Affine
from numpy.typing import NDArray

from napari_isr.bridge.layers import LayerSource, layer_array
from napari_isr.bridge.world import Units, from_world, to_world
from napari_isr.widgets.compare.request import Candidate, Request, is_made_from, record_of
from src_models.errors import SuperResolutionError
from src_models.images.axes import check_axes
from src_models.images.intensity import check_dtype
from src_models.images.picture import unit_name, unit_symbol

if TYPE_CHECKING:
    import napari.layers

_NO_UNITS = ("pixel", "dimensionless", "")
_SQUARE = 0.01
_NOTHING_OPEN = "First open an image, and upscale it: Plugins > napari-isr > Upscale."
_NO_OTHER = (
    "There is nothing to compare with yet. Upscale the input (Plugins > napari-isr > Upscale), or "
    "open a result of another program."
)
_NONE_CHECKED = "Check the results to compare: a click on the box before the name."


@dataclass(frozen=True)
class Check:
    """Whether the choices fit.

    Attributes
    ----------
    input_words, result_words, truth_words : str
        What does not fit, or what to do first; empty if there is nothing to say.
    hint : str
        What does not keep the work from starting.
    request : Request or None
        None if nothing can be compared.
    """

    input_words: str = ""
    result_words: str = ""
    truth_words: str = ""
    hint: str = ""
    request: Request | None = None


def check(
    source: napari.layers.Image | None,
    results: Sequence[napari.layers.Image],
    truth: napari.layers.Image | None,
    point: Sequence[float],
    units: Units,
    *,
    others: int,
    fits: bool = False,
) -> Check:
    """Check the choices against each other; never raises.

    Parameters
    ----------
    source : Image, optional
        The input.
    results : sequence of Image
        Those checked.
    truth : Image, optional
        The truth.
    point : sequence of float
        Where the viewer stands, in world coordinates.
    units : tuple of units or None
        Those of the world.
    others : int
        How many layers could be results.
    fits : bool
        Whether results are to be fitted to a truth in brightness and contrast.
    """
    if source is None:
        return Check(input_words=_NOTHING_OPEN)
    try:
        taken = LayerSource.of(source, _axes_told(source, results))
        check_dtype(np.dtype(taken.array.dtype))
    except SuperResolutionError as error:
        return Check(input_words=str(error))
    index, place = _plane_at(source, taken, point, units)
    origin = Candidate(taken, source, 1, index)
    if not results:
        return Check(result_words=_NONE_CHECKED if others else _NO_OTHER)
    found_all = [_fit(layer, origin) for layer in results]
    fitting = tuple(found for found in found_all if isinstance(found, Candidate))
    result_words = " ".join(found for found in found_all if isinstance(found, str))
    if not fitting:
        return Check(result_words=result_words)
    truth_candidate, truth_words = None, ""
    if truth is not None:
        found = _fit(truth, origin)
        factors = {candidate.factor for candidate in fitting}
        if isinstance(found, str):
            truth_words = found
        elif found.factor not in factors:
            sizes = " and ".join(f"{factor} times" for factor in sorted(factors))
            truth_words = (
                f"The truth must be as large as the results: {sizes} the input, and "
                f"{found.name!r} is {found.factor} times."
            )
        else:
            truth_candidate = found
    size, unit = pixel_size(taken)
    fits = fits and truth_candidate is not None
    request = Request(origin, fitting, truth_candidate, size, unit, place, fits)
    return Check("", result_words, truth_words, _hint(request, units), request)


def _axes_told(source: napari.layers.Image, results: Sequence[napari.layers.Image]) -> str | None:
    """Return the axes that a result of the input was made with; None if none tells."""
    for layer in results:
        settings = record_of(layer).get("settings")
        axes = settings.get("axes") if isinstance(settings, dict) else None
        if isinstance(axes, str) and is_made_from(layer, source, [*results, source]):
            try:
                return check_axes(axes, layer_array(source).shape)
            except SuperResolutionError:  # it was made of other pixels
                continue
    return None


def _plane_at(
    layer: napari.layers.Image, source: LayerSource, point: Sequence[float], units: Units
) -> tuple[tuple[Any, ...], str]:
    """Return the displayed plane as an index, and in words."""
    here = from_world(layer, point, units)
    index: list[Any] = []
    words = []
    for i, (axis, length) in enumerate(zip(source.axes, source.array.shape, strict=True)):
        if axis in "YX" or (axis == "C" and source.rgb):
            index.append(slice(None))
        else:
            step = int(np.clip(round(float(here[i])), 0, length - 1))
            index.append(step)
            words.append(f"{axis} = {step}")
    return tuple(index), ", ".join(words)


def _fit(layer: napari.layers.Image, origin: Candidate) -> Candidate | str:
    """Take a layer beside the input, or say why it does not fit."""
    source, array = origin.source, layer_array(layer)
    name, shape, small = layer.name, tuple(array.shape), tuple(source.array.shape)
    if bool(layer.rgb) != source.rgb:
        kind = "in colour, and the input is not" if layer.rgb else "not in colour, as the input is"
        return f"{name!r} is {kind}."
    if len(shape) != len(small):
        return (
            f"{name!r} has {len(shape)} dimensions, and the input {len(small)} ({source.axes}): "
            "compare images of the same dimensions."
        )
    sizes = dict(zip(source.axes, zip(shape, small, strict=True), strict=True))
    unequal = [axis for axis, (n, m) in sizes.items() if axis not in "YX" and n != m]
    if unequal:
        n, m = sizes[unequal[0]]
        what = "channels" if unequal[0] == "C" else f"planes along {unequal[0]}"
        return f"{name!r} has {n} {what}, and the input {m}: they must be as many."
    (height, low_height), (width, low_width) = sizes["Y"], sizes["X"]
    factor = height // low_height
    if factor < 1 or (height, width) != (factor * low_height, factor * low_width):
        return (
            f"{name!r} has {height} x {width} pixels and the input {low_height} x {low_width}: "
            "it must be a whole number of times larger, the same along both."
        )
    try:
        taken = LayerSource.of(layer, source.axes)
        check_dtype(np.dtype(taken.array.dtype))
    except SuperResolutionError as error:
        return f"{name!r}: {error}"
    return Candidate(taken, layer, factor, origin.index, str(record_of(layer).get("model", "")))


def pixel_size(source: LayerSource) -> tuple[float, str]:
    """Return the size of a pixel of the input and its unit; 1 px where it has none."""
    at = [source.axes.index(axis) for axis in "YX"]
    placed = source.placement
    own = Affine(scale=placed["scale"], rotate=placed["rotate"], shear=placed["shear"])
    # The size of pixels may be in either of the two.
    steps = placed["affine"].linear_matrix @ own.linear_matrix
    sizes = [float(np.linalg.norm(steps[:, i])) for i in at]
    units = [str(source.placement["units"][i]) for i in at]
    is_square = abs(sizes[0] - sizes[1]) <= _SQUARE * max(sizes) and sizes[0] > 0
    if units[0] in _NO_UNITS or units[0] != units[1] or not is_square:
        return 1.0, "px"
    return sizes[0], unit_symbol(unit_name(units[0]))


def _hint(request: Request, units: Units) -> str:
    """Say of layers that do not lie on the input what that means."""
    corners = _edges(request.input, units)
    source = request.input.source
    longest = max(source.array.shape[source.axes.index(axis)] for axis in "YX")
    pixel = np.abs(corners[1] - corners[0]).max() / longest
    layers = [*request.results, *([request.truth] if request.truth else [])]
    astray = [c.name for c in layers if np.abs(_edges(c, units) - corners).max() > pixel / 2]
    if not astray:
        return ""
    names = " and ".join(repr(name) for name in astray)
    do = "does" if len(astray) == 1 else "do"
    return (
        f"{names} {do} not lie on the input in the viewer (scale or translate differ). The numbers "
        "go by pixels and are right all the same; profiles and views go by the viewer."
    )


def _edges(candidate: Candidate, units: Units) -> NDArray[np.float64]:
    """Return two opposite corners of a layer's rows and columns in the world."""
    axes, array = candidate.source.axes, candidate.source.array
    points = []
    for end in (False, True):
        point = [0.0] * candidate.layer.ndim
        for axis in "YX":
            i = axes.index(axis)
            point[i] = array.shape[i] - 0.5 if end else -0.5
        points.append(to_world(candidate.layer, point, units))
    return np.array(points, float)
