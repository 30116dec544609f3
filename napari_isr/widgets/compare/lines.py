"""Where a line profile is taken: along a line or a path of a Shapes layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_isr.bridge.layers import layer_array
from napari_isr.bridge.world import Units, to_world, unit_factors, world_units
from napari_isr.widgets.compare.measure import BICUBIC, Measured, Row
from napari_isr.widgets.compare.plots import Curve
from napari_isr.widgets.compare.request import MARK, RECORD, is_made_here
from src_models.quality.comparison import profile

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer

_KINDS = ("line", "path")
_NAME = "profile line"
# Of the drawn line in pixels of the image, and how many fit into its height.
_THINNEST, _PER_HEIGHT = 0.5, 300


def line_in(shapes: napari.layers.Shapes) -> NDArray[np.float64] | None:
    """Return the points of the line to use, in the layer's coordinates; None if there is none.

    It is the first line or path that is selected, else the one drawn last.
    """
    lines = [i for i, kind in enumerate(shapes.shape_type) if kind in _KINDS]
    if not lines:
        return None
    selected = [i for i in lines if i in shapes.selected_data]
    points = np.asarray(shapes.data[selected[0] if selected else lines[-1]], float)
    return points if len(points) > 1 and np.ptp(points, axis=0).any() else None


def curves_along(
    points: NDArray[np.float64],
    shapes: napari.layers.Shapes,
    viewer_point: tuple[float, ...],
    units: Units,
    measured: Measured,
    colours: list[str],
) -> list[Curve]:
    """Return the intensities of all candidates along a line.

    Parameters
    ----------
    points : ndarray
        Two or more points in the coordinates of `shapes`.
    shapes : Shapes
        The layer.
    viewer_point : tuple of float
        Where the viewer stands along the axes that the layer lacks.
    units : tuple of units or None
        Those of the world.
    measured : Measured
        The planes.
    colours : list of str
        Of each row.
    """
    world = np.array([_in_world(to_world(shapes, p, units), viewer_point) for p in points])
    request = measured.request
    pixels = np.array([request.input.pixel_at(p, units) for p in world])
    steps = np.linalg.norm(np.diff(pixels, axis=0), axis=1) * request.pixel_size
    starts = np.concatenate([[0.0], np.cumsum(steps)])
    curves = []
    for row, colour in zip(measured.rows, colours, strict=True):
        x, y = _along(row, world, units, starts)
        curves.append(Curve(row.name, colour, x, y, dashed=row.kind == BICUBIC))
    return curves


def _in_world(here: Any, viewer_point: tuple[float, ...]) -> NDArray[np.float64]:
    """Fill the axes that a layer lacks; layers align at the last."""
    missing = len(viewer_point) - len(here)
    return np.array([*viewer_point[: max(missing, 0)], *here], float)


def _along(
    row: Row, world: NDArray[np.float64], units: Units, starts: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    corners = [tuple(row.pixel_at(point, units)) for point in world]
    xs, ys = [], []
    for i in range(len(corners) - 1):
        values = profile(row.plane, corners[i], corners[i + 1])
        xs.append(np.linspace(starts[i], starts[i + 1], len(values)))
        ys.append(values)
    return np.concatenate(xs), np.concatenate(ys)


def line_layer(viewer: napari.viewer.Viewer) -> napari.layers.Shapes | None:
    """Return the layer that was added for lines; None if there is none."""
    from napari.layers import Shapes

    found = [x for x in viewer.layers if isinstance(x, Shapes) and is_made_here(x)]
    return found[-1] if found else None


def add_line_layer(
    viewer: napari.viewer.Viewer, image: napari.layers.Image | None
) -> napari.layers.Shapes:
    """Add a Shapes layer for lines.

    Parameters
    ----------
    viewer : Viewer
        Where.
    image : Image, optional
        Whose pixels set its scale.
    """
    from napari.layers import Shapes

    placed: dict[str, Any] = {}
    width = 1.0
    if image is not None:
        # In the world's units: napari takes the mouse's place for one in the layer's.
        units = world_units(viewer)
        scale = image.scale[-2:] * unit_factors(image, units)[-2:]
        placed = {"scale": scale, "units": (image.units if units is None else units)[-2:]}
        height = layer_array(image).shape[-3 if image.rgb else -2]
        width = max(_THINNEST, height / _PER_HEIGHT)
    looks: dict[str, Any] = {"edge_color": "#ff4fd8", "edge_width": width}
    record = {RECORD: {MARK: _NAME}}
    shapes = Shapes(None, ndim=2, name=_NAME, metadata=record, **looks, **placed)
    viewer.add_layer(shapes)
    return shapes


def draw_line_in(viewer: napari.viewer.Viewer, shapes: napari.layers.Shapes) -> None:
    """Let the next click draw a line in a layer, where it is seen."""
    shapes.visible = True  # napari draws in no hidden layer
    viewer.layers.selection.active = shapes
    shapes.mode = "add_line"
