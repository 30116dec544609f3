"""Between napari's Image layers and the library's arrays: axes, visible region, placement."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.transforms import Affine

from napari_isr.bridge.world import from_world, unit_factors, world_units
from src_models.engines.memory import fits
from src_models.errors import InvalidInputError
from src_models.images.axes import ArrayLike, check_axes, guess_axes, is_lazy
from src_models.images.tiling import Region

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer

_CARRIED = ("affine", "rotate", "shear", "units", "axis_labels")
_LOOKS = ("blending", "opacity", "gamma", "colormap", "contrast_limits", "interpolation2d")
_LOOKS_OF_RGB = ("blending", "opacity", "gamma", "interpolation2d")


@dataclass(frozen=True)
class LayerSource:
    """What upscaling needs of a layer, taken when the work starts.

    The layer may be moved, renamed or removed while the work runs.

    Attributes
    ----------
    array : array-like
        The pixels; of a multiscale layer its finest level. Never copied, never written.
    axes : str
        Meaning of the dimensions of `array`.
    name : str
        The layer's.
    rgb : bool
        Whether the last dimension holds colours.
    placement : dict
        Keyword arguments of a layer: scale and translate in world units per axis, and the
        transforms and looks that carry over.
    coarser : tuple of array-like
        The other levels of a multiscale layer.
    identity : str
        The layer's, which no other layer of the session has.
    """

    array: ArrayLike
    axes: str
    name: str
    rgb: bool
    placement: dict[str, Any]
    coarser: tuple[ArrayLike, ...] = ()
    identity: str = ""

    @classmethod
    def of(cls, layer: napari.layers.Image, axes: str | None = None) -> LayerSource:
        """Take a layer, with given or guessed axes.

        Raises
        ------
        InvalidInputError
            If it is not an image layer, or the axes do not fit.
        """
        array = layer_array(layer)
        letters = check_axes(layer_axes(layer) if axes is None else axes, array.shape)
        if layer.rgb and not letters.endswith("C"):
            raise InvalidInputError(
                f"Axes of an RGB layer must end with C, its colours. Received: axes={letters!r}."
            )
        kept = _CARRIED + (_LOOKS_OF_RGB if layer.rgb else _LOOKS)
        placement = {key: getattr(layer, key) for key in kept}
        placement["scale"] = np.array(layer.scale, float)
        placement["translate"] = np.array(layer.translate, float)
        coarser = tuple(layer.data[1:]) if layer.multiscale else ()
        identity = str(layer.unique_id)
        return cls(array, letters, layer.name, layer.rgb, placement, coarser, identity)

    def placed(
        self, scale: int, region: Region | None = None, planes: dict[str, int] | None = None
    ) -> dict[str, Any]:
        """Return the arguments that put an upscaled layer exactly on its source.

        Parameters
        ----------
        scale : int
            Output pixels per input pixel along Y and X.
        region : Region, optional
            Rows and columns that were upscaled; None for all.
        planes : dict, optional
            Positions along other axes that were upscaled, as for `upscale_steps`.

        Returns
        -------
        dict
            Keyword arguments for `napari.layers.Image`.

        Notes
        -----
        napari puts the centre of pixel i at i, so the first of `scale` pixels lies at
        ``(1 / scale - 1) / 2`` of the old ones.
        """
        axes = self.axes[:-1] if self.rgb else self.axes
        linear = Affine(
            scale=self.placement["scale"],
            rotate=self.placement["rotate"],
            shear=self.placement["shear"],
        ).linear_matrix
        offset = np.zeros(len(axes))
        factor = np.ones(len(axes))
        starts = {"Y": region.y0, "X": region.x0} if region else {}
        for i, axis in enumerate(axes):
            offset[i] = (planes or {}).get(axis, 0)
            if axis in "YX":
                factor[i] = scale
                offset[i] = starts.get(axis, 0) + (1 / scale - 1) / 2
        return self.placement | {
            "scale": self.placement["scale"] / factor,
            "translate": self.placement["translate"] + linear @ offset,
            "rgb": self.rgb,
        }


# In the record of a result that is only a part.
PREVIEW = "preview"


def computed_lazily(array: ArrayLike, scale: int, copies: int = 0) -> bool:
    """Tell whether a result is computed as it is looked at: of a lazy array, or if it is too large.

    Parameters
    ----------
    array : array-like
        What is upscaled.
    scale : int
        How much larger the result is along Y and X.
    copies : int
        How many float32 images of the result's size are needed beside it.
    """
    size = math.prod(array.shape) * (np.dtype(array.dtype).itemsize + 4 * copies) * scale**2
    return is_lazy(array) or not fits(size)


def layer_array(layer: napari.layers.Layer) -> ArrayLike:
    """Return the pixels of an image layer; the finest level if it has several.

    Raises
    ------
    InvalidInputError
        If it is a layer of another type.
    """
    from napari.layers import Image

    if not isinstance(layer, Image):
        raise InvalidInputError(
            f"Only image layers can be upscaled. Received: {getattr(layer, 'name', layer)!r} of "
            f"type {layer_type(layer)}. Select an image layer."
        )
    array: ArrayLike = layer.data[0] if layer.multiscale else layer.data
    return array


def layer_type(layer: object) -> str:
    """Return the type of a layer by name, also through the proxy that plugins are given."""
    return layer.__class__.__name__


def guess_basis(layer: napari.layers.Image) -> tuple[Any, ...]:
    """Return what `layer_axes` goes by."""
    return tuple(layer_array(layer).shape), layer.rgb, tuple(layer.axis_labels)


def layer_axes(layer: napari.layers.Image) -> str:
    """Return the axes that a layer's labels name, or else those that its shape suggests.

    Raises
    ------
    InvalidInputError
        If neither does.
    """
    labels = [str(label).upper() for label in layer.axis_labels]
    if layer.rgb:
        labels.append("C")
    are_letters = all(len(label) == 1 and label.isalpha() for label in labels)
    if are_letters and {"Y", "X"} <= set(labels) and len(set(labels)) == len(labels):
        return "".join(labels)
    return guess_axes(layer_array(layer).shape, layer.rgb)


def visible_region(
    viewer: napari.viewer.Viewer,
    layer: napari.layers.Image,
    source: LayerSource,
    most_pixels: int,
    together: str = "",
) -> tuple[Region, dict[str, int]]:
    """Return what the canvas shows of a layer: rows and columns, and the place in the stack.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        That shows it.
    layer : Image
        The layer.
    source : LayerSource
        Taken of it.
    most_pixels : int
        A larger view is cut to its middle.
    together : str
        Axes that go through the network as a whole, and so are not cut to what is seen.

    Raises
    ------
    InvalidInputError
        If the canvas shows none of it, or another plane than Y and X.
    """
    axes = source.axes[:-1] if source.rgb else source.axes
    # The viewer may have more dimensions than the layer; they align at the end.
    missing = viewer.dims.ndim - len(axes)
    shown = {axes[i - missing] for i in viewer.dims.displayed if i >= missing}
    if viewer.dims.ndisplay != 2 or shown != {"Y", "X"}:
        raise InvalidInputError(
            "A preview shows rows and columns of one plane. Switch the viewer to 2-D with Y and X "
            "in view."
        )
    if _is_tilted(layer, [i for i, axis in enumerate(axes) if axis not in "YX"]):
        raise InvalidInputError(
            "A preview needs planes that lie in the canvas, and this layer is tilted or "
            "sheared out of it. Run upscales it all the same."
        )
    units = world_units(viewer)
    if not np.allclose(unit_factors(layer, units), 1):  # napari's corners are then of elsewhere
        raise InvalidInputError(
            "A preview needs a viewer that counts in the layer's units, and other layers are in "
            f"smaller ones. Received: {', '.join(map(str, layer.units))} and "
            f"{', '.join(map(str, units or ()))}. Give all layers the same, or run it all."
        )
    corners = np.array(layer.corner_pixels, float)
    if layer.multiscale:
        corners = corners * np.asarray(layer.downsample_factors[layer.data_level])
    here = np.round(from_world(layer, viewer.dims.point, units)).astype(int)
    spans = {}
    planes = {}
    for i, axis in enumerate(axes):
        length = source.array.shape[i]
        if axis in "YX":
            low, high = int(np.floor(corners[0, i])), int(np.ceil(corners[1, i])) + 1
            spans[axis] = max(low, 0), min(high, length)
        elif axis not in together:
            planes[axis] = int(np.clip(here[i], 0, length - 1))
    region = Region(*spans["Y"], *spans["X"])
    # napari moves corners that lie outside onto the border, where they meet.
    lengths = (source.array.shape[axes.index(axis)] for axis in "YX")
    is_off = any(n == 1 < length for n, length in zip(region.shape, lengths, strict=True))
    if is_off or min(region.shape) < 1 or not layer.visible:
        raise InvalidInputError("The canvas shows nothing of this layer. Move it into view.")
    return _middle(region, most_pixels), planes


def _is_tilted(layer: napari.layers.Image, other_axes: list[int]) -> bool:
    """Tell whether a layer's transform mixes the given axes with the others."""
    own = Affine(scale=layer.scale, rotate=layer.rotate, shear=layer.shear).linear_matrix
    mixed = layer.affine.linear_matrix @ own
    rest = [i for i in range(layer.ndim) if i not in other_axes]
    crossing = np.abs(
        np.r_[mixed[np.ix_(other_axes, rest)].ravel(), mixed[np.ix_(rest, other_axes)].ravel()]
    )
    return bool(crossing.size and crossing.max() > 1e-9 * np.abs(mixed).max())


