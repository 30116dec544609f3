"""Which axis of an array is what: guessing, checking, and reading an array plane by plane."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from src_models.errors import InvalidInputError

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_GUESS = {2: "YX", 3: "ZYX", 4: "TZYX", 5: "TZCYX"}
_GUESS_RGB = {3: "YXC", 4: "ZYXC", 5: "TZYXC"}


class ArrayLike(Protocol):
    """What is asked of an array: numpy, dask, zarr and h5py arrays have it."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""

    @property
    def dtype(self) -> Any:
        """Type of the pixels."""

    def __getitem__(self, index: Any, /) -> Any:
        """Return a part."""


def is_lazy(image: object) -> bool:
    """Tell a dask or zarr array, without importing either."""
    homes = (kind.__module__ for kind in type(image).__mro__ if kind.__name__ == "Array")
    return any(home.split(".")[0] in ("dask", "zarr") for home in homes)


def guess_axes(shape: tuple[int, ...], rgb: bool | None = None) -> str:
    """Guess the axes of an image from its shape.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.
    rgb : bool, optional
        Whether the last axis holds colours; None to take it so if its length is 3 or 4.

    Returns
    -------
    str
        Such as ``"YX"``, ``"YXC"``, ``"ZYX"`` or ``"TZCYX"``.

    Raises
    ------
    InvalidInputError
        If the number of dimensions leaves nothing to guess.
    """
    if rgb is None:
        rgb = len(shape) in _GUESS_RGB and shape[-1] in (3, 4)
    table = _GUESS_RGB if rgb else _GUESS
    if len(shape) not in table:
        raise InvalidInputError(
            f"Axes can be guessed for {min(table)} to {max(table)} dimensions. Received: shape "
            f'{tuple(shape)}. Name them, for example axes="TZCYX".'
        )
    return table[len(shape)]


def check_axes(axes: str, shape: tuple[int, ...]) -> str:
    """Return `axes` in capitals if they fit `shape`.

    Parameters
    ----------
    axes : str
        One letter per dimension, each once: Y and X, C for channels, and any others (T, Z, ...)
        that planes are looped over.
    shape : tuple of int
        Shape of the array.

    Raises
    ------
    InvalidInputError
        If letters are missing, repeated or too many, or the image has fewer than two pixels.
    """
    given: object = axes
    if not isinstance(given, str):
        raise InvalidInputError(f'Axes must be letters, such as "TZCYX". Received: axes={axes!r}.')
    letters = given.strip().upper()
    rule = None
    if len(letters) != len(shape):
        rule = f"must name each of the {len(shape)} dimensions of shape {tuple(shape)} once"
    elif len(set(letters)) != len(letters):
        rule = "must not name an axis twice"
    elif any(letter not in _LETTERS for letter in letters):
        rule = "must be letters, such as TZCYX"
    elif not {"Y", "X"} <= set(letters):
        rule = "must contain Y and X, the axes that are upscaled"
    if rule:
        usual = "TZCYX"[-len(shape) :] if 2 <= len(shape) <= 5 else "YX"
        raise InvalidInputError(
            f"Axes {rule}. Received: axes={axes!r}. Give one letter a dimension, such as {usual}."
        )
    if not all(isinstance(length, int | np.integer) for length in shape):
        raise InvalidInputError(
            "An image must know how long its axes are. "
            f"Received: shape {tuple(shape)}. For a dask array call compute_chunk_sizes() first."
        )
    if 0 in shape:
        raise InvalidInputError(f"An image must not be empty. Received: shape {tuple(shape)}.")
    if shape[letters.index("Y")] * shape[letters.index("X")] < 2:
        raise InvalidInputError(
            "An image needs at least two pixels, one has no structure to upscale. "
            f"Received: shape {tuple(shape)} with axes {letters!r}."
        )
    return letters


@dataclass(frozen=True, slots=True)
class Plane:
    """One plane of an image stack.

    Attributes
    ----------
    index : tuple of int or None
        Position along each axis; None along Y, X and, where channels go together, C.
    channel : int
        Which intensity range it has: the index along C, 0 without that axis.
    """

    index: tuple[int | None, ...]
    channel: int


