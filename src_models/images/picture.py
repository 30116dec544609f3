"""An image with what its file tells of it: axes, pixel sizes, channels. Free of Keras."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.errors import InvalidInputError
from src_models.images.axes import ArrayLike, check_axes
from src_models.images.intensity import as_dtype

# Under this name files hold how they were made.
RECORD_KEY = "napari-isr"
# UDUNITS' names, which OME-Zarr asks for, by what files of the field write.
_UNITS = {
    "um": "micrometer",
    "\u00b5m": "micrometer",
    "\u03bcm": "micrometer",
    "\\u00b5m": "micrometer",
    "micron": "micrometer",
    "microns": "micrometer",
    "micrometre": "micrometer",
    "nm": "nanometer",
    "nanometre": "nanometer",
    "mm": "millimeter",
    "millimetre": "millimeter",
    "cm": "centimeter",
    "m": "meter",
    "\u00e5": "angstrom",
    "s": "second",
    "sec": "second",
    "seconds": "second",
    "ms": "millisecond",
    "min": "minute",
    "h": "hour",
}
_SYMBOLS = {
    "micrometer": "\u00b5m",
    "nanometer": "nm",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
    "angstrom": "\u00c5",
    "second": "s",
    "millisecond": "ms",
    "minute": "min",
    "hour": "h",
}


def unit_name(text: str) -> str:
    """Return a unit's full name, such as ``"micrometer"`` for ``"µm"``; others as they are."""
    text = text.strip()
    return _UNITS.get(text.lower(), text)


def unit_symbol(name: str) -> str:
    """Return a unit's symbol, such as ``"µm"`` for ``"micrometer"``; others as they are."""
    return _SYMBOLS.get(name, name)


def printable(name: str) -> str:
    """Return a file's name without the bytes in it that are no letters."""
    return name.encode("utf-8", "replace").decode("utf-8")


