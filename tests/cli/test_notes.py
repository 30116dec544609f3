"""What the command says of images that had better not be upscaled as they are."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

NOTE = "Note: clipped.tif: "


@pytest.fixture
def clipped(tmp_path):
    image = gaussian_filter(np.random.default_rng(0).random((64, 64)), 2) * 60000
    image += np.random.default_rng(1).normal(0, 600, image.shape)
    image = np.minimum(image, np.percentile(image, 97)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "clipped.tif", image)


@pytest.mark.usefixtures("clipped")
def test_notes_come_before_the_work_and_do_not_stop_it(isr, tmp_path):
    planned = isr("upscale", "clipped.tif", "-o", "out", "--dry-run")
    assert (planned.returncode, planned.stderr.count(NOTE)) == (0, 1), planned.stderr
    assert "% of the pixels are saturated" in planned.stderr
    record = json.loads(isr("upscale", "clipped.tif", "-o", "out", "-n", "--json").stdout)
    assert [NOTE + note in planned.stderr for note in record["notes"]] == [True]
    done = isr("upscale", "clipped.tif", "-o", "out")
    assert (done.returncode, done.stderr.count(NOTE)) == (0, 1), done.stderr
    assert list((tmp_path / "out").glob("clipped*.tif*"))


@pytest.mark.usefixtures("clipped")
def test_info_tells_of_an_image_what_speaks_against_upscaling_it(isr):
    done = isr("info", "clipped.tif")
    assert "note           " in done.stdout
    record = json.loads(isr("info", "clipped.tif", "--json").stdout)
    assert all(note in done.stdout for note in record["notes"])


def test_a_file_is_looked_at_all_over(isr, tmp_path):
    image = gaussian_filter(np.random.default_rng(0).random((128, 128)), 1)
    stack = np.zeros((9, 128, 128), np.uint16)  # the middle plane is blank
    stack[2] = stack[6] = np.minimum((image - image.min()) / np.ptp(image) * 6000, 4095)
    tifffile.imwrite(tmp_path / "stack.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    assert "% of the pixels are saturated" in isr("info", "stack.tif").stdout
