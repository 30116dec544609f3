"""A result with what tells how far to believe it: the same as each by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from src_models import expected_error, measure_consistency, upscale, upscale_with_uncertainty
from src_models.errors import InvalidInputError
from src_models.progress import drain
from src_models.upscaling.assessment import upscale_and_assess_steps

Networks = Callable[..., Any]


def picture() -> Any:
    return np.random.default_rng(0).integers(0, 4096, (2, 17, 12)).astype(np.uint16)


@pytest.mark.slow
def test_what_is_not_asked_for_is_not_there(tiny_network: Networks) -> None:
    result, uncertainty, consistency = drain(
        upscale_and_assess_steps(picture(), tiny_network(), consistency=False)
    )
    np.testing.assert_array_equal(result, upscale(picture(), tiny_network()))
    assert uncertainty is None
    assert consistency is None


@pytest.mark.parametrize("keep", [False, True])
def test_each_part_is_that_of_its_own_call(tiny_network: Networks, keep: bool) -> None:
    network, image, how = tiny_network(), picture(), {"axes": "ZYX", "tile_size": 9}
    result, spread = upscale_with_uncertainty(image, network, keep_intensities=keep, **how)
    told = {
        "standard deviation": spread,
        "expected error": expected_error(result, spread, axes="ZYX"),
    }
    for kind, expected in told.items():
        judged = drain(
            upscale_and_assess_steps(image, network, keep_intensities=keep, uncertainty=kind, **how)
        )
        np.testing.assert_array_equal(judged.result, result)
        np.testing.assert_array_equal(judged.uncertainty, expected)
        found = measure_consistency(result, image, axes="ZYX", model=network.description)
        np.testing.assert_array_equal(judged.consistency.residual, found.residual)
        assert judged.consistency.record == found.record


def test_it_can_be_cancelled_after_the_last_tile(tiny_network: Networks) -> None:
    steps = upscale_and_assess_steps(picture(), tiny_network(), uncertainty="expected error")
    told = [step for step in steps if step.done == step.total]
    assert len(told) > 4  # the last tiles, and each plane of both judgements


@pytest.mark.parametrize("asked", ["expected_error", True])
def test_an_uncertainty_that_there_is_not_is_refused(tiny_network: Networks, asked: Any) -> None:
    with pytest.raises(InvalidInputError, match="'expected error', 'standard deviation'"):
        drain(upscale_and_assess_steps(picture(), tiny_network(), uncertainty=asked))


def test_the_error_of_a_mask_can_be_expected(tiny_network: Networks) -> None:
    mask = picture() > 2000
    judged = drain(upscale_and_assess_steps(mask, tiny_network(), uncertainty="expected error"))
    assert np.isfinite(judged.uncertainty).all()
