"""``napari-isr upscale`` with what says how far a result can be believed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src_models import measure_consistency, upscale, upscale_with_uncertainty
from src_models.images.io import read_image, write_image
from src_models.images.picture import Picture


@pytest.fixture
def image(tmp_path) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(0, 255, (17, 12), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return pixels


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_uncertainty_stands_beside_the_result(isr, image, tmp_path, tiny_network, jobs) -> None:
    model = tiny_network().save(tmp_path / "tiny")
    asked = ["upscale", "a.png", "-o", "out", "-m", model, "--uncertainty", "--jobs", jobs]
    done = isr(*asked)
    assert done.returncode == 0, done.stderr
    names = sorted(p.name for p in (tmp_path / "out").iterdir() if p.name[0] != ".")
    assert names == ["a_x2-png_uncertainty.ome.tif", "a_x2.png"]
    result, uncertainty = upscale_with_uncertainty(image, model)
    written = [read_image(tmp_path / "out" / name).array for name in reversed(names)]
    np.testing.assert_array_equal(np.squeeze(written[0]), result)
    np.testing.assert_allclose(np.squeeze(written[1]), uncertainty, atol=1e-3)
    assert "done before" in isr(*asked).stderr
    # What is asked for otherwise is not what was done before.
    other = isr(*asked[:6], "--self-ensemble")
    assert "nothing is overwritten unasked" in other.stdout + other.stderr
    assert not list((tmp_path / "out").glob(".*.part*"))


def test_self_ensemble_and_kept_intensities_are_those_of_the_library(
    isr, image, tmp_path, tiny_network
) -> None:
    model = tiny_network().save(tmp_path / "tiny")
    done = isr(
        "upscale", "a.png", "-o", "b.png", "-m", model, "--self-ensemble", "--keep-intensities"
    )
    assert done.returncode == 0, done.stderr
    expected = upscale(image, model, self_ensemble=True, keep_intensities=True)
    written = np.squeeze(read_image(tmp_path / "b.png").array)
    np.testing.assert_array_equal(written, expected)
    sums = expected.reshape(17, 2, 12, 2).sum(axis=(1, 3))
    np.testing.assert_array_equal(sums, image.astype(int) * 4)


def test_an_uncertainty_that_is_there_is_not_overwritten_unasked(
    isr, image, tmp_path, tiny_network
) -> None:
    model = tiny_network().save(tmp_path / "tiny")
    (tmp_path / "out").mkdir()
    other = tmp_path / "out" / "a_x2-png_uncertainty.ome.tif"
    other.write_text("somebody's")
    asked = ["upscale", "a.png", "-o", "out", "-m", model, "--uncertainty"]
    done = isr(*asked)
    assert done.returncode == 1
    assert "nothing is overwritten unasked" in done.stdout
    assert other.read_text() == "somebody's"
    assert sorted(p.name for p in other.parent.iterdir()) == [other.name]
    assert isr(*asked, "--overwrite").returncode == 0
    assert read_image(other).array.dtype == np.float32


def test_an_uncertainty_of_an_image_of_the_same_name_is_not_overwritten(
    isr, image, tmp_path, tiny_network
) -> None:
    model = tiny_network().save(tmp_path / "tiny")
    (tmp_path / "b").mkdir()
    write_image(Picture(array=image[::-1], axes="YX"), tmp_path / "b" / "a.png")
    assert isr("upscale", "a.png", "-o", "out", "-m", model, "--uncertainty").returncode == 0
    (tmp_path / "out" / "a_x2.png").rename(tmp_path / "kept.png")
    uncertainty = tmp_path / "out" / "a_x2-png_uncertainty.ome.tif"
    before = uncertainty.read_bytes()
    assert isr("upscale", "b/a.png", "-o", "out", "-m", model, "--uncertainty").returncode == 1
    assert uncertainty.read_bytes() == before


def test_a_dry_run_tells_of_an_uncertainty_that_is_in_the_way(
    isr, image, tmp_path, tiny_network
) -> None:
    model = tiny_network().save(tmp_path / "tiny")
    (tmp_path / "out").mkdir()
    other = tmp_path / "out" / "a_x2-png_uncertainty.ome.tif"
    asked = ["upscale", "a.png", "-o", "out", "-m", model, "--uncertainty"]
    assert f"a_x2.png and {other.name}" in isr(*asked, "--dry-run").stdout
    other.write_text("somebody's")
    done = isr(*asked, "--dry-run")
    assert done.returncode == 1
    assert f"There is '{other.name}' already" in done.stdout
    assert "left as it is" in isr(*asked, "--skip-existing").stdout
    assert other.read_text() == "somebody's"


def test_a_dry_run_tells_that_a_mask_has_no_intensities_to_keep(
    isr, tmp_path, tiny_network
) -> None:
    model = tiny_network().save(tmp_path / "tiny")
    write_image(Picture(array=np.eye(9, dtype=bool), axes="YX"), tmp_path / "mask.zarr")
    asked = ["upscale", "mask.zarr", "-o", "out", "-m", model, "--dry-run"]
    assert isr(*asked).returncode == 0
    done = isr(*asked, "--keep-intensities")
    assert done.returncode == 1
    assert "Only an image of integers or floats can keep intensities" in done.stdout


def test_an_uncertainty_that_was_removed_is_made_again(isr, image, tmp_path, tiny_network) -> None:
    model = tiny_network().save(tmp_path / "tiny")
    asked = ["upscale", "a.png", "-o", "out", "-m", model, "--uncertainty", "--json"]
    first = json.loads(isr(*asked).stdout.splitlines()[0])
    uncertainty, result = Path(tmp_path, first["uncertainty"]), Path(tmp_path, first["result"])
    before = uncertainty.read_bytes(), result.read_bytes()
    uncertainty.unlink()
    again = json.loads(isr(*asked).stdout.splitlines()[0])
    assert again | {"seconds": 0} == first | {"seconds": 0}
    assert (uncertainty.read_bytes(), result.read_bytes()) == before
    assert json.loads(isr(*asked).stdout.splitlines()[0])["state"] == "done before"
    # Only the user knows what an uncertainty is worth whose result is gone.
    result.unlink()
    assert json.loads(isr(*asked).stdout.splitlines()[0])["state"] == "failed"
    assert uncertainty.read_bytes() == before[0]
    assert json.loads(isr(*asked, "--overwrite").stdout.splitlines()[0])["state"] == "done"
    assert (uncertainty.read_bytes(), result.read_bytes()) == before
    # A result that somebody changed is not ours to overwrite.
    uncertainty.unlink()
    result.write_text("changed")
    assert json.loads(isr(*asked).stdout.splitlines()[0])["state"] == "failed"
    assert result.read_text() == "changed"


def test_a_result_that_is_overwritten_takes_its_old_uncertainty_with_it(
    isr, image, tmp_path, tiny_network
) -> None:
    first, second = (tiny_network(kind).save(tmp_path / kind) for kind in ("rdn", "rrdn"))
    assert isr("upscale", "a.png", "-o", "out", "-m", first, "--uncertainty").returncode == 0
    uncertainty = tmp_path / "out" / "a_x2-png_uncertainty.ome.tif"
    assert uncertainty.exists()
    asked = ["upscale", "a.png", "-o", "out", "-m", second, "--overwrite"]
    assert isr(*asked).returncode == 0
    assert not uncertainty.exists()
    write_image(Picture(array=image, axes="YX"), uncertainty)  # of somebody else
    assert isr(*asked[:5], first, "--overwrite").returncode == 0
    np.testing.assert_array_equal(np.squeeze(read_image(uncertainty).array), image)


@pytest.mark.parametrize("options", [["--uncertainty"], []])
def test_an_uncertainty_that_is_an_image_of_the_batch_is_neither_overwritten_nor_removed(
    isr, image, tmp_path, tiny_network, options
) -> None:
    model = tiny_network().save(tmp_path / "tiny")
    asked = ["-o", ".", "-m", model, "--overwrite", "--keep-intensities", *options]
    assert isr("upscale", "a.png", "-o", ".", "-m", model, "--uncertainty").returncode == 0
    mine = tmp_path / "a_x2-png_uncertainty.ome.tif"
    before = mine.read_bytes()
    done = isr("upscale", "a.png", mine.name, *asked)
    assert mine.read_bytes() == before
    assert ("is one of the images" in done.stdout) == bool(options)


def test_the_uncertainty_of_colours_has_no_alpha(isr, tmp_path, tiny_network) -> None:
    model = tiny_network().save(tmp_path / "tiny")
    pixels = np.random.default_rng(0).integers(0, 255, (17, 12, 4), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert isr("upscale", "a.png", "-o", "b.png", "-m", model, "--uncertainty").returncode == 0
    uncertainty = read_image(tmp_path / "b-png_uncertainty.ome.tif")
    assert (uncertainty.axes, uncertainty.array.shape) == ("CYX", (3, 34, 24))
    assert (np.asarray(uncertainty.array).max(axis=(1, 2)) > 0).all()


def test_images_that_differ_in_their_endings_alone_keep_both_uncertainties(
    isr, image, tmp_path, tiny_network
) -> None:
    model = tiny_network().save(tmp_path / "tiny")
    (tmp_path / "in").mkdir()
    (tmp_path / "a.png").rename(tmp_path / "in" / "a.png")
    write_image(Picture(array=image.astype(np.uint16), axes="YX"), tmp_path / "in" / "a.tif")
    done = isr("upscale", "in", "-o", "out", "-m", model, "--uncertainty", "--overwrite")
    assert done.returncode == 0, done.stdout
    assert sorted(path.name for path in (tmp_path / "out").glob("a*uncertainty*")) == [
        "a_x2-png_uncertainty.ome.tif",
        "a_x2_uncertainty.ome.tif",
    ]


@pytest.mark.parametrize("ending", ["tif", "zarr", "png"])
def test_how_well_a_result_agrees_is_told_and_recorded(
    isr, image, tmp_path, tiny_network, ending
) -> None:
    model = tiny_network().save(tmp_path / "tiny")
    form = {"tif": "ome-tiff", "zarr": "ome-zarr", "png": "png"}[ending]
    asked = ["upscale", "a.png", "-m", model, "--format", form]
    done = isr(*asked, "-o", "told", "--report", "report.csv")
    assert done.returncode == 0, done.stderr
    found = measure_consistency(upscale(image, model), image, model=model)
    assert f"s, {found.in_words}" in done.stdout
    assert found.in_words in (tmp_path / "report.csv").read_text("utf-8-sig")
    [written] = (p for p in (tmp_path / "told").iterdir() if p.name[0] != ".")
    assert read_image(written).record["consistency"] == found.record
    lines = isr(*asked, "-o", "json", "--json").stdout.splitlines()
    assert json.loads(lines[0])["consistency"] == found.record


def test_kept_intensities_agree_everywhere(isr, image, tmp_path, tiny_network) -> None:
    model = tiny_network().save(tmp_path / "tiny")
    done = isr("upscale", "a.png", "-o", "b.tif", "-m", model, "--keep-intensities")
    assert "100.0 % of pixels agree within 3 sigma" in done.stdout
