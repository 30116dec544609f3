"""Stored intensities to the network's and back: what goes in comes out, whatever the dtype."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from src_models.errors import InvalidInputError
from src_models.images.intensity import IntensityRange, as_dtype, check_dtype, measure_range

# Ends of measured ranges lie within this.
FARTHEST = 1e300
DTYPES = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8", ">u2", ">f4"]
SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9)


def images(dtype: Any, **elements: Any) -> st.SearchStrategy[Any]:
    chosen = hnp.from_dtype(np.dtype(dtype), **elements) if elements else None
    return hnp.arrays(dtype, SHAPES, elements=chosen)


def there_and_back(image: Any, levels: IntensityRange | None = None) -> Any:
    unit, residual = (levels or measure_range([image])).to_unit(image[..., None])
    assert unit.dtype == np.float32
    assert np.isfinite(unit).all()
    assert unit.min() >= -1
    assert unit.max() <= 3
    levels = levels or measure_range([image])
    return levels.to_stored(unit, residual, image.dtype)[..., 0]


def noisy_image(shape: tuple[int, int] = (64, 64), peak: int = 4095) -> Any:
    """A smooth image with noise, as from a 12-bit camera."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: shape[0], : shape[1]]
    smooth = 0.5 + 0.4 * np.sin(x / 5) * np.cos(y / 7)
    return np.clip(smooth * peak + rng.normal(0, 20, shape), 0, peak).astype(np.uint16)


@pytest.mark.parametrize("dtype", [d for d in DTYPES if "f" not in d])
@given(data=st.data())
def test_integers_come_back_exactly(dtype: str, data: Any) -> None:
    image = data.draw(images(dtype))
    back = there_and_back(image)
    assert back.dtype == image.dtype
    np.testing.assert_array_equal(back, image)


@pytest.mark.parametrize("dtype", [d for d in DTYPES if "f" in d])
@given(data=st.data())
def test_floats_come_back_to_rounding_with_their_gaps(dtype: str, data: Any) -> None:
    image = data.draw(images(dtype))
    back = there_and_back(image)
    assert back.dtype == image.dtype
    finite = np.isfinite(image)
    np.testing.assert_array_equal(back[~finite], image[~finite])
    assert np.isfinite(back[finite]).all()
    # To double precision of the largest value there is, or the stored type's own.
    largest = np.abs(image[finite].astype(np.float64)).max(initial=0)
    error = np.abs(back[finite].astype(np.float64) / 2 - image[finite].astype(np.float64) / 2)
    # Where a value and the range's end add up to more than a float64 holds, the end is lost.
    lost = FARTHEST if largest > np.finfo(np.float64).max - 2 * FARTHEST else 0
    assert error.max(initial=0) <= max(largest, 1e-300) * 2.0**-50 + lost


@given(images("u2"), images("u2"))
def test_integers_come_back_exactly_whatever_the_range(image: Any, other: Any) -> None:
    levels = measure_range([other])
    np.testing.assert_array_equal(there_and_back(image, levels), image)


@given(images("u2"))
def test_the_residual_of_ordinary_pixels_is_below_a_grey_level(image: Any) -> None:
    levels = measure_range([image])
    unit, residual = levels.to_unit(image[..., None])
    inside = (image >= levels.low) & (image <= levels.high)
    if levels.low < levels.high:
        assert np.abs(residual[inside]).max(initial=0) < 0.01
        assert unit[inside].min(initial=0) >= 0
        assert unit[inside].max(initial=0) <= 1


@given(images("u1"), st.integers(1, 250), st.integers(0, 1000))
def test_the_range_follows_affine_changes_exactly(image: Any, gain: int, offset: int) -> None:
    plain = measure_range([image])
    changed = measure_range([image.astype(np.uint16) * np.uint16(gain) + np.uint16(offset)])
    assert changed == IntensityRange(plain.low * gain + offset, plain.high * gain + offset)


@given(images("u2"))
def test_the_range_lies_within_what_there_is(image: Any) -> None:
    levels = measure_range([image])
    assert image.min() <= levels.low <= levels.high <= image.max()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [0, 1, 100])
