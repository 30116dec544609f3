"""Upscaling as a whole: every dtype, every axes, every tiling, and what can go wrong."""

from __future__ import annotations

import copy
import gc
import tracemalloc
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
import tensorflow as tf
import zarr
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from src_models import upscale, upscale_steps
from src_models.errors import (
    InvalidInputError,
    ModelFileError,
    NetworkError,
    OutOfMemoryError,
    SuperResolutionError,
    SuperResolutionWarning,
)
from src_models.images.axes import is_lazy
from src_models.images.tiling import Region
from src_models.upscaling import tiles as tile_work
from src_models.upscaling.predict import Progress

Networks = Callable[..., Any]
DTYPES = ["?", "u1", "i2", "u2", "u4", "f2", "f4", "f8"]
BOTH = pytest.mark.parametrize("kind", ["rdn", "rrdn"])


def picture(shape: tuple[int, ...] = (24, 30), seed: int = 0) -> Any:
    """Blobs and noise from 0 to 1, float64."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[-2], : shape[-1]]
    blobs = 0.5 + 0.4 * np.sin(x / 3 + seed) * np.cos(y / 4)
    return np.clip(blobs + rng.normal(0, 0.03, shape), 0, 1)


def of_dtype(unit: Any, dtype: str) -> Any:
    """Spread an image from 0 to 1 over much of a dtype."""
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return unit > 0.5
    if kind.kind == "f":
        return (unit * 1000 - 300).astype(kind)
    info = np.iinfo(kind)
    return np.rint(info.min + unit * (float(info.max) - info.min)).astype(kind)


def repeated(image: Any, scale: int, rows: int = -2, columns: int = -1) -> Any:
    return image.repeat(scale, rows).repeat(scale, columns)


def of_fixed_range(network: Any) -> Any:
    """Give the same network as one that takes bytes as 0 to 255, as ISR's do."""
    fixed = copy.copy(network)
    fixed.describe(intensity="8-bit")
    return fixed


def drain(steps: Any) -> tuple[list[Progress], Any]:
    seen = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            return seen, end.value


class TestTiles:
    @given(
        height=st.integers(1, 20),
        width=st.integers(2, 20),
        tile_size=st.one_of(st.integers(1, 24), st.just(10**6)),
        overlap=st.integers(0, 50),
        batch_size=st.integers(1, 5),
        scale=st.integers(1, 4),
    )
    def test_an_identity_repeats_every_pixel_for_every_image_tile_and_overlap(
        self,
        repeating: Networks,
        height: int,
        width: int,
        tile_size: int,
        overlap: int,
        batch_size: int,
        scale: int,
    ) -> None:
        image = np.random.default_rng(0).integers(0, 65536, (height, width), np.uint16)
        network = repeating(scale=scale)
        settings = {"tile_size": tile_size, "overlap": overlap, "batch_size": batch_size}
        result = upscale(image, network, **settings)
        np.testing.assert_array_equal(result, repeated(image, scale))
        assert len(set(network.model.shapes)) == 1, "the backend would compile more than once"

    @BOTH
    @pytest.mark.parametrize("channels", [1, 3])
    @pytest.mark.parametrize(("tile_size", "overlap"), [(None, None), (5, 0), (4, 3), (1, 1)])
    def test_a_keras_identity_repeats_every_pixel(
        self,
        identity_network: Networks,
        kind: str,
        channels: int,
        tile_size: int | None,
        overlap: int | None,
    ) -> None:
        network = identity_network(kind, channels, 3)
        image = np.random.default_rng(0).integers(0, 4096, (7, 6, 3), np.uint16)
        result = upscale(image, network, tile_size=tile_size, overlap=overlap, batch_size=8)
        np.testing.assert_array_equal(result, repeated(image, 3, 0, 1))

    @BOTH
    @pytest.mark.parametrize("shape", [(24, 30), (1, 40), (37, 1), (3, 41), (2, 2)])
    def test_tiled_equals_whole(
        self, tiny_network: Networks, kind: str, shape: tuple[int, int]
    ) -> None:
        network = tiny_network(kind)
        image = picture(shape).astype(np.float32)
        overlap = network.config.receptive_radius
        whole = upscale(image, network, tile_size=100, overlap=overlap)
        tiled = upscale(image, network, tile_size=7, overlap=overlap, batch_size=4)
        np.testing.assert_allclose(tiled, whole, atol=1e-5)

    @BOTH
    def test_tiled_equals_whole_to_a_grey_level_with_the_usual_overlap(
        self, tiny_network: Networks, kind: str
    ) -> None:
        image = of_dtype(picture((50, 60)), "u1")
        whole = upscale(image, tiny_network(kind), tile_size=100)
        tiled = upscale(image, tiny_network(kind), tile_size=20, batch_size=4)
        assert np.abs(whole.astype(int) - tiled).max() <= 1

    def test_an_overlap_past_the_networks_reach_costs_nothing(self, repeating: Networks) -> None:
        network = repeating()
        upscale(picture(), network, overlap=10**6, tile_size=8)
        assert network.model.shapes[0][1] <= 8 + 2 * network.config.receptive_radius

    @pytest.mark.parametrize("shape", [(13, 9), (9, 13, 3), (2, 9, 8)])
    def test_the_result_is_written_in_strips_of_any_height(
        self, tiny_network: Networks, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]
    ) -> None:
        image = np.random.default_rng(0).integers(0, 65536, shape, np.uint16)
        image.flat[0] = image.flat[-1] = 65535
        at_once = upscale(image, tiny_network(), tile_size=7)
        for pixels in (1, 100):
            monkeypatch.setattr(tile_work, "_STRIP", pixels)
            np.testing.assert_array_equal(upscale(image, tiny_network(), tile_size=7), at_once)

    def test_borders_are_those_of_the_mirrored_image(self, tiny_network: Networks) -> None:
        network, image = of_fixed_range(tiny_network()), of_dtype(picture(), "u1")
        mirrored = np.pad(image, 20, mode="reflect")
        whole = upscale(mirrored, network)[40:-40, 40:-40]
        assert np.abs(upscale(image, network).astype(int) - whole).max() <= 1

    def test_the_result_does_not_depend_on_the_batch_size(self, tiny_network: Networks) -> None:
        image = picture()
        one = upscale(image, tiny_network(), tile_size=10, batch_size=1)
        for batch_size in (2, 7, 1000):
            many = upscale(image, tiny_network(), tile_size=10, batch_size=batch_size)
            np.testing.assert_allclose(many, one, atol=1e-5)


