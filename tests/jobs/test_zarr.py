from __future__ import annotations

import errno
import hashlib
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import ome_zarr_models
import pytest
import zarr

from src_models import measure_consistency, upscale, upscale_to_zarr, upscale_to_zarr_steps
from src_models.errors import (
    DiskFullError,
    InvalidInputError,
    NetworkError,
    SuperResolutionWarning,
)
from src_models.images.ome_zarr import add_record, read_zarr_image
from src_models.images.picture import halved
from src_models.jobs.journal import Journal
from src_models.upscaling import blocks

SIZES = {"T": 2.0, "C": 1.0, "Z": 0.5, "Y": 0.1, "X": 0.2}


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_SIDE", 24)


def image_of(*shape: int) -> Any:
    smooth = np.cumsum(np.random.default_rng(0).normal(size=shape), axis=-1)
    return ((smooth - smooth.min()) / np.ptp(smooth) * 60000).astype(np.uint16)


def write_source(path: Path, image: Any, axes: str, version: str = "0.5") -> Path:
    """An OME-Zarr image as other programs write it."""
    kinds = {"T": "time", "C": "channel"}
    told = [
        {"name": a.lower(), "type": kinds.get(a, "space")}
        | ({"unit": "micrometer"} if a in "ZYX" else {})
        for a in axes
    ]
    moves = [
        {"type": "scale", "scale": [SIZES[a] for a in axes]},
        {"type": "translation", "translation": [10.0] * len(axes)},
    ]
    scales = {
        "axes": told,
        "datasets": [{"path": "full", "coordinateTransformations": moves}],
        "name": "cells",
    }
    omero = {"channels": [{"color": "00FF00", "window": {"start": 0, "end": 9}, "label": "DAPI"}]}
    group = zarr.open_group(path, mode="w", zarr_format=3 if version == "0.5" else 2)
    names = [a.lower() for a in axes] if version == "0.5" else None
    group.create_array("full", data=image, chunks=(16,) * image.ndim, dimension_names=names)
    if version == "0.5":
        group.attrs["ome"] = {"version": version, "multiscales": [scales], "omero": omero}
    else:
        group.attrs.update({"multiscales": [scales | {"version": version}], "omero": omero})
    return path


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.slow
def test_a_file_becomes_a_larger_one_with_pyramid_and_pixel_sizes(
    tiny_network: Any, tmp_path: Path, version: str
) -> None:
    image = image_of(2, 61, 83)
    source = write_source(tmp_path / "cells.zarr", image, "ZYX", version)
    target = upscale_to_zarr(source, tmp_path / "large.zarr", tiny_network(), tile_size=11)
    group = zarr.open_group(target, mode="r")
    expected = upscale(image, tiny_network(), axes="ZYX", tile_size=11)
    np.testing.assert_array_equal(group["0"][:], expected)
    np.testing.assert_array_equal(group["1"][:], halved(expected, "ZYX"))
    assert [group[str(n)].shape for n in range(3)] == [(2, 122, 166), (2, 61, 83), (2, 31, 42)]
    assert len(list(group.array_keys())) == 3
    model: Any = ome_zarr_models.open_ome_zarr(group)
    scales = model.ome_attributes.multiscales[0]
    assert [(a.name, a.type, a.unit) for a in scales.axes] == [
        (name, "space", "micrometer") for name in "zyx"
    ]
    scale, shift = scales.datasets[0].coordinateTransformations
    assert scale.scale == [0.5, 0.05, 0.1]
    # Half a new pixel from where the old pixel begins.
    np.testing.assert_allclose(shift.translation, [10, 10 - 0.1 / 4, 10 - 0.2 / 4])
    scale, shift = scales.datasets[1].coordinateTransformations
    assert scale.scale == [0.5, 0.1, 0.2]
    np.testing.assert_allclose(shift.translation, [10, 10, 10])
    assert group.attrs["ome"]["omero"]["channels"][0]["label"] == "DAPI"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.zarr", "large.zarr"]
    assert read_zarr_image(target).pixel_size == {"Z": 0.5, "Y": 0.05, "X": 0.1}


