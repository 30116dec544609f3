"""A dask array read part by part, whose chunks are not made anew for each part."""

from __future__ import annotations

import math
from collections import OrderedDict
from itertools import pairwise, product
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.images.axes import ArrayLike

# Planes of a camera are far smaller, and a streamed image may take 1.5 GB in all.
_MOST_BYTES = 2**28


def keeping_chunks(array: ArrayLike) -> ArrayLike:
    """Return an array that is read part by part; chunks of a dask array are kept meanwhile."""
    return KeptChunks(array) if hasattr(array, "dask") else array


class KeptChunks:
    """Reads parts of a dask array, and keeps the chunks that it made for them.

    Without, a whole plane would be read from its file for each of the tiles in it. `dask.cache`
    would do the same, but for all that is computed in the process, napari's slices among it, and
    from one thread only.

    Parameters
    ----------
    array : dask.array.Array
        The image; chunks of together up to 256 MiB are kept, those read last. Parts that touch
        more than that are read as they are.
    """

    def __init__(self, array: Any) -> None:
        self._array = array
        self._edges = [np.cumsum((0, *sizes)).tolist() for sizes in array.chunks]
        self._kept: OrderedDict[tuple[int, ...], NDArray[Any]] = OrderedDict()
        self._reading = Lock()
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, index: tuple[int | slice, ...], /) -> NDArray[Any]:
        spans = [
            slice(*item.indices(n)) if isinstance(item, slice) else slice(item % n, item % n + 1)
            for item, n in zip(index, self.shape, strict=True)
        ]
        numbers = list(product(*map(_touched, self._edges, spans)))
        if not 0 < sum(map(self._bytes, numbers)) <= _MOST_BYTES:
            return np.asarray(self._array[index])
        with self._reading:
            self._make(numbers)
            chunks = {number: self._kept[number] for number in numbers}
        dtype = np.result_type(*(chunk.dtype for chunk in chunks.values()))
        part = np.empty([span.stop - span.start for span in spans], dtype)
        for number, chunk in chunks.items():
            target, source = [], []
            for edges, k, span in zip(self._edges, number, spans, strict=True):
                low, high = max(edges[k], span.start), min(edges[k + 1], span.stop)
                target.append(slice(low - span.start, high - span.start))
                source.append(slice(low - edges[k], high - edges[k]))
            part[tuple(target)] = chunk[tuple(source)]
        return part[tuple(slice(None) if isinstance(item, slice) else 0 for item in index)]

    def _bytes(self, number: tuple[int, ...]) -> int:
        sides = [edges[k + 1] - edges[k] for edges, k in zip(self._edges, number, strict=True)]
        size: int = math.prod(sides) * np.dtype(self.dtype).itemsize
        return size

    def _make(self, numbers: list[tuple[int, ...]]) -> None:
        """Have these chunks, and of the others those read last, as far as there is room."""
        from dask import compute

        for number in numbers:
            if number in self._kept:
                self._kept.move_to_end(number)
        missing = [number for number in numbers if number not in self._kept]
        room = _MOST_BYTES - sum(map(self._bytes, missing))
        held = sum(map(self._bytes, self._kept))
        while held > room:
            held -= self._bytes(self._kept.popitem(last=False)[0])
        made = compute(*(self._array.blocks[number] for number in missing))
        self._kept.update(zip(missing, map(np.asarray, made), strict=True))


def _touched(edges: list[int], span: slice) -> list[int]:
    """Return the numbers of the chunks along an axis that a span has a part of."""
    ends = enumerate(pairwise(edges))
    return [k for k, (low, high) in ends if low < span.stop and span.start < high]
