"""TIFF files in, as ImageJ, OME and others write them. Free of Keras."""

from __future__ import annotations

import json
import logging
import math
import re
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from src_models.errors import InvalidInputError
from src_models.files import reading
from src_models.images.axes import ArrayLike
from src_models.images.picture import RECORD_KEY, Picture, UnreadPixels, printable, unit_name
from src_models.images.pixel_layout import Layout, layout_of

# What is wrong with a file comes back as an error of ours; tifffile's words about it are for those
# who set up logging.
logging.getLogger("tifffile").addHandler(logging.NullHandler())
# From here on only the parts that are asked for are read.
LARGE_BYTES = 2**28
_PER_CENTIMETRE = 3
_DESCRIPTION = 270
# Whether a log is silent is one setting for all threads.
_LISTENING = threading.RLock()
_CUT = re.compile(rf"invalid page offset|corrupted tag list|TiffTag {_DESCRIPTION} ")


def read_tiff(path: Path) -> Picture:
    """Open the first image series of a TIFF file; pixels are read when asked for.

    Raises
    ------
    InvalidInputError
        If the file cannot be read.
    """
    import tifffile

    with reading(), _whole(), tifffile.TiffFile(path) as tiff:
        if not tiff.series:
            raise InvalidInputError("the file holds no image.")
        series = tiff.series[0]
        layout = layout_of(series, is_scientific=bool(tiff.is_ome or tiff.is_imagej))
        axes, rgb, shape = _axes(layout)
        told = _ome(tiff) if tiff.is_ome else _imagej(tiff) if tiff.is_imagej else _plain(tiff)
        array = _open_pixels(path, series, layout, shape)
        name, notes = printable(path.stem), _left_out(tiff)
    return _fitting(Picture(array=array, axes=axes, rgb=rgb, name=name, notes=notes), told)


def _left_out(tiff: Any) -> tuple[str, ...]:
    """Tell of further images in the file."""
    shapes = [" x ".join(str(n) for n in series.shape) for series in tiff.series]
    if len(shapes) == 1:
        return ()
    return (
        f"The file holds {len(shapes)} images, and the first, {shapes[0]}, is taken: save the "
        f"others ({', '.join(shapes[1:4])}{', …' * (len(shapes) > 4)}) as files of their own.",
    )


@contextmanager
def _whole() -> Iterator[None]:
    """Refuse files that were cut off: tifffile opens what it finds, and tells only its log."""
    here = threading.get_ident()
    found: list[logging.LogRecord] = []
    log = logging.getLogger("tifffile")

    def passes(record: logging.LogRecord) -> bool:
        if threading.get_ident() != here or not _CUT.search(record.getMessage()):
            return not is_silent
        found.append(record)
        return False

    with _LISTENING:
        is_silent = not log.isEnabledFor(logging.WARNING)
        log.addFilter(passes)
        try:
            with _speaking(log) if is_silent else nullcontext():
                yield
        finally:
            log.removeFilter(passes)
    if found:
        raise InvalidInputError("the file cannot be read (it is cut off: parts of it are missing).")


@contextmanager
def _speaking(log: logging.Logger) -> Iterator[None]:
    """Let a log be heard that a program has silenced, as `logging.config` does by default."""
    disabled, level, hushed = log.disabled, log.level, log.manager.disable
    log.disabled = False
    log.setLevel(logging.WARNING)
    logging.disable(logging.NOTSET)
    try:
        yield
    finally:
        logging.disable(hushed)
        log.setLevel(level)
        log.disabled = disabled


def _axes(layout: Layout) -> tuple[str, bool, tuple[int, ...]]:
    """Return axes in our letters, whether they hold colours, and the shape that goes with them."""
    letters, shape = layout.letters, layout.shape
    if "S" in letters and "C" in letters:
        at = letters.index("C")
        if shape[at] == 1:
            letters, shape = letters[:at] + letters[at + 1 :], shape[:at] + shape[at + 1 :]
        else:  # several colour images, one a channel: planes of a stack to us
            letters = letters.replace("C", "Q")
    rgb = letters.endswith("YXS") and shape[-1] in (3, 4)
    letters = letters.replace("S", "C")
    for unknown in [letter for letter in letters if letter not in "TZCYX"]:
        free = [axis for axis in "ZT" if axis not in letters]
        letters = letters.replace(unknown, free[0], 1) if free else letters
    if not {"Y", "X"} <= set(letters) or len(set(letters)) != len(letters):
        raise InvalidInputError(f"the axes {layout.letters!r} of the file hold no image.")
    return letters, rgb, shape


def _open_pixels(path: Path, series: Any, layout: Layout, shape: tuple[int, ...]) -> ArrayLike:
    import tifffile

    stored = tuple(series.shape)

    def read() -> NDArray[Any]:
        with reading():
            pixels = np.asarray(tifffile.imread(path, series=0, level=0)).reshape(stored)
            return layout.convert(pixels).reshape(shape)

    size = math.prod(shape) * layout.dtype.itemsize
    if size >= LARGE_BYTES and shape == stored and not layout.steps:
        if series.dataoffset is not None:
            mapped: NDArray[Any] = tifffile.memmap(path, series=0, mode="r")
            return mapped
        try:
            import zarr
        except ImportError:  # then the file is read at once
            return UnreadPixels(shape, layout.dtype, read)
        store = tifffile.imread(path, aszarr=True, level=0)
        chunked: Any = zarr.open_array(store, mode="r")
        weakref.finalize(chunked, store.close)
        return cast("ArrayLike", chunked)
    return UnreadPixels(shape, layout.dtype, read)


