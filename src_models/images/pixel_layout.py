"""What the numbers in a TIFF file stand for: palettes, inks, white as 0, planes of colours."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from src_models.errors import InvalidInputError

# Values of the tag PhotometricInterpretation.
_WHITE_IS_0, _RGB, _PALETTE, _INKS, _YCBCR = 0, 2, 3, 5, 6
_OTHERS = {8: "CIELAB", 9: "ICCLAB", 10: "ITULAB", 32844: "LogL", 32845: "LogLuv"}
_JPEG = (6, 7)
# Of ramps that were made with 8 bits, and stored with 16.
_ROUNDING = 2 / 255


@dataclass(frozen=True)
class Layout:
    """What `convert` makes of the pixels that a file holds.

    Attributes
    ----------
    letters : str
        tifffile's axes of the result.
    shape : tuple of int
        Of the result.
    dtype : dtype
        Of the result.
    steps : tuple of callable
        From the array in the file to the result, one after the other; none if they are equal.
    """

    letters: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    steps: tuple[Callable[[NDArray[Any]], NDArray[Any]], ...] = ()

    def convert(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return grey or RGB pixels for what is in the file."""
        for step in self.steps:
            pixels = step(pixels)
        return pixels


def layout_of(series: Any, *, is_scientific: bool) -> Layout:
    """Tell how the pixels of a series become grey or RGB, upright, with colours last.

    Parameters
    ----------
    series : tifffile.TiffPageSeries
        Of an open file.
    is_scientific : bool
        Whether it is of ImageJ or OME, whose palettes only colour intensities on the screen.

    Raises
    ------
    InvalidInputError
        If its colours are of a kind that would come out wrong.
    """
    page = series.keyframe
    layout = Layout(str(series.axes), tuple(series.shape), np.dtype(series.dtype))
    kind = int(page.photometric)
    if kind in _OTHERS or (kind == _YCBCR and int(page.compression) not in _JPEG):
        name = _OTHERS.get(kind, "YCbCr without JPEG")
        raise InvalidInputError(
            f"its colours must be grey, RGB, CMYK or a palette. Received: {name}. Save it as RGB."
        )
    if kind in (_INKS, _YCBCR) or (kind == _RGB and _are_colours(layout, page)):
        layout = _colours_last(layout)
    if kind == _INKS:
        layout = _from_inks(layout)
    elif kind == _PALETTE and not is_scientific:
        layout = _from_palette(layout, page.colormap)
    elif kind == _WHITE_IS_0 and layout.dtype.kind in "bu":
        most = 2 ** int(page.bitspersample) - 1
        layout = replace(layout, steps=(*layout.steps, partial(_inverted, most)))
    return _upright(layout, page)


def _are_colours(layout: Layout, page: Any) -> bool:
    """Tell planes of colours from those of a stack, which programs call RGB if they are 3 or 4."""
    return layout.dtype == np.uint8 and not page.extrasamples


def _colours_last(layout: Layout) -> Layout:
    at = layout.letters.find("S")
    if at < 0 or at == len(layout.letters) - 1:
        return layout
    letters = layout.letters[:at] + layout.letters[at + 1 :] + "S"
    shape = (*layout.shape[:at], *layout.shape[at + 1 :], layout.shape[at])
    step = partial(np.moveaxis, source=at, destination=-1)
    return replace(layout, letters=letters, shape=shape, steps=(*layout.steps, step))


def _from_inks(layout: Layout) -> Layout:
    shape = layout.shape
    if not layout.letters.endswith("S") or shape[-1] != 4 or layout.dtype != np.uint8:
        raise InvalidInputError(
            "inks must be CMYK with 8 bits each. Received: axes "
            f"{layout.letters}, shape {shape}, {layout.dtype}. Save it as RGB."
        )
    return replace(layout, shape=(*shape[:-1], 3), steps=(*layout.steps, _rgb_of_inks))


def _rgb_of_inks(pixels: NDArray[Any]) -> NDArray[Any]:
    width, rows = pixels.shape[-2], math.prod(pixels.shape[:-2])
    inks = Image.frombytes("CMYK", (width, rows), np.ascontiguousarray(pixels).tobytes())
    return np.asarray(inks.convert("RGB")).reshape(*pixels.shape[:-1], 3)


def _from_palette(layout: Layout, colours: Any) -> Layout:
    """Look colours up, unless they grow with the number: then the numbers are intensities."""
    if colours is None or layout.dtype.kind != "u":
        return layout
    table = np.asarray(colours).T
    ramp = np.linspace(0, 1, len(table))[:, None] * table[-1]
    if table[-1].any() and np.abs(table - ramp).max() <= _ROUNDING * table.max():
        return layout
    # Some programs write 8 bits where 16 are due.
    table = (table >> 8 if table.max() > 255 else table).astype(np.uint8)
    return replace(
        layout,
        letters=layout.letters + "S",
        shape=(*layout.shape, 3),
        dtype=np.dtype(np.uint8),
        steps=(*layout.steps, partial(np.take, table, axis=0)),
    )


def _inverted(most: int, pixels: NDArray[Any]) -> NDArray[Any]:
    return ~pixels if pixels.dtype == bool else pixels.dtype.type(most) - pixels


def _upright(layout: Layout, page: Any) -> Layout:
    orientation = int(getattr(page.tags.get(ORIENTATION), "value", 1))
    y, letters = layout.letters.find("Y"), layout.letters
    if not 1 < orientation <= 8 or letters[y : y + 2] != "YX":
        return layout
    shape = list(layout.shape)
    if orientation in SIDEWAYS:
        shape[y : y + 2] = shape[y + 1], shape[y]
    step = partial(upright, orientation=orientation, y=y)
    return replace(layout, shape=tuple(shape), steps=(*layout.steps, step))


# The tag of Exif and of TIFF, and its values that swap width and height.
ORIENTATION = 0x0112
SIDEWAYS = (5, 6, 7, 8)


def upright(pixels: NDArray[Any], orientation: int, y: int = 0) -> NDArray[Any]:
    """Turn pixels as their orientation asks for.

    Parameters
    ----------
    pixels : ndarray
        With Y at `y` and X after it.
    orientation : int
        The value of the tag, 1 to 8 of Exif; others turn nothing.
    y : int
        Number of the Y axis.

    Returns
    -------
    ndarray
        Of the same pixels.
    """
    if orientation in SIDEWAYS:
        pixels = np.swapaxes(pixels, y, y + 1)
    mirrored = {2: (1,), 3: (0, 1), 4: (0,), 6: (1,), 7: (0, 1), 8: (0,)}.get(orientation, ())
    turned: NDArray[Any] = np.flip(pixels, tuple(y + axis for axis in mirrored))
    return turned