@dataclass(frozen=True, slots=True)
class ImageStack:
    """An array with named axes, seen as planes ``(Y, X, channels)``.

    Attributes
    ----------
    array : array-like
        Numpy, dask, zarr or similar. Only the parts asked for are read.
    axes : str
        Checked axes.
    joint : bool
        Whether the channels go through the network together.
    colours : int
        How many of the channels are intensities; one more is alpha.
    """

    array: ArrayLike
    axes: str
    joint: bool
    colours: int

    @classmethod
    def of(cls, array: ArrayLike, axes: str, network_channels: int) -> ImageStack:
        """Decide how the channels of `array` meet a network of so many channels.

        Raises
        ------
        InvalidInputError
            If they cannot: a network of 2 or more than 3 channels wants exactly so many.
        """
        size = array.shape[axes.index("C")] if "C" in axes else 1
        has_alpha = axes.endswith("YXC") and size == 4 and network_channels != 4
        colours = size - has_alpha
        if network_channels not in (1, 3, colours):
            raise InvalidInputError(
                f"This model takes images of {network_channels} channels. Received: shape "
                f"{tuple(array.shape)} with axes {axes!r}, which has {colours}. Choose a model "
                "of 1 channel, which runs on each channel by itself."
            )
        joint = "C" in axes and network_channels > 1 and colours == network_channels
        return cls(array, axes, joint, colours)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        shape = self.array.shape
        return shape[self.axes.index("Y")], shape[self.axes.index("X")]

    def planes(self, alpha: bool = False) -> Iterator[Plane]:
        """Yield the planes of intensities, or those of alpha."""
        choices: list[Any] = []
        for axis, length in zip(self.axes, self.array.shape, strict=True):
            if axis in "YX" or (axis == "C" and self.joint and not alpha):
                choices.append([None])
            elif axis == "C":
                choices.append(range(self.colours, length) if alpha else range(self.colours))
            else:
                choices.append(range(length))
        if alpha and not self.has_alpha:
            return
        channel_at = self.axes.find("C")
        for index in product(*choices):
            channel = index[channel_at] if channel_at >= 0 else 0
            yield Plane(index, 0 if channel is None else channel)

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is alpha."""
        return "C" in self.axes and self.array.shape[self.axes.index("C")] > self.colours

    def read(self, plane: Plane, rows: slice, columns: slice) -> NDArray[Any]:
        """Return a part ``(Y, X, channels)`` of a plane, in the stored dtype."""
        part = np.asarray(self.array[self._index(plane, rows, columns)])
        return np.transpose(part, self._order(part.ndim)).reshape(
            *self._extent(part), -1 if self.joint and part.ndim == 3 else 1
        )

    def write(
        self, out: NDArray[Any], plane: Plane, rows: slice, columns: slice, part: NDArray[Any]
    ) -> None:
        """Put a part ``(Y, X, channels)`` of a plane into an array of these axes."""
        target = out[self._index(plane, rows, columns)]
        if target.ndim == 2:
            part = part[..., 0]
        target[...] = np.transpose(part, np.argsort(self._order(target.ndim)))

    def _index(self, plane: Plane, rows: slice, columns: slice) -> tuple[Any, ...]:
        windows = {"Y": rows, "X": columns, "C": slice(0, self.colours)}
        return tuple(
            windows[axis] if i is None else i
            for axis, i in zip(self.axes, plane.index, strict=True)
        )

    def _order(self, ndim: int) -> list[int]:
        kept = [axis for axis in self.axes if axis in ("YXC" if ndim == 3 else "YX")]
        return [kept.index(axis) for axis in ("YXC" if ndim == 3 else "YX")]

    def _extent(self, part: NDArray[Any]) -> tuple[int, int]:
        order = self._order(part.ndim)
        return part.shape[order[0]], part.shape[order[1]]


def check_scaled(result: ArrayLike, image: ArrayLike, axes: str, scale: int) -> None:
    """Refuse a result that is not its image, `scale` times larger.

    Raises
    ------
    InvalidInputError
        If the shapes do not fit.
    """
    given: object = scale
    if not isinstance(given, int | np.integer) or isinstance(given, bool) or given < 1:
        raise InvalidInputError(f"scale must be a whole number from 1. Received: {scale!r}.")
    pairs = zip(axes, image.shape, strict=True)
    expected = tuple(int(n) * scale if axis in "YX" else int(n) for axis, n in pairs)
    if tuple(result.shape) != expected:
        raise InvalidInputError(
            f"A result must be its image, {scale} times larger along Y and X. Received: shape "
            f"{tuple(result.shape)} of an image of shape {tuple(image.shape)} with axes {axes!r}. "
            f"Give the image that was upscaled; its result has the shape {expected}."
        )
