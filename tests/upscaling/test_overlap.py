"""The overlap a model needs is measured, not guessed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from src_models import describe_model, measure_overlap, upscale
from src_models.models.registry import BUNDLED

MODEL = "microscopy-x2"


@pytest.mark.parametrize("name", sorted(BUNDLED))
@pytest.mark.slow
def test_the_bundled_models_overlap_is_enough(name: str) -> None:
    overlap = describe_model(name).overlap
    rng = np.random.default_rng(1)
    rows, columns = np.indices((60, 70))
    images = [rng.random((60, 70)), rng.integers(0, 2, (60, 70)), (rows + columns) % 2]
    images += [rows % 2, columns // 2 % 2, columns > 25]
    for image in np.array(images, np.float32):
        whole = upscale(image, name, axes="YX", tile_size=96, overlap=60)
        tiled = upscale(image, name, axes="YX", tile_size=25, overlap=overlap)
        assert np.abs(whole - tiled).max() < 1 / 255


@pytest.mark.slow
def test_what_is_measured_is_enough_for_other_images() -> None:
    image = np.random.default_rng(1).random((60, 70), np.float32)
    needed = measure_overlap(MODEL, [image])
    assert 0 < needed <= describe_model(MODEL).overlap
    whole = upscale(image, MODEL, tile_size=96, overlap=40)
    tiled = upscale(image, MODEL, tile_size=25, overlap=needed)
    assert np.abs(whole - tiled).max() < 1 / 255


def test_a_network_that_looks_at_single_pixels_needs_none(repeating: Callable[..., Any]) -> None:
    assert measure_overlap(repeating()) == 0


def test_a_network_of_colours_is_measured_as_well(tiny_network: Callable[..., Any]) -> None:
    network = tiny_network("rrdn", 3)
    assert 0 < measure_overlap(network) <= network.config.receptive_radius
