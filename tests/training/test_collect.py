from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

from src_models.errors import InvalidInputError
from src_models.images.degradation import Degradation, binned, resize_bicubic
from src_models.images.tiling import Region
from src_models.models.config import RDNConfig
from src_models.models.description import ModelDescription
from src_models.quality.metrics import fit_gain_offset
from src_models.training.collect import collect_images
from src_models.training.image_files import read_planes
from src_models.training.image_set import hold_out, match_gains
from src_models.training.settings import DataSettings
from src_models.training.sources import ImageSource, match_sources


def description(x: int = 2, c_dim: int = 1, intensity: str = "measured") -> ModelDescription:
    config = RDNConfig(C=1, D=1, G=4, G0=4, x=x, c_dim=c_dim)
    return ModelDescription(name="test", config=config, intensity=intensity)


def collect(lr, hr, *, least_size=8, settings=None, **network):
    settings = settings or DataSettings()
    return collect_images(lr, hr, description(**network), settings, least_size=least_size)


def named(*names: str) -> list[ImageSource]:
    return [ImageSource(name, lambda: np.zeros((1, 2, 2, 1))) for name in names]


def test_links_that_lead_nowhere_are_listed_among_the_skipped(tmp_path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "moved away.png")
    images, report = collect(None, tmp_path)
    assert [image.name for image in images] == ["a.png"]
    assert "b.png" in report.in_words
    assert "No such file" in report.in_words


@pytest.mark.parametrize("wrong", [["a.png"], [None], 5])
def test_paths_where_images_belong_are_explained(wrong) -> None:
    with pytest.raises(InvalidInputError, match=r"Images are .*Received: .*(a.png|None|5)"):
        collect(None, wrong)


def test_names_match_as_isr_matches_them_and_the_rest_by_number() -> None:
    lr = named("ax2.png", "b.png", "lr_007.png", "lonely.png")
    hr = named("a.png", "b.tif", "sted7.png", "other.png")
    pairs, left = match_sources(lr, hr, 2)
    assert [(a.name, b.name) for a, b in pairs] == [
        ("ax2.png", "a.png"),
        ("b.png", "b.tif"),
        ("lr_007.png", "sted7.png"),
    ]
    assert {s.name for s in left} == {"lonely.png", "other.png"}


def test_ambiguous_names_are_left_and_not_guessed() -> None:
    pairs, left = match_sources(named("a1.png", "b1.png"), named("c1.png"), 2)
    assert not pairs
    assert len(left) == 3


def test_a_file_of_the_very_name_is_the_partner_among_several_of_the_stem() -> None:
    pairs, left = match_sources(named("a.png"), named("a.tif", "a.png"), 2)
    assert [(a.name, b.name) for a, b in pairs] == [("a.png", "a.png")]
    assert [s.name for s in left] == ["a.tif"]


@pytest.mark.parametrize(
    ("dtype", "shape", "planes"),
    [
        (np.uint8, (20, 30), (1, 20, 30, 1)),
        (np.uint16, (4, 20, 30), (4, 20, 30, 1)),
        (np.float32, (20, 30), (1, 20, 30, 1)),
        (np.uint32, (20, 30), (1, 20, 30, 1)),
        (np.uint8, (20, 30, 3), (1, 20, 30, 3)),
        (np.uint16, (5, 20, 30, 3), (5, 20, 30, 3)),
    ],
)
def test_tiff_files_of_any_depth_are_read_as_planes(tmp_path, dtype, shape, planes) -> None:
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    photometric = "rgb" if shape[-1] == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", array, photometric=photometric)
    read = read_planes(tmp_path / "a.tif")
    assert read.shape == planes
    assert read.dtype == dtype
    assert np.array_equal(read.ravel(), array.ravel())


def test_an_imagej_stack_keeps_its_axes(tmp_path) -> None:
    array = np.arange(2 * 3 * 8 * 9, dtype=np.uint16).reshape(2, 3, 8, 9)
    tifffile.imwrite(tmp_path / "a.tif", array, imagej=True, metadata={"axes": "ZCYX"})
    planes = read_planes(tmp_path / "a.tif")
    assert planes.shape == (2, 8, 9, 3)
    assert np.array_equal(planes[1, ..., 2], array[1, 2])


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA", "1", "I;16", "CMYK"])
def test_pictures_of_every_mode_are_read(tmp_path, mode) -> None:
    name = "a.tif" if mode == "CMYK" else "a.png"
    if mode == "I;16":
        Image.fromarray(np.full((20, 30), 40000, np.uint16)).save(tmp_path / name)
    else:
        Image.new(mode, (30, 20)).save(tmp_path / name)
    planes = read_planes(tmp_path / name)
    assert planes.shape[:3] == (1, 20, 30)
    assert planes.shape[3] in (1, 3, 4)
    assert planes.dtype == (np.uint16 if mode == "I;16" else np.uint8)


