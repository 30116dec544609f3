"""Files whose numbers are not what is seen: palettes, inks, inverted, turned, several in one."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from napari_isr.cli.info import notes_on
from src_models.errors import InvalidInputError
from src_models.images.io import check_writable, read_image, write_image
from src_models.images.pixel_layout import ORIENTATION, upright

GREY = np.random.default_rng(0).integers(0, 255, (17, 20)).astype(np.uint8)
COLOURS = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], -1)


def pixels(path):
    picture = read_image(path)
    found = np.asarray(picture.array)
    assert found.shape == picture.array.shape
    assert found.dtype == picture.dtype
    return found, picture.axes, picture.rgb


@pytest.mark.slow
def test_a_palette_in_tiff_becomes_the_colours_that_it_stands_for(tmp_path) -> None:
    image = Image.fromarray(COLOURS).quantize(16)
    image.save(tmp_path / "a.tif")
    found, axes, rgb = pixels(tmp_path / "a.tif")
    assert (axes, rgb) == ("YXC", True)
    np.testing.assert_array_equal(found, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("steps", [255, 257])
def test_a_palette_that_only_colours_intensities_leaves_them(tmp_path, steps) -> None:
    green = np.zeros((3, 256), np.uint16)
    green[1] = np.arange(256) * steps
    tifffile.imwrite(tmp_path / "a.tif", GREY, photometric="palette", colormap=green)
    np.testing.assert_array_equal(pixels(tmp_path / "a.tif")[0], GREY)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16])
def test_white_as_0_becomes_white_as_most(tmp_path, dtype) -> None:
    image = GREY.astype(dtype)
    most = np.iinfo(dtype).max if dtype is not bool else True
    negative = ~image if dtype is bool else most - image
    tifffile.imwrite(tmp_path / "a.tif", negative, photometric="miniswhite")
    np.testing.assert_array_equal(pixels(tmp_path / "a.tif")[0], image)


def test_cmyk_becomes_rgb_as_pillow_makes_it(tmp_path) -> None:
    image = Image.fromarray(COLOURS).convert("CMYK")
    for name in ("a.tif", "a.jpg"):
        image.save(tmp_path / name)
        with Image.open(tmp_path / name) as stored:
            expected = np.asarray(stored.convert("RGB"))
        found, axes, rgb = pixels(tmp_path / name)
        assert (axes, rgb) == ("YXC", True)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("stack", [(), (2,)])
def test_colours_in_planes_of_their_own_are_colours(tmp_path, stack) -> None:
    image = np.broadcast_to(COLOURS, (*stack, *COLOURS.shape))
    planes = np.ascontiguousarray(np.moveaxis(image, -1, -3))
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
    found, axes, rgb = pixels(tmp_path / "a.tif")
    assert (axes, rgb) == ("Z" * len(stack) + "YXC", True)
    np.testing.assert_array_equal(found, image)


@pytest.mark.parametrize(("planes", "dtype"), [(3, np.uint16), (4, np.uint8)])
def test_stacks_that_tifffile_takes_for_colours_stay_channels(tmp_path, planes, dtype) -> None:
    stack = np.stack([GREY] * planes).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="rgb", planarconfig="separate")
    found, axes, rgb = pixels(tmp_path / "a.tif")
    assert (axes, rgb) == ("CYX", False)
    np.testing.assert_array_equal(found, stack)


def test_colours_that_would_come_out_wrong_are_refused(tmp_path) -> None:
    Image.fromarray(COLOURS).convert("LAB").save(tmp_path / "a.tif")
    with pytest.raises(InvalidInputError, match=r"Received: CIELAB\. Save it as RGB"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright_whatever_their_format(tmp_path, orientation) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(COLOURS).save(tmp_path / "a.png", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "a.png")))
    tag = (ORIENTATION, 3, 1, orientation, True)
    tifffile.imwrite(tmp_path / "a.tif", COLOURS, photometric="rgb", extratags=[tag])
    for name in ("a.png", "a.tif"):
        np.testing.assert_array_equal(pixels(tmp_path / name)[0], expected)
    np.testing.assert_array_equal(upright(COLOURS, orientation), expected)
    (tmp_path / "deep.png").write_bytes(deep_png(COLOURS.astype(np.uint16) * 257, exif))
    np.testing.assert_array_equal(pixels(tmp_path / "deep.png")[0], expected * np.uint16(257))


def deep_png(image, exif):
    """Return a PNG file of 16 bits a colour with an eXIf chunk after its header."""
    import struct
    import zlib

    whole, body = imagecodecs.png_encode(image), b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return whole[:33] + chunk + whole[33:]


def test_what_of_a_file_is_left_out_is_told(tmp_path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(GREY)
        file.write(GREY[:9, :8])
    others = [Image.fromarray(COLOURS[::-1].copy())]
    Image.fromarray(COLOURS).save(tmp_path / "a.png", save_all=True, append_images=others)
    [note] = [note for note in notes_on(tmp_path / "a.tif") if "images" in note]
    assert note == (
        "The file holds 2 images, and the first, 17 x 20, is taken: save the others (9 x 8) as "
        "files of their own."
    )
    assert "animation of 2 pictures" in notes_on(tmp_path / "a.png")[0]
    np.testing.assert_array_equal(pixels(tmp_path / "a.tif")[0], GREY)


def test_a_pyramid_is_one_image(tmp_path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(np.kron(GREY, np.ones((2, 2), np.uint8)), tile=(16, 16), subifds=1)
        file.write(GREY, tile=(16, 16), subfiletype=1)
    assert read_image(tmp_path / "a.tif").notes == ()
    assert pixels(tmp_path / "a.tif")[0].shape == (34, 40)


def test_complex_pixels_are_refused_in_words_for_every_format(tmp_path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY.astype(np.complex64))
    picture = read_image(tmp_path / "a.tif")
    assert notes_on(picture) == []
    for file_format in ("ome-tiff", "imagej", "png", "ome-zarr"):
        with pytest.raises(InvalidInputError, match="must hold real numbers"):
            check_writable(picture, file_format)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.float16])
def test_pixels_that_tiff_cannot_hold_go_into_ome_zarr(tmp_path, dtype) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY.astype(dtype))
    write_image(read_image(tmp_path / "a.tif").loaded(), tmp_path / "a.ome.zarr")
    found, _, _ = pixels(tmp_path / "a.ome.zarr")
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, GREY.astype(dtype))
