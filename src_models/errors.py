"""What can go wrong, as one small tree.

::

    SuperResolutionError
    ├── InvalidInputError      an image, its axes or a setting does not fit
    ├── ModelFileError         a file is not a model we can read
    ├── DownloadError          named weights are neither cached nor reachable
    ├── OutOfMemoryError       not even the smallest tile fits into memory
    ├── NetworkError           the backend failed while running a network
    ├── DiskFullError          there is no room for a file
    └── TrainingError          a training diverged or cannot be written down

Every message says the rule, what was received, and what to do. None of them is a
``RuntimeError``: superqt takes a ``RuntimeError`` inside a generator worker for a deleted
Qt object and swallows it, and a user interface waiting for its end would wait for ever.
"""

from __future__ import annotations

import sys
import warnings


class SuperResolutionError(Exception):
    """Base of everything this library raises on purpose."""


class InvalidInputError(SuperResolutionError, ValueError):
    """An image, its axes or a setting does not fit."""


class ModelFileError(SuperResolutionError):
    """A file is not a model that can be read."""


class DownloadError(SuperResolutionError):
    """Named weights are neither in the cache nor reachable."""


class OutOfMemoryError(SuperResolutionError):
    """Not even the smallest tile fits into memory."""


class NetworkError(SuperResolutionError):
    """The backend failed while running a network."""


class DiskFullError(SuperResolutionError):
    """There is no room for a file."""


class TrainingError(SuperResolutionError):
    """A training diverged, or its state cannot be written to or read from the disk."""


class SuperResolutionWarning(UserWarning):
    """The result is right, but not got or not meant quite as the caller may think."""


def warn(message: str) -> None:
    """Warn whoever called this library, however deep in it the reason was found."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals["__name__"].startswith("src_models."):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, SuperResolutionWarning, stacklevel=level)
