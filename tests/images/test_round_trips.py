"""Each kind of file through each format: pixels, axes, pixel sizes, units, channels."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from ome_zarr.format import FormatV04, FormatV05
from ome_zarr.writer import write_image as write_with_ome_zarr
from PIL import Image

from src_models.errors import InvalidInputError
from src_models.images.io import ENDINGS, check_writable, read_image, write_image
from src_models.images.picture import Picture

SCALE = 2
RECORD = {"model": "tiny", "scale": 2, "note": 'µ and "quotes"'}
NAMES = ("DAPI", "GFP, 488 µm", "red")
COLOURS = ("#0000ff", "#00ff00", "#ff0000")


@dataclass
class Sample:
    """A file that others wrote, and what must be read of it."""

    path: Path
    pixels: np.ndarray
    axes: str
    pixel_size: dict[str, float]
    names: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    length: str = "micrometer"
    time: str = "second"


def stack(dtype: str = "uint16", shape: tuple[int, ...] = (2, 4, 3, 17, 22)) -> np.ndarray:
    values = np.random.default_rng(3).integers(0, 255, shape)
    return (values * (1 if dtype.endswith("8") else 200)).astype(dtype)


def luts() -> list[np.ndarray]:
    ramp = np.arange(256, dtype=np.uint8)
    return [np.stack([ramp * (c == 2 - i) for c in range(3)]) for i in range(3)]


def imagej(folder: Path) -> Sample:
    pixels = stack()
    labels = [name for _ in range(2 * 4) for name in NAMES]
    told = {"axes": "TZCYX", "spacing": 0.7, "unit": "um", "finterval": 2.5, "Labels": labels}
    tifffile.imwrite(
        folder / "a.tif",
        pixels,
        imagej=True,
        resolution=(8.0, 4.0),
        metadata=told | {"LUTs": luts()},
    )
    sizes = {"T": 2.5, "Z": 0.7, "Y": 0.25, "X": 0.125}
    return Sample(folder / "a.tif", pixels, "TZCYX", sizes, NAMES, COLOURS)


def imagej_micron(folder: Path) -> Sample:
    """As ImageJ itself writes the unit: with its sign escaped, in the description."""
    pixels = stack("float32", (17, 22))
    told = {"axes": "YX", "unit": "\\u00B5m"}
    tifffile.imwrite(folder / "m.tif", pixels, imagej=True, resolution=(4, 4), metadata=told)
    return Sample(folder / "m.tif", pixels, "YX", {"Y": 0.25, "X": 0.25})


def ome(folder: Path) -> Sample:
    pixels = stack("int16")
    told = {
        "axes": "TZCYX",
        "PhysicalSizeX": 125.0,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 250.0,
        "PhysicalSizeYUnit": "nm",
        "PhysicalSizeZ": 700.0,
        "PhysicalSizeZUnit": "nm",
        "TimeIncrement": 2.5,
        "TimeIncrementUnit": "s",
        "Channel": {"Name": list(NAMES), "Color": [65535, 16711935, -16776961]},
    }
    tifffile.imwrite(folder / "a.ome.tif", pixels, ome=True, metadata=told)
    sizes = {"T": 2.5, "Z": 700.0, "Y": 250.0, "X": 125.0}
    return Sample(folder / "a.ome.tif", pixels, "TZCYX", sizes, NAMES, COLOURS, "nanometer")


def tiled_big_compressed(folder: Path) -> Sample:
    pixels = stack("uint16", (5, 90, 70))
    tifffile.imwrite(
        folder / "t.tiff", pixels, tile=(32, 32), bigtiff=True, compression="lzw", predictor=True
    )
    return Sample(folder / "t.tiff", pixels, "ZYX", {})


def centimetres(folder: Path) -> Sample:
    pixels = stack("uint32", (17, 22))
    tifffile.imwrite(folder / "c.tif", pixels, resolution=(5e4, 5e4), resolutionunit="CENTIMETER")
    return Sample(folder / "c.tif", pixels, "YX", {"Y": 0.2, "X": 0.2})


def rgb_stack(folder: Path) -> Sample:
    pixels = stack("uint8", (4, 17, 22, 3))
    tifffile.imwrite(folder / "r.tif", pixels, photometric="rgb")
    return Sample(folder / "r.tif", pixels, "ZYXC", {})


def imagej_colours(folder: Path) -> Sample:
    pixels = stack("uint8", (17, 22, 3))
    told = {"axes": "YXS", "unit": "mm"}
    tifffile.imwrite(folder / "k.tif", pixels, imagej=True, resolution=(4, 2), metadata=told)
    return Sample(folder / "k.tif", pixels, "YXC", {"Y": 0.5, "X": 0.25}, length="millimeter")


def imagej_bytes(folder: Path) -> Sample:
    pixels = stack("uint8", (3, 17, 22))
    told = {"axes": "CYX", "Labels": list(NAMES), "LUTs": luts(), "mode": "composite"}
    tifffile.imwrite(folder / "b.tif", pixels, imagej=True, metadata=told)
    return Sample(folder / "b.tif", pixels, "CYX", {}, NAMES, COLOURS)


def ome_colours(folder: Path) -> Sample:
    pixels = stack("uint8", (17, 22, 3))
    told = {"axes": "YXS", "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm"}
    told |= {"PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "µm"}
    tifffile.imwrite(folder / "k.ome.tif", pixels, photometric="rgb", metadata=told)
    return Sample(folder / "k.ome.tif", pixels, "YXC", {"Y": 0.5, "X": 0.25})


def ome_pyramid(folder: Path) -> Sample:
    """Tiled BigTIFF with smaller copies, in milliseconds and micrometres."""
    pixels = stack("float32", (2, 64, 48))
    told = {"axes": "TYX", "TimeIncrement": 40.0, "TimeIncrementUnit": "ms"}
    told |= {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    with tifffile.TiffWriter(folder / "y.ome.tif", bigtiff=True, ome=True) as tiff:
        tiff.write(pixels, subifds=1, tile=(16, 16), metadata=told)
        tiff.write(pixels[:, ::2, ::2], subfiletype=1, tile=(16, 16))
    sizes = {"T": 40.0, "Y": 0.5, "X": 0.5}
    return Sample(folder / "y.ome.tif", pixels, "TYX", sizes, time="millisecond")


def ome_zarr_in_time(folder: Path) -> Sample:
    pixels = stack("uint8", (2, 3, 17, 22))
    path = folder / "t.ome.zarr"
    write_with_ome_zarr(
        pixels,
        zarr.open_group(str(path), mode="w", zarr_format=3),
        fmt=FormatV05(),
        axes="tcyx",
        scale={"t": 2.5, "c": 1.0, "y": 0.25, "x": 0.125},
        axes_units={"t": "second", "y": "micrometer", "x": "micrometer"},
        scale_factors=[],
    )
    return Sample(path, pixels, "TCYX", {"T": 2.5, "Y": 0.25, "X": 0.125})


def gif(folder: Path) -> Sample:
    """A format that bioio reads."""
    pixels = np.repeat(stack("uint8", (17, 22))[..., None], 3, axis=-1)
    Image.fromarray(pixels[..., 0]).save(folder / "g.gif")
    return Sample(folder / "g.gif", pixels, "YXC", {})


def ome_zarr(folder: Path, version: str) -> Sample:
    pixels = stack("uint16", (3, 4, 17, 22))
    path = folder / f"a{version}.ome.zarr"
    fmt = FormatV04() if version == "0.4" else FormatV05()
    group = zarr.open_group(str(path), mode="w", zarr_format=2 if version == "0.4" else 3)
    channels = [{"label": n, "color": c[1:].upper()} for n, c in zip(NAMES, COLOURS, strict=True)]
    window = {"min": 0, "start": 0, "max": 9, "end": 9}
    omero = {"channels": [channel | {"window": window} for channel in channels]}
    write_with_ome_zarr(
        pixels,
        group,
        fmt=fmt,
        axes="czyx",
        scale={"c": 1.0, "z": 0.7, "y": 0.25, "x": 0.125},
        axes_units=dict.fromkeys("zyx", "micrometer"),
        scale_factors=[2],
        **({"metadata": {"omero": omero}} if version == "0.4" else {}),
    )
    if version == "0.4":
        group.attrs["omero"] = omero
    else:
        group.attrs["ome"] = {**group.attrs["ome"], "omero": omero}
    return Sample(path, pixels, "CZYX", {"Z": 0.7, "Y": 0.25, "X": 0.125}, NAMES, COLOURS)


def raster(folder: Path, name: str, pixels: np.ndarray, **how: object) -> Sample:
    Image.fromarray(pixels).save(folder / name, **how)
    axes = "YXC" if pixels.ndim == 3 else "YX"
    return Sample(folder / name, np.asarray(pixels), axes, {})


def palette(folder: Path) -> Sample:
    image = Image.fromarray(stack("uint8", (17, 22, 3))).quantize(16)
    image.save(folder / "p.png")
    return Sample(folder / "p.png", np.asarray(image.convert("RGB")), "YXC", {})


def deep_colours(folder: Path) -> Sample:
    import imagecodecs

    pixels = stack("uint16", (17, 22, 3))
    (folder / "d.png").write_bytes(imagecodecs.png_encode(pixels))
    return Sample(folder / "d.png", pixels, "YXC", {})


def jpeg(folder: Path) -> Sample:
    Image.fromarray(stack("uint8", (17, 22, 3))).save(folder / "j.jpg")
    return Sample(folder / "j.jpg", np.asarray(Image.open(folder / "j.jpg")), "YXC", {})


def jpeg_grey(folder: Path) -> Sample:
    Image.fromarray(stack("uint8", (17, 22))).save(folder / "g.jpeg")
    return Sample(folder / "g.jpeg", np.asarray(Image.open(folder / "g.jpeg")), "YX", {})


def tiff_of(folder: Path, dtype: str) -> Sample:
    pixels = stack(dtype, (17, 22))
    tifffile.imwrite(folder / "f.tif", pixels, compression="zlib")
    return Sample(folder / "f.tif", pixels, "YX", {})


SAMPLES = {
    "ImageJ hyperstack": imagej,
    "ImageJ, unit escaped": imagej_micron,
    "OME-TIFF": ome,
    "tiled BigTIFF": tiled_big_compressed,
    "plain TIFF": centimetres,
    "RGB stack": rgb_stack,
    "ImageJ RGB": imagej_colours,
    "ImageJ 8": imagej_bytes,
    "OME-TIFF RGB": ome_colours,
    "OME-TIFF pyramid": ome_pyramid,
    "float64 TIFF": lambda folder: tiff_of(folder, "float64"),
    "8-bit TIFF": lambda folder: tiff_of(folder, "uint8"),
    "OME-Zarr in time": ome_zarr_in_time,
    "GIF": gif,
    "PNG RGB": lambda folder: raster(folder, "c.png", stack("uint8", (17, 22, 3))),
    "JPEG grey": jpeg_grey,
    "OME-Zarr 0.4": lambda folder: ome_zarr(folder, "0.4"),
    "OME-Zarr 0.5": lambda folder: ome_zarr(folder, "0.5"),
    "PNG 8": lambda folder: raster(folder, "8.png", stack("uint8", (17, 22))),
    "PNG 16": lambda folder: raster(folder, "16.png", stack("uint16", (17, 22))),
    "PNG RGBA": lambda folder: raster(folder, "a.png", stack("uint8", (17, 22, 4))),
    "PNG palette": palette,
    "PNG 16 RGB": deep_colours,
    "JPEG": jpeg,
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_what_others_wrote_is_read_as_it_was_meant(kind, tmp_path) -> None:
    sample = SAMPLES[kind](tmp_path)
    picture = read_image(sample.path)
    assert (picture.axes, picture.dtype) == (sample.axes, sample.pixels.dtype)
    assert picture.array.shape == sample.pixels.shape, "known before the pixels are read"
    assert np.array_equal(np.asarray(picture.array), sample.pixels)
    assert picture.pixel_size == pytest.approx(sample.pixel_size)
    assert (picture.channel_names, picture.channel_colours) == (sample.names, sample.colours)
    units = {axis: sample.time if axis == "T" else sample.length for axis in sample.pixel_size}
    assert {axis: picture.units[axis] for axis in picture.pixel_size} == units


@pytest.mark.parametrize("target", ENDINGS)
@pytest.mark.parametrize("kind", SAMPLES)
def test_an_enlarged_picture_goes_through_every_format_that_can_hold_it(
    kind, target, tmp_path
) -> None:
    source = read_image(SAMPLES[kind](tmp_path).path)
    pixels = np.asarray(source.array)
    for axis in "YX":
        pixels = pixels.repeat(SCALE, axis=source.axes.index(axis))
    large = source.enlarged(pixels, SCALE, RECORD)
    path = tmp_path / f"out{ENDINGS[target]}"
    if not holds(target, large):
        with pytest.raises(InvalidInputError, match=r"Choose .*OME-"):
            check_writable(large, target)
        with pytest.raises(InvalidInputError, match="Choose"):
            write_image(large, path)
        assert not list(tmp_path.glob(".*"))
        return
    check_writable(large, target)
    write_image(large, path)
    back = read_image(path)
    order = "".join(sorted(large.axes, key="TCZYX".index)) if target == "ome-zarr" else back.axes
    assert back.axes == order
    assert back.dtype == large.dtype
    assert np.array_equal(np.asarray(back.array), large.ordered(back.axes).array)
    assert back.record == RECORD
    assert back.rgb == (large.rgb and target != "ome-zarr")
    if target == "png":
        return
    sizes, units = dict(large.pixel_size), dict(large.units)
    if target == "imagej" and units.get("T") == "millisecond":  # ImageJ counts in seconds
        sizes["T"], units["T"] = sizes["T"] / 1000, "second"
    assert back.pixel_size == pytest.approx(sizes, rel=1e-5)
    if source.pixel_size:
        assert back.pixel_size["X"] == pytest.approx(source.pixel_size["X"] / 2, rel=1e-5)
    assert [back.units[a] for a in back.pixel_size] == [units[a] for a in back.pixel_size]
    if not large.rgb:
        assert back.channel_names == large.channel_names
        assert back.channel_colours == large.channel_colours


def holds(target: str, picture: Picture) -> bool:
    if target == "png":
        is_plane = len(picture.axes) == (3 if picture.rgb else 2)
        return is_plane and picture.dtype in (np.uint8, np.uint16)
    if target == "imagej":
        types = ("uint8",) if picture.rgb else ("uint8", "uint16", "int16", "float32")
        return str(picture.dtype) in types
    return True


def reasons_when_cut(sample: Sample, cuts: int) -> set[str]:
    """Cut a file at many places; return why it was refused, where it was not read as it is."""
    content = sample.path.read_bytes()
    reasons = set()
    for length in np.linspace(1, len(content) - 1, cuts, dtype=int):
        sample.path.write_bytes(content[:length])
        try:
            pixels = np.asarray(read_image(sample.path).array)
        except InvalidInputError as error:
            reasons.add(str(error))
            continue
        assert np.array_equal(pixels, sample.pixels), "what is missing is no pixel"
    assert reasons
    return reasons


@pytest.mark.parametrize("kind", ["ImageJ hyperstack", "OME-TIFF", "tiled BigTIFF", "RGB stack"])
def test_a_cut_tiff_is_never_taken_for_a_smaller_one(kind, tmp_path, caplog) -> None:
    reasons = reasons_when_cut(SAMPLES[kind](tmp_path), 97)
    assert all("cannot be read" in reason for reason in reasons)
    assert "invalid page offset" not in caplog.text


@pytest.mark.parametrize("way", ["disabled", "level", "manager"])
def test_a_cut_tiff_is_found_where_a_program_has_silenced_all_logs(
    way, tmp_path, monkeypatch, capsys
) -> None:
    log = logging.getLogger("tifffile")
    where, name, value = {
        "disabled": (log, "disabled", True),
        "level": (log, "level", logging.CRITICAL + 1),
        "manager": (log.manager, "disable", logging.CRITICAL),
    }[way]
    monkeypatch.setattr(log, "_cache", {})  # of whether it is silent
    monkeypatch.setattr(where, name, value)
    reasons_when_cut(SAMPLES["OME-TIFF"](tmp_path), 29)
    assert getattr(where, name) == value, "the program's own settings stay"
    assert capsys.readouterr().err == ""