def test_every_bad_file_is_listed_and_the_others_are_used(tmp_path, cells) -> None:
    lr, hr = tmp_path / "lr", tmp_path / "hr"
    lr.mkdir()
    hr.mkdir()

    def save(name: str, small: np.ndarray, large: np.ndarray) -> None:
        Image.fromarray(small).save(lr / name)
        Image.fromarray(large).save(hr / name)

    (large,) = cells(size=64, dtype=np.uint8)
    small = binned(large, 2)
    save("good.png", small, large)
    save("rgba.png", np.dstack([small] * 4), np.dstack([large] * 4))
    save("ratio.png", small, large[:48])
    save("swapped.png", large, small)
    save("same.png", large, large)
    save("onepixel.png", small[:1, :1], large[:2, :2])
    save("flat.png", np.full_like(small, 7), np.full_like(large, 7))
    save("empty.png", small, large)
    (hr / "empty.png").write_bytes(b"")
    save("cut.png", small, large)
    (hr / "cut.png").write_bytes((hr / "good.png").read_bytes()[:300])
    (lr / "text.png").write_text("not an image")
    (hr / "text.png").write_text("not an image")
    Image.fromarray(large).save(hr / "alone.png")
    palette = Image.fromarray(np.dstack([large] * 3)).quantize(16)
    palette.save(hr / "palette.png")
    palette.resize((32, 32)).save(lr / "palette.png")

    images, report = collect(lr, hr)
    used = {image.name.split("[")[0] for image in images}
    assert used == {"good.png", "rgba.png", "palette.png"}
    reasons = dict(report.skipped)
    assert "ratio of 2" in reasons["ratio.png"]
    assert "swapped" in reasons["swapped.png"]
    assert "bin_lr=2" in reasons["same.png"]
    assert "at least two pixels" in reasons["onepixel.png"]
    assert "constant" in reasons["flat.png"]
    assert "empty" in reasons["empty.png"]
    assert "cannot be read" in reasons["cut.png"]
    assert "cannot be read" in reasons["text.png"]
    assert "name or number" in reasons["alone.png"]
    assert len(reasons) == 9
    assert all(name in report.in_words for name in reasons)


def test_a_low_side_of_other_channels_is_told_and_the_rest_is_used(tmp_path, rng) -> None:
    hr = rng.integers(0, 255, (64, 64, 3)).astype(np.uint8)
    lr = hr[::2, ::2]
    for name, low in (("good", lr), ("two", np.moveaxis(lr[..., :2], -1, 0))):
        for side, image in (("hr", hr), ("lr", low)):
            (tmp_path / side).mkdir(exist_ok=True)
            axes = {"axes": "CYX"} if image.shape[-1] != 3 else {}
            tifffile.imwrite(
                tmp_path / side / f"{name}.tif", np.ascontiguousarray(image), metadata=axes
            )
    images, report = collect_images(
        tmp_path / "lr", tmp_path / "hr", description(c_dim=3), DataSettings(), least_size=8
    )
    assert [image.name for image in images] == ["good.tif"]
    assert "3 channels, and the low-resolution image has 2" in report.skipped[0][1]


def test_nan_and_wrong_channels_are_refused_in_a_sentence(cells) -> None:
    (hr,) = cells()
    bad = hr.astype(np.float32)
    bad[3, 4] = np.nan
    with pytest.raises(InvalidInputError, match="1 of its pixels are NaN"):
        collect(None, [bad])
    layer = type("Layer", (), {"data": np.dstack([hr, hr]), "rgb": True, "name": "x"})()
    with pytest.raises(InvalidInputError, match="3 channels, and the high-resolution image has 2"):
        collect(None, [layer], c_dim=3)


def test_a_missing_or_empty_folder_is_refused_in_a_sentence(tmp_path) -> None:
    with pytest.raises(InvalidInputError, match="which is none"):
        collect(None, tmp_path / "nowhere")
    with pytest.raises(InvalidInputError, match="holds none"):
        collect(None, tmp_path)


def test_a_crop_of_a_pair_shows_the_same_place_on_both_sides(cells) -> None:
    (hr,) = cells()
    images, _ = collect([binned(hr, 2)], [hr])
    lr_crop, hr_crop = images[0].crop(Region(4, 12, 6, 20), np.random.default_rng(0))
    assert lr_crop.shape == (8, 14, 1)
    assert hr_crop.shape == (16, 28, 1)
    assert np.abs(binned(hr_crop, 2) - lr_crop).max() < 1e-4


@pytest.mark.parametrize("name", ["bicubic", "binned", "microscope", "jpeg"])
def test_a_degraded_patch_equals_that_part_of_a_degraded_image(cells, name) -> None:
    (hr,) = cells(size=128)
    none, quality = (0, 0), (95, 95)
    photons = (1e9, 1e9)
    quiet = Degradation(name=name, photons=photons, read_noise=none, blur=(1, 1), quality=quality)
    images, _ = collect(None, [hr], settings=DataSettings(degradations=(quiet,)))
    image, rng = images[0], np.random.default_rng(0)
    whole, truth = image.crop(image.region, rng)
    part, part_truth = image.crop(Region(20, 36, 24, 40), rng)
    tolerance = 0.1 if name == "jpeg" else 0.02
    assert np.abs(whole[20:36, 24:40] - part).max() < tolerance
    assert np.array_equal(truth[40:72, 48:80], part_truth)


