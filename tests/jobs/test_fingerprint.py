"""What tells one stored image from another."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from src_models.jobs.fingerprint import source_fingerprint

_IMAGE = np.zeros((4, 4), np.uint8)
_TIME_NS = 1_700_000_000_000_000_000


def _store(folder: Path, *places: str) -> Path:
    """Write the same bytes, with the same time, under each place inside a folder."""
    for place in places:
        file = folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"chunk")
        os.utime(file, ns=(_TIME_NS, _TIME_NS))
    return folder


def test_a_chunk_that_lies_elsewhere_in_the_folder_makes_another_image(tmp_path: Path) -> None:
    one = _store(tmp_path / "one", "c/0/1", "d/2")
    other = _store(tmp_path / "other", "c/1", "d/0/2")

    assert source_fingerprint(_IMAGE, one) != source_fingerprint(_IMAGE, other)


def test_a_folder_that_was_moved_holds_the_same_image(tmp_path: Path) -> None:
    folder = _store(tmp_path / "here", "c/0/1", "zarr.json")
    before = source_fingerprint(_IMAGE, folder)

    assert source_fingerprint(_IMAGE, folder.rename(tmp_path / "there")) == before
