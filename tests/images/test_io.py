"""Image files read and written: in parts, with pyramids, damaged, on full disks."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from src_models.errors import DiskFullError, InvalidInputError
from src_models.images.io import ENDINGS, format_of, read_image, write_image
from src_models.images.picture import Picture, UnreadPixels


def stack(dtype: str = "uint16", shape: tuple[int, ...] = (2, 4, 3, 17, 22)) -> np.ndarray:
    values = np.random.default_rng(3).integers(0, 255, shape)
    return (values * (1 if dtype.endswith("8") else 200)).astype(dtype)


@pytest.mark.slow
def test_outer_edges_stay_where_they_are(tmp_path) -> None:
    small = Picture(
        array=np.zeros((4, 4), np.uint8),
        axes="YX",
        pixel_size={"Y": 1.0, "X": 1.0},
        units={"Y": "micrometer", "X": "micrometer"},
        origin={"Y": 10.0, "X": 20.0},
    )
    large = small.enlarged(np.zeros((8, 8), np.uint8), 2, {})
    write_image(large, tmp_path / "a.ome.zarr")
    back = read_image(tmp_path / "a.ome.zarr")
    assert back.origin == {"Y": 9.75, "X": 19.75}
    assert back.origin["Y"] - back.pixel_size["Y"] / 2 == 10.0 - 0.5


@pytest.mark.parametrize("file_format", ["ome-tiff", "ome-zarr"])
def test_large_images_are_cut_into_tiles_and_get_a_pyramid(file_format, tmp_path) -> None:
    pixels = np.random.default_rng(0).integers(0, 99, (2, 2500, 2101)).astype(np.uint8)
    path = tmp_path / f"a{ENDINGS[file_format]}"
    write_image(Picture(array=pixels, axes="CYX", channel_names=("a", "b")), path)
    assert np.array_equal(np.asarray(read_image(path).array), pixels)
    if file_format == "ome-zarr":
        group = zarr.open_group(str(path), mode="r")
        levels = [group[name] for name in sorted(group.array_keys())]
        assert levels[0].chunks == (1, 512, 512)
    else:
        with tifffile.TiffFile(path) as tiff:
            assert tiff.pages[0].is_tiled
            levels = [np.asarray(level.asarray()) for level in tiff.series[0].levels]
    assert [level.shape[1:] for level in levels[:3]] == [(2500, 2101), (1250, 1051), (625, 526)]
    means = pixels[:, :2, :2].mean(axis=(1, 2))
    assert np.abs(np.asarray(levels[1][:, 0, 0], float) - means).max() <= 0.5


def test_large_colour_images_get_a_pyramid_too(tmp_path) -> None:
    pixels = np.random.default_rng(0).integers(0, 99, (2100, 600, 4)).astype(np.uint8)
    write_image(Picture(array=pixels, axes="YXC", rgb=True), tmp_path / "a.ome.tif")
    back = read_image(tmp_path / "a.ome.tif")
    assert (back.axes, back.rgb) == ("YXC", True)
    assert np.array_equal(np.asarray(back.array), pixels)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        assert [level.shape for level in tiff.series[0].levels][:2] == [
            (2100, 600, 4),
            (1050, 300, 4),
        ]


def test_a_large_file_is_read_in_parts(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("src_models.images.tiff_reading.LARGE_BYTES", 1000)
    monkeypatch.setattr("src_models.images.ome_zarr_files.LARGE_BYTES", 1000)
    pixels = stack("uint16", (64, 64))
    tifffile.imwrite(tmp_path / "flat.tif", pixels)
    tifffile.imwrite(tmp_path / "tiled.tif", pixels, tile=(32, 32), compression="zlib")
    write_image(Picture(array=pixels, axes="YX"), tmp_path / "z.zarr")
    for name in ("flat.tif", "tiled.tif", "z.zarr"):
        array = read_image(tmp_path / name).loaded().array
        assert not isinstance(array, UnreadPixels)
        assert isinstance(array, np.memmap) == (name == "flat.tif")
        assert np.array_equal(np.asarray(array[5:9, 60:]), pixels[5:9, 60:])


def test_pictures_stand_upright(tmp_path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20)).save(tmp_path / "a.jpg", exif=exif)
    picture = read_image(tmp_path / "a.jpg")
    assert picture.array.shape == np.asarray(picture.array).shape == (30, 20, 3)


def test_grey_with_alpha_becomes_rgba(tmp_path) -> None:
    Image.new("LA", (30, 20)).save(tmp_path / "a.png")
    picture = read_image(tmp_path / "a.png")
    assert picture.array.shape == np.asarray(picture.array).shape == (20, 30, 4)


def test_other_formats_are_read_with_bioio(tmp_path) -> None:
    frames = [Image.fromarray(stack("uint8", (20, 30))) for _ in range(2)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    picture = read_image(tmp_path / "a.gif")
    assert {a: n for a, n in picture.sizes.items() if a in "YX"} == {"Y": 20, "X": 30}
    assert np.asarray(picture.array).dtype == np.uint8


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.tif", b"", r"the file is empty\."),
        ("text.tif", b"not an image", r"the file cannot be read \(not a TIFF file\)\.$"),
        ("text.png", b"not an image", "the file cannot be read"),
        ("missing.png", None, "there is no such file"),
        ("notes.xyz", b"text", "cannot be read with bioio"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_a_sentence(name, content, reason, tmp_path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInputError, match=reason):
        read_image(tmp_path / name)


def test_a_cut_file_is_told_when_its_pixels_are_read(tmp_path) -> None:
    write_image(Picture(array=stack("uint8", (200, 300)), axes="YX"), tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidInputError, match="cannot be read"):
        read_image(tmp_path / "a.png").loaded()


@pytest.mark.parametrize("target", ENDINGS)
def test_the_same_picture_gives_the_same_bytes(target, tmp_path) -> None:
    pixels, names = stack("uint8", (3, 17, 22)), {"channel_names": ("a", "b", "µ")}
    plane = pixels[0] if target == "png" else pixels
    axes, channels = ("YX", {}) if target == "png" else ("CYX", names)
    written = []
    for place, brighter in (("one", 0), ("two", 0), ("other", 1)):
        picture = Picture(array=plane + np.uint8(brighter), axes=axes, name="a", **channels)
        path = write_image(picture, tmp_path / place / f"a{ENDINGS[target]}")
        files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
        written.append({f.relative_to(tmp_path / place): f.read_bytes() for f in files})
    assert written[0] == written[1] != written[2]


def test_nothing_is_overwritten_unasked(tmp_path) -> None:
    picture = Picture(array=stack("uint8", (20, 30)), axes="YX")
    for ending in ENDINGS.values():
        path = tmp_path / f"a{ending}"
        write_image(picture, path)
        with pytest.raises(InvalidInputError, match="nothing is overwritten unasked"):
            write_image(picture, path)
        write_image(picture, path, overwrite=True)
    (tmp_path / "folder.zarr").mkdir()
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(InvalidInputError, match="is a folder"):
        write_image(picture, tmp_path / "folder.png", overwrite=True)
    assert not list(tmp_path.glob(".*"))


def test_the_ending_of_a_name_chooses_the_format() -> None:
    names = ["a.ome.tif", "A.OME.TIFF", "a.tif", "a.png", "a.zarr", "a.ome.zarr"]
    formats = ["ome-tiff", "ome-tiff", "imagej", "png", "ome-zarr", "ome-zarr"]
    assert [format_of(name) for name in names] == formats
    with pytest.raises(InvalidInputError, match=r"written as .*Received: 'a\.jpg'"):
        format_of("a.jpg")


@pytest.mark.parametrize("file_format", ENDINGS)
def test_a_full_disk_is_told_and_nothing_is_left(file_format, small_disk) -> None:
    noise = np.random.default_rng(0).integers(0, 2**16, (600, 600)).astype(np.uint16)
    with pytest.raises(DiskFullError, match="is full: make room"):
        write_image(Picture(array=noise, axes="YX"), small_disk / f"a{ENDINGS[file_format]}")
    assert not list(small_disk.iterdir())