@pytest.mark.parametrize(("axes", "shape"), [("YXC", (40, 50, 4)), ("CZYX", (2, 3, 31, 40))])
def test_how_well_it_agrees_with_its_image_is_told_as_of_an_image_in_memory(
    tiny_network: Any, tmp_path: Path, axes: str, shape: tuple[int, ...]
) -> None:
    network = tiny_network(channels=3 if axes == "YXC" else 1)
    image = np.moveaxis(image_of(*sorted(shape)), 0, axes.index("C"))
    target = upscale_to_zarr(image, tmp_path / "large", network, axes=axes, consistency=True)
    result = upscale(image, network, axes=axes)
    found = measure_consistency(result, image, axes=axes, model=network.description)
    assert 0 < found.share < 1
    assert read_zarr_image(target).record["consistency"] == found.record


def test_a_file_tells_how_it_was_made_and_not_how_its_source_was(
    tiny_network: Any, tmp_path: Path
) -> None:
    network, told = tiny_network(), {}
    source = write_source(tmp_path / "cells.zarr", image_of(30, 40), "YX")
    add_record(source, {"model": "another", "consistency": {"share": 0.5}})
    saved = network.save(tmp_path / "mine.keras")
    cases = {"name": (source, saved), "model": (image_of(30, 40), network)}
    for name, (image, model) in cases.items():
        target = upscale_to_zarr(image, tmp_path / name, model, keep_intensities=True)
        told[name] = dict(read_zarr_image(target).record)
        assert told[name].pop("software").startswith("napari-isr")
        assert len(told[name].pop("model_version")) == 16
    made = {"model": network.description.name, "scale": 2, "engine": "openvino"}
    made["keep_intensities"] = True
    assert told == {"name": made | {"source": "cells.zarr"}, "model": made | {"source": "an array"}}


@pytest.mark.slow
def test_a_chunk_of_a_dask_array_is_made_once_however_many_tiles_it_has(
    tiny_network: Any, tmp_path: Path
) -> None:
    planes, made = image_of(2, 90, 100), []

    def load(number: int) -> Any:
        made.append(number)
        return planes[number]

    parts = [da.from_delayed(dask.delayed(load)(i), (90, 100), "u2") for i in range(2)]
    target = upscale_to_zarr(
        da.stack(parts),
        tmp_path / "large",
        tiny_network(),
        axes="ZYX",
        tile_size=20,
        consistency=True,
    )
    assert sorted(made) == [0, 1]
    np.testing.assert_array_equal(
        read_zarr_image(target).array[:], upscale(planes, tiny_network(), axes="ZYX", tile_size=20)
    )


@pytest.mark.parametrize(
    ("axes", "shape", "channels"),
    [("YXC", (50, 40, 3), 3), ("YXC", (50, 40, 4), 3), ("TCYX", (2, 2, 50, 40), 1)],
)
@pytest.mark.slow
def test_arrays_of_all_axes_are_written_in_the_order_of_the_format(
    tiny_network: Any, tmp_path: Path, axes: str, shape: tuple[int, ...], channels: int
) -> None:
    image, network = image_of(*shape), tiny_network(channels=channels)
    expected = upscale(image, network, axes=axes, tile_size=13)
    for number, array in enumerate((image, da.from_array(image, chunks=9))):
        target = tmp_path / f"{number}.zarr"
        upscale_to_zarr(
            array, target, network, axes=axes, tile_size=13, pixel_size={"Y": 0.1, "X": 0.1}
        )
        written = read_zarr_image(target)
        assert written.axes == axes if axes == "TCYX" else "CYX"
        assert written.units == {"Y": "micrometer", "X": "micrometer"}
        order = [axes.index(axis) for axis in written.axes]
        np.testing.assert_array_equal(written.array[:], expected.transpose(order))
    assert files(tmp_path / "0.zarr") == files(tmp_path / "1.zarr")


