"""The layers that a comparison adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
