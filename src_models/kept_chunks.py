"""A dask array read part by part, whose chunks are not made anew for each part."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.axes import ArrayLike

# Planes of a camera are far smaller, and a streamed image may take 1.5 GB in all.
_MOST_BYTES = 2**28


def keeping_chunks(array: ArrayLike) -> ArrayLike:
    """Return an array that is read part by part; chunks of a dask array are kept meanwhile."""
    return KeptChunks(array) if hasattr(array, "dask") else array


class KeptChunks:
    """Reads parts of a dask array, and keeps the chunks that it made for them.

    Without, a whole plane would be read from its file for each of the tiles in it.

    Parameters
    ----------
    array : dask.array.Array
        The image; chunks of together up to 256 MiB are kept, those first that took longest.
    """

    def __init__(self, array: Any) -> None:
        from dask.cache import Cache

        self._array, self._cache = array, Cache(_MOST_BYTES)
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, index: Any) -> NDArray[Any]:
        import dask

        # Fused with what is taken of it, a chunk would be no result that can be kept.
        with self._cache, dask.config.set({"optimization.fuse.active": False}):
            part: NDArray[Any] = np.asarray(self._array[index])
        return part