def _fitting(picture: Picture, told: Mapping[str, Any]) -> Picture:
    """Add what the metadata tell, as far as it fits the axes."""
    channels = 0 if picture.rgb else picture.sizes.get("C", 1)
    kept = dict(told)
    for name in ("channel_names", "channel_colours"):
        values = tuple(kept.get(name, ()))
        kept[name] = values if len(values) == channels else ()
    for name in ("pixel_size", "units"):
        kept[name] = {axis: v for axis, v in kept.get(name, {}).items() if axis in picture.axes}
    return replace(picture, **kept)


def _plain(tiff: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"format": "TIFF"}
    tags = tiff.pages[0].tags
    # Dots per inch are for printers; a resolution in centimetres is what microscopes write.
    if int(getattr(tags.get("ResolutionUnit"), "value", 0)) == _PER_CENTIMETRE:
        sizes = {axis: 1e4 / n for axis, n in _resolution(tags).items()}
        told |= {"pixel_size": sizes, "units": dict.fromkeys(sizes, "micrometer")}
    return told


def _resolution(tags: Any) -> dict[str, float]:
    """Return pixels per unit."""
    found = {}
    for axis in "YX":
        above, below = getattr(tags.get(f"{axis}Resolution"), "value", (0, 0))
        if above and below:
            found[axis] = above / below
    return found


def _imagej(tiff: Any) -> dict[str, Any]:
    meta = tiff.imagej_metadata or {}
    series = tiff.series[0]
    sizes: dict[str, float] = {}
    units: dict[str, str] = {}
    unit = unit_name(str(meta.get("unit", "")))
    if unit and unit not in ("pixel", "pixels"):
        sizes = {axis: 1 / n for axis, n in _resolution(tiff.pages[0].tags).items()}
        if "spacing" in meta:
            sizes["Z"] = float(meta["spacing"])
        units = dict.fromkeys("ZYX", unit)
    if meta.get("finterval"):
        sizes["T"] = float(meta["finterval"])
        units["T"] = "second"
    luts = [_colour(np.asarray(lut)[:, -1]) for lut in meta.get("LUTs", ())]
    return {
        "format": "ImageJ TIFF",
        "pixel_size": sizes,
        "units": units,
        "channel_names": _labels(series, list(meta.get("Labels") or ())),
        "channel_colours": tuple(luts),
        "record": _record_in(str(meta.get("Info", ""))),
    }


def _labels(series: Any, labels: list[str]) -> tuple[str, ...]:
    """Return the channels' names: the labels of slices, where all of a channel agree."""
    axes = "".join(axis for axis in str(series.axes) if axis in "TZC")
    shape = [n for axis, n in zip(series.axes, series.shape, strict=True) if axis in "TZC"]
    channels = shape[axes.index("C")] if "C" in axes else 1
    if len(labels) == channels:
        return tuple(labels)
    if len(labels) != math.prod(shape):
        return ()
    by_slice = np.array(labels, object).reshape(shape)
    by_channel = np.moveaxis(by_slice, axes.index("C"), 0) if "C" in axes else by_slice[None]
    names = [set(by_channel[c].ravel()) for c in range(channels)]
    return tuple(n.pop() for n in names) if all(len(n) == 1 for n in names) else ()


def _record_in(info: str) -> dict[str, Any]:
    for line in info.splitlines():
        key, _, text = line.partition(": ")
        if key == RECORD_KEY:
            return _from_json(text)
    return {}


def _from_json(text: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _colour(rgb: Any) -> str:
    return "#{:02x}{:02x}{:02x}".format(*(int(value) for value in rgb))


def _ome(tiff: Any) -> dict[str, Any]:
    import tifffile

    ome = tifffile.xml2dict(tiff.ome_metadata)["OME"]
    image = _listed(ome.get("Image"))[0]
    pixels = image["Pixels"]
    sizes, units = {}, {}
    for axis, key in (("X", "PhysicalSizeX"), ("Y", "PhysicalSizeY"), ("Z", "PhysicalSizeZ")):
        if key in pixels:
            sizes[axis] = float(pixels[key])
            units[axis] = unit_name(str(pixels.get(f"{key}Unit", "um")))
    if pixels.get("TimeIncrement"):
        sizes["T"] = float(pixels["TimeIncrement"])
        units["T"] = unit_name(str(pixels.get("TimeIncrementUnit", "s")))
    channels = _listed(pixels.get("Channel"))
    names = [str(channel.get("Name", "")) for channel in channels]
    colours = [_from_signed(channel["Color"]) for channel in channels if "Color" in channel]
    return {
        "format": "OME-TIFF",
        "pixel_size": sizes,
        "units": units,
        "channel_names": tuple(names) if any(names) else (),
        "channel_colours": tuple(colours),
        "record": _record_of(ome),
        **({"name": str(image["Name"])} if image.get("Name") else {}),
    }


def _listed(found: Any) -> list[Any]:
    """Return what XML gives once or several times as a list."""
    return [] if found is None else list(found) if isinstance(found, list | tuple) else [found]


def _from_signed(colour: Any) -> str:
    """Return a colour that OME keeps as RGBA in a signed number."""
    return f"#{(int(colour) & 0xFFFFFFFF) >> 8:06x}"


def _record_of(ome: Mapping[str, Any]) -> dict[str, Any]:
    annotations = ome.get("StructuredAnnotations") or {}
    for annotation in _listed(annotations.get("MapAnnotation")):
        for entry in _listed((annotation.get("Value") or {}).get("M")):
            if isinstance(entry, Mapping) and entry.get("K") == RECORD_KEY:
                return _from_json(str(entry.get("value", "")))
    return {}