def test_it_goes_on_where_it_was_interrupted(tiny_network: Any, tmp_path: Path) -> None:
    image, network = image_of(110, 130), tiny_network()
    whole = upscale_to_zarr(image, tmp_path / "whole.zarr", network, tile_size=11)
    total = list(upscale_to_zarr_steps(image, tmp_path / "w.zarr", network, tile_size=11))[-1].done
    assert total > 20
    for after in (0, 1, 13, total - 1):
        target = tmp_path / f"{after}.zarr"
        steps = upscale_to_zarr_steps(image, target, network, tile_size=11)
        while next(steps).done < after:
            pass
        steps.close()
        assert not target.exists()
        steps = upscale_to_zarr_steps(image, target, network, tile_size=11)
        done = [step.done for step in steps]
        assert after == 0 or done[0] >= after
        assert files(target) == files(whole)


@pytest.mark.slow
def test_it_goes_on_from_another_folder(
    tiny_network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_source(tmp_path / "cells.zarr", image_of(110, 130), "YX")
    tiny_network().save(tmp_path / "tiny.keras")
    monkeypatch.chdir(tmp_path)
    steps = upscale_to_zarr_steps("cells.zarr", "a.zarr", "tiny.keras", tile_size=11)
    while next(steps).done < 5:
        pass
    steps.close()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    source, target, model = "../cells.zarr", "../a.zarr", "../tiny.keras"
    steps = upscale_to_zarr_steps(source, target, model, tile_size=11)
    assert next(steps).done >= 5
    steps.close()


class Darkening:
    """An engine of one's own, which tells nothing of its weights."""

    name, reason = "numpy", "It was given."

    def __init__(self, network: Any, factor: float) -> None:
        self.description, self._factor = network.description, np.float32(factor)

    def run(self, batch: Any) -> Any:
        return self._factor * batch.repeat(2, axis=1).repeat(2, axis=2)

    def stop(self, batch: Any) -> None:
        pass

    def release(self) -> None:
        pass


def test_it_goes_on_with_an_engine_of_ones_own_that_answers_as_before(
    tiny_network: Any, tmp_path: Path
) -> None:
    image, target = image_of(70, 90), tmp_path / "a.zarr"
    steps = upscale_to_zarr_steps(image, target, Darkening(tiny_network(), 0.5), tile_size=11)
    while next(steps).done < 3:
        pass
    steps.close()
    with pytest.raises(InvalidInputError, match="model was"):
        upscale_to_zarr(image, target, Darkening(tiny_network(), 0.25), tile_size=11)
    again = Darkening(tiny_network(), 0.5)
    steps = upscale_to_zarr_steps(image, target, again, tile_size=11)
    assert next(steps).done >= 3
    list(steps)
    np.testing.assert_array_equal(
        read_zarr_image(target).array[:], upscale(image, again, tile_size=11)
    )


SCRIPT = """
import sys, numpy as np
from src_models import upscale_to_zarr_steps
for step in upscale_to_zarr_steps(sys.argv[1], sys.argv[2], sys.argv[3], tile_size=32):
    print(step.done, step.total, flush=True)
"""


@pytest.mark.slow
def test_killed_half_way_and_started_again_it_gives_the_same_bytes(
    tiny_network: Any, tmp_path: Path
) -> None:
    source = write_source(tmp_path / "cells.zarr", image_of(512, 512), "YX")
    model = tiny_network().save(tmp_path / "tiny.keras")

    def start(target: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", SCRIPT, source, target, model]
        root = Path(__file__).parents[2]
        small = SCRIPT.replace("import sys", "import src_models.upscaling.blocks, sys", 1)
        command[2] = "import src_models.upscaling.blocks as b; b._SIDE = 64\n" + small
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)

    process = start(tmp_path / "whole.zarr")
    process.communicate(timeout=120)
    assert process.returncode == 0
    target = tmp_path / "killed.zarr"
    for share in (0.2, 0.6, 0.8):
        process = start(target)
        assert process.stdout is not None
        for line in process.stdout:
            done, total = map(int, line.split())
            if total > 1 and done >= share * total:
                break
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        assert not target.exists()
    process = start(target)
    told = process.communicate(timeout=120)[0].split("\n")
    assert process.returncode == 0
    first = next(line for line in told if not line.endswith(" 1"))
    assert int(first.split()[0]) >= 0.8 * int(first.split()[1])
    assert files(target) == files(tmp_path / "whole.zarr")


@pytest.mark.slow
def test_a_last_line_cut_off_is_work_not_done(tiny_network: Any, tmp_path: Path) -> None:
    image, network = image_of(110, 130), tiny_network()
    target = tmp_path / "large.zarr"
    steps = upscale_to_zarr_steps(image, target, network, tile_size=11)
    while next(steps).done < 12:
        pass
    steps.close()
    journal = tmp_path / "large.zarr.unfinished" / "napari-isr.journal"
    content = journal.read_bytes()
    start = content.rindex(b"\n", 0, -1) + 1
    assert content[start:].startswith((b"11 ", b"12 "))
    journal.write_bytes(content[: start + 1])  # "1", which stands for another block
    chunk = next((tmp_path / "large.zarr.unfinished" / "0" / "c" / "0").iterdir())
    (chunk.parent / f"{chunk.name}.0123.partial").write_bytes(b"half")
    upscale_to_zarr(image, target, network, tile_size=11)
    whole = upscale_to_zarr(image, tmp_path / "whole.zarr", network, tile_size=11)
    assert files(target) == files(whole)


def test_unfinished_work_goes_on_as_it_was_begun_or_anew(tiny_network: Any, tmp_path: Path) -> None:
    image = image_of(70, 90)
    target = tmp_path / "large.zarr"
    steps = upscale_to_zarr_steps(image, target, tiny_network(), tile_size=11)
    while next(steps).done < 3:
        pass
    steps.close()
    with pytest.raises(InvalidInputError, match="tile_size was 11 and is 12"):
        upscale_to_zarr(image, target, tiny_network(), tile_size=12)
    with pytest.raises(InvalidInputError, match=r"pixel_size was None and is \{'Y': 0.5\}"):
        upscale_to_zarr(image, target, tiny_network(), tile_size=11, pixel_size={"Y": 0.5})
    with pytest.raises(InvalidInputError, match="model was"):
        upscale_to_zarr(image, target, tiny_network(scale=3), tile_size=11)
    upscale_to_zarr(image, target, tiny_network(scale=3), tile_size=11, overwrite=True)
    assert read_zarr_image(target).array.shape == (210, 270)


@pytest.mark.parametrize("place", [(0, 0), (80, 90), (150, 170), (299, 349)])
@pytest.mark.slow
def test_another_image_of_the_same_shape_is_not_mixed_in(
    tiny_network: Any, tmp_path: Path, place: tuple[int, int]
) -> None:
    image, target = image_of(300, 350), tmp_path / "large.zarr"
    steps = upscale_to_zarr_steps(image, target, tiny_network(), tile_size=48)
    while next(steps).done < 3:
        pass
    steps.close()
    image[place] += 1
    with pytest.raises(InvalidInputError, match="content was"):
        upscale_to_zarr(image, target, tiny_network(), tile_size=48)
    image[place] -= 1
    upscale_to_zarr(image, target, tiny_network(), tile_size=48)


def test_a_file_that_was_changed_anywhere_is_not_mixed_in(
    tiny_network: Any, tmp_path: Path
) -> None:
    image = image_of(300, 350)
    source = write_source(tmp_path / "source.zarr", image, "YX")
    steps = upscale_to_zarr_steps(source, tmp_path / "large.zarr", tiny_network(), tile_size=48)
    while next(steps).done < 3:
        pass
    steps.close()
    zarr.open_group(source)["full"][80:90, 80:90] = 0  # where no pixels are looked at
    with pytest.raises(InvalidInputError, match="content was"):
        upscale_to_zarr(source, tmp_path / "large.zarr", tiny_network(), tile_size=48)


def test_nothing_is_overwritten_unasked(tiny_network: Any, tmp_path: Path) -> None:
    image, target = image_of(30, 40), tmp_path / "there.zarr"
    target.mkdir()
    with pytest.raises(InvalidInputError, match="something already"):
        upscale_to_zarr(image, target, tiny_network())
    (target / "diary.txt").write_text("dear")
    with pytest.raises(InvalidInputError, match="Only Zarr folders"):
        upscale_to_zarr(image, target, tiny_network(), overwrite=True)
    old = write_source(tmp_path / "old.zarr", image, "YX")
    upscale_to_zarr(image, old, tiny_network(), overwrite=True)
    assert read_zarr_image(old).array.shape == (60, 80)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.zarr", "there.zarr"]


OPENED: dict[str, Callable[[Path], Any]] = {
    "by its path": lambda source: source,
    "as zarr": lambda source: zarr.open_group(source)["full"],
    "as zarr, from the folder around": lambda source: zarr.open_group(source.parent)["A/full"],
    "as dask": lambda source: da.from_zarr(source / "full"),
    "as dask, inline": lambda source: da.from_zarr(source / "full", inline_array=True) + 1,
    "as part of dask": lambda source: da.from_array(zarr.open_group(source)["full"])[:20] + 1,
}


@pytest.mark.parametrize("opened", OPENED)
@pytest.mark.parametrize("target", ["plate.zarr/A", "plate.zarr", "plate.zarr/A/full/x2", "link"])
def test_a_target_lies_apart_from_its_source(
    tiny_network: Any, tmp_path: Path, target: str, opened: str
) -> None:
    image = image_of(30, 40)
    zarr.open_group(tmp_path / "plate.zarr", mode="w")
    source = write_source(tmp_path / "plate.zarr" / "A", image, "YX")
    (tmp_path / "link").symlink_to(source)
    before = files(tmp_path)
    given = OPENED[opened](source)
    with pytest.raises(InvalidInputError, match="must lie apart from its source"):
        upscale_to_zarr(given, tmp_path / target, tiny_network(), overwrite=True)
    assert files(tmp_path) == before
    upscale_to_zarr(given, tmp_path / "plate.zarr" / "B", tiny_network())


def test_a_target_has_a_name(tiny_network: Any) -> None:
    with pytest.raises(InvalidInputError, match="with a name of its own"):
        upscale_to_zarr(image_of(8, 9), "/", tiny_network(), overwrite=True)


def test_unfinished_work_is_no_source_of_its_own_target(tiny_network: Any, tmp_path: Path) -> None:
    target = tmp_path / "a.zarr"
    steps = upscale_to_zarr_steps(image_of(110, 130), target, tiny_network(), tile_size=11)
    while next(steps).done < 3:
        pass
    steps.close()
    before = files(tmp_path)
    with pytest.raises(InvalidInputError, match="must lie apart from its source"):
        upscale_to_zarr(tmp_path / "a.zarr.unfinished", target, tiny_network(), overwrite=True)
    assert files(tmp_path) == before


@pytest.mark.parametrize("begun", [1, 5])  # while intensities are measured, and among the blocks
@pytest.mark.slow
def test_one_work_at_a_time_writes_a_file(tiny_network: Any, tmp_path: Path, begun: int) -> None:
    image, target = image_of(110, 130), tmp_path / "a.zarr"
    first = upscale_to_zarr_steps(image, target, tiny_network(), tile_size=11)
    for _ in range(begun):
        next(first)
    for overwrite in (False, True):
        with pytest.raises(InvalidInputError, match="other work is writing: wait for it"):
            upscale_to_zarr(image, target, tiny_network(scale=3), overwrite=overwrite)
    list(first)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]
    np.testing.assert_array_equal(
        read_zarr_image(target).array[:], upscale(image, tiny_network(), tile_size=11)
    )


