"""Compiled networks in files, by what they were made of. Free of Keras.

They lie in ``compiled`` of the cache folder, which the environment variable ``NAPARI_ISR_CACHE``
moves (see `src_models.models.download.cache_folder`). A file begins with the digest of the rest:
one that was cut short or changed is never given to the library that compiled it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from src_models.models.download import cache_folder

logger = logging.getLogger(__name__)

_DIGEST = hashlib.sha256().digest_size
_MOST_BYTES = 256 * 2**20


def compiled_folder() -> Path:
    """Return the folder of compiled networks, which need not exist yet."""
    return cache_folder() / "compiled"


def load_compiled(key: str) -> bytes | None:
    """Return what was saved under a key, or None if it is not there or not whole."""
    path = compiled_folder() / key
    try:
        stored = path.read_bytes()
        if hashlib.sha256(stored[_DIGEST:]).digest() != stored[:_DIGEST]:
            logger.info("%s is damaged and is made anew.", path)
            return None
        os.utime(path)  # so that it counts as used
    except OSError:
        return None
    return stored[_DIGEST:]


def save_compiled(key: str, content: bytes) -> None:
    """Save a compiled network, and drop the oldest ones if they take too much room.

    Nobody depends on it: what cannot be written is not.
    """
    folder = compiled_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".saving-") as temporary:
            new = Path(temporary) / key
            new.write_bytes(hashlib.sha256(content).digest() + content)
            os.replace(new, folder / key)
        _drop_oldest(folder)
    except OSError as error:
        logger.info("The compiled network cannot be kept in %s (%s).", folder, error)


def _drop_oldest(folder: Path) -> None:
    files = [(path.stat(), path) for path in folder.iterdir() if path.is_file()]
    total = 0
    for stat, path in sorted(files, key=lambda pair: pair[0].st_mtime, reverse=True):
        total += stat.st_size
        if total > _MOST_BYTES:
            with suppress(OSError):
                path.unlink()
