"""OME-TIFF and ImageJ TIFF files out. Free of Keras."""

from __future__ import annotations

import hashlib
import json
import math
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.errors import InvalidInputError
from src_models.images.picture import RECORD_KEY, Picture, halved, unit_symbol

_OME_TYPES = ["bool", "int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64"]
_IMAGEJ_TYPES = ["uint8", "uint16", "int16", "float32"]
_IMAGEJ_BYTES = 2**32 - 2**20
_BIG_BYTES = 2**32 - 2**27
# Larger images are tiled, and get smaller copies that viewers show from afar.
_LARGE = 2048
_TILE = (512, 512)


def check_ome_tiff(picture: Picture) -> None:
    """Refuse what OME-TIFF cannot hold.

    Raises
    ------
    InvalidInputError
        If the type of the pixels is not one of OME's, or there are other axes than TZCYX.
    """
    _check_type(picture, _OME_TYPES, "An OME-TIFF file", "OME-Zarr")
    _check_axes(picture, "An OME-TIFF file")


def write_ome_tiff(picture: Picture, path: Path) -> None:
    """Write an OME-TIFF file: tiled and with a pyramid if it is large.

    Raises
    ------
    InvalidInputError
        If OME-TIFF cannot hold the picture.
    """
    import tifffile

    check_ome_tiff(picture)
    loops = "".join(axis for axis in picture.axes if axis not in "YXC" or not picture.rgb)
    loops = loops.replace("Y", "").replace("X", "")
    picture = picture.ordered(loops + ("YXC" if picture.rgb else "YX"))
    axes = picture.axes.replace("C", "S") if picture.rgb else picture.axes
    pixels = np.asarray(picture.array)
    levels = _halvings(picture)
    settings: dict[str, Any] = _colours(picture)
    if max(picture.sizes["Y"], picture.sizes["X"]) > _LARGE:
        settings["tile"] = _TILE
    big = pixels.nbytes * 1.4 > _BIG_BYTES
    with tifffile.TiffWriter(path, bigtiff=big, ome=True) as tiff:
        metadata = {"axes": axes, **_ome_metadata(picture)}
        metadata["UUID"] = str(_identifier(pixels, metadata))
        tiff.write(pixels, subifds=levels, metadata=metadata, **settings)
        for _ in range(levels):
            pixels = halved(pixels, picture.axes)
            tiff.write(pixels, subfiletype=1, metadata=None, **settings)


def _identifier(pixels: NDArray[Any], told: dict[str, Any]) -> uuid.UUID:
    """Return what is the same for the same content, so that the same work gives the same bytes."""
    digest = hashlib.sha256(json.dumps([told, pixels.shape, str(pixels.dtype)]).encode())
    for plane in pixels.reshape(-1, *pixels.shape[-2:]):
        digest.update(plane.tobytes())
    return uuid.UUID(bytes=digest.digest()[:16], version=4)


def _halvings(picture: Picture) -> int:
    longest = max(picture.sizes["Y"], picture.sizes["X"])
    return 0 if longest <= _LARGE else math.ceil(math.log2(longest / (_LARGE / 2)))


def _colours(picture: Picture) -> dict[str, Any]:
    if not picture.rgb:
        return {"photometric": "minisblack"}
    has_alpha = picture.sizes["C"] == 4
    return {"photometric": "rgb", "extrasamples": ["unassalpha"] if has_alpha else None}


def _ome_metadata(picture: Picture) -> dict[str, Any]:
    told: dict[str, Any] = {"Name": picture.name} if picture.name else {}
    for axis in "XYZ":
        if axis in picture.pixel_size and axis in picture.units:
            told[f"PhysicalSize{axis}"] = picture.pixel_size[axis]
            told[f"PhysicalSize{axis}Unit"] = unit_symbol(picture.units[axis])
    if "T" in picture.pixel_size:
        told["TimeIncrement"] = picture.pixel_size["T"]
        told["TimeIncrementUnit"] = unit_symbol(picture.units.get("T", "second"))
    channel: dict[str, Any] = {}
    if picture.channel_names and not picture.rgb:
        channel["Name"] = list(picture.channel_names)
    if picture.channel_colours and not picture.rgb:
        channel["Color"] = [_to_signed(colour) for colour in picture.channel_colours]
    if channel:
        told["Channel"] = channel
    if picture.record:
        told["MapAnnotation"] = {RECORD_KEY: json.dumps(dict(picture.record))}
    return told


