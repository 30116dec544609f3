"""OME-Zarr images in and out: metadata by `ome-zarr-models`, pixels by `zarr`. Free of Keras."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from src_models.errors import InvalidInputError
from src_models.file_errors import needs_zarr, reading
from src_models.picture import Picture, UnreadPixels, printable
from src_models.tiff_files import LARGE_BYTES, RECORD_KEY

_KINDS = {"T": "time", "C": "channel"}
_VERSION: Literal["0.5"] = "0.5"
_CHUNK = 512


def read_ome_zarr(path: Path) -> Picture:
    """Open the finest level of an OME-Zarr image of version 0.4 or 0.5.

    Raises
    ------
    InvalidInputError
        If it is no such image, or its metadata do not hold.
    """
    with needs_zarr():
        import zarr
        from ome_zarr_models.v04.image import Image as Image04
        from ome_zarr_models.v05.image import Image as Image05
    with reading():
        group = zarr.open_group(os.fspath(path), mode="r")
        attributes: Any = group.attrs.asdict()
        is_new = "ome" in attributes
        model: Any = (Image05 if is_new else Image04).from_zarr(group)
        told = model.ome_attributes if is_new else model.attributes
        scales = told.multiscales[0]
        array = group[scales.datasets[0].path]
        axes = "".join(str(axis.name) for axis in scales.axes).upper()
        steps, starts = np.ones(len(axes)), np.zeros(len(axes))
        moves = scales.datasets[0].coordinateTransformations
        for move in (*moves, *(scales.coordinateTransformations or ())):
            values = np.asarray(getattr(move, move.type), float)
            is_scale = move.type == "scale"
            steps, starts = (
                (steps * values, starts * values) if is_scale else (steps, starts + values)
            )
        units = {a: str(axis.unit) for a, axis in zip(axes, scales.axes, strict=True) if axis.unit}
    names, colours = _channels(attributes.get("ome", attributes).get("omero", {}))
    return Picture(
        array=_in_memory_if_small(array),
        axes=axes,
        pixel_size={a: float(n) for a, n in zip(axes, steps, strict=True) if a in units},
        origin={a: float(n) for a, n in zip(axes, starts, strict=True) if a in units},
        units=units,
        channel_names=names,
        channel_colours=colours,
        name=printable(scales.name or path.name.removesuffix(".zarr").removesuffix(".ome")),
        record=attributes.get(RECORD_KEY, {}),
        format=f"OME-Zarr {_VERSION if is_new else '0.4'}",
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
    if set(picture.axes) - set("TZCYX"):
        raise InvalidInputError(
            f"An OME-Zarr image holds the axes T, C, Z, Y, X. Received: axes={picture.axes!r}."
        )


def write_ome_zarr(picture: Picture, path: Path) -> None:
    """Write an OME-Zarr image of version 0.5 with a pyramid.

    Raises
    ------
    InvalidInputError
        If there are other axes than TZCYX, or a package is not installed.
    """
    with needs_zarr():
        import zarr
        from ome_zarr_models.v05.axes import Axis
        from ome_zarr_models.v05.image import ImageAttrs
        from ome_zarr_models.v05.multiscales import Dataset, Multiscale

    from src_models.tiff_writing import halved

    picture = picture.ordered("TCZYX")
    axes, pixels = picture.axes, np.asarray(picture.array)
    group = zarr.open_group(os.fspath(path), mode="w", zarr_format=3)
    datasets: list[Any] = []
    while True:
        factor = 2 ** len(datasets)
        level = group.create_array(
            str(len(datasets)),
            shape=pixels.shape,
            chunks=tuple(
                min(n, _CHUNK) if a in "YX" else 1 for a, n in zip(axes, pixels.shape, strict=True)
            ),
            dtype=np.dtype(pixels.dtype.name),
            dimension_names=[axis.lower() for axis in axes],
        )
        level[...] = pixels
        steps = {a: picture.pixel_size.get(a, 1.0) for a in axes}
        scale = [steps[a] * (factor if a in "YX" else 1) for a in axes]
        starts = [
            picture.origin.get(a, 0.0) + (factor - 1) / 2 * steps[a] * (a in "YX") for a in axes
        ]
        datasets.append(Dataset.build(path=level.basename, scale=scale, translation=starts))
        if max(pixels.shape[-2:]) <= _CHUNK:
            break
        pixels = halved(pixels, axes)
    told = Multiscale(
        axes=[
            Axis(name=a.lower(), type=_KINDS.get(a, "space"), unit=picture.units.get(a))
            for a in axes
        ],
        datasets=tuple(datasets),
        name=picture.name or None,
        type="mean",
    )
    described = ImageAttrs(multiscales=[told], version=_VERSION)
    ome = described.model_dump(mode="json", exclude_none=True)
    channels = _omero(picture)
    group.attrs["ome"] = ome | ({"omero": {"channels": channels}} if channels else {})
    if picture.record:
        group.attrs[RECORD_KEY] = dict(picture.record)


def add_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write into an OME-Zarr image how it was made."""
    import zarr

    zarr.open_group(os.fspath(path), mode="r+").attrs[RECORD_KEY] = dict(record)


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
