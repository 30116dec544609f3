"""Where a result is likely to be wrong."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr

from src_models import expected_error, upscale_with_uncertainty
from src_models.errors import InvalidInputError
from src_models.quality import expected_error as error_estimate


@pytest.mark.slow
def test_it_ranks_the_errors_of_a_bundled_model_better_than_chance() -> None:
    rng = np.random.default_rng(0)
    spots = (rng.random((128, 128)) > 0.99) * 1000.0
    truth = np.rint(gaussian_filter(spots, 1) + 20).astype(np.uint16)
    low = np.rint(truth.reshape(64, 2, 64, 2).mean(axis=(1, 3))).astype(np.uint16)
    result, uncertainty = upscale_with_uncertainty(low, "microscopy-x2")
    error = np.abs(result.astype(float) - truth)
    expected = expected_error(result, uncertainty)
    assert spearmanr(expected.ravel(), error.ravel()).statistic > 0.4


def test_it_follows_the_units_of_the_image() -> None:
    rng = np.random.default_rng(0)
    result, uncertainty = rng.random((20, 30)), rng.random((20, 30))
    once = expected_error(result, uncertainty)
    np.testing.assert_allclose(expected_error(result * 8 + 100, uncertainty * 8), once * 8, 1e-3)


@pytest.mark.parametrize(("axes", "order"), [("CYX", (2, 0, 1)), ("XCY", (1, 2, 0))])
def test_it_is_right_for_every_order_of_axes(axes: str, order: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    result, uncertainty = rng.random((20, 30, 3)), rng.random((20, 30, 3))
    usual = expected_error(result, uncertainty, axes="YXC")
    found = expected_error(result.transpose(order), uncertainty.transpose(order), axes=axes)
    np.testing.assert_array_equal(found, usual.transpose(order))


def test_what_is_not_finite_is_unknown_alpha_is_certain_and_a_constant_is_right() -> None:
    result, uncertainty = np.ones((8, 9, 4), np.float32), np.ones((8, 9, 4), np.float32)
    result[2, 3, 0] = np.nan
    found = expected_error(result, uncertainty, axes="YXC")
    assert np.isnan(found).sum() == 1
    assert np.nanmax(found) == pytest.approx(0, abs=1e-3)
    assert not found[..., 3].any()


def test_what_does_not_fit_is_refused_in_a_sentence() -> None:
    with pytest.raises(InvalidInputError, match=r"must have one shape\. Received"):
        expected_error(np.zeros((4, 6)), np.zeros((4, 5)))


def test_rows_at_a_time_are_the_rows_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    result, spread = rng.random((2, 61, 40)), rng.random((2, 61, 40))
    whole = expected_error(result, spread, axes="ZYX")
    monkeypatch.setattr(error_estimate, "_ROWS", 9)
    np.testing.assert_allclose(expected_error(result, spread, axes="ZYX"), whole, rtol=1e-5)