def test_a_constant_image_has_a_range_of_nothing(dtype: str, value: int) -> None:
    image = np.full((7, 5), value).astype(dtype)
    levels = measure_range([image])
    assert levels.low == levels.high == image[0, 0]
    # Whatever the network makes of it.
    noise = np.random.default_rng(0).normal(0, 9, (7, 5, 1)).astype(np.float32)
    _, residual = levels.to_unit(image[..., None])
    np.testing.assert_array_equal(levels.to_stored(noise, residual, image.dtype)[..., 0], image)


def test_twelve_bits_in_sixteen_fill_the_range() -> None:
    image = noisy_image()
    levels = measure_range([image])
    assert levels.low < np.percentile(image, 1)
    assert np.percentile(image, 99) < levels.high <= 4095


@pytest.mark.parametrize("hot", [[(20, 30)], [(20, 30), (20, 31)], [(0, 0)], [(63, 5), (10, 63)]])
def test_hot_pixels_do_not_change_the_range(hot: list[tuple[int, int]]) -> None:
    image = noisy_image()
    plain = measure_range([image])
    for position in hot:
        image[position] = 65535
    levels = measure_range([image])
    assert abs(levels.high - plain.high) < 4095 / 255
    assert abs(levels.low - plain.low) < 4095 / 255


def test_dead_pixels_do_not_change_the_range() -> None:
    image = noisy_image() + np.uint16(1000)
    plain = measure_range([image])
    image[20, 30] = 0
    assert abs(measure_range([image]).low - plain.low) < 4095 / 255


def test_a_hot_pixel_on_a_constant_image_is_none_of_its_structure() -> None:
    image = np.full((50, 50), 100, np.uint16)
    image[20, 30] = 65535
    assert measure_range([image]) == IntensityRange(100, 100)
    np.testing.assert_array_equal(there_and_back(image), image)


@pytest.mark.parametrize("step", [(0, 1), (1, 0), (1, 1), (1, -1)])
def test_a_thin_line_on_an_empty_background_is_structure(step: tuple[int, int]) -> None:
    image = np.zeros((400, 400), np.uint16)
    for i in range(30):
        image[200 + i * step[0], 200 + i * step[1]] = 700
    assert measure_range([image]) == IntensityRange(0, 700)


def test_small_beads_on_an_empty_background_are_structure() -> None:
    image = np.zeros((2000, 1000), np.uint16)
    image[500:502, 700:702] = 3000  # 4 pixels of 2 million
    assert measure_range([image]) == IntensityRange(0, 3000)


def test_the_peak_of_a_bead_is_within_what_the_network_sees() -> None:
    y, x = np.mgrid[-10:11, -10:11]
    bead = 1000 * np.exp(-(x**2 + y**2) / 2 / 1.0**2)
    levels = measure_range([bead])
    unit, residual = levels.to_unit(bead[..., None])
    assert np.abs(residual).max() < 1e-3
    assert unit.max() > 1


def test_the_network_sees_the_surroundings_in_place_of_a_hot_pixel() -> None:
    image = noisy_image()
    unit_before, _ = measure_range([image]).to_unit(image[..., None])
    image[20, 30] = 65535
    unit, residual = measure_range([image]).to_unit(image[..., None])
    around = unit_before[19:22, 29:32]
    assert around.min() - 0.01 <= unit[20, 30] <= around.max() + 0.01
    assert np.abs(np.delete(residual.ravel(), 20 * 64 + 30)).max() < 0.01


@pytest.mark.parametrize("position", [(0, 0), (0, 5), (63, 63), (31, 0)])
def test_a_hot_pixel_at_the_border_is_replaced_as_well(position: tuple[int, int]) -> None:
    image = noisy_image()
    image[position] = 65535
    unit, _ = measure_range([image]).to_unit(image[..., None])
    assert unit.max() < 1.1


@pytest.mark.parametrize("shape", [(1, 60), (60, 1)])
def test_a_hot_pixel_of_a_single_row_is_replaced_as_well(shape: tuple[int, int]) -> None:
    image = noisy_image((8, 60))[:1].reshape(shape)
    image.ravel()[30] = 65535
    unit, _ = measure_range([image]).to_unit(image[..., None])
    assert unit.max() < 1.1