class UnreadPixels:
    """The pixels of a file, read at once when the first of them is asked for.

    Parameters
    ----------
    shape : tuple of int
        Of the array.
    dtype : dtype
        Of the pixels.
    read : callable
        Returns the array.
    """

    def __init__(
        self, shape: tuple[int, ...], dtype: Any, read: Callable[[], NDArray[Any]]
    ) -> None:
        self.shape = tuple(int(n) for n in shape)
        self.dtype = np.dtype(dtype)
        self._read = read
        self._kept: NDArray[Any] | None = None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if self._kept is None:
            self._kept = self._read()
        return np.array(self._kept, dtype, copy=copy)

    def __getitem__(self, index: Any) -> Any:
        return np.asarray(self)[index]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """An image with what is known of it.

    Attributes
    ----------
    array : array-like
        Pixels in the stored dtype. Numpy; or read when asked for, whole or in parts.
    axes : str
        One letter a dimension, such as ``"TZCYX"``; ``"YXC"`` for colours.
    rgb : bool
        Whether C, the last axis, holds red, green, blue and maybe alpha.
    pixel_size : mapping of str to float
        By axis, in `units`; under T the time step. What is missing is not known.
    units : mapping of str to str
        By axis, such as ``"micrometer"`` and ``"second"``.
    origin : mapping of str to float
        Where the centre of the first pixel lies, by axis; 0 where it is missing.
    channel_names, channel_colours : tuple of str
        One a position along C, or none. Colours such as ``"#00ff00"``.
    name : str
        The image's own name.
    record : mapping
        How it was made, if napari-isr made it. Plain JSON values.
    format : str
        Of its file, in words.
    notes : tuple of str
        What of its file was left out, in sentences.
    """

    array: ArrayLike
    axes: str
    rgb: bool = False
    pixel_size: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    origin: Mapping[str, float] = field(default_factory=dict)
    channel_names: tuple[str, ...] = ()
    channel_colours: tuple[str, ...] = ()
    name: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)
    format: str = ""
    notes: tuple[str, ...] = ()

    @property
    def sizes(self) -> dict[str, int]:
        """Number of pixels by axis."""
        return dict(zip(self.axes, self.array.shape, strict=True))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels, in this machine's order of bytes."""
        dtype: np.dtype[Any] = np.dtype(self.array.dtype).newbyteorder("=")
        return dtype

    @property
    def nbytes(self) -> int:
        """Bytes that the pixels take in memory."""
        return math.prod(self.array.shape) * self.dtype.itemsize

    @property
    def time_step(self) -> float | None:
        """Time from one image to the next, in ``units["T"]``."""
        return self.pixel_size.get("T")

    def loaded(self) -> Picture:
        """Return the picture with its pixels in memory, unless its file is to be read in parts."""
        if isinstance(self.array, UnreadPixels):
            return replace(self, array=np.asarray(self.array))
        return self

    def enlarged(self, pixels: ArrayLike, scale: int, record: Mapping[str, Any]) -> Picture:
        """Return what the picture becomes, `scale` times larger along Y and X.

        Parameters
        ----------
        pixels : array-like
            Of the same axes.
        scale : int
            Pixel sizes along Y and X are divided by it; outer edges stay where they are.
        record : mapping
            How `pixels` were made.
        """
        sizes, origin = dict(self.pixel_size), dict(self.origin)
        for axis in "YX":
            if axis in sizes:
                origin[axis] = origin.get(axis, 0.0) + (1 / scale - 1) / 2 * sizes[axis]
                sizes[axis] /= scale
        return replace(self, array=pixels, pixel_size=sizes, origin=origin, record=record)

    def with_axes(self, axes: str) -> Picture:
        """Return the picture with its axes read otherwise than its file says.

        Raises
        ------
        InvalidInputError
            If the new axes do not fit.
        """
        axes = check_axes(axes, self.array.shape)
        rgb = axes.endswith("YXC") and self.array.shape[-1] in (3, 4)
        kept = {
            new: old for new, old in zip(axes, self.axes, strict=True) if new in "YX" or new == old
        }
        named = "C" in kept
        return replace(
            self,
            axes=axes,
            rgb=rgb and self.dtype.kind in "bu",
            pixel_size={n: self.pixel_size[o] for n, o in kept.items() if o in self.pixel_size},
            units={n: self.units[o] for n, o in kept.items() if o in self.units},
            origin={n: self.origin[o] for n, o in kept.items() if o in self.origin},
            channel_names=self.channel_names if named else (),
            channel_colours=self.channel_colours if named else (),
        )

    def ordered(self, order: str) -> Picture:
        """Return the picture in memory, its axes in the order of `order`.

        Raises
        ------
        InvalidInputError
            If it has axes that are not in `order`.
        """
        if set(self.axes) - set(order):
            raise InvalidInputError(
                f"This format holds the axes {', '.join(order)}. Received: axes={self.axes!r}. "
                "Rename the others."
            )
        axes = "".join(axis for axis in order if axis in self.axes)
        turned = np.transpose(np.asarray(self.array), [self.axes.index(axis) for axis in axes])
        return replace(self, array=turned, axes=axes)


def halved(pixels: NDArray[Any], axes: str) -> NDArray[Any]:
    """Return the means of 2x2 pixels.

    Parameters
    ----------
    pixels : ndarray
        Axes as named.
    axes : str
        Such as ``"TCZYX"`` or ``"YXC"``; Y and X are neighbours.

    Returns
    -------
    ndarray
        Of the same type, half as large along Y and X, rounded up: an odd last row or column counts
        twice.
    """
    # Plane by plane, because means take eight times the room.
    y = axes.index("Y")
    rows, columns = (-(-n // 2) for n in pixels.shape[y : y + 2])
    small = np.empty((*pixels.shape[:y], rows, columns, *pixels.shape[y + 2 :]), pixels.dtype)
    for index in np.ndindex(pixels.shape[:y]):
        plane = pixels[index]
        odd = [(0, n % 2) for n in plane.shape[:2]] + [(0, 0)] * (plane.ndim - 2)
        even = np.pad(plane, odd, mode="edge")
        blocks = even.reshape(rows, 2, columns, 2, *even.shape[2:])
        small[index] = as_dtype(blocks.mean(axis=(1, 3), dtype=np.float64), pixels.dtype)
    return small