def test_what_lies_beside_the_target_is_never_removed(tiny_network: Any, tmp_path: Path) -> None:
    image = image_of(30, 40)
    beside = write_source(tmp_path / "a.zarr.old", image, "YX")
    for overwrite in (False, True):
        upscale_to_zarr(image, tmp_path / "a.zarr", tiny_network(), overwrite=overwrite)
    np.testing.assert_array_equal(read_zarr_image(beside).array[:], image)
    own = write_source(tmp_path / "b.zarr.unfinished", image, "YX")
    (tmp_path / "c.zarr.unfinished").write_text("dear")
    for name in ("b.zarr", "c.zarr"):
        with pytest.raises(InvalidInputError, match="which is there and is none: move it"):
            upscale_to_zarr(image, tmp_path / name, tiny_network(), overwrite=True)
    np.testing.assert_array_equal(read_zarr_image(own).array[:], image)


DIES = """
import os, sys, numpy as np
from src_models import upscale_to_zarr
image, target, model, when = sys.argv[1:]
real = os.replace
def dying(source, name):
    if os.fspath({"moved": source, "named": name}[when]) == target:
        os._exit(9)
    real(source, name)
os.replace = dying
upscale_to_zarr(np.load(image), target, model, overwrite=True)
"""


@pytest.mark.parametrize("when", ["moved", "named"])  # the old file; the new one
@pytest.mark.slow
def test_killed_while_the_result_gets_its_name_nothing_is_lost(
    tiny_network: Any, tmp_path: Path, when: str
) -> None:
    image, old = image_of(30, 40), image_of(60, 80)
    np.save(tmp_path / "image.npy", image)
    model = tiny_network().save(tmp_path / "tiny.keras")
    target = write_source(tmp_path / "a.zarr", old, "YX")
    line = [sys.executable, "-c", DIES, tmp_path / "image.npy", target, model, when]
    assert subprocess.run(line, timeout=120).returncode == 9
    (kept,) = (path for path in tmp_path.glob("**/a.zarr") if path.is_dir())
    np.testing.assert_array_equal(read_zarr_image(kept).array[:], old)
    steps = upscale_to_zarr_steps(image, target, model, overwrite=True)
    first = next(steps)
    assert first.done == first.total
    list(steps)
    np.testing.assert_array_equal(read_zarr_image(target).array[:], upscale(image, model))