def _to_signed(colour: str) -> int:
    value = int(colour.lstrip("#"), 16) << 8 | 0xFF
    return value - 2**32 if value >= 2**31 else value


def check_imagej(picture: Picture) -> None:
    """Refuse what ImageJ's TIFF cannot hold.

    Raises
    ------
    InvalidInputError
        If the type of the pixels is not one of ImageJ's, there are other axes than TZCYX, or the
        file would be larger than 4 GiB.
    """
    types = ["uint8"] if picture.rgb else _IMAGEJ_TYPES
    of_colours = " of colours" if picture.rgb else ""
    _check_type(picture, types, f"An ImageJ TIFF file{of_colours}", "OME-TIFF or OME-Zarr")
    _check_axes(picture, "An ImageJ TIFF file")
    if picture.nbytes > _IMAGEJ_BYTES:
        raise InvalidInputError(
            f"An ImageJ TIFF file holds up to 4 GiB. Received: {picture.nbytes / 2**30:.1f} GiB. "
            "Choose OME-TIFF or OME-Zarr."
        )


def write_imagej(picture: Picture, path: Path) -> None:
    """Write a TIFF file that ImageJ opens as a hyperstack with its calibration.

    Raises
    ------
    InvalidInputError
        If ImageJ's TIFF cannot hold the picture.
    """
    import tifffile

    check_imagej(picture)
    picture = picture.ordered("TZYXC" if picture.rgb else "TZCYX")
    axes = picture.axes.replace("C", "S") if picture.rgb else picture.axes
    told: dict[str, Any] = {"axes": axes}
    sizes, resolution = picture.pixel_size, None
    if "Y" in sizes and "X" in sizes and "X" in picture.units:
        resolution = (1 / sizes["X"], 1 / sizes["Y"])
        symbol = unit_symbol(picture.units["X"])
        told["unit"] = "um" if symbol == "\u00b5m" else symbol
        if "Z" in sizes:
            told["spacing"] = sizes["Z"]
    if "T" in sizes:
        told["finterval"] = _in_seconds(sizes["T"], picture.units.get("T", "second"))
    if picture.channel_names and not picture.rgb:
        told["Labels"] = list(_slice_labels(picture))
    if picture.channel_colours and not picture.rgb:
        told["LUTs"] = [_lut(colour) for colour in picture.channel_colours]
        if len(picture.channel_colours) > 1:
            told["mode"] = "composite"
    if picture.record:
        told["Info"] = f"{RECORD_KEY}: {json.dumps(dict(picture.record))}"
    pixels = np.asarray(picture.array)
    colours = _colours(picture) if picture.rgb else {}
    tifffile.imwrite(path, pixels, imagej=True, resolution=resolution, metadata=told, **colours)


def _slice_labels(picture: Picture) -> Iterator[str]:
    loops = picture.axes[:-2]
    at = loops.find("C")
    for index in np.ndindex(picture.array.shape[:-2]):
        yield picture.channel_names[index[at] if at >= 0 else 0]


def _lut(colour: str) -> NDArray[np.uint8]:
    """Return the ramp from black to a colour, ``(3, 256)``."""
    brightest = np.array([int(colour.lstrip("#")[i : i + 2], 16) for i in (0, 2, 4)])
    return np.rint(brightest[:, None] * np.arange(256) / 255).astype(np.uint8)


def _in_seconds(value: float, unit: str) -> float:
    return value * {"millisecond": 1e-3, "minute": 60.0, "hour": 3600.0}.get(unit, 1.0)


def _check_type(picture: Picture, types: list[str], who: str, instead: str) -> None:
    if str(picture.dtype.newbyteorder("=")) not in types:
        raise InvalidInputError(
            f"{who} holds pixels of type {', '.join(types)}. Received: {picture.dtype}. "
            f"Choose {instead}."
        )


def _check_axes(picture: Picture, who: str) -> None:
    if set(picture.axes) - set("TZCYX"):
        raise InvalidInputError(
            f"{who} holds the axes T, Z, C, Y, X. Received: axes={picture.axes!r}. Name the axes "
            "otherwise."
        )
