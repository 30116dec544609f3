"""OME-Zarr images as pictures, in and out. Free of Keras."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.files import reading
from src_models.images.ome_zarr import ZarrImage, create_pyramid, read_zarr_image, stored_axes
from src_models.images.picture import Picture, UnreadPixels, halved, printable
from src_models.images.tiff_reading import LARGE_BYTES

_CHUNK = 512


def read_ome_zarr(path: Path) -> Picture:
    """Open the finest level of an OME-Zarr image of version 0.4 or 0.5.

    Raises
    ------
    InvalidInputError
        If it is no such image, or its metadata do not hold.
    """
    image = read_zarr_image(path)
    names, colours = _channels(image.omero)
    return Picture(
        array=_in_memory_if_small(image.array),
        axes=image.axes,
        # Without a unit a number says nothing: 1 is what writers put there who know none.
        pixel_size={a: n for a, n in image.pixel_size.items() if a in image.units},
        origin={a: n for a, n in image.origin.items() if a in image.units},
        units=image.units,
        channel_names=names,
        channel_colours=colours,
        name=printable(image.name),
        record=image.record,
        format=f"OME-Zarr {image.version}",
    )


def _in_memory_if_small(array: Any) -> Any:
    def read() -> NDArray[Any]:
        with reading():
            return np.asarray(array[...])

    is_large = array.size * array.dtype.itemsize >= LARGE_BYTES
    return array if is_large else UnreadPixels(array.shape, array.dtype, read)


def _channels(omero: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    channels = omero.get("channels") or []
    names = tuple(str(channel.get("label", "")) for channel in channels)
    colours = tuple(f"#{channel['color'].lower()}" for channel in channels if "color" in channel)
    return names if any(names) else (), colours if len(colours) == len(channels) else ()


def check_ome_zarr(picture: Picture) -> None:
    """Refuse axes that OME-Zarr has no place for."""
    stored_axes(picture.axes)


def write_ome_zarr(picture: Picture, path: Path) -> None:
    """Write an OME-Zarr image of version 0.5 with a pyramid.

    Raises
    ------
    InvalidInputError
        If there are other axes than TZCYX, or a package is not installed.
    """
    picture = picture.ordered("TCZYX")
    pixels = np.asarray(picture.array)
    image = ZarrImage(
        array=pixels,
        axes=picture.axes,
        pixel_size=picture.pixel_size,
        origin=picture.origin,
        units=picture.units,
        name=picture.name,
        omero={"channels": channels} if (channels := _omero(picture)) else {},
        record=picture.record,
    )
    chunks = tuple(_CHUNK if axis in "YX" else 1 for axis in picture.axes)
    for level in create_pyramid(path, image, pixels.shape, chunks, scale=1):
        if level.shape != pixels.shape:
            pixels = halved(pixels, picture.axes)
        level[...] = pixels


def _omero(picture: Picture) -> list[dict[str, Any]]:
    """Return what viewers are told of the channels; the window is the whole range that occurs."""
    if not (picture.channel_names or picture.channel_colours or picture.rgb):
        return []
    count = picture.sizes.get("C", 1)
    names = picture.channel_names or tuple(f"channel {c + 1}" for c in range(count))
    colours = picture.channel_colours or ("#ffffff",) * count
    if picture.rgb:
        names = ("red", "green", "blue", "alpha")[:count]
        colours = ("#ff0000", "#00ff00", "#0000ff", "#ffffff")[:count]
    low, high = float(np.min(picture.array)), float(np.max(picture.array))  # type: ignore[call-overload]
    window = {"min": low, "start": low, "max": high, "end": high}
    return [
        {"label": name, "color": colour.lstrip("#").upper(), "active": True, "window": window}
        for name, colour in zip(names, colours, strict=True)
    ]
