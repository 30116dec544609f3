"""Between a layer's pixels and the viewer's world, whose units may be others than the layer's.

napari shows layers in nanometres and micrometres together, in the smaller unit of both; but a
layer's own `world_to_data` counts in the layer's units.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer

Units = tuple[Any, ...] | None


def world_units(viewer: napari.viewer.Viewer) -> Units:
    """Return the units in which a viewer counts, by axis; None where it leaves units aside."""
    found: Units = getattr(viewer.layers, "units", None)  # none in older versions
    return found


def unit_factors(layer: napari.layers.Layer, units: Units) -> NDArray[np.float64]:
    """Return how many of the world's units one of a layer's is, by axis of the layer."""
    if units is None:
        return np.ones(layer.ndim)
    theirs = units[-layer.ndim :]
    pairs = zip(layer.units[-len(theirs) :], theirs, strict=True)
    factors = [float((1 * own).to(world).magnitude) for own, world in pairs]
    return np.array([1.0] * (layer.ndim - len(theirs)) + factors)


def to_world(layer: napari.layers.Layer, point: Any, units: Units) -> NDArray[np.float64]:
    """Return where in the world a point of a layer's pixels lies."""
    return np.asarray(layer.data_to_world(point), float) * unit_factors(layer, units)


def from_world(
    layer: napari.layers.Layer, point: Sequence[float] | NDArray[np.float64], units: Units
) -> NDArray[np.float64]:
    """Return the pixel, with its fraction, at a point of the world; axes align at the last."""
    here = np.asarray(point, float)
    missing = layer.ndim - len(here)
    here = np.concatenate([np.zeros(max(missing, 0)), here])[-layer.ndim :]
    return np.asarray(layer.world_to_data(here / unit_factors(layer, units)), float)
