"""What tells one stored image from another."""

from __future__ import annotations

import os
from pathlib import Path

import dask.array
import numpy as np
import pytest

from src_models import source_identity as module
from src_models.picture import Picture
from src_models.source_identity import picture_identity, source_identity

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

    assert source_identity(_IMAGE, one) != source_identity(_IMAGE, other)


def test_a_folder_that_was_moved_holds_the_same_image(tmp_path: Path) -> None:
    folder = _store(tmp_path / "here", "c/0/1", "zarr.json")
    before = source_identity(_IMAGE, folder)

    assert source_identity(_IMAGE, folder.rename(tmp_path / "there")) == before


def test_every_pixel_of_a_picture_counts_and_its_name_does_not(monkeypatch: pytest.MonkeyPatch):
    pixels = np.random.default_rng(0).random((3, 200, 200))
    known = picture_identity(Picture(array=pixels, axes="ZYX", name="a", pixel_size={"Y": 0.5}))
    same = Picture(array=dask.array.from_array(pixels), axes="ZYX", name="b", pixel_size={"Y": 0.5})
    assert picture_identity(same) == known
    monkeypatch.setattr(module, "_PIECE_BYTES", 1000)
    assert picture_identity(same) == known
    assert picture_identity(Picture(array=pixels, axes="TYX", pixel_size={"Y": 0.5})) != known
    assert picture_identity(Picture(array=pixels, axes="ZYX", pixel_size={"Y": 0.4})) != known
    pixels[1, 70, 130] += 1e-9
    assert picture_identity(Picture(array=pixels, axes="ZYX", pixel_size={"Y": 0.5})) != known