def _middle(region: Region, most_pixels: int) -> Region:
    height, width = region.shape
    shrink = min(1.0, (most_pixels / (height * width)) ** 0.5)
    h, w = max(int(height * shrink), 2), max(int(width * shrink), 2)
    h, w = min(h, height), min(w, width)
    y0, x0 = region.y0 + (height - h) // 2, region.x0 + (width - w) // 2
    return Region(y0, y0 + h, x0, x0 + w)


def result_layer(
    source: LayerSource,
    pixels: Any,
    record: dict[str, Any],
    region: Region | None = None,
    planes: dict[str, int] | None = None,
) -> napari.layers.Image:
    """Make the layer of a result.

    Parameters
    ----------
    source : LayerSource
        Where it came from.
    pixels : ndarray or dask array
        The result. Of a dask array napari computes only the tiles that it shows, since the source
        serves as the next coarser level while the view is zoomed out.
    record : dict
        ``model`` and ``scale`` among other things; kept as ``metadata["napari-isr"]``, with the
        name and the identity of the source.
    region, planes
        As for `LayerSource.placed`.
    """
    from napari.layers import Image

    name = f"{source.name} x{record['scale']} [{record['model']}]"
    if region is not None:
        name = f"Preview of {name}"
        record = record | {PREVIEW: True}
    placed = source.placed(record["scale"], region, planes)
    if is_lazy(pixels) and record["scale"] > 1:
        placed["multiscale"] = True
        pixels = [pixels, source.array, *source.coarser]
    record = record | {"source": source.name, "source_id": source.identity}
    return Image(pixels, name=name, metadata={"napari-isr": record}, **placed)