def test_the_microscope_is_as_noisy_as_its_photons_say(cells) -> None:
    (hr,) = cells(size=128)
    levels = {}
    for photons in (50.0, 5000.0):
        noisy = Degradation(name="microscope", photons=(photons, photons), blur=(0, 0))
        images, _ = collect(None, [hr], settings=DataSettings(degradations=(noisy,)))
        lr, truth = images[0].crop(images[0].region, np.random.default_rng(0))
        levels[photons] = np.std(lr - binned(truth, 2))
    assert levels[50.0] > 5 * levels[5000.0]


def test_grey_images_train_colours_and_colours_train_grey_one_by_one(cells) -> None:
    grey, (r, g, b) = cells(), cells(3, dtype=np.uint8)
    images, _ = collect(None, grey, c_dim=3)
    assert images[0].crop(Region(0, 8, 0, 8), np.random.default_rng(0))[0].shape == (8, 8, 3)
    images, _ = collect(None, [np.dstack([r, g, b])])
    assert len(images) == 3


def test_stacks_and_layers_are_used_plane_by_plane(cells) -> None:
    stack = np.stack(cells(3))
    assert len(collect(None, stack)[0]) == 3
    layer = type("Layer", (), {"data": stack, "rgb": False, "name": "cells"})()
    images, _ = collect(None, [layer])
    assert [image.name for image in images] == ["cells[0, 0]", "cells[1, 0]", "cells[2, 0]"]


def test_pairs_of_one_pixel_size_are_binned_when_asked(cells) -> None:
    (hr,) = cells()
    images, _ = collect([hr], [hr], settings=DataSettings(bin_lr=2))
    lr_crop, hr_crop = images[0].crop(Region(0, 8, 0, 8), np.random.default_rng(0))
    assert hr_crop.shape == (16, 16, 1)
    assert np.abs(binned(hr_crop, 2) - lr_crop).max() < 1e-4


@pytest.mark.parametrize("shift", [(4, -6), (-3, 5)])
def test_a_shifted_pair_is_noted_or_corrected(cells, shift) -> None:
    (scene,) = cells(size=160)
    hr = scene[16:144, 16:144]
    moved = scene[16 - shift[0] : 144 - shift[0], 16 - shift[1] : 144 - shift[1]]
    lr = binned(hr, 2)
    _, report = collect([lr], [moved])
    assert "shifted" in dict(report.notes)["image 1"]
    images, _ = collect([lr], [moved], settings=DataSettings(alignment="correct"))
    region = images[0].region
    lr_crop, hr_crop = images[0].crop(region, np.random.default_rng(0))
    assert images[0].offset == shift
    assert np.abs(binned(hr_crop, 2) - lr_crop).max() < 1e-3
    assert not collect([lr], [hr])[1].notes


def test_sides_that_show_different_things_are_noted(cells) -> None:
    first, second = cells(2, size=128)
    _, report = collect([binned(first, 2)], [second])
    assert "are they a pair?" in dict(report.notes)["image 1"]


def test_images_of_two_contrasts_are_not_taken_for_shifted(cells) -> None:
    (hr,) = cells(size=128)
    rng = np.random.default_rng(0)
    lr = binned(hr, 2).astype(np.float64) * 0.1 + rng.normal(0, 500, (64, 64)) + 2000
    assert not collect([lr.astype(np.uint16)], [hr])[1].notes


def test_what_is_held_out_is_never_trained_on(cells) -> None:
    images, _ = collect(None, cells(3))
    training, validation = hold_out(images, 0.25, 8)
    for a, b in zip(training, validation, strict=True):
        assert a.region.y1 == b.region.y0
    many, _ = collect(None, cells(12))
    training, validation = hold_out(many, 0.25, 8)
    assert len(training) + len(validation) == 12
    assert not {i.name for i in training} & {i.name for i in validation}


def test_pairs_of_different_brightness_get_one_ratio_and_keep_their_offset(cells) -> None:
    images = [image // 4 for image in cells(3)]
    pairs = [binned(image, 2) for image in images]
    truths = [(factor * image + 100) for factor, image in zip((1, 2, 3), images, strict=True)]
    found, _ = collect(pairs, [truth.astype(np.float32) for truth in truths])
    assert [image.fit[0] for image in found] == sorted(image.fit[0] for image in found)
    rng = np.random.default_rng(0)
    for image, plain in zip(match_gains(found), found, strict=True):
        lr, hr = image.crop(image.region, rng)
        gain, offset = fit_gain_offset(resize_bicubic(lr, hr.shape[:2]), hr)
        assert gain == pytest.approx(found[1].fit[0], rel=1e-3)
        assert offset == pytest.approx(plain.fit[1], abs=1e-3)