def test_a_link_stays_one_and_the_file_lies_where_it_leads(
    tiny_network: Any, tmp_path: Path
) -> None:
    image, link, real = image_of(30, 40), tmp_path / "link.zarr", tmp_path / "elsewhere" / "a.zarr"
    link.symlink_to(real)
    for overwrite in (False, True, True):
        assert upscale_to_zarr(image, link, tiny_network(), overwrite=overwrite) == link
    assert read_zarr_image(real).array.shape == (60, 80)
    assert link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "link.zarr"]


@pytest.mark.parametrize("damaged", [b"", bytes(90), b'{"asked": {}}\nx\n'])
def test_a_damaged_journal_is_told_and_its_work_kept(
    tiny_network: Any, tmp_path: Path, damaged: bytes
) -> None:
    image, target = image_of(70, 90), tmp_path / "a.zarr"
    steps = upscale_to_zarr_steps(image, target, tiny_network(), tile_size=11)
    while next(steps).done < 3:
        pass
    steps.close()
    journal = tmp_path / "a.zarr.unfinished" / "napari-isr.journal"
    journal.write_bytes(damaged)
    with pytest.raises(InvalidInputError, match="which is damaged"):
        upscale_to_zarr(image, target, tiny_network(), tile_size=11)
    assert journal.read_bytes() == damaged
    upscale_to_zarr(image, target, tiny_network(), tile_size=11, overwrite=True)


