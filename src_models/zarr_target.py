"""The place that an OME-Zarr file is written to: what may be there."""

from __future__ import annotations

from pathlib import Path

from src_models.errors import InvalidInputError


def check_target(target: Path, overwrite: bool) -> None:
    """Refuse to write over what may not be.

    Raises
    ------
    InvalidInputError
        If something is there, and may not be overwritten or is no Zarr folder.
    """
    if not target.exists():
        return
    if not overwrite:
        raise InvalidInputError(
            f"There is something already under {str(target)!r}, and nothing is overwritten "
            "unasked: choose another name, or overwrite=True."
        )
    if not _is_zarr(target):
        raise InvalidInputError(
            f"Only Zarr folders are overwritten, and {str(target)!r} is none: choose another name."
        )


def _is_zarr(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray"))
