"""``napari-isr upscale`` on what people have: hundreds of files, some of them bad."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.ndimage import gaussian_filter

from src_models import upscale
from src_models.images.io import read_image

SIZE = (16, 18)
BAD = {
    "corrupt_0.tif": "cannot be read",
    "corrupt_1.png": "cannot be read",
    "corrupt_2.jpg": "cannot be read",
    "corrupt_3.tif": "cannot be read",
    "corrupt_4.png": "cannot be read",
    "empty.tif": "The file is empty.",
    "locked.png": "Permission denied",
}


def picture(seed: int, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    blurred = gaussian_filter(np.random.default_rng(seed).random(shape), 1.0)
    blurred = (blurred - blurred.min()) / (blurred.max() - blurred.min())
    return (blurred * np.iinfo(dtype).max).astype(dtype)


def write_mixture(folder: Path) -> int:
    """Write 300 files, 7 of them bad; return how many are good."""
    folder.mkdir()
    made: list[str] = []

    def raster(name: str, shape: tuple[int, ...], dtype: str) -> None:
        Image.fromarray(picture(len(made), shape, dtype)).save(folder / name)
        made.append(name)

    def tiff(name: str, shape: tuple[int, ...], **how: object) -> None:
        tifffile.imwrite(folder / name, picture(len(made), shape, "uint16"), **how)
        made.append(name)

    for i in range(110):
        raster(f"grey {i:03}.png", SIZE, "uint8")
    for i in range(60):
        raster(f"deep_{i:03}.png", SIZE, "uint16")
    for i in range(40):
        raster(f"Zelle_äöü_{i:03}.jpg", SIZE, "uint8")
    for i in range(20):
        raster(f"photo_{i:03}.png", (*SIZE, 3), "uint8")
    for i in range(30):
        tiff(f"細胞 {i:03}.tif", (2, *SIZE), imagej=True, metadata={"axes": "ZYX"})
    for i in range(31):
        tiff(f"ome_{i:03}.ome.tif", SIZE, ome=True)
    tiff("twin.tif", SIZE)
    raster("twin.png", SIZE, "uint8")
    for name in BAD:
        (folder / name).write_bytes(b"" if name == "empty.tif" else b"\x89PNG no image at all")
    (folder / "corrupt_3.tif").write_bytes((folder / "twin.tif").read_bytes()[:120])
    (folder / "corrupt_4.png").write_bytes((folder / "twin.png").read_bytes()[:60])
    raster("locked.png", SIZE, "uint8")
    (folder / "locked.png").chmod(0)
    return len(made) - 1


@pytest.fixture
def lines_of():
    def parse(text: str) -> tuple[list[dict], dict]:
        *files, last = (json.loads(line) for line in text.splitlines())
        return files, last

    return parse


@pytest.mark.timeout(200)
@pytest.mark.slow
def test_three_hundred_files_are_killed_gone_on_with_and_all_told(
    isr_process, command, environment, tmp_path, tiny_network, lines_of
) -> None:
    model = tiny_network().save(tmp_path / "tiny")
    good = write_mixture(tmp_path / "in")
    assert good == 293
    assert len(list((tmp_path / "in").iterdir())) == 300
    out = tmp_path / "out"
    asked = ["upscale", tmp_path / "in", "-o", out, "-m", model, "-f", "ome-tiff", "--json"]

    planned = isr_process(*asked, "--dry-run")
    assert planned.returncode == 1
    assert not out.exists()
    assert " 7 cannot be done. Nothing was done yet." in planned.stderr

    kill_half_way([*command, *map(str, asked)], environment, out)
    partly = [path for path in out.glob("*.ome.tif") if not path.name.startswith(".")]
    assert 50 <= len(partly) < good
    for path in partly:  # what has its name is whole
        assert np.asarray(read_image(path).array).any()

    done = isr_process(*asked, "--report", tmp_path / "report.csv")
    assert done.returncode == 1, done.stderr
    files, last = lines_of(done.stdout)
    assert [Path(f["file"]).name for f in files] == sorted(os.listdir(tmp_path / "in"))
    counts = last["summary"]
    assert counts["done before"] >= len(partly)
    assert counts["done"] + counts["done before"] == good
    assert counts["failed"] == len(BAD)
    reasons = {Path(f["file"]).name: f["reason"] for f in files if f["state"] == "failed"}
    assert set(reasons) == set(BAD)
    for name, words in BAD.items():
        assert words in reasons[name]
    results = {f["result"] for f in files if f["result"]}
    assert len(results) == good
    assert sorted(results) == sorted(str(p) for p in out.iterdir() if p.name[0] != ".")
    assert {"twin-tif_x2.ome.tif", "twin-png_x2.ome.tif"} <= {Path(r).name for r in results}
    assert not list(out.glob("*.part"))
    assert not list(out.glob(".*.part"))
    with (tmp_path / "report.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row["state"] for row in csv.DictReader(file)] == [f["state"] for f in files]
    check_pixels(tmp_path / "in", out, tiny_network())

    again = isr_process(*asked)
    assert lines_of(again.stdout)[1]["summary"]["done before"] == good


def kill_half_way(command: list[str], environment: dict[str, str], out: Path) -> None:
    """Run a command, and kill it once it has written fifty files."""
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    limit = time.monotonic() + 100
    while len(list(out.glob("[!.]*"))) < 50:
        assert process.poll() is None, "it ended too early"
        assert time.monotonic() < limit
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()


def check_pixels(inputs: Path, out: Path, model: object) -> None:
    """The command's pixels are those of `upscale`."""
    for name in ("grey 003.png", "deep_005.png", "photo_002.png", "細胞 001.tif", "twin.tif"):
        source = read_image(inputs / name)
        stem = "twin-tif" if name == "twin.tif" else Path(name).stem
        result = read_image(out / f"{stem}_x2.ome.tif")
        expected = upscale(np.asarray(source.array), model, axes=source.axes)
        assert np.array_equal(np.asarray(result.array), expected)
        assert result.dtype == source.dtype
        assert result.axes == source.axes