@pytest.mark.parametrize("gaps", [1, 40])
def test_gaps_are_told_once_as_of_an_image_in_memory(
    tiny_network: Any, tmp_path: Path, gaps: int
) -> None:
    image = image_of(2, 60, 50).astype(np.float32)
    image.flat[:: image.size // gaps] = np.nan
    how = {"axes": "ZYX", "tile_size": 16}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SuperResolutionWarning)
        upscale(image, tiny_network(), **how)
        upscale_to_zarr(image, tmp_path / "a.zarr", tiny_network(), **how)
        steps = upscale_to_zarr_steps(image, tmp_path / "b.zarr", tiny_network(), **how)
        while next(steps).done < 5:
            pass
        steps.close()
        upscale_to_zarr(image, tmp_path / "b.zarr", tiny_network(), **how)
    in_memory, streamed, gone_on = [str(warning.message) for warning in caught]
    assert in_memory == streamed == gone_on
    assert in_memory.startswith("1 pixel of" if gaps == 1 else "40 pixels of")


def test_what_is_no_image_is_explained(tiny_network: Any, tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "plate.zarr", mode="w").attrs["ome"] = {"version": "0.5"}
    for source in (tmp_path / "plate.zarr", tmp_path / "missing.zarr"):
        with pytest.raises(InvalidInputError, match="must be the folder of an OME-Zarr image"):
            upscale_to_zarr(source, tmp_path / "out.zarr", tiny_network())
    with pytest.raises(InvalidInputError, match="OME-Zarr holds the axes"):
        upscale_to_zarr(image_of(2, 9, 9), tmp_path / "out.zarr", tiny_network(), axes="PYX")
    with pytest.raises(InvalidInputError, match="tells its own axes"):
        upscale_to_zarr(tmp_path / "plate.zarr", tmp_path / "o", tiny_network(), axes="YX")
    assert not (tmp_path / "out.zarr.unfinished").exists()


