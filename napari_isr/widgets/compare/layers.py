"""The layers that a comparison adds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image

from napari_isr.widgets.compare.measure import NewLayer
from napari_isr.widgets.compare.request import MARK, RECORD

if TYPE_CHECKING:
    import napari.layers

_BLUE, _WHITE, _RED = (0.02, 0.25, 0.72), (1.0, 1.0, 1.0), (0.75, 0.05, 0.08)


def added_layer(new: NewLayer) -> napari.layers.Image:
    """Make a layer of what a thread has computed; differences are blue, white and red.

    Parameters
    ----------
    new : NewLayer
        Pixels and placement.
    """
    from napari.layers import Image
    from napari.utils import Colormap

    arguments = dict(new.arguments)
    if "colormap" not in arguments and not arguments["rgb"]:
        colours = [(*colour, 1.0) for colour in (_BLUE, _WHITE, _RED)]
        arguments["colormap"] = Colormap(colours, name="blue-white-red")
    record = {MARK: arguments["name"]} | new.record
    return Image(new.pixels, metadata={RECORD: record}, **arguments)


_SAMPLE = 128  # pixels a side
_ALIKE = 0.25  # of two ranges, what they share of what both cover


def are_alike(a: Image, b: Image) -> bool:
    """Tell whether equal numbers mean equal intensities in two layers, as far as one can see.

    Parameters
    ----------
    a, b : Image
        Layers in colour and of different types are never alike, nor are those whose pixels have
        little in common, as of one field recorded with two exposures.
    """
    if a.rgb or b.rgb or a.dtype != b.dtype:
        return False
    (low_a, high_a), (low_b, high_b) = _levels(a), _levels(b)
    shared = min(high_a, high_b) - max(low_a, low_b)
    covered = max(high_a, high_b) - min(low_a, low_b)
    return shared >= _ALIKE * covered


def _levels(layer: Image) -> Sequence[float]:
    """Return the range of most of a layer's pixels; of a lazy one, that of its contrast."""
    data = layer.data[-1] if layer.multiscale else layer.data
    if not isinstance(data, np.ndarray):
        return tuple(layer.contrast_limits)
    most = [4] * (data.ndim - 2) + [_SAMPLE] * 2
    steps = (-(-length // n) for length, n in zip(data.shape, most, strict=True))
    sample = data[tuple(slice(None, None, step) for step in steps)]
    finite = sample[np.isfinite(sample)].astype(np.float64)
    return tuple(np.percentile(finite, (1, 99))) if finite.size else tuple(layer.contrast_limits)