@pytest.fixture
def two_images(tmp_path):
    for name in ("a.png", "b.png"):
        Image.fromarray(picture(1, SIZE, "uint8")).save(tmp_path / name)
    return tmp_path


def test_exit_codes_and_lines_of_a_log(isr, two_images, tiny_network) -> None:
    model = tiny_network().save(two_images / "tiny")
    asked = ["upscale", "a.png", "b.png", "-o", "out", "-m", model]
    planned = isr(*asked, "-n")
    assert planned.returncode == 0
    assert "a.png  -> out/a_x2.png  (YX 16 x 18, under a second)" in planned.stdout
    assert "Nothing was done yet." in planned.stderr
    first = isr(*asked)
    assert first.returncode == 0, first.stderr
    assert first.stdout.splitlines()[0].startswith("[1/2] a.png  -> a_x2.png  ")
    assert "\x1b" not in first.stdout + first.stderr
    assert "2 files: 2 done" in first.stderr
    assert isr(*asked).stdout.splitlines()[1] == "[2/2] b.png  was done before"
    (two_images / "out" / ".napari-isr-batch.jsonl").unlink()
    refused = isr(*asked)
    assert refused.returncode == 1
    assert "FAILED: There is 'a_x2.png' already" in refused.stdout
    assert isr(*asked, "--skip-existing").returncode == 0
    assert "1 cannot be done" in isr("upscale", "a.png", "-o", "out", "-m", model, "-n").stderr
    assert isr(*asked, "--overwrite").returncode == 0


def test_one_file_may_be_named(isr, two_images, tiny_network) -> None:
    model = tiny_network().save(two_images / "tiny")
    asked = ["upscale", "a.png", "-o", "large.ome.zarr", "-m", model]
    assert isr(*asked).returncode == 0
    assert read_image(two_images / "large.ome.zarr").array.shape == (32, 36)
    assert sorted(p.name for p in two_images.glob(".*")) == []
    assert isr(*asked).returncode == 1