class TestIntensities:
    @BOTH
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_the_same_dtype_comes_back(
        self, tiny_network: Networks, identity_network: Networks, kind: str, dtype: str
    ) -> None:
        image = of_dtype(picture(), dtype)
        result = upscale(image, tiny_network(kind))
        assert result.dtype == image.dtype
        assert result.shape == (48, 60)
        np.testing.assert_array_equal(upscale(image, identity_network(kind)), repeated(image, 2))

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("value", [0, 1, 77])
    def test_a_constant_image_stays_constant(
        self, tiny_network: Networks, dtype: str, value: int
    ) -> None:
        image = np.full((9, 7), value).astype(dtype)
        np.testing.assert_array_equal(upscale(image, tiny_network()), repeated(image, 2))

    @BOTH
    @pytest.mark.parametrize(
        ("gain", "offset", "dtype"),
        [(1, 1000, "u2"), (257, 0, "u2"), (16, -2048, "i2"), (16843009, 0, "u4"), (3, 7, "i4")],
    )
    def test_integers_upscale_alike_after_an_affine_change(
        self, tiny_network: Networks, kind: str, gain: int, offset: int, dtype: str
    ) -> None:
        image = of_dtype(picture(), "u1")
        changed = (image.astype(np.int64) * gain + offset).astype(dtype)
        expected = upscale(image, tiny_network(kind)).astype(np.float64) * gain + offset
        result = upscale(changed, tiny_network(kind)).astype(np.float64)
        clipped = (upscale(image, tiny_network(kind)) % 255) == 0
        assert np.abs(result - expected)[~clipped].max() <= gain * 0.5 + 0.5 + gain * 1e-3

    @pytest.mark.parametrize("gain", [1e-40, 1e-30, 1e-3, 1, 1e3, 1e30, 1e37])
    @pytest.mark.parametrize("offset", [0, 0.5, -100])
    def test_floats_upscale_alike_after_an_affine_change(
        self, tiny_network: Networks, gain: float, offset: float
    ) -> None:
        image = picture()
        plain = upscale(image, tiny_network())
        result = upscale((image + offset) * gain, tiny_network())
        np.testing.assert_allclose(result / gain, plain + offset, atol=1e-5)

    @given(gain=st.floats(1e-3, 1e3), offset=st.floats(-1e3, 1e3))
    @pytest.mark.slow
    def test_any_affine_change_comes_through(
        self, tiny_network: Networks, gain: float, offset: float
    ) -> None:
        image = picture((6, 7))
        result = upscale(gain * image + offset, tiny_network())
        expected = gain * upscale(image, tiny_network()) + offset
        np.testing.assert_allclose(result, expected, atol=2e-5 * gain + 1e-9)

    @pytest.mark.parametrize("scale", [1e-45, 1e-40])
    def test_subnormal_intensities_are_no_noise(self, tiny_network: Networks, scale: float) -> None:
        image = np.rint(picture() * 200).astype(np.float32) * np.float32(scale)
        result = upscale(image, tiny_network())
        assert np.corrcoef(result.ravel(), repeated(image, 2).ravel())[0, 1] > 0.9

    def test_negative_intensities_are_ordinary_ones(self, tiny_network: Networks) -> None:
        image = of_dtype(picture(), "u1")
        negative = (image.astype(np.int16) - 300).astype(np.int16)
        expected = upscale(image.astype(np.int16), tiny_network()) - 300
        np.testing.assert_array_equal(upscale(negative, tiny_network()), expected)

    @pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "u4"])
    @pytest.mark.parametrize("gain", [-5.0, 5.0])
    def test_answers_out_of_range_are_clipped_never_wrapped(
        self, repeating: Networks, dtype: str, gain: float
    ) -> None:
        info = np.iinfo(dtype)
        image = np.array([[info.min, info.max]] * 4, dtype)
        result = upscale(image, repeating(gain=gain))
        ends = {5.0: info.max, -5.0: info.min}
        assert (result[:, 2:] == ends[gain]).all()
        assert (result[:, :2] == info.min).all()

    def test_floats_are_not_clipped_but_stay_finite(self, repeating: Networks) -> None:
        image = np.array([[-60000, 60000]] * 4, np.float16)
        result = upscale(image, repeating(gain=2.0))
        assert (result[:, 2:] == np.finfo(np.float16).max).all()

    def test_a_twelve_bit_image_fills_the_range_of_the_network(self, repeating: Networks) -> None:
        network = repeating()
        upscale((picture() * 4095).astype(np.uint16), network)
        low, high = network.model.seen
        assert -0.2 < low < 0.1
        assert 0.9 < high < 1.2

    def test_networks_of_fixed_range_see_255ths_of_bytes(self, repeating: Networks) -> None:
        network = of_fixed_range(repeating())
        upscale(np.array([[51, 102]] * 3, np.uint8), network)
        assert network.model.seen == (np.float32(0.2), np.float32(0.4))
        wide = of_fixed_range(repeating())
        upscale(np.array([[5100, 10200]] * 3, np.uint16), wide)
        assert wide.model.seen == (0, 1)

    def test_one_range_serves_all_planes_so_that_nothing_flickers(
        self, tiny_network: Networks
    ) -> None:
        plane = of_dtype(picture(), "u2")
        movie = np.stack([plane, plane // 2, plane])
        result = upscale(movie, tiny_network(), axes="TYX")
        np.testing.assert_array_equal(result[0], result[2])
        assert np.abs(result[1].astype(int) - result[0] // 2).mean() < 65535 / 100

    def test_planes_of_a_fixed_range_do_not_know_of_each_other(
        self, tiny_network: Networks
    ) -> None:
        network = of_fixed_range(tiny_network())
        movie = of_dtype(np.stack([picture(seed=i) for i in range(3)]), "u1")
        expected = np.stack([upscale(plane, network) for plane in movie])
        np.testing.assert_array_equal(upscale(movie, network, axes="TYX"), expected)

    def test_each_channel_has_a_range_of_its_own(self, tiny_network: Networks) -> None:
        bright, dark = of_dtype(picture(), "u2"), (picture(seed=1) * 50).astype(np.uint16)
        result = upscale(np.stack([bright, dark]), tiny_network(), axes="CYX")
        np.testing.assert_array_equal(result[0], upscale(bright, tiny_network()))
        np.testing.assert_array_equal(result[1], upscale(dark, tiny_network()))

    def test_checkerboards_and_two_pixels_are_images(self, tiny_network: Networks) -> None:
        board = np.indices((8, 8)).sum(0) % 2 * 255
        for image in (board.astype(np.uint8), np.array([[3, 250]]), np.array([[3], [250]])):
            result = upscale(image.astype(np.uint8), tiny_network())
            assert result.shape == (image.shape[0] * 2, image.shape[1] * 2)
            assert result.std() > 0


class TestOutliers:
    @pytest.mark.parametrize("position", [(12, 15), (0, 0), (23, 7), (1, 1)])
    @pytest.mark.parametrize("value", [65535, 30000])
    def test_a_hot_pixel_stays_one_and_nothing_rings_around_it(
        self, tiny_network: Networks, position: tuple[int, int], value: int
    ) -> None:
        image = (picture() * 4000).astype(np.uint16)
        plain = upscale(image, tiny_network()).astype(int)
        image[position] = value
        result = upscale(image, tiny_network()).astype(int)
        changed = np.abs(result - plain)
        y, x = (2 * i for i in position)
        assert (changed[y : y + 2, x : x + 2] > value - 4600).all()
        changed[y : y + 2, x : x + 2] = 0
        # What stands in its place is its neighbours' level, not its own.
        assert changed.max() < 0.1 * 4000
        changed[max(y - 6, 0) : y + 8, max(x - 6, 0) : x + 8] = 0
        assert changed.max() <= 4000 / 255

    @pytest.mark.parametrize("shape", [(1, 30), (30, 1)])
    def test_a_hot_pixel_in_a_single_row_does_not_ring(
        self, tiny_network: Networks, shape: tuple[int, int]
    ) -> None:
        image = (picture((4, 30))[:1] * 4000).astype(np.uint16).reshape(shape)
        image.ravel()[15] = 65535
        result = upscale(image, tiny_network())
        assert (result > 10000).sum() == 4
        assert np.sort(result.ravel())[-5] < 5000

    def test_a_hot_pixel_on_a_constant_image_changes_nothing_else(
        self, tiny_network: Networks
    ) -> None:
        image = np.full((40, 40), 100, np.uint16)
        image[20, 20] = 65535
        np.testing.assert_array_equal(upscale(image, tiny_network()), repeated(image, 2))

    def test_sparse_beads_come_out_as_beads(self, tiny_network: Networks) -> None:
        y, x = np.mgrid[:64, :64]
        beads = sum(
            1000 * np.exp(-((y - a) ** 2 + (x - b) ** 2) / 2) for a, b in ((16, 20), (40.5, 45.3))
        )
        result = upscale(beads.astype(np.float32), tiny_network())
        assert 700 < result.max() < 1300
        assert result[:20, 60:80].max() < 100

    @pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
    @pytest.mark.parametrize("gap", [np.nan, np.inf, -np.inf])
    def test_gaps_stay_local(self, tiny_network: Networks, dtype: str, gap: float) -> None:
        image = of_dtype(picture(), dtype)
        plain = upscale(image, tiny_network()).astype(np.float64)
        image[5, 6] = gap
        image[10:13, 20] = gap
        with pytest.warns(SuperResolutionWarning, match="4 pixels.*not finite"):
            result = upscale(image, tiny_network())
        gaps = repeated(~np.isfinite(image), 2)
        np.testing.assert_array_equal(result[gaps], repeated(image, 2)[gaps])
        assert np.isfinite(result[~gaps]).all()
        assert np.abs(result - plain)[~gaps].max() < 300

    @pytest.mark.parametrize("gap", [np.nan, np.inf])
    def test_an_image_of_gaps_alone_comes_back_as_one(
        self, tiny_network: Networks, gap: float
    ) -> None:
        image = np.full((5, 6), gap, np.float32)
        with pytest.warns(SuperResolutionWarning, match="30 pixels"):
            np.testing.assert_array_equal(upscale(image, tiny_network()), repeated(image, 2))

    def test_gaps_are_the_same_tiled_and_whole(self, tiny_network: Networks) -> None:
        image = picture((40, 40))
        image[5:30, 10:30] = np.nan
        with pytest.warns(SuperResolutionWarning):
            whole = upscale(image, tiny_network())
        with pytest.warns(SuperResolutionWarning, match="500 pixels"):
            tiled = upscale(image, tiny_network(), tile_size=9, batch_size=5)
        np.testing.assert_allclose(tiled, whole, atol=1 / 255)

    def test_the_warning_points_at_the_line_that_called(self, tiny_network: Networks) -> None:
        with pytest.warns(SuperResolutionWarning) as caught:
            upscale(np.array([[1, np.nan, 2]]), tiny_network())
        assert [Path(w.filename) for w in caught] == [Path(__file__)]


class TestAxes:
    @pytest.mark.parametrize(
        ("axes", "shape"),
        [
            ("CYX", (3, 7, 6)),
            ("ZYX", (5, 7, 6)),
            ("XY", (7, 6)),
            ("YXC", (7, 6, 2)),
            ("TZCYX", (2, 3, 2, 7, 6)),
            ("YTXZ", (7, 2, 6, 3)),
            ("CXTY", (3, 7, 2, 6)),
        ],
    )
    @pytest.mark.parametrize("channels", [1, 3])
    def test_all_axes_but_y_and_x_stay(
        self, repeating: Networks, axes: str, shape: tuple[int, ...], channels: int
    ) -> None:
        image = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
        result = upscale(image, repeating(channels, 3), axes=axes, tile_size=4)
        expected = repeated(image, 3, axes.index("Y"), axes.index("X"))
        np.testing.assert_array_equal(result, expected)

    def test_planes_are_upscaled_one_by_one(self, tiny_network: Networks) -> None:
        stack = of_dtype(np.stack([picture(seed=i) for i in range(3)]), "u1")
        network = tiny_network()
        whole = upscale(stack, network)
        pieces = [drain(upscale_steps(stack, network, planes={"Z": z}))[1] for z in range(3)]
        np.testing.assert_array_equal(whole, np.concatenate(pieces))

    def test_a_grey_network_runs_on_each_colour(self, tiny_network: Networks) -> None:
        rgb = of_dtype(np.stack([picture(seed=i) for i in range(3)], -1), "u1")
        result = upscale(rgb, tiny_network())
        assert result.shape == (48, 60, 3)
        for c in range(3):
            np.testing.assert_array_equal(result[..., c], upscale(rgb[..., c], tiny_network()))

    @BOTH
    def test_a_network_of_colours_gives_grey_for_grey(
        self, tiny_network: Networks, kind: str
    ) -> None:
        image = picture()
        result = upscale(image, tiny_network(kind, 3))
        assert result.shape == (48, 60)
        same = upscale(np.stack([image] * 3, -1), tiny_network(kind, 3)).mean(-1)
        np.testing.assert_allclose(result, same, atol=1e-6)

    def test_a_network_of_colours_sees_them_together(self, tiny_network: Networks) -> None:
        rgb = of_dtype(np.stack([picture(seed=i) for i in range(3)], -1), "u1")
        first = upscale(rgb, tiny_network(channels=3))
        channels_first = upscale(np.moveaxis(rgb, -1, 0), tiny_network(channels=3), axes="CYX")
        np.testing.assert_array_equal(np.moveaxis(channels_first, 0, -1), first)

    @pytest.mark.parametrize("channels", [1, 3])
    @pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
    def test_alpha_is_resampled_not_super_resolved(
        self, tiny_network: Networks, channels: int, dtype: str
    ) -> None:
        network = tiny_network(channels=channels)
        rgba = of_dtype(np.stack([picture(seed=i) for i in range(4)], -1), dtype)
        result = upscale(rgba, network)
        np.testing.assert_array_equal(result[..., :3], upscale(rgba[..., :3], network))
        alpha = Image.fromarray(rgba[..., 3].astype(np.float32))
        large = np.asarray(alpha.resize((60, 48), Image.Resampling.BILINEAR))
        assert np.abs(result[..., 3].astype(np.float64) - large).max() <= 0.5

    def test_a_mask_of_alpha_keeps_its_ends(self, tiny_network: Networks) -> None:
        rgba = of_dtype(np.stack([picture(seed=i) for i in range(4)], -1), "u1")
        rgba[..., 3] = 255
        rgba[:10, :, 3] = 0
        alpha = upscale(rgba, tiny_network())[..., 3]
        assert (alpha[:19] == 0).all()
        assert (alpha[21:] == 255).all()

    @pytest.mark.parametrize("channels", [1, 3])
    def test_a_region_is_the_crop_of_the_whole(self, tiny_network: Networks, channels: int) -> None:
        network = tiny_network(channels=channels)
        rgba = of_dtype(np.stack([picture(seed=i) for i in range(4)], -1), "u1")
        whole = upscale(rgba, network, tile_size=11)
        for region in (Region(3, 17, 5, 30), Region(0, 1, 0, 1), Region(0, 24, 0, 30)):
            _, part = drain(upscale_steps(rgba, network, region=region))
            y0, y1, x0, x1 = (2 * i for i in region)
            assert np.abs(part.astype(int) - whole[y0:y1, x0:x1]).max() <= 1
            np.testing.assert_array_equal(part[..., 3], whole[y0:y1, x0:x1, 3])

    def test_planes_and_region_are_the_crop_of_the_whole(self, repeating: Networks) -> None:
        stack = np.random.default_rng(0).integers(0, 999, (2, 3, 2, 9, 8), np.uint16)
        network, region = repeating(), Region(2, 7, 1, 8)
        whole = upscale(stack, network, axes="TZCYX")
        chosen = {"T": 1, "Z": 2}
        seen, part = drain(
            upscale_steps(stack, network, axes="TZCYX", planes=chosen, region=region)
        )
        np.testing.assert_array_equal(part, whole[1:, 2:, :, 4:14, 2:16])
        assert seen[-1] == Progress(2, 2)


class TestArrays:
    @pytest.fixture
    def image(self) -> Any:
        return of_dtype(np.stack([picture(seed=i) / 2 for i in range(2)]), "u2")

    @pytest.mark.parametrize(
        "change",
        [
            lambda x: x.astype(">u2"),
            lambda x: np.asfortranarray(x),
            lambda x: np.repeat(x, 2, -1)[..., ::2],
            lambda x: x[:, ::-1, ::-1][:, ::-1, ::-1],
            lambda x: x.tolist(),
            lambda x: da.from_array(x, chunks=(1, 10, 7)),
            lambda x: zarr.array(x, chunks=(1, 10, 7)),
            lambda x: x.view(np.ma.MaskedArray),
        ],
    )
    def test_any_array_of_the_same_pixels_gives_the_same_result(
        self, tiny_network: Networks, image: Any, change: Any
    ) -> None:
        changed = change(image)
        expected = upscale(image, tiny_network(), axes="TYX", tile_size=12, batch_size=4)
        result = upscale(changed, tiny_network(), axes="TYX", tile_size=12, batch_size=4)
        np.testing.assert_array_equal(result, expected)
        assert isinstance(result, da.Array if is_lazy(changed) else np.ndarray)
        assert result.dtype == getattr(changed, "dtype", np.int64)

    def test_the_source_is_only_read(self, tiny_network: Networks, image: Any) -> None:
        image.setflags(write=False)
        before = image.copy()
        result = upscale(image, tiny_network())
        np.testing.assert_array_equal(image, before)
        assert result.flags.writeable
        assert not np.shares_memory(result, image)

    def test_a_tensor_of_another_library_is_an_image(
        self, tiny_network: Networks, image: Any
    ) -> None:
        np.testing.assert_array_equal(
            upscale(tf.constant(image), tiny_network()), upscale(image, tiny_network())
        )

    def test_a_lazy_stack_is_measured_on_a_sample(self, repeating: Networks) -> None:
        read = []

        def plane(block_info: Any) -> Any:
            read.append(block_info[None]["chunk-location"][0])
            return (picture((1, 8, 9)) * 1000).astype(np.float32)

        stack = da.map_blocks(plane, chunks=((1,) * 500, (8,), (9,)), dtype=np.float32)
        steps = upscale_steps(stack, repeating())
        while next(steps).done == 0:
            pass
        assert len(set(read)) < 40

    def test_a_sample_of_nothing_is_not_taken_for_the_whole(self, repeating: Networks) -> None:
        stack = np.zeros((200, 8, 9), np.float32)
        stack[101] = picture((8, 9)) * 1000
        network = repeating()
        upscale(da.from_array(stack, chunks=(1, 8, 9)), network).compute()
        assert 0.9 < network.model.seen[1] < 1.5

    @pytest.mark.slow
    def test_memory_stays_bounded_whatever_the_length_of_a_stack(self, repeating: Networks) -> None:
        def peak(planes: int) -> int:
            stack = da.random.default_rng(0).integers(
                0, 4096, (planes, 256, 256), np.uint16, chunks=(1, 256, 256)
            )
            gc.collect()
            tracemalloc.start()
            # Dask's threads would hold planes of their own at moments of their own.
            with dask.config.set(scheduler="synchronous"):
                _, result = drain(upscale_steps(stack, repeating(), tile_size=128))
            above = tracemalloc.get_traced_memory()[1] - result.nbytes
            tracemalloc.stop()
            return above

        few, many = peak(4), peak(80)
        assert many < few + 5 * 2**20  # of an input of 10 MiB


class TestProgress:
    def test_it_counts_every_tile_once(self, repeating: Networks) -> None:
        seen, _ = drain(upscale_steps(picture((20, 20)), repeating(), tile_size=10, batch_size=3))
        assert {step.total for step in seen} == {4}
        assert [step.done for step in seen if step.done] == [3, 4]
        assert seen[0] == Progress(0, 4)

    @pytest.mark.parametrize("after", range(6))
    def test_it_can_be_closed_at_any_tile(self, repeating: Networks, after: int) -> None:
        network = repeating()
        steps = upscale_steps(picture((20, 20)), network, tile_size=10)
        while next(steps).done < after % 5:
            pass
        steps.close()
        assert len(network.model.shapes) == after % 5
        assert upscale(picture((4, 4)), network).shape == (8, 8)

    def test_measuring_a_large_stack_can_be_closed_as_well(self, repeating: Networks) -> None:
        stack = np.zeros((50, 4, 4), np.uint8)
        steps = upscale_steps(stack, repeating(), axes="ZYX")
        waits = 0
        while next(steps).done == 0:
            waits += 1
        assert waits >= 50

    def test_two_threads_may_use_one_network_at_a_time(self, tiny_network: Networks) -> None:
        images = [picture((30, 31 + i)) for i in range(4)]
        expected = [upscale(image, tiny_network()) for image in images]
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda image: upscale(image, tiny_network()), images))
        for result, wanted in zip(results, expected, strict=True):
            np.testing.assert_allclose(result, wanted, atol=1e-6)

    def test_nothing_is_read_before_the_first_step(self, repeating: Networks) -> None:
        steps = upscale_steps(np.zeros((2, 2), complex), repeating())
        with pytest.raises(InvalidInputError):
            next(steps)


RESOURCES = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape")


class TestFailures:
    @pytest.mark.parametrize("batch_size", [1, 4])
    @pytest.mark.parametrize("error", [MemoryError(), RESOURCES])
    def test_tiles_get_smaller_when_memory_runs_out(
        self, repeating: Networks, batch_size: int, error: Exception
    ) -> None:
        image = of_dtype(picture((2, 50, 41)), "u2")
        network = repeating(memory=500, error=error)
        settings = {"tile_size": 40, "overlap": 3, "batch_size": batch_size}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            seen, result = drain(upscale_steps(image, network, **settings))
        np.testing.assert_array_equal(result, repeated(image, 2))
        assert [w.category for w in caught] == [SuperResolutionWarning]
        assert "Memory ran out" in str(caught[0].message)
        done = [step.done for step in seen]
        assert done == sorted(done)
        assert seen[-1].done == seen[-1].total

    def test_work_goes_on_from_the_tile_it_was_at(self, repeating: Networks) -> None:
        network = repeating()
        steps = upscale_steps(picture((40, 40)), network, tile_size=20, overlap=0)
        while next(steps).done < 3:
            pass
        network.model.memory = 399
        with pytest.warns(SuperResolutionWarning, match="tile_size=10"):
            seen, result = drain(steps)
        np.testing.assert_array_equal(result, repeated(picture((40, 40)), 2))
        # Three large tiles, one that failed, and the four it became.
        assert [s[1] for s in network.model.shapes] == [20] * 4 + [10] * 4
        assert seen[-1] == Progress(7, 7)

    def test_memory_that_does_not_suffice_for_anything_is_told(self, repeating: Networks) -> None:
        with (
            pytest.warns(SuperResolutionWarning),
            pytest.raises(OutOfMemoryError, match=r"Not even a tile.*close other programs"),
        ):
            upscale(picture(), repeating(memory=0))

    def test_a_result_beyond_all_memory_is_told_before_any_work(self, repeating: Networks) -> None:
        network = repeating()
        vast = da.zeros((10**7, 10**7), chunks=10**6)
        with pytest.raises(OutOfMemoryError, match=r"GiB.*upscale a part"):
            next(upscale_steps(vast, network))
        with pytest.raises(InvalidInputError, match=r"blocks.*upscale a part"):
            upscale(vast, network)
        assert network.model.shapes == []

    @pytest.mark.parametrize(
        "error", [RuntimeError("gone wrong"), tf.errors.InternalError(None, None, "gone wrong")]
    )
    def test_a_failing_network_is_told_in_a_sentence(
        self, repeating: Networks, error: Exception
    ) -> None:
        network = repeating(memory=0, error=error)
        with pytest.raises(NetworkError, match=r"network failed on a batch.*gone wrong") as caught:
            upscale(picture(), network)
        assert not isinstance(caught.value, RuntimeError)
        assert caught.value.__cause__ is error

    def test_a_network_gone_astray_is_told(self, repeating: Networks) -> None:
        with pytest.raises(NetworkError, match="not finite"):
            upscale(picture(), repeating(gain=np.nan))

    @pytest.mark.parametrize(
        "image",
        [
            np.float32(3),
            3,
            None,
            "image.png",
            [],
            [1, 2, 3],
            [[1, 2], [3]],
            np.zeros((0, 5)),
            np.zeros((5, 0, 3)),
            np.zeros((1, 1)),
            np.zeros((4, 4), complex),
            np.zeros((4, 4), object),
            np.zeros((4, 4), "U2"),
            np.zeros((4, 4), "M8[s]"),
            np.zeros((4, 4), [("r", "u1"), ("g", "u1")]),
            np.zeros((2, 2, 2, 2, 2, 2)),
        ],
    )
    def test_what_is_no_image_is_refused_in_a_sentence(
        self, repeating: Networks, image: Any
    ) -> None:
        network = repeating()
        with pytest.raises(InvalidInputError, match="Received") as caught:
            upscale(image, network)
        assert "\n" not in str(caught.value)
        assert network.model.shapes == []

    @pytest.mark.parametrize("name", ["tile_size", "overlap", "batch_size"])
    @pytest.mark.parametrize("value", [-1, 1.5, True, "8", float("nan"), [8]])
    def test_settings_are_whole_numbers(self, repeating: Networks, name: str, value: Any) -> None:
        with pytest.raises(InvalidInputError, match=rf"{name} must be.*Received: {name}="):
            upscale(picture(), repeating(), **{name: value})

    @pytest.mark.parametrize("name", ["tile_size", "batch_size"])
    def test_sizes_are_at_least_one(self, repeating: Networks, name: str) -> None:
        with pytest.raises(InvalidInputError, match="at least 1"):
            upscale(picture(), repeating(), **{name: 0})

    @pytest.mark.parametrize(
        "region", [(0, 25, 0, 5), (-1, 5, 0, 5), (5, 5, 0, 5), (6, 5, 0, 5), (0, 5, 29, 31)]
    )
    def test_a_region_lies_within_the_image(
        self, repeating: Networks, region: tuple[int, int, int, int]
    ) -> None:
        with pytest.raises(InvalidInputError, match=r"region must.*24 x 30.*Received: region="):
            next(upscale_steps(picture(), repeating(), region=Region(*region)))

    @pytest.mark.parametrize("planes", [{"Z": 3}, {"Z": -1}, {"T": 0}, {"Y": 0}, {"C": 0}])
    def test_planes_lie_within_the_stack(self, repeating: Networks, planes: dict[str, int]) -> None:
        stack = np.zeros((3, 8, 9))
        with pytest.raises(InvalidInputError, match=r"planes must.*'Z': 3.*Received: planes="):
            next(upscale_steps(stack, repeating(), planes=planes))

    @pytest.mark.parametrize("model", ["no-such-model", "", "~nobody/x", "x" * 5000, None, 3, "\0"])
    def test_what_is_no_model_is_refused_in_a_sentence(self, model: Any) -> None:
        with pytest.raises(ModelFileError, match="Received"):
            upscale(picture(), model)

    def test_every_error_is_ours_and_none_a_runtime_error(self) -> None:
        ours = [SuperResolutionError, *SuperResolutionError.__subclasses__()]
        assert len(ours) >= 6
        assert not any(issubclass(error, RuntimeError) for error in ours)


@pytest.mark.parametrize("wrong", ["cells.tif", Path("cells.tif"), ["a.tif", "b.tif"]])
def test_a_path_instead_of_an_image_is_explained(wrong, tiny_network) -> None:
    with pytest.raises(InvalidInputError, match=r"must be an array.*the path '(cells|a).tif'"):
        upscale(wrong, tiny_network())


def test_predict_reads_the_last_axis_as_channels_where_it_is_as_long(repeating: Networks) -> None:
    network = repeating(channels=2, scale=3)
    image = picture((6, 7, 2))
    np.testing.assert_allclose(network.predict(image), image.repeat(3, 0).repeat(3, 1), atol=1e-6)


def test_pixels_far_from_the_sample_of_a_lazy_stack_are_told(repeating: Networks) -> None:
    stack = np.stack([picture((40, 50))] * 60).astype(np.float32)
    stack[7] *= 1000
    lazy = da.from_array(stack, chunks=(1, 40, 50))
    with pytest.warns(SuperResolutionWarning, match="far outside the range"):
        drain(upscale_steps(lazy, repeating()))
    with pytest.warns(SuperResolutionWarning, match="Some of the pixels lie far outside"):
        upscale(lazy, repeating()).compute()
