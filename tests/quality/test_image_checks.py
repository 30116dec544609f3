"""Warnings before the run: each comes where it is due, nothing is raised, little is read."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage import data

from src_models import check_image, describe_model
from src_models.errors import ModelFileError
from src_models.images.degradation import resize_bicubic
from src_models.quality.jpeg_grid import jpeg_grid
from src_models.quality.oversampling import oversampling

SAMPLES = Path(__file__).parents[2] / "napari_isr" / "samples"


def kinds(image, axes=None, model="microscopy-x2"):
    return [finding.kind for finding in check_image(image, axes, model)]


@pytest.fixture
def clean() -> np.ndarray:
    """An image with detail in every pixel, and few bright ones, uint16."""
    rng = np.random.default_rng(0)
    waves = gaussian_filter(rng.random((160, 160)), 4)
    waves = (waves - waves.min()) / np.ptp(waves)
    fine = 0.3 * gaussian_filter(rng.normal(0, 1, waves.shape), 0.7) * (waves > 0.5)
    return np.rint(1000 + 20000 * np.clip(waves + fine, 0, None) ** 2).astype(np.uint16)


def through_jpeg(image, quality):
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def as_bytes(image):
    return (image // (image.max() // 255 + 1)).astype(np.uint8)


@pytest.mark.parametrize("model", ["microscopy-x2", "photo-x2", "photo-sharp-x4"])
def test_nothing_is_said_of_a_clean_image(clean, model):
    assert kinds(clean, model=model) == []


@pytest.mark.parametrize("factor", [2, 4])
def test_an_enlarged_image_is_told_with_its_factor(clean, factor):
    size = clean.shape[0] * factor, clean.shape[1] * factor
    enlarged = resize_bicubic(clean.astype(np.float32), size)
    assert oversampling(enlarged) == pytest.approx(factor, rel=0.26)
    (finding,) = check_image(enlarged)
    assert finding.kind == "oversampled"
    assert f"{finding.value:g} times" in finding.message


@pytest.mark.parametrize("factor", [2, 3, 8])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_repeated_pixels_are_told_with_their_number(clean, factor, dtype):
    enlarged = clean.repeat(factor, axis=0).repeat(factor, axis=1).astype(dtype)[1:, factor - 1 :]
    enlarged[7, 9], enlarged[20:25, 30:37] = 65000, 0  # hot, and painted over
    (finding,) = check_image(enlarged)
    assert (finding.kind, finding.value) == ("oversampled", factor)
    assert f"about {factor} times" in finding.message
    assert oversampling(clean.repeat(factor, axis=0)) == 1


def test_pixels_of_labels_repeat_only_here_and_there(clean):
    labels = clean // 2000
    rectangles = np.zeros((160, 160), np.uint8)
    rectangles[16:64, 32:96], rectangles[80:120, 40:48] = 1, 2
    blobs = np.clip(gaussian_filter(clean.astype(float), 6) // 1000, 0, 4)
    assert [oversampling(image) for image in (labels, rectangles, blobs)] == [1, 1, 1]


def test_equal_numbers_are_sampled_alike_in_every_dtype_and_unit(clean):
    size = clean.shape[0] * 3, clean.shape[1] * 3
    rounded = resize_bicubic(as_bytes(clean).astype(np.float32), size).round().clip(0, 255)
    factor = oversampling(rounded.astype(np.uint8))
    assert factor == pytest.approx(3, rel=0.34)
    for same in (rounded, rounded.astype(np.uint16) * 257, rounded / 255, rounded.astype(float)):
        assert oversampling(same) == factor


def test_enlarging_along_one_axis_leaves_detail_along_the_other(clean):
    wide = resize_bicubic(clean.astype(np.float32), (clean.shape[0], clean.shape[1] * 3))
    assert oversampling(wide) == 1


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_a_clipped_image_is_told(clean, dtype):
    clipped = np.minimum(clean, np.percentile(clean, 98)).astype(dtype)
    (finding,) = check_image(clipped)
    assert finding.kind == "saturated"
    assert finding.value == pytest.approx(0.02, abs=0.002)
    assert f"{finding.value * 100:.2g} %" in finding.message


@pytest.mark.parametrize("hot", [1, 20])
def test_hot_pixels_above_it_hide_no_clipping(clean, hot):
    clipped = np.minimum(clean, np.percentile(clean, 98)).astype(np.uint16)
    spoilt = clipped.copy()
    spoilt.flat[:: spoilt.size // hot] = 65535
    (before,), (after,) = check_image(clipped), check_image(spoilt)
    assert after.kind == "saturated"
    assert after.value == pytest.approx(before.value, rel=0.02)
    assert f"the value {clipped.max()}" in after.message
    assert kinds(np.where(spoilt == 65535, spoilt, clean)) == []


@pytest.mark.parametrize("brightest", [20, 30, 49])
@pytest.mark.parametrize("as_stored", [np.uint8, np.float32, lambda x: x.astype("u2") * 257])
def test_few_levels_are_no_clipping(clean, brightest, as_stored):
    smooth = gaussian_filter(np.random.default_rng(0).random((256, 256)), 6)
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    dim = as_stored(np.rint(smooth * brightest))
    assert "saturated" not in kinds(dim)


def with_scale_bar(image):
    drawn = image.copy()
    drawn[140:148, 90:150] = 65535
    drawn[10:30, 10:13] = drawn[20:22, 13:30] = 65535  # and a letter
    return drawn


def test_what_was_drawn_over_an_image_is_not_saturated(clean):
    assert kinds(with_scale_bar(clean)) == []


@pytest.mark.parametrize("top", [20000, 65535])
def test_beside_what_was_drawn_saturation_is_told(clean, top):
    bright = clean.astype(float) * (top / np.percentile(clean, 98))
    clipped = np.minimum(bright, top).astype(np.uint16)
    (finding,) = check_image(with_scale_bar(clipped))
    assert finding.kind == "saturated"
    assert finding.value == pytest.approx(0.02, abs=0.002)
    assert f"value {top}" in finding.message


def test_sharp_edges_of_saturated_cells_in_a_large_image_are_not_drawn():
    rng = np.random.default_rng(0)
    size, cell = 2100, np.hypot(*np.mgrid[-24:25, -24:25]) < 20
    cells = np.zeros((size, size), np.float32)
    for y, x in rng.integers(0, size - 49, (150, 2)):
        cells[y : y + 49, x : x + 49][cell] = 1
    photons = 300 + 8000 * gaussian_filter(cells, 1)
    image = np.minimum(photons + rng.normal(0, 15, cells.shape), 4095).astype(np.uint16)
    (finding,) = check_image(image)
    assert finding.kind == "saturated"
    assert finding.value == pytest.approx((image == 4095).mean(), rel=0.4)


def test_white_parts_of_photos_are_not_told(clean):
    clipped = as_bytes(np.minimum(clean, np.percentile(clean, 98).astype(np.uint16)))
    assert "saturated" not in kinds(clipped, model="photo-x2")


def test_noise_is_told_unless_the_model_was_trained_on_it():
    rng = np.random.default_rng(0)
    smooth = gaussian_filter(rng.random((128, 128)), 3)
    dim = rng.poisson((smooth - smooth.min()) / np.ptp(smooth) * 100).astype(np.uint16)
    (finding,) = check_image(dim)
    assert (finding.kind, finding.suggests) == ("noisy", "microscopy-denoise-x2")
    assert kinds(dim, model="microscopy-denoise-x2") == []
    darker = rng.poisson((smooth - smooth.min()) / np.ptp(smooth) * 25).astype(np.uint16)
    (finding,) = check_image(darker, model="microscopy-denoise-x2")
    assert (finding.kind, finding.suggests) == ("noisy", "")


@pytest.mark.parametrize("blank", [0, np.nan])
def test_a_blank_margin_hides_no_noise(blank: float) -> None:
    rng = np.random.default_rng(3)
    light = gaussian_filter(rng.random((128, 128)), 3)
    light = (light - light.min()) / np.ptp(light)
    noisy = (rng.poisson(light * 100) + rng.normal(100, 1, light.shape)).astype(np.float32)
    noisy[:10] = noisy[:, -10:] = blank
    assert kinds(noisy) == ["noisy"]


def test_a_few_hot_pixels_are_no_blocks_of_jpeg() -> None:
    rng = np.random.default_rng(0)
    image = gaussian_filter(rng.normal(2000, 900, (256, 256)), 3) + rng.normal(0, 20, (256, 256))
    for y, x in rng.integers(0, 255, (6, 2)):
        image[y, x] = 65535
    assert jpeg_grid(image) < 0.05


def framed(image):
    return np.pad(image[40:-40, 40:-40], 40)


def padded(image):
    return np.pad(image, ((0, 128), (0, 128)))


def with_a_bar(image):
    image = image.copy()
    image[200:232, 200:] = image[236:240, 190:] = image.max()
    return image


def in_a_mosaic(image):
    return np.tile(image[:192, :192], (2, 2))


@pytest.fixture
def camera() -> np.ndarray:
    return data.camera()[64:320, 64:320]


@pytest.mark.parametrize("spoil", [framed, padded, with_a_bar, in_a_mosaic])
def test_single_edges_are_no_blocks_of_jpeg_and_hide_none(camera, spoil):
    assert jpeg_grid(spoil(camera)) < 0.07
    assert jpeg_grid(spoil(through_jpeg(camera, 50))) > 0.3


@pytest.mark.parametrize("quality", [10, 30, 50])
@pytest.mark.parametrize("shift", [0, 3])
def test_blocks_of_jpeg_are_told_wherever_they_begin(quality, shift):
    image = np.asarray(Image.open(SAMPLES / "skimage_skin.png").convert("RGB"))[::2, ::2]
    assert jpeg_grid(image[..., 0]) < 0.14
    damaged = through_jpeg(np.ascontiguousarray(image), quality)[shift:, shift:]
    (finding,) = check_image(damaged, model="photo-x2")
    assert (finding.kind, finding.suggests) == ("jpeg", "photo-artefact-x2")
    assert kinds(damaged, model="photo-artefact-x2") == []


def test_a_mask_and_a_dark_photo_are_unlike_the_training(clean):
    mask = (clean > 5000).astype(np.uint8)
    assert kinds(mask) == ["range"]
    assert kinds(mask.astype(bool)) == ["range"]
    dark = as_bytes(clean) // 6
    assert kinds(dark, model="photo-x2") == ["range"]
    assert "range" not in kinds(dark)  # its range is measured


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((64, 64), np.uint8),
        np.full((64, 64), np.nan),
        np.full((64, 64), np.inf, np.float32),
        np.ones((1, 1)),
        np.ones((3, 3), complex),
        np.zeros((0, 5)),
        np.zeros(7),
        np.eye(9, dtype=bool),
        np.random.default_rng(0).random((5, 300)),
        1e308 * np.sin(np.arange(4096.0)).reshape(64, 64),
        [[1, 2], [3, 4]],
    ],
    ids=lambda image: f"{np.asarray(image).dtype}-{np.shape(image)}",
)
def test_nothing_is_ever_raised(image):
    assert isinstance(check_image(image), list)


def test_a_stack_with_channels_is_looked_at_in_its_middle(clean):
    stack = np.zeros((5, 2, *clean.shape), np.uint16)
    stack[2] = np.minimum(clean, np.percentile(clean, 98).astype(np.uint16))
    assert kinds(stack, "ZCYX") == ["saturated"]
    stack[2] = clean
    assert kinds(stack, "ZCYX") == []


@pytest.mark.parametrize("plane", [1, 3])
def test_where_the_middle_is_blank_another_plane_is_looked_at(clean, plane):
    stack = np.zeros((5, *clean.shape), np.uint16)
    stack[plane] = np.minimum(clean, np.percentile(clean, 98).astype(np.uint16))
    assert kinds(stack, "ZYX") == ["saturated"]


def test_little_of_a_lazy_array_is_read():
    read = []

    def block(block_info=None):
        where = block_info[None]["array-location"]
        read.append(where)
        return np.ones([stop - start for start, stop in where], np.uint16)

    lazy = da.map_blocks(block, chunks=((1,) * 9, (256,) * 16, (256,) * 16), dtype=np.uint16)
    assert check_image(lazy, "ZYX") == []
    assert 0 < len(read) <= 9
    assert {where[0] for where in read} == {(4, 5)}


def test_a_lazy_array_that_cannot_be_read_has_no_findings():
    def fail(_block):
        raise OSError("gone")

    lazy = da.zeros((64, 64), chunks=32).map_blocks(fail, dtype=float, meta=np.zeros((0, 0)))
    assert check_image(lazy) == []


def test_a_model_that_does_not_exist_is_refused(clean):
    with pytest.raises(ModelFileError, match="no-such-model"):
        check_image(clean, model="no-such-model")


def test_every_finding_is_one_sentence(clean):
    image = np.minimum(clean, np.percentile(clean, 98).astype(np.uint16))
    for model in (describe_model(name) for name in ("microscopy-x2", "photo-x4")):
        for damaged in (image, image // 3000, through_jpeg(as_bytes(image), 20)):
            for finding in check_image(damaged, None, model):
                assert finding.message.endswith(".")
                assert ". " not in finding.message