@pytest.mark.parametrize("name", ["file/out.zarr", "n" * 250 + ".zarr", "n" * 238 + ".zarr"])
def test_a_place_that_cannot_be_written_is_told(
    tiny_network: Any, tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInputError, match=r"cannot be written.*choose another place"):
        upscale_to_zarr(image_of(20, 20), tmp_path / name, tiny_network())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_told_and_the_work_goes_on(
    tiny_network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(journal: Journal, job: int, *noted: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    image, target = image_of(40, 40), tmp_path / "out.zarr"
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", full)
        with pytest.raises(DiskFullError, match="make room"):
            upscale_to_zarr(image, target, tiny_network(), tile_size=16)
    upscale_to_zarr(image, target, tiny_network(), tile_size=16)
    assert [path.name for path in tmp_path.iterdir()] == ["out.zarr"]


def test_a_failure_leaves_what_is_done(repeating: Any, tmp_path: Path) -> None:
    image, network = image_of(60, 60), repeating()
    steps = upscale_to_zarr_steps(image, tmp_path / "out.zarr", network, tile_size=20)
    while next(steps).done < 2:
        pass
    network.model.memory, network.model.error = 1, NetworkError("The cable is out.")
    with pytest.raises(NetworkError, match="cable"):
        list(steps)
    assert (tmp_path / "out.zarr.unfinished").exists()


def test_the_mean_of_an_odd_end_is_its_own() -> None:
    np.testing.assert_array_equal(
        halved(np.array([[0, 2, 9], [2, 4, 11]], np.uint8), "YX"), [[2, 10]]
    )
    assert halved(np.ones((3, 5, 5), np.float32), "CYX").shape == (3, 3, 3)


@pytest.mark.slow
def test_the_source_is_read_in_pieces(tiny_network: Any, tmp_path: Path) -> None:
    import tracemalloc

    def peak(size: int) -> int:
        source = write_source(tmp_path / f"{size}.zarr", np.zeros((8, 8), np.uint16), "YX")
        group = zarr.open_group(source)
        del group["full"]
        group.create_array("full", shape=(size, 96), chunks=(96, 96), dtype=np.uint16)
        tracemalloc.start()
        started = time.monotonic()
        upscale_to_zarr(source, tmp_path / f"{size}-out.zarr", tiny_network(), tile_size=48)
        assert time.monotonic() > started
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(96)
    few, many = peak(192), peak(96 * 20)
    assert many < few + 2 * 2**20


@pytest.mark.slow
def test_self_ensemble_and_kept_intensities_go_block_by_block(
    tiny_network: Any, tmp_path: Path
) -> None:
    image = image_of(2, 60, 50)
    how = {"axes": "ZYX", "tile_size": 16, "self_ensemble": True, "keep_intensities": True}
    steps = upscale_to_zarr_steps(image, tmp_path / "a.zarr", tiny_network(), **how)
    for _ in range(5):  # begun, and interrupted among the blocks
        next(steps)
    steps.close()
    with pytest.raises(InvalidInputError, match="self_ensemble was True"):
        upscale_to_zarr(
            image, tmp_path / "a.zarr", tiny_network(), **how | {"self_ensemble": False}
        )
    written = upscale_to_zarr(image, tmp_path / "a.zarr", tiny_network(), **how)
    expected = upscale(image, tiny_network(), **how)
    np.testing.assert_array_equal(read_zarr_image(written).array[:], expected)