@given(images("f4", allow_nan=False, allow_infinity=False), st.data())
def test_gaps_take_the_place_of_the_nearest_pixel_and_change_no_other(
    image: Any, data: Any
) -> None:
    gaps = data.draw(hnp.arrays(bool, image.shape))
    gap = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    levels = measure_range([image])
    unit_before, _ = levels.to_unit(image[..., None])
    unit, residual = levels.to_unit(np.where(gaps, np.float32(gap), image)[..., None])
    ordinary = (image >= levels.low) & (image <= levels.high) & ~gaps
    np.testing.assert_array_equal(unit[ordinary], unit_before[ordinary])
    np.testing.assert_array_equal(~np.isfinite(residual[..., 0]), gaps)
    assert np.isfinite(unit).all()


def test_gaps_and_infinities_do_not_count_for_the_range() -> None:
    image = noisy_image().astype(np.float32)
    plain = measure_range([image])
    image[10:20, 10:20] = np.nan
    image[30, 30], image[31, 30] = np.inf, -np.inf
    levels = measure_range([image])
    assert levels.high == pytest.approx(plain.high, abs=4095 / 255)
    assert levels.low == pytest.approx(plain.low, abs=4095 / 255)


@pytest.mark.parametrize("gap", [np.nan, np.inf, -np.inf])
def test_an_image_of_gaps_alone_stays_one(gap: float) -> None:
    image = np.full((4, 4), gap, np.float32)
    assert measure_range([image]) == IntensityRange(0.0, 0.0)
    np.testing.assert_array_equal(there_and_back(image), image)


def test_the_range_of_pieces_holds_that_of_each() -> None:
    dark, bright = np.full((9, 9), 3), np.full((9, 9), 8)
    assert measure_range([dark, bright]) == IntensityRange(3, 8)
    assert measure_range([]) == IntensityRange(0, 0)
    nothing = np.full((9, 9), np.nan)
    assert measure_range([nothing, bright]) == IntensityRange(8, 8)


@pytest.mark.parametrize(
    "image",
    [
        [[0.0, 1e30]] * 3,
        [[0.0, 1e-30]] * 3,
        [[0.0, 5e-324]] * 3,
        [[-1.7e308, 1.7e308]] * 3,
        [[1.5e308, 1.7e308]] * 3,
        [[1e-320, 1.7e308, -1e300, 1.0]] * 3,
        [[1e300, 1.0, 2.0, 3.0, 1.0, 2.0]] * 3,
    ],
)
def test_ranges_at_the_ends_of_float64_are_no_trouble(image: list[list[float]]) -> None:
    array = np.array(image)
    back = there_and_back(array)
    np.testing.assert_allclose(back / 2, array / 2, rtol=1e-12, atol=np.abs(array).max() * 1e-15)


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([0.5, 1.5, 2.5, 254.99999], "u1", [0, 2, 2, 255]),
        ([-1, -0.4, 255.4, 1e9], "u1", [0, 0, 255, 255]),
        ([-40000, -32768.4, 32767.9], "i2", [-32768, -32768, 32767]),
        ([4294967295.4, -3.0, 1e300], "u4", [4294967295, 0, 4294967295]),
        ([1e300, -1e300], "i8", [2**63 - 1024, -(2**63)]),
        ([1e300, -1.0], "u8", [2**64 - 2048, 0]),
        ([0.49, 0.5, -3, 7], "?", [False, True, False, True]),
        ([7e4, -1e9, np.inf, 1.0], "f2", [65504, -65504, np.inf, 1]),
        ([1e39, -1e300, -np.inf], "f4", [3.4028235e38, -3.4028235e38, -np.inf]),
    ],
)
def test_values_are_rounded_and_clipped_never_wrapped(
    values: list[float], dtype: str, expected: list[Any]
) -> None:
    stored = as_dtype(np.array(values), np.dtype(dtype))
    assert stored.dtype == dtype
    np.testing.assert_array_equal(stored, np.array(expected, dtype))


@pytest.mark.parametrize("dtype", ["c8", "O", "U3", "S2", "M8[s]", "m8[s]", "V4"])
def test_what_has_no_order_of_intensities_is_refused(dtype: str) -> None:
    with pytest.raises(InvalidInputError, match=r"real numbers.*Received: dtype"):
        check_dtype(np.dtype(dtype))
