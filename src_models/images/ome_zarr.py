"""OME-Zarr images: what is read of one, and how a new one is laid out.

The metadata is checked and written by `ome-zarr-models`, the arrays by `zarr`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from src_models.errors import InvalidInputError
from src_models.files import needs_zarr
from src_models.images.axes import ArrayLike
from src_models.images.picture import RECORD_KEY

_ORDER = "TCZYX"
_KINDS = {"T": "time", "C": "channel"}
_VERSION: Literal["0.5"] = "0.5"


@dataclass(frozen=True, slots=True, kw_only=True)
class ZarrImage:
    """An image with what OME-Zarr tells of it.

    Attributes
    ----------
    array : array-like
        The pixels; of a file its finest level.
    axes : str
        Such as ``"TCZYX"``.
    pixel_size : mapping of str to float
        By axis, 1 where it is missing.
    origin : mapping of str to float
        Where the centre of the first pixel lies, by axis, 0 where it is missing.
    units : mapping of str to str
        By axis, such as ``"micrometer"``.
    name : str
        The image's.
    omero : mapping
        Names, colours and contrast limits of the channels, as the file has them.
    record : mapping
        How we made it; empty for files of others.
    version : str
        OME-Zarr's.
    """

    array: ArrayLike
    axes: str
    pixel_size: Mapping[str, float] = field(default_factory=dict)
    origin: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    omero: Mapping[str, Any] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)
    version: str = _VERSION


def read_zarr_image(path: str | Path) -> ZarrImage:
    """Open an OME-Zarr image of version 0.4 or 0.5; no pixels are read.

    Raises
    ------
    InvalidInputError
        If there is none, it is a plate, or its metadata is not valid.
    """
    with needs_zarr():
        import zarr
        from ome_zarr_models.v04.multiscales import Multiscale as Multiscale04
        from ome_zarr_models.v05.multiscales import Multiscale as Multiscale05
    try:
        group = zarr.open_group(os.fspath(path), mode="r")
        attributes: Any = group.attrs.asdict()
        ours = attributes.get("ome", attributes)
        kind = Multiscale05 if "ome" in attributes else Multiscale04
        scales: Any = kind.model_validate(ours["multiscales"][0])
        array = group[scales.datasets[0].path]
    except Exception as error:  # zarr and pydantic have a dozen kinds
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise InvalidInputError(
            "The source must be the folder of an OME-Zarr image (version 0.4 or 0.5; of a plate, "
            f"that of one image in it). Received: {str(path)!r}, of which is said: {reason}"
        ) from error
    axes = "".join(str(axis.name) for axis in scales.axes).upper()
    steps, starts = np.ones(len(scales.axes)), np.zeros(len(scales.axes))
    for moves in (scales.datasets[0].coordinateTransformations, scales.coordinateTransformations):
        for move in moves or ():
            values = np.asarray(getattr(move, move.type), float)
            if move.type == "scale":
                steps, starts = steps * values, starts * values
            else:
                starts = starts + values
    units = {a: axis.unit for a, axis in zip(axes, scales.axes, strict=False) if axis.unit}
    return ZarrImage(
        array=array,
        axes=axes,
        pixel_size=dict(zip(axes, steps.tolist(), strict=False)),
        origin=dict(zip(axes, starts.tolist(), strict=False)),
        units=units,
        name=str(scales.name or Path(path).name.removesuffix(".zarr").removesuffix(".ome")),
        omero=ours.get("omero", {}),
        record=attributes.get(RECORD_KEY, {}),
        version=_VERSION if "ome" in attributes else "0.4",
    )


def stored_axes(axes: str) -> str:
    """Return the axes in OME-Zarr's order.

    Raises
    ------
    InvalidInputError
        If there are others than it knows.
    """
    if set(axes) - set(_ORDER):
        raise InvalidInputError(
            f"OME-Zarr holds the axes {', '.join(_ORDER)}. Received: axes={axes!r}. Rename the "
            "others, or upscale their positions one by one."
        )
    return "".join(axis for axis in _ORDER if axis in axes)


def create_pyramid(
    path: Path,
    image: ZarrImage,
    shape: tuple[int, ...],
    chunks: tuple[int, ...],
    scale: int,
) -> list[Any]:
    """Lay out the file of an upscaled image; no pixels are written.

    Parameters
    ----------
    path : Path
        Its folder, which must not exist.
    image : ZarrImage
        The source; its record is written as well.
    shape, chunks : tuple of int
        Of the finest level, in OME-Zarr's order of axes.
    scale : int
        How much larger it is than the source along Y and X.

    Returns
    -------
    list of zarr.Array
        The levels, finest first. Each is half as wide as the one before along Y and X; the last
        one fits into a chunk.
    """
    with needs_zarr():
        import zarr
        from ome_zarr_models.v05.axes import Axis
        from ome_zarr_models.v05.image import ImageAttrs
        from ome_zarr_models.v05.multiscales import Dataset, Multiscale
    axes = stored_axes(image.axes)
    group = zarr.open_group(os.fspath(path), mode="w-", zarr_format=3)
    levels: list[Any] = []
    datasets: list[Any] = []
    while True:
        factor = scale / 2 ** len(levels)
        levels.append(
            group.create_array(
                str(len(levels)),
                shape=shape,
                chunks=tuple(min(pair) for pair in zip(chunks, shape, strict=True)),
                dtype=np.dtype(np.dtype(image.array.dtype).name),  # zarr knows one of two int64
                dimension_names=[axis.lower() for axis in axes],
            )
        )
        datasets.append(
            Dataset.build(
                path=levels[-1].basename,
                scale=[image.pixel_size.get(a, 1.0) / (factor if a in "YX" else 1) for a in axes],
                translation=[_origin(image, a, factor) for a in axes],
            )
        )
        if all(n <= c for a, n, c in zip(axes, shape, chunks, strict=True) if a in "YX"):
            break
        shape = tuple(-(-n // 2) if a in "YX" else n for a, n in zip(axes, shape, strict=True))
    told = Multiscale(
        axes=[
            Axis(name=a.lower(), type=_KINDS.get(a, "space"), unit=image.units.get(a)) for a in axes
        ],
        datasets=tuple(datasets),
        name=image.name or None,
        type="mean",
    )
    attributes = ImageAttrs(multiscales=[told], version=_VERSION)
    record = attributes.model_dump(mode="json", exclude_none=True)
    group.attrs["ome"] = record | ({"omero": dict(image.omero)} if image.omero else {})
    if image.record:
        group.attrs[RECORD_KEY] = dict(image.record)
    return levels


def open_levels(path: Path) -> list[Any]:
    """Open the levels of a file that `create_pyramid` laid out, to write on."""
    import zarr

    group = zarr.open_group(os.fspath(path), mode="r+")
    told: Any = group.attrs["ome"]
    return [group[dataset["path"]] for dataset in told["multiscales"][0]["datasets"]]


def add_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write into an OME-Zarr image how it was made, beside what it tells of that already."""
    import zarr

    attributes: Any = zarr.open_group(os.fspath(path), mode="r+").attrs
    attributes[RECORD_KEY] = attributes.get(RECORD_KEY, {}) | dict(record)


def _origin(image: ZarrImage, axis: str, factor: float) -> float:
    """Return where the centre of the first pixel lies, if pixels are `factor` times smaller."""
    shift = (1 / factor - 1) / 2 if axis in "YX" else 0.0
    return image.origin.get(axis, 0.0) + shift * image.pixel_size.get(axis, 1.0)
