from __future__ import annotations

import dask.array
import numpy as np
import pytest
from skimage.measure import profile_line
from skimage.metrics import (
    normalized_root_mse,
    peak_signal_noise_ratio,
    structural_similarity,
)

from src_models.errors import InvalidInputError
from src_models.quality.comparison import (
    brightness,
    compare_with_truth,
    difference,
    interpolated,
    interpolated_stack,
    profile,
    symmetric_limit,
    usual_range,
)


@pytest.fixture
def truth():
    return np.random.default_rng(0).integers(100, 3000, (20, 30)).astype(np.uint16)


@pytest.fixture
def image(truth):
    noise = np.random.default_rng(1).normal(0, 50, truth.shape)
    return (truth + noise).clip(0).astype(np.uint16)


def test_the_numbers_are_those_of_scikit_image(truth, image):
    found = compare_with_truth(truth, image, data_range=4000)
    assert found.psnr == pytest.approx(peak_signal_noise_ratio(truth, image, data_range=4000))
    assert found.nrmse == pytest.approx(normalized_root_mse(truth, image))
    expected = structural_similarity(
        truth.astype(float),
        image.astype(float),
        data_range=4000,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert found.ssim == pytest.approx(expected)


def test_an_image_is_as_close_to_itself_as_can_be(truth):
    found = compare_with_truth(truth, truth)
    assert (found.psnr, found.ssim, found.nrmse, found.largest_error) == (np.inf, 1, 0, 0)


@pytest.mark.parametrize("unit", [1, 1e300])
def test_a_truth_of_another_exposure_is_known_and_can_be_fitted(truth, image, unit):
    exposed, recorded = (truth * 0.25 + 900) * unit, image.astype(float) * unit
    found = compare_with_truth(exposed, recorded)
    assert found.differs_in_exposure
    assert found.gain == pytest.approx(0.25, rel=0.01)
    assert found.offset / unit == pytest.approx(900, rel=0.01)
    fitted = compare_with_truth(exposed, recorded, fit=True)
    by_hand = compare_with_truth(exposed, found.gain * recorded + found.offset)
    for name in ("psnr", "ssim", "nrmse"):
        assert getattr(fitted, name) == pytest.approx(getattr(by_hand, name))
    assert fitted.psnr == fitted.psnr_fitted == pytest.approx(found.psnr_fitted)
    assert not fitted.differs_in_exposure


def test_an_inverted_image_is_not_fitted_by_turning_it_over(truth, image):
    inverted = 4095.0 - image
    found = compare_with_truth(truth, inverted, fit=True)
    assert (found.gain, found.offset) == (0, pytest.approx(truth.mean()))
    assert not found.differs_in_exposure
    assert found.psnr == found.psnr_fitted < compare_with_truth(truth, image).psnr - 3
    assert not compare_with_truth(truth, inverted).differs_in_exposure


def test_neither_noise_nor_another_field_is_an_exposure(truth, image):
    rng = np.random.default_rng(2)
    noisy = [truth + rng.normal(0, sigma, truth.shape) for sigma in (0, 300, 1000, 3000)]
    unlike = rng.permuted(truth) + 5000
    for other in (truth, image, *noisy, unlike, np.zeros_like(truth)):
        assert not compare_with_truth(truth, other).differs_in_exposure
    assert not compare_with_truth(np.zeros((9, 9)), np.ones((9, 9))).differs_in_exposure


def test_a_stack_counts_all_its_planes(truth, image):
    pairs = [np.stack([x, x[::-1]])[..., None] for x in (truth, image)]
    whole = compare_with_truth(*pairs, data_range=3000)
    one = compare_with_truth(truth, image, data_range=3000)
    assert whole.psnr == pytest.approx(one.psnr)
    assert whole.ssim == pytest.approx(one.ssim, abs=1e-3)


def test_bytes_are_judged_by_255_and_others_by_the_truth(truth):
    assert usual_range(truth.astype(np.uint8)) == 255
    low, high = np.percentile(truth, (0.1, 99.9))
    assert usual_range(truth) == pytest.approx(high - low)
    assert usual_range(np.full((4, 4), 7.0)) == usual_range(np.eye(4) > 0) == 1
    spots = np.zeros((64, 64), np.uint16)
    spots[7, 9] = 4000
    assert usual_range(spots) == 4000
    hole = truth.astype(float)
    hole[3, 4] = np.nan
    assert usual_range(hole) == pytest.approx(high - low, rel=1e-2)


@pytest.mark.parametrize("unit", [1e-300, 1e-30, 1e300])
def test_numbers_are_the_same_in_any_unit(truth, image, unit):
    plain, other = (
        compare_with_truth(*(x.astype(float) * factor for x in (truth, image)))
        for factor in (1, unit)
    )
    for name in ("psnr", "psnr_fitted", "ssim", "nrmse"):
        assert getattr(other, name) == pytest.approx(getattr(plain, name)), name
    assert other.largest_error == pytest.approx(plain.largest_error * unit)
    assert other.data_range == pytest.approx(plain.data_range * unit)


def test_pixels_that_are_not_finite_are_left_out(truth, image):
    hole = image.astype(float)
    hole[2, 3] = np.nan
    found = compare_with_truth(truth, hole)
    assert found.psnr == pytest.approx(compare_with_truth(truth, image).psnr, abs=0.1)
    assert np.isnan(found.ssim)
    with pytest.raises(InvalidInputError, match="finite"):
        compare_with_truth(truth, np.full(truth.shape, np.nan))


def test_small_planes_have_no_ssim_and_empty_truth_no_error_to_divide_by():
    zero, one = np.zeros((5, 5)), np.ones((5, 5))
    assert np.isnan(compare_with_truth(zero, one).ssim)
    assert compare_with_truth(zero, one).nrmse == np.inf
    assert compare_with_truth(zero, zero).nrmse == 0


def test_images_of_different_sizes_are_refused(truth):
    with pytest.raises(InvalidInputError, match="equally large"):
        compare_with_truth(truth, truth[:-1])
    with pytest.raises(InvalidInputError, match="equally large"):
        difference(truth, truth[:-1], "YX")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_interpolation_keeps_dtype_mean_and_place(dtype):
    y, x = np.mgrid[:16, :24]
    ramp = (y + 2 * x + 60_000 * (dtype == np.uint16)).astype(dtype)
    larger = interpolated(ramp, 2)
    assert (larger.shape, larger.dtype) == ((32, 48), dtype)
    inner = larger.astype(float)[6:-6, 6:-6]
    yy, xx = (np.mgrid[:32, :48] - 0.5) / 2
    expected = (yy + 2 * xx + 60_000 * (dtype == np.uint16))[6:-6, 6:-6]
    tolerance = 1e-4 if dtype == np.float32 else 0.51
    np.testing.assert_allclose(inner, expected, atol=tolerance)


@pytest.mark.parametrize(
    ("axes", "shape"), [("ZYX", (3, 8, 9)), ("TZCYX", (2, 2, 2, 6, 7)), ("ZYXC", (2, 6, 7, 3))]
)
@pytest.mark.parametrize("is_lazy", [False, True])
def test_stacks_are_interpolated_plane_by_plane_when_asked_for(axes, shape, is_lazy):
    stack = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    array = dask.array.from_array(stack, chunks=3) if is_lazy else stack
    larger = interpolated_stack(array, axes, 2)
    assert isinstance(larger, dask.array.Array)
    expected = tuple(n * 2 if a in "YX" else n for a, n in zip(axes, shape, strict=True))
    assert larger.shape == expected
    first = (0,) * (len(axes) - (3 if axes.endswith("C") else 2))
    np.testing.assert_array_equal(larger[first].compute(), interpolated(stack[first], 2))


def test_one_plane_is_interpolated_at_once():
    plane = np.random.default_rng(0).integers(0, 255, (8, 9, 3)).astype(np.uint8)
    larger = interpolated_stack(plane, "YXC", 2)
    np.testing.assert_array_equal(larger, interpolated(plane, 2))


def test_differences_have_signs_whatever_the_dtype(truth, image):
    found = difference(image, truth, "YX")
    np.testing.assert_array_equal(found, image.astype(float) - truth)
    lazy = difference(dask.array.from_array(image), truth, "YX")
    np.testing.assert_array_equal(lazy.compute(), found)
    stack = difference(np.stack([image, truth]), np.stack([truth, image]), "ZYX")
    np.testing.assert_array_equal(stack[1].compute(), -found)


def test_the_difference_of_colours_is_that_of_their_mean_without_alpha():
    one, other = np.zeros((4, 5, 4)), np.ones((4, 5, 4))
    other[..., 3] = 255
    np.testing.assert_array_equal(difference(one, other, "YXC", rgb=True), np.full((4, 5), -1))


def test_brightness_is_the_mean_of_colours_and_hides_no_hole(truth):
    colours = np.stack([truth, truth, truth], axis=-1).astype(float)
    np.testing.assert_allclose(brightness(colours), truth)
    colours[0, 0] = np.inf, -np.inf, 1
    is_finite = np.isfinite(brightness(colours))
    assert not is_finite[0, 0]
    assert is_finite.sum() == truth.size - 1


def test_channels_that_are_no_colours_are_subtracted_one_by_one(truth):
    channels = np.stack([truth, truth], axis=-1)
    found = difference(channels + 1, channels, "YXC")
    np.testing.assert_array_equal(found, np.ones_like(found))
    assert found.shape == channels.shape


def test_one_huge_pixel_is_no_reason_to_fail(rng):
    truth = rng.random((64, 64))
    truth[0, 0] = 1e200
    with np.errstate(invalid="ignore"):  # the structures beside it are below its rounding
        assert compare_with_truth(truth, truth + 0.01).psnr == np.inf


def test_the_limit_of_differences_is_above_0():
    assert symmetric_limit(np.zeros((4, 4))) == 1
    assert symmetric_limit(np.array([np.nan, -3.0, 2.0])) == pytest.approx(3, rel=1e-2)
    assert symmetric_limit(np.full(3, np.nan)) == 1


def test_a_profile_is_that_of_scikit_image(truth):
    expected = profile_line(truth.astype(float), (2.3, 1.7), (15.1, 27.4), order=1, mode="nearest")
    np.testing.assert_allclose(profile(truth, (2.3, 1.7), (15.1, 27.4)), expected)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.float16, np.uint64])
def test_a_profile_is_taken_of_any_dtype(dtype):
    plane = np.eye(6).astype(dtype)
    np.testing.assert_allclose(profile(plane, (0, 0), (4, 0)), [1, 0, 0, 0, 0])


def test_a_profile_is_read_between_pixel_centres_and_nowhere_else():
    y, x = np.mgrid[:10, :12]
    ramp = (10 * y + x).astype(np.uint16)
    np.testing.assert_allclose(profile(ramp, (2, 3), (2, 7)), [23, 24, 25, 26, 27])
    np.testing.assert_allclose(profile(ramp, (1.5, 0), (1.5, 2)), [15, 16, 17])
    found = profile(ramp, (0, 10), (0, 14))
    np.testing.assert_allclose(found[:2], [10, 11])
    assert np.isnan(found[2:]).all()
    assert np.isnan(profile(ramp, (-30, -30), (-20, -20))).all()
    rgb = np.repeat(ramp[..., None], 3, axis=-1)
    np.testing.assert_allclose(profile(rgb, (2, 3), (2, 7)), [23, 24, 25, 26, 27])
