"""Image layers looked at against each other in the viewer: under a curtain, or side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import napari
import numpy as np
from napari.layers import Image, Layer
from psygnal import Signal

from napari_isr.widgets.compare.canvas_cut import CanvasCut, closed_signal
from napari_isr.widgets.compare.layers import are_alike
from src_models.errors import InvalidInputError

_SPACING = 4  # pixels of the screen between cells
_MARGIN = 1.05  # room around layers in a cell
_LAYERS_CHANGED = "layers came or went"


class _View:
    """What both ways have in common: settings that are borrowed and given back.

    A viewer shows one view at a time: starting one stops the other.

    Attributes
    ----------
    ended : psygnal.Signal
        Emitted with the reason when it ends other than by `stop`.
    unmatched : list of Image
        Those that keep their own contrast, since their intensities are not like the first one's.
    """

    ended = Signal(str)
    _on: ClassVar[WeakKeyDictionary[napari.Viewer, _View]] = WeakKeyDictionary()

    def __init__(self, viewer: napari.Viewer, layers: Sequence[Image]) -> None:
        # napari hands plugins proxies, which are no keys of its own tables.
        self._viewer: Any = getattr(viewer, "__wrapped__", viewer)
        self._layers: list[Any] = [getattr(layer, "__wrapped__", layer) for layer in layers]
        self.unmatched: list[Any] = []
        self._active = False
        self._closed: Any = None
        self._borrowed: list[tuple[Any, str, Any, Any]] = []

    @property
    def active(self) -> bool:
        """Whether the viewer shows it."""
        return self._active

    def start(self) -> None:
        """Show it; nothing happens if it is shown already.

        Raises
        ------
        InvalidInputError
            If the layers are not different image layers of the viewer.
        """
        if self._active:
            return
        _check(self._viewer, self._layers)
        if (other := self._on.get(self._viewer)) is not None:
            other._end("another one began")
        self._active = True
        self._on[self._viewer] = self
        try:
            self._show()
            self._match_contrast()
        except BaseException:
            self.stop()
            raise
        self._watch()

    def stop(self) -> None:
        """Give the viewer back as it was; nothing happens if it is not shown.

        What was changed by hand in the meantime stays changed.
        """
        if not self._active:
            return
        self._active = False
        self._on.pop(self._viewer, None)
        self._unwatch()
        self._hide()
        for owner, name, before, ours in reversed(self._borrowed):
            if name == "contrast_limits_range" and not _holds(before, owner.contrast_limits):
                continue  # it would cut what was set by hand
            if getattr(owner, name) == ours:
                setattr(owner, name, before)
        self._borrowed.clear()

    def _end(self, reason: str) -> None:
        self.stop()
        self.ended.emit(reason)

    def _grid_switched(self) -> None:
        self._end("napari's grid was switched on or off")

    def _match_contrast(self) -> None:
        """Show equal intensities in equal grey: within the limits of the first layer.

        Layers of other types or in colour keep theirs, and so do those whose intensities have
        little in common with it, as of a truth that was recorded with another exposure.
        """
        first = self._layers[0]
        for layer in self._layers[1:]:
            if not are_alike(first, layer):
                self.unmatched.append(layer)
                continue
            limits, ends = list(first.contrast_limits), layer.contrast_limits_range
            room = [min(limits[0], ends[0]), max(limits[1], ends[1])]
            self._borrow(layer, contrast_limits_range=room, contrast_limits=limits)
            self._borrow(layer, gamma=first.gamma)

    def _show(self) -> None:
        raise NotImplementedError

    def _hide(self) -> None:
        raise NotImplementedError

    def _ends_with(self, added: Layer) -> bool:
        raise NotImplementedError

    def _borrow(self, owner: Any, **settings: Any) -> None:
        for name, value in settings.items():
            before = getattr(owner, name)
            if before != value:
                setattr(owner, name, value)
                self._borrowed.append((owner, name, before, value))

    def _watch(self) -> None:
        # Last: napari's own lists and pictures are then up to date.
        self._viewer.layers.events.inserted.connect(self._on_inserted, position="last")
        self._viewer.layers.events.removed.connect(self._on_removed, position="last")
        _grid(self._viewer).events.enabled.connect(self._grid_switched, position="last")
        self._closed = closed_signal(self._viewer)
        if self._closed is not None:
            self._closed.connect(self._forget)

    def _unwatch(self) -> None:
        self._viewer.layers.events.inserted.disconnect(self._on_inserted)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        _grid(self._viewer).events.enabled.disconnect(self._grid_switched)
        if self._closed is not None:
            self._closed.disconnect(self._forget)
            self._closed = None

    def _on_inserted(self, event: Any) -> None:
        if self._ends_with(event.value):
            self._end(_LAYERS_CHANGED)

    def _on_removed(self, event: Any) -> None:
        if event.value in self._layers:
            self._end(_LAYERS_CHANGED)

    def _forget(self) -> None:
        """End without touching the viewer, whose window is gone."""
        if self._active:
            self._active = False
            self._on.pop(self._viewer, None)
            self._closed = None
            self._unwatch()
            self._borrowed.clear()


class Curtain(_View):
    """One layer left of the mouse, another right of it.

    The boundary follows the mouse while no button is pressed, so panning and zooming work as
    always. Other image layers are hidden meanwhile; shapes, points, and labels stay. It ends when
    one of the two layers goes, a new image layer comes, or the grid is switched on.

    Parameters
    ----------
    viewer : napari.Viewer
        With a window.
    left, right : Image
        Layers of the viewer, of any dimensions, scales and rotations, in 2-D or 3-D.
    """

    def __init__(self, viewer: napari.Viewer, left: Image, right: Image) -> None:
        super().__init__(viewer, (left, right))
        self._cut: CanvasCut | None = None

    def _show(self) -> None:
        self._cut = CanvasCut(self._viewer, *self._layers)
        self._borrow(_grid(self._viewer), enabled=False)
        for layer in self._viewer.layers:
            if isinstance(layer, Image):
                self._borrow(layer, visible=layer in self._layers)
        self._viewer.mouse_move_callbacks.append(self._on_mouse)

    def _hide(self) -> None:
        if self._on_mouse in self._viewer.mouse_move_callbacks:
            self._viewer.mouse_move_callbacks.remove(self._on_mouse)
        if self._cut is not None:
            self._cut.close()
            self._cut = None

    def _forget(self) -> None:
        super()._forget()
        self._cut = None

    def _ends_with(self, added: Layer) -> bool:
        return isinstance(added, Image)

    def _on_mouse(self, viewer: Any, event: Any) -> None:
        if self._cut is not None:
            self._cut.move(float(event.pos[0]))


class SideBySide(_View):
    """Each layer in a cell of napari's grid; the cells share one camera.

    All other layers are hidden meanwhile. It ends when one of the layers goes, a new layer comes,
    or the grid is switched off.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    layers : sequence of Image
        At least two layers of the viewer, in the order of the cells: a row of up to three, or a
        block.
    """

    def __init__(self, viewer: napari.Viewer, layers: Sequence[Image]) -> None:
        super().__init__(viewer, layers)
        self._order: list[Any] = []
        self._zoom = (1.0, 1.0)

    def _show(self) -> None:
        n = len(self._layers)
        columns = n if n <= 3 else math.ceil(math.sqrt(n))
        shape = (math.ceil(n / columns), columns)
        for layer in self._viewer.layers:
            self._borrow(layer, visible=layer in self._layers)
        grid = _grid(self._viewer)
        self._borrow(grid, stride=1, shape=shape, spacing=_SPACING, enabled=True)
        self._order = []
        if not self._is_in_place(columns):
            self._order = list(self._viewer.layers)
            _reorder(self._viewer, self._layers)
        camera = _camera(self._viewer)
        centre, zoom = self._in_cells(*shape)
        self._zoom = camera.zoom, zoom
        self._borrow(camera, center=centre)
        camera.zoom = zoom

    def _in_cells(self, rows: int, columns: int) -> tuple[tuple[float, ...], float]:
        """Return centre and zoom at which cells show the layers whole, and nothing else.

        Where the canvas is close to a detail of them, the cells show the same detail.
        """
        camera = _camera(self._viewer)
        centre, zoom = np.array(camera.center, float), float(camera.zoom)
        size = getattr(getattr(self._viewer, "canvas", None), "size", None)
        if size is None or self._viewer.dims.ndisplay == 3:
            return tuple(centre), zoom / max(rows, columns)
        world = self._viewer.layers.get_extent(self._layers).world
        low, high = world[:, list(self._viewer.dims.displayed)]
        canvas, cell = np.array(size), np.array(size) / (rows, columns)
        drawn = zoom * (high - low)
        is_inside = ((low <= centre[-2:]) & (centre[-2:] <= high)).all()
        if is_inside and (drawn > canvas).any():
            seen = np.minimum(canvas, _MARGIN * drawn)
            return tuple(centre), zoom * float(min(1, (cell / seen).min()))
        centre[-2:] = (low + high) / 2
        return tuple(centre), zoom * float((cell / drawn).min() / _MARGIN)

    def _is_in_place(self, columns: int) -> bool:
        grid, layers = _grid(self._viewer), self._viewer.layers
        cells = [grid.position(layers.index(layer), layers) for layer in self._layers]
        return cells == [divmod(k, columns) for k in range(len(cells))]

    def _hide(self) -> None:
        before, ours = self._zoom
        camera = _camera(self._viewer)
        camera.zoom = before if camera.zoom == ours else camera.zoom * before / ours
        if self._order:
            _reorder(self._viewer, self._order)

    def _ends_with(self, added: Layer) -> bool:
        return True


def _holds(ends: Sequence[float], limits: Sequence[float]) -> bool:
    return bool(ends[0] <= limits[0] and limits[1] <= ends[1])


def _check(viewer: Any, layers: Sequence[Any]) -> None:
    """Raise a sentence unless the layers are different image layers of the viewer."""
    names = [getattr(layer, "name", str(layer)) for layer in layers]
    for layer, name in zip(layers, names, strict=True):
        if not isinstance(layer, Image):
            raise InvalidInputError(
                f"Only image layers can be compared. Received: {name!r} of type "
                f"{type(layer).__name__}. Choose an image layer."
            )
        if layer not in viewer.layers:
            raise InvalidInputError(
                f"Layers to compare must be in the viewer. Received: {name!r}, which is not. "
                "Choose again."
            )
    if len(set(layers)) < max(2, len(layers)):
        raise InvalidInputError(
            f"A comparison takes different layers. Received: {names}. Choose two or more."
        )


def _reorder(viewer: Any, first: Sequence[Any]) -> None:
    """Move layers to the front of the list in this order; those that are gone do not count."""
    layers = viewer.layers
    selected = set(layers.selection)
    layers.move_multiple([layers.index(layer) for layer in first if layer in layers], 0)
    if set(layers.selection) != selected:
        layers.selection.clear()
        layers.selection.update(selected)


def _grid(viewer: Any) -> Any:
    """Return the settings of the grid, which moved in napari 0.9."""
    return viewer.canvas.grid if hasattr(viewer, "canvas") else viewer.grid


def _camera(viewer: Any) -> Any:
    """Return the camera, which moved in napari 0.9."""
    return viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
