"""Whether the image that work goes on with is the one that it was begun with."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SIDE = 64


def source_fingerprint(array: Any, folder: Path | None = None) -> str:
    """Return a fingerprint of an image, which need not be read as a whole for it.

    All pixels of a numpy array count. Of others it is made of pixels at the corners and in the
    middle of the image, of its first, middle and last planes; and of a folder, relative paths,
    sizes and times of all files count, too.

    Parameters
    ----------
    array : array-like
        Of any shape; numpy, dask or zarr.
    folder : Path, optional
        Where it is stored, if it is.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in array if isinstance(array, np.ndarray) else _samples(array):
        digest.update(np.ascontiguousarray(part).data)
    if folder is not None:
        for path, folders, files in os.walk(folder):
            folders.sort()
            for name in sorted(files):
                file = Path(path, name)
                inside, known = file.relative_to(folder).as_posix(), file.stat()
                digest.update(f"{inside} {known.st_size} {known.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _samples(array: Any) -> Iterator[NDArray[Any]]:
    """Yield small parts of a large array."""
    ends = [_places(length, _SIDE if length > 4 else 1) for length in array.shape]
    # Planes and rows are sampled together, or five dimensions would mean hundreds of places.
    for number, place in enumerate(product((0, 1, 2), repeat=2)):
        planes = [choice[number % len(choice)] for choice in ends[:-2]]
        inner = [
            ends[axis][min(p, len(ends[axis]) - 1)] for axis, p in zip((-2, -1), place, strict=True)
        ]
        yield np.asarray(array[(*planes, *inner)])


def _places(length: int, size: int) -> list[slice]:
    """Return the first, middle and last pixels of a dimension."""
    starts = dict.fromkeys((0, max(length - size, 0) // 2, max(length - size, 0)))
    return [slice(start, start + size) for start in starts]
