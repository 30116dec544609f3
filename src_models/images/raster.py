"""PNG and JPEG files: 8 and 16 bit, palettes, alpha. Free of Keras."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo, putchunk

from src_models.errors import InvalidInputError
from src_models.files import reading
from src_models.images.picture import RECORD_KEY, Picture, UnreadPixels, printable
from src_models.images.pixel_layout import ORIENTATION, SIDEWAYS, upright

_GREY = ("L", "F", "I", "1")
# Bytes of a PNG file before its other chunks: the signature and the header with its frame.
_PNG_HEADER = 8 + 25


def read_raster(path: Path) -> Picture:
    """Open a PNG, JPEG or other file that Pillow reads; pixels are read when asked for.

    A palette becomes RGB, grey with alpha RGBA; pictures stand upright.

    Raises
    ------
    InvalidInputError
        If the file cannot be read.
    """
    with reading(), Image.open(path) as image:
        mode, is_deep = _target_mode(image), _is_deep_colour(image)
        width, height = image.size
        if image.getexif().get(ORIENTATION) in SIDEWAYS:
            width, height = height, width
        record = _record(image.info.get(RECORD_KEY))
        kind, frames = str(image.format), int(getattr(image, "n_frames", 1))
    channels = len(mode) if mode in ("RGB", "RGBA") else 0
    shape = (height, width, channels) if channels else (height, width)
    dtype = np.uint16 if is_deep or mode == "I;16" else np.float32 if mode == "F" else np.uint8
    read = _read_deep if is_deep else _read_pixels
    return Picture(
        array=UnreadPixels(shape, dtype, lambda: read(path, mode)),
        axes="YXC" if channels else "YX",
        rgb=bool(channels),
        name=printable(path.stem),
        record=record,
        format=kind,
        notes=_left_out(kind, frames),
    )


def _left_out(kind: str, frames: int) -> tuple[str, ...]:
    """Tell of an animation's other pictures; those after a photo are previews."""
    if kind != "PNG" or frames == 1:
        return ()
    return (
        f"The file is an animation of {frames} pictures, and the first is taken: save them as a "
        "TIFF stack to have all.",
    )


def _target_mode(image: Image.Image) -> str:
    mode = str(image.mode)
    if mode in _GREY or mode.startswith("I;"):
        return "I;16" if mode.startswith("I") else "L" if mode == "1" else mode
    has_alpha = mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info
    return "RGBA" if has_alpha else "RGB"


def _is_deep_colour(image: Image.Image) -> bool:
    """Tell of 16 bits a colour, which Pillow cuts down to 8."""
    rawmodes = [str(tile[3]) for tile in getattr(image, "tile", ())]
    return image.mode in ("RGB", "RGBA", "LA") and any(";16" in mode for mode in rawmodes)


def _read_pixels(path: Path, mode: str) -> NDArray[Any]:
    with reading(), Image.open(path) as image:
        upright = ImageOps.exif_transpose(image)
        if mode == "I;16":
            return np.asarray(upright).astype(np.uint16)
        return np.asarray(upright if upright.mode == mode else upright.convert(mode))


def _read_deep(path: Path, mode: str) -> NDArray[Any]:
    import imagecodecs

    with reading(), Image.open(path) as image:
        orientation = int(image.getexif().get(ORIENTATION, 1))
        pixels = np.asarray(imagecodecs.png_decode(path.read_bytes()))
        if pixels.shape[-1] == 2:  # grey with alpha
            pixels = pixels[..., [0, 0, 0, 1]]
        return upright(pixels[..., : len(mode)], orientation)


def _record(text: Any) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except (TypeError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def check_png(picture: Picture) -> None:
    """Refuse what PNG cannot hold.

    Raises
    ------
    InvalidInputError
        If there is more than one plane, or the pixels are of another type.
    """
    stacked = {axis: n for axis, n in picture.sizes.items() if axis not in "YX" and n > 1}
    if stacked and not picture.rgb:
        raise InvalidInputError(
            f"A PNG file holds one grey or RGB plane. Received: axes={picture.axes!r}, shape "
            f"{tuple(picture.array.shape)}. Choose OME-TIFF, ImageJ TIFF or OME-Zarr."
        )
    if picture.rgb and len(picture.axes) > 3:
        raise InvalidInputError(
            "A PNG file holds one plane. Received: a stack of RGB planes. Choose OME-TIFF or "
            "OME-Zarr."
        )
    if str(picture.dtype) not in ("uint8", "uint16", "bool"):
        raise InvalidInputError(
            f"A PNG file holds 8 or 16 bits without sign. Received: {picture.dtype}. Choose "
            "OME-TIFF or OME-Zarr."
        )


def write_png(picture: Picture, path: Path) -> None:
    """Write a PNG file, with the record of the processing; it has no place for pixel sizes.

    Raises
    ------
    InvalidInputError
        If PNG cannot hold the picture.
    """
    check_png(picture)
    pixels = np.asarray(picture.array)
    if not picture.rgb:
        pixels = pixels.reshape(picture.sizes["Y"], picture.sizes["X"])
    text = PngInfo()
    if picture.record:
        text.add_itxt(RECORD_KEY, json.dumps(dict(picture.record)))
    if picture.rgb and pixels.dtype == np.uint16:
        _write_deep(pixels, text, path)
        return
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8) * 255
    Image.fromarray(pixels).save(path, format="PNG", pnginfo=text)


def _write_deep(pixels: NDArray[np.uint16], text: PngInfo, path: Path) -> None:
    """Write 16 bits a colour, which Pillow cannot, with the text between header and pixels."""
    import imagecodecs

    encoded = imagecodecs.png_encode(np.ascontiguousarray(pixels))
    with path.open("wb") as file:
        file.write(encoded[:_PNG_HEADER])
        for kind, content, *_ in text.chunks:
            putchunk(file, kind, content)
        file.write(encoded[_PNG_HEADER:])
