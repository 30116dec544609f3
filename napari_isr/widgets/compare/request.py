"""What is to be compared: layers as they are when the work starts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_isr.bridge.layers import PREVIEW, LayerSource
from napari_isr.bridge.trust_layers import JUDGES
from napari_isr.bridge.world import Units, from_world

if TYPE_CHECKING:
    import napari.layers

RECORD = "napari-isr"
# Of layers that a comparison made; they are no results. Of what an interpolated one is made.
MARK, BASELINE_OF = "comparison", "baseline of"


@dataclass(frozen=True, eq=False)
class Candidate:
    """A layer that takes part.

    Attributes
    ----------
    source : LayerSource
        Its pixels, axes and placement.
    layer : Image
        Itself, which may be gone by now.
    factor : int
        How much larger it is than the input.
    index : tuple
        Where in `source.array` the plane lies.
    model : str
        That made it, if it says so.
    """

    source: LayerSource
    layer: napari.layers.Image
    factor: int
    index: tuple[Any, ...]
    model: str = ""

    @property
    def name(self) -> str:
        """The layer's, as it is now."""
        return str(self.layer.name)

    def read(self) -> NDArray[Any]:
        """Return the plane ``(Y, X)`` or ``(Y, X, C)``, without alpha; may take long."""
        plane = np.asarray(self.source.array[self.index])
        letters = [
            axis
            for axis, i in zip(self.source.axes, self.index, strict=True)
            if isinstance(i, slice)
        ]
        wanted = [axis for axis in "YXC" if axis in letters]
        plane = np.transpose(plane, [letters.index(axis) for axis in wanted])
        return plane[..., :3] if plane.ndim == 3 else plane

    def pixel_at(self, world: NDArray[Any], units: Units) -> NDArray[np.float64]:
        """Return row and column of a point of the viewer; pixel centres are whole numbers."""
        here = from_world(self.layer, world, units)
        return np.array([here[self.source.axes.index(axis)] for axis in "YX"], float)


@dataclass(frozen=True, eq=False)
class Request:
    """What to measure.

    Attributes
    ----------
    input : Candidate
        What was upscaled.
    results : tuple of Candidate
        At least one.
    truth : Candidate or None
        Of the size of some results.
    pixel_size : float
        Of the input in `unit`: 1 where it has no unit or its pixels are not square.
    unit : str
        Such as "µm", or "px" for pixels of the input.
    place : str
        The plane in words, such as "T = 2, Z = 5"; empty if there is but one.
    fits : bool
        Whether images are given the truth's brightness and contrast before they are compared.
    """

    input: Candidate
    results: tuple[Candidate, ...]
    truth: Candidate | None
    pixel_size: float
    unit: str
    place: str
    fits: bool = False

    @property
    def factors(self) -> list[int]:
        """How much larger the results are, each once."""
        return sorted({result.factor for result in self.results})

    @property
    def key(self) -> tuple[Any, ...]:
        """What the numbers depend on: they are out of date if it has changed."""
        layers = [self.input, *self.results, *([self.truth] if self.truth else [])]
        each = [(c.source.identity, id(c.source.array), str(c.index)) for c in layers]
        return (*each, self.truth is None, self.fits, self.pixel_size, self.unit)


def is_made_here(layer: napari.layers.Layer) -> bool:
    """Tell a layer that is no image: a difference, an uncertainty; or the interpolated input."""
    return not {MARK, JUDGES}.isdisjoint(record_of(layer))


def baselines(
    layers: Iterable[napari.layers.Layer], source: napari.layers.Layer
) -> dict[int, napari.layers.Layer]:
    """Return the layers that hold an interpolated image, by how much larger they are."""
    found = ((layer, record_of(layer)) for layer in layers)
    identity = str(source.unique_id)
    return {r["scale"]: layer for layer, r in found if r.get(BASELINE_OF) == identity}


def record_of(layer: napari.layers.Layer) -> dict[str, Any]:
    """Return what a layer's metadata says of how it was made."""
    found = layer.metadata.get(RECORD, {})
    return found if isinstance(found, dict) else {}


def is_made_from(
    layer: napari.layers.Layer,
    source: napari.layers.Layer,
    open_layers: Sequence[napari.layers.Layer],
) -> bool:
    """Tell whether a layer's record says that it was upscaled from another.

    Identities are of one session; in another, names must do.
    """
    record = record_of(layer)
    if "source" not in record or not {MARK, PREVIEW}.isdisjoint(record):
        return False
    identities = {str(other.unique_id) for other in open_layers}
    if record.get("source_id") in identities:
        return bool(record["source_id"] == str(source.unique_id))
    return bool(record["source"] == source.name)