@pytest.mark.parametrize(
    ("jobs", "how"), [("1", signal.SIGINT), ("2", signal.SIGINT), ("1", signal.SIGTERM)]
)
@pytest.mark.slow
def test_ctrl_c_leaves_nothing_half_written(
    command, environment, two_images, tiny_network, isr, jobs, how
) -> None:
    model = tiny_network().save(two_images / "tiny")
    for i in range(150):
        Image.fromarray(picture(i, SIZE, "uint8")).save(two_images / f"{i}.png")
    names = [str(path) for path in sorted(two_images.glob("*.png"))]
    asked = ["upscale", *names, "-o", str(two_images / "out"), "-m", str(model)]
    process = subprocess.Popen(
        [*command, *asked, "--jobs", jobs],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # A shell's background jobs, and so their children, begin with Ctrl+C switched off.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not list(two_images.glob("out/*.png")):
        assert process.poll() is None
        time.sleep(0.005)
    os.killpg(process.pid, how)  # as a terminal does
    told = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 130
    assert "Traceback" not in told
    assert "The same command goes on where it stopped" in told
    assert not list(two_images.glob("out/.*.part"))
    assert "done before" in isr(*asked).stderr


def test_a_full_disk_has_an_exit_code_of_its_own(isr, two_images, tiny_network) -> None:
    model = tiny_network().save(two_images / "tiny")
    disk = two_images / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk is not allowed here")
    try:
        (disk / "ballast").write_bytes(b"0" * 4096)
        asked = ["upscale", "a.png", "b.png", "-o", disk, "-f", "ome-tiff", "-m", model]
        done = isr(*asked)
        assert done.returncode == 3, done.stderr
        assert "make room, and give the same command again" in done.stderr
        assert sorted(p.name for p in disk.iterdir() if p.suffix == ".part") == []
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("place", ["a.png/deeper", "kept/deeper"])
def test_a_place_that_cannot_hold_results_is_told_in_words(isr_process, tmp_path, place) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "kept").mkdir(mode=0o555)
    done = isr_process("upscale", "a.png", "-o", place, "--model", "microscopy-x2")
    assert done.returncode == 1
    assert "cannot be written (" in done.stdout
    assert "choose another place" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_file_that_may_not_be_read_stops_none_of_the_others(isr_process, tmp_path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        Image.new("L", (8, 8)).save(tmp_path / name)
    (tmp_path / "b.png").chmod(0)
    done = isr_process(
        "upscale", "a.png", "b.png", "c.png", "-o", "out", "--model", "microscopy-x2"
    )
    assert done.returncode == 1
    assert "b.png  FAILED: The file cannot be read (Permission denied)." in done.stdout
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"a_x2.png", "c_x2.png"}


def test_each_file_with_pixels_that_are_not_finite_is_noted(isr, tmp_path) -> None:
    image = np.random.default_rng(0).random((16, 16), np.float32)
    image[3, 4] = np.nan
    for name in ("a.tif", "b.tif"):
        tifffile.imwrite(tmp_path / name, image)
    done = isr("upscale", "a.tif", "b.tif", "-o", "out", "--model", "microscopy-x2")
    told = done.stdout + done.stderr
    assert told.count("1 pixel of the image is not finite") == 2


def test_of_a_damaged_tiff_file_nothing_is_said_but_its_line(isr, two_images, tiny_network) -> None:
    model = tiny_network().save(two_images / "tiny")
    (two_images / "bad.tif").write_bytes(b"II*\0junk")
    done = isr("upscale", "bad.tif", "-o", "out", "-m", model)
    assert done.stdout.splitlines() == ["[1/1] bad.tif  FAILED: The file holds no image."]
    assert "TiffPages" not in done.stderr
