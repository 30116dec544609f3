"""Shrinking images: the very formulas that models are scored with."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from src_models.images import degradation as degrade

SCORE = Path(__file__).parents[2].parent / "shared" / "eval" / "score.py"


@pytest.fixture
def image(rng: np.random.Generator) -> Any:
    return rng.integers(0, 65536, (24, 36), np.uint16)


@pytest.mark.skipif(not SCORE.is_file(), reason="needs ../shared")
@pytest.mark.parametrize("kind", ["bicubic", "binned"])
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("shape", [(24, 36), (24, 36, 3)])
def test_the_formulas_are_those_of_the_scores(
    rng: np.random.Generator, kind: str, scale: int, dtype: str, shape: tuple[int, ...]
) -> None:
    spec = importlib.util.spec_from_file_location("score", SCORE)
    assert spec is not None
    assert spec.loader is not None
    score = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(score)
    hr = rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    ours = getattr(degrade, kind)(hr, scale)
    np.testing.assert_array_equal(ours, score.degrade(hr, scale, kind, 0))
    assert ours.dtype == hr.dtype
    size = (30, 50)
    np.testing.assert_array_equal(degrade.resize_bicubic(hr, size), score.resize(hr, size))


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_binning_is_the_rounded_mean_of_each_cell(image: Any, scale: int) -> None:
    small = degrade.binned(image, scale)
    assert small.shape == (24 // scale, 36 // scale)
    for y, x in ((0, 0), (3, 5), (5, 8)):
        cell = image[y * scale : (y + 1) * scale, x * scale : (x + 1) * scale]
        assert small[y, x] == np.rint(cell.astype(np.float64).mean())


def test_cubic_shrinking_is_pillows_with_antialiasing(image: Any) -> None:
    expected = Image.fromarray(image.astype(np.float32)).resize((18, 12), Image.Resampling.BICUBIC)
    expected = np.clip(np.rint(np.asarray(expected)), 0, 65535)
    np.testing.assert_array_equal(degrade.bicubic(image, 2), expected)


@pytest.mark.parametrize("kind", ["bicubic", "binned"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "f4", "?"])
@pytest.mark.parametrize("shape", [(12, 12), (12, 12, 2)])
def test_dtype_and_constants_are_kept(kind: str, dtype: str, shape: tuple[int, ...]) -> None:
    image = np.ones(shape).astype(dtype)
    small = getattr(degrade, kind)(image, 3)
    assert small.dtype == image.dtype
    np.testing.assert_array_equal(small, np.ones((4, 4, *shape[2:]), dtype))


@pytest.mark.parametrize("kind", ["bicubic", "binned"])
def test_a_scale_of_one_changes_nothing(image: Any, kind: str) -> None:
    np.testing.assert_array_equal(getattr(degrade, kind)(image, 1), image)


def test_cropping_leaves_a_multiple() -> None:
    assert degrade.crop_to_multiple(np.zeros((25, 37, 3)), 4).shape == (24, 36, 3)
    assert degrade.crop_to_multiple(np.zeros((24, 36)), 4).shape == (24, 36)


def test_borders_and_not_pixel_centres_stay_in_place() -> None:
    ramp = np.tile(np.arange(40.0), (40, 1))
    large = degrade.resize_bicubic(ramp, (80, 80))
    np.testing.assert_allclose(large[40, 20:60], np.arange(20, 60) / 2 - 0.25, atol=1e-4)
