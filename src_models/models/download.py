"""Files of published models: in the cache, or downloaded into it. Free of Keras."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

from src_models.errors import DownloadError
from src_models.models.published import Published

logger = logging.getLogger(__name__)

# To connect, and between two pieces of a file, in seconds.
_TIMEOUT_S = (8.0, 30.0)
FOLDER_VARIABLE = "NAPARI_ISR_CACHE"


def cache_folder() -> Path:
    """Return the folder for downloaded models, which need not exist yet.

    It is the operating system's for caches, or what the environment variable
    ``NAPARI_ISR_CACHE`` names.
    """
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    import pooch

    return Path(pooch.os_cache("napari-isr"))


def keras_folder() -> Path:
    """Return the folder in which Keras keeps what it downloads."""
    return Path(os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras"))


def find_cached(model: Published) -> Path | None:
    """Return the file of a model if it need not be downloaded.

    A file that was put into `cache_folder` by hand counts, under its published name or as
    ``NAME.hdf5``; so does what ISR itself once downloaded with Keras.
    """
    for name in (model.filename, f"{model.name}.hdf5"):
        path = cache_folder() / name
        if path.is_file():
            return path
    path = keras_folder() / "datasets" / model.filename
    return path if path.is_file() and is_published(path, model) else None


def is_published(path: Path, model: Published) -> bool:
    """Tell whether a file is, byte by byte, what was published."""
    if path.stat().st_size != model.size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == model.sha256


def fetch(model: Published) -> Path:
    """Return the file of a model, downloaded if there is none in the cache.

    Parameters
    ----------
    model : Published
        Which.

    Returns
    -------
    Path
        In the cache. What was downloaded is checked; a file that was put there by hand is taken
        as it is.

    Raises
    ------
    DownloadError
        If no source gives the right file; the message says what to do without one.
    """
    cached = find_cached(model)
    if cached is not None:
        return cached
    import pooch

    failures = []
    for url in model.urls:
        try:
            downloaded = pooch.retrieve(
                url,
                known_hash=f"sha256:{model.sha256}",
                fname=model.filename,
                path=cache_folder(),
                downloader=pooch.HTTPDownloader(timeout=_TIMEOUT_S),
            )
            return Path(downloaded)
        # A wrong hash is a ValueError, everything between here and there an OSError.
        except (ValueError, OSError) as error:
            logger.info("No %s from %s: %s", model.filename, url, error)
            failures.append(f"{url} ({_in_short(error)})")
    raise DownloadError(
        f"The file {model.filename} ({model.megabytes}) of the model {model.name!r} could not be "
        f"downloaded, neither from {' nor from '.join(failures)}. Download it by other means and "
        f"put it into the folder {str(cache_folder())!r}, or open it as a model file."
    )


def _in_short(error: Exception) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answered {response.status_code}"
    if "hash" in str(error):
        return "the file that came is not the published one"
    kinds = {
        "ConnectTimeout": "no answer",
        "ReadTimeout": "no answer any more",
        "ChunkedEncodingError": "the connection broke",
        "ConnectionError": "no connection",
    }
    return kinds.get(type(error).__name__, f"{type(error).__name__}: {error}"[:120])
