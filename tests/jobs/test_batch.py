"""Many files: the right names, nothing stopped by one, nothing half written, gone on with."""

from __future__ import annotations

import csv
import os
import subprocess
import tracemalloc
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import tifffile
from PIL import Image

from src_models.errors import InvalidInputError
from src_models.images.io import read_image, write_image
from src_models.images.picture import Picture
from src_models.jobs import batch_file as batch_work
from src_models.jobs.batch import preview_batch, run_batch
from src_models.jobs.batch_events import (
    BatchSettings,
    FileDone,
    FileProgress,
    FileStarted,
    write_report,
)
from src_models.jobs.batch_journal import BatchJournal
from src_models.jobs.batch_plan import Job, plan_jobs, plan_pictures, size_of
from src_models.upscaling import blocks


@pytest.fixture
def folder(tmp_path):
    """A folder of small images of several kinds."""
    place = tmp_path / "in"
    (place / "inside").mkdir(parents=True)
    grey = np.random.default_rng(0).integers(0, 255, (12, 14)).astype(np.uint8)
    for name in ("b.png", "a.png", "ä ö.png", "inside/c.png"):
        Image.fromarray(grey).save(place / name)
    tifffile.imwrite(place / "a.tif", grey.astype(np.uint16))
    (place / "notes.txt").write_text("no image")
    (place / ".hidden.png").write_bytes(b"")
    return place


def drain(steps):
    events = []
    while True:
        try:
            events.append(next(steps))
        except StopIteration as end:
            return events, end.value


def states(outcomes) -> dict[str, str]:
    return {outcome.job.source.name: outcome.state for outcome in outcomes}


def test_names_and_order_are_always_the_same_and_never_collide(folder, tmp_path) -> None:
    out = tmp_path / "out"
    jobs = plan_jobs([folder], out, 2, file_format="ome-tiff")
    assert [job.target.name for job in jobs] == [
        "a-png_x2.ome.tif",
        "a-tif_x2.ome.tif",
        "b_x2.ome.tif",
        "ä ö_x2.ome.tif",
    ]
    assert jobs == plan_jobs([folder, folder / "a.png"], out, 2, file_format="ome-tiff")
    assert len({job.target for job in jobs}) == 4
    deep = plan_jobs([folder], out, 2, recursive=True)
    assert deep[-1].target == out / "inside" / "c_x2.png"
    assert [job.format for job in deep[:2]] == ["png", "ome-tiff"]
    assert len(plan_jobs([folder], out, 2, pattern="*.tif")) == 1


def test_equal_names_of_two_folders_are_numbered(folder, tmp_path) -> None:
    jobs = plan_jobs([folder / "a.png", folder.parent / "x" / "A.png"], tmp_path / "out", 2)
    assert [job.target.name for job in jobs] == ["a-png_x2.png", "A-png_x2-2.png"]


def test_results_are_not_taken_for_images(folder) -> None:
    with pytest.raises(InvalidInputError, match="never over them"):
        plan_jobs([folder], folder, 2)
    inside = folder / "out"
    inside.mkdir()
    (inside / "a_x2.png").write_bytes(b"")
    names = [job.source.name for job in plan_jobs([folder], inside, 2, recursive=True)]
    assert "a_x2.png" not in names
    assert "c.png" in names


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
def test_results_are_not_written_among_the_images_through_a_link(folder, tmp_path) -> None:
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(InvalidInputError, match="never over them"):
        plan_jobs([folder], tmp_path / "link", 2)


def test_pictures_that_are_in_no_file_get_names_and_are_written(tmp_path, identity_network) -> None:
    names = ["cells", "CELLS", "a/b: c?", "..", "cells"]
    jobs = plan_pictures(names, tmp_path, 2)
    assert [job.target.name for job in jobs] == [
        "cells_x2.ome.tif",
        "CELLS-2_x2.ome.tif",
        "a_b_ c__x2.ome.tif",
        "image_x2.ome.tif",
        "cells-3_x2.ome.tif",
    ]
    assert len({job.source for job in jobs}) == len(jobs)
    array = np.eye(12, dtype=np.uint8)

    def read(job):
        if job == jobs[1]:
            raise InvalidInputError("this one is gone.")
        return Picture(array=array, axes="YX")

    settings = BatchSettings(model=identity_network(), read=read)
    _, outcomes = drain(run_batch(jobs, settings))
    assert [outcome.state for outcome in outcomes] == ["done", "failed", "done", "done", "done"]
    assert np.asarray(read_image(jobs[0].target).array).sum() == 4 * 12


def test_nothing_to_do_is_wrong_use(folder, tmp_path) -> None:
    with pytest.raises(InvalidInputError, match="There is no such file"):
        plan_jobs([folder / "missing.png"], tmp_path / "out", 2)
    with pytest.raises(InvalidInputError, match=r"no image named '\*\.xyz'"):
        plan_jobs([folder], tmp_path / "out", 2, pattern="*.xyz")
    with pytest.raises(InvalidInputError, match="Several files are written into a folder"):
        plan_jobs([folder], tmp_path / "out.png", 2)
    with pytest.raises(InvalidInputError, match=r"written as .*Received: 'out\.jpg'"):
        plan_jobs([folder / "a.png"], tmp_path / "out.jpg", 2)
    with pytest.raises(InvalidInputError, match=r"ends with \.ome\.tif"):
        plan_jobs([folder / "a.png"], tmp_path / "out.png", 2, file_format="ome-tiff")
    (job,) = plan_jobs([folder / "a.png"], tmp_path / "out.tif", 2, file_format="ome-tiff")
    assert job.format == "ome-tiff"


def test_a_bad_file_does_not_stop_the_others(folder, tmp_path, identity_network) -> None:
    (folder / "aa.png").write_bytes(b"not an image")
    (folder / "ab.tif").write_bytes(b"")
    jobs = plan_jobs([folder], tmp_path / "out", 2)
    assert size_of(jobs[0], identity_network().description).problem == ""
    events, outcomes = drain(run_batch(jobs, BatchSettings(model=identity_network())))
    assert [outcome.job.source for outcome in outcomes] == [job.source for job in jobs]
    failed = {o.job.source.name: o.message for o in outcomes if o.state == "failed"}
    assert set(failed) == {"aa.png", "ab.tif"}
    assert failed["ab.tif"] == "The file is empty."
    assert all(message.endswith(".") for message in failed.values())
    done = [outcome for outcome in outcomes if outcome.state == "done"]
    assert len(done) == 4
    for outcome in done:
        small, large = (read_image(p) for p in (outcome.job.source, outcome.job.target))
        expected = np.asarray(small.array).repeat(2, axis=0).repeat(2, axis=1)
        assert np.array_equal(np.asarray(large.array), expected)
        assert large.dtype == small.dtype
        assert large.record["model"] == identity_network().description.name
        assert large.record["source"] == outcome.job.source.name
    assert {type(event) for event in events} == {FileStarted, FileProgress, FileDone}
    report = write_report(outcomes, tmp_path / "report.csv")
    with report.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == [outcome.state for outcome in outcomes]
    assert rows[-1]["shape"] == "12 x 14"


def test_what_a_format_cannot_hold_is_refused_before_the_work(tmp_path, identity_network) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 20, 20), np.uint16))
    jobs = plan_jobs([tmp_path / "a.tif"], tmp_path / "out", 2, file_format="png")
    _, (outcome,) = drain(run_batch(jobs, BatchSettings(model=identity_network())))
    assert "Choose OME-TIFF" in outcome.message
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.name != "posix", reason="names of other systems are letters")
@pytest.mark.parametrize("file_format", ["ome-tiff", "imagej", "png", "ome-zarr"])
def test_names_need_not_be_letters(tmp_path, identity_network, file_format) -> None:
    source = os.fsdecode(bytes(tmp_path) + b"/bad\xff name.png")
    Image.fromarray(np.eye(20, dtype=np.uint8)).save(source)
    jobs = plan_jobs([source], tmp_path / "out", 2, file_format=file_format)
    settings = BatchSettings(model=identity_network(), journal=tmp_path / "out")
    _, (outcome,) = drain(run_batch(jobs, settings))
    assert outcome.message == ""
    assert np.asarray(read_image(outcome.job.target).array).sum() == 4 * 20
    assert drain(run_batch(jobs, settings))[1][0].state == "done before"
    write_report([outcome], tmp_path / "report.csv")


def test_colours_with_alpha_go_through(tmp_path, tiny_network) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (20, 24, 4)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    jobs = plan_jobs([tmp_path / "a.png"], tmp_path / "out", 2)
    _, (outcome,) = drain(run_batch(jobs, BatchSettings(model=tiny_network())))
    assert read_image(outcome.job.target).array.shape == (40, 48, 4)


@pytest.mark.parametrize(
    ("existing", "state"),
    [("refuse", "failed"), ("skip", "skipped"), ("overwrite", "done"), ("number", "done")],
)
def test_existing_files_are_treated_as_asked(
    folder, tmp_path, identity_network, existing, state
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "a_x2.png").write_bytes(b"mine")
    jobs = plan_jobs([folder / "a.png"], out, 2)
    settings = BatchSettings(model=identity_network(), existing=existing, journal=out)
    ((_, told),) = preview_batch(jobs, settings)
    _, (outcome,) = drain(run_batch(jobs, settings))
    assert outcome.state == state
    assert ((out / "a_x2.png").read_bytes() == b"mine") == (existing != "overwrite")
    assert (out / "a_x2-2.png").exists() == (existing == "number")
    if state == "done":
        assert told == outcome.job.target
        _, (again,) = drain(run_batch(jobs, settings))
        assert again.state == "done before"
        assert again.job.target == outcome.job.target
    else:
        assert told.state == state


@pytest.mark.parametrize("jobs", [1, 2])
def test_overwriting_does_not_reach_the_images(folder, tmp_path, tiny_network, jobs) -> None:
    model = tiny_network().save(tmp_path / "tiny")
    image = (folder / "b.png").rename(folder / "a_x2.png")
    before = image.read_bytes()
    planned = plan_jobs([folder / "a.png", image], folder, 2)
    settings = BatchSettings(model=model, existing="overwrite", jobs=jobs)
    ((_, told), _) = preview_batch(planned, settings)
    _, outcomes = drain(run_batch(planned, settings))
    assert [outcome.state for outcome in outcomes] == ["failed", "done"]
    assert told.message == outcomes[0].message
    assert "'a_x2.png' is one of the images" in told.message
    assert image.read_bytes() == before


def test_finished_files_are_known_again_until_something_changes(
    folder, tmp_path, identity_network, tiny_network
) -> None:
    out = tmp_path / "out"
    jobs = plan_jobs([folder], out, 2)
    settings = BatchSettings(model=tiny_network(), journal=out)
    drain(run_batch(jobs, settings))
    _, outcomes = drain(run_batch(jobs, settings))
    assert set(states(outcomes).values()) == {"done before"}
    Image.new("L", (14, 12)).save(folder / "b.png")  # another input
    (out / "a_x2.png").write_bytes(b"changed")  # somebody else's work
    with (out / ".napari-isr-batch.jsonl").open("a") as file:
        file.write('{"key": "cut')  # killed while it wrote this line
    _, outcomes = drain(run_batch(jobs, settings))
    assert states(outcomes) == {
        "a.png": "failed",
        "a.tif": "done before",
        "b.png": "failed",
        "ä ö.png": "done before",
    }
    assert (out / "a_x2.png").read_bytes() == b"changed"
    (out / "b_x2.png").unlink()
    _, outcomes = drain(run_batch(jobs, settings))
    assert states(outcomes)["b.png"] == "done"
    assert states(drain(run_batch(jobs, settings))[1])["b.png"] == "done before"
    other = BatchSettings(model=tiny_network(), journal=out, tile_size=8)
    assert "done before" not in states(drain(run_batch(jobs, other))[1]).values()


def test_images_in_memory_have_no_journal(tmp_path, tiny_network) -> None:
    images = {n: np.random.default_rng(i).random((12, 14)) for i, n in enumerate("ab")}
    out = tmp_path / "out"
    settings = BatchSettings(
        model=tiny_network(),
        journal=out,
        existing="skip",
        read=lambda job: Picture(array=images[job.source.name], axes="YX"),
    )
    jobs = plan_pictures(list(images), out, 2)
    _, outcomes = drain(run_batch(jobs, settings))
    assert states(outcomes) == {"a": "done", "b": "done"}
    assert not list(out.glob(".*"))
    _, outcomes = drain(run_batch(jobs, settings))
    assert states(outcomes) == {"a": "skipped", "b": "skipped"}
    _, outcomes = drain(run_batch(jobs, replace(settings, existing="overwrite")))
    assert states(outcomes) == {"a": "done", "b": "done"}


def test_an_image_that_changes_during_the_work_is_not_done_before(folder, tmp_path, tiny_network):
    out, source = tmp_path / "out", folder / "a.tif"
    settings = BatchSettings(model=tiny_network(), journal=out, existing="number")
    steps = run_batch(plan_jobs([source], out, 2), settings)
    for event in steps:
        if isinstance(event, FileProgress) and event.done == event.total:
            tifffile.imwrite(source, np.zeros((9, 9), np.uint16))
    _, outcomes = drain(run_batch(plan_jobs([source], out, 2), settings))
    assert states(outcomes) == {"a.tif": "done"}


def test_a_line_of_the_journal_costs_the_same_however_long_it_is(tmp_path) -> None:
    journal = BatchJournal(tmp_path, {})
    source, path = tmp_path / "a.png", tmp_path / ".napari-isr-batch.jsonl"
    source.write_bytes(b"1")
    path.write_bytes(b"0" * 2**26)  # cut in its last line
    job = Job(source, tmp_path / "b.png", "png")
    tracemalloc.start()
    journal.note(job, source, source)
    journal.note(job, source, source)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2**20
    assert [len(line) > 0 for line in path.read_bytes().split(b"\n")] == [True, True, True, False]


def test_cancelling_leaves_nothing_half_written(folder, tmp_path, identity_network) -> None:
    out = tmp_path / "out"
    settings = BatchSettings(model=identity_network(), journal=out, tile_size=4)
    steps = run_batch(plan_jobs([folder], out, 2), settings)
    for event in steps:
        if isinstance(event, FileProgress) and event.job.source.name == "b.png" and event.done:
            break
    steps.close()
    names = sorted(path.name for path in out.iterdir())
    assert names == [".napari-isr-batch.jsonl", "a_x2.ome.tif", "a_x2.png"]
    _, outcomes = drain(run_batch(plan_jobs([folder], out, 2), settings))
    assert list(states(outcomes).values()) == ["done before"] * 2 + ["done"] * 2


def test_leftovers_of_a_killed_run_are_removed(folder, tmp_path, identity_network) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / ".a_x2.png.part").write_bytes(b"half")
    drain(run_batch(plan_jobs([folder], out, 2), BatchSettings(model=identity_network())))
    assert not list(out.glob(".*part"))


def test_several_at_a_time_give_the_same_files_in_the_same_order(
    folder, tmp_path, tiny_network
) -> None:
    model = tiny_network().save(tmp_path / "tiny")
    (folder / "ab.tif").write_bytes(b"")
    found = {}
    for jobs in (1, 2):
        out = tmp_path / f"out{jobs}"
        settings = BatchSettings(model=model, jobs=jobs, journal=out)
        _, outcomes = drain(run_batch(plan_jobs([folder], out, 2), settings))
        found[jobs] = [
            (o.state, o.job.target.name, None)
            if o.state == "failed"
            else (o.state, o.job.target.name, np.asarray(read_image(o.job.target).array).tolist())
            for o in outcomes
        ]
        assert not list(out.glob(".*part"))
    assert found[1] == found[2]
    assert [state for state, *_ in found[1]].count("done") == 4


def test_settings_that_do_not_fit_are_told_before_the_first_file(
    folder, tmp_path, identity_network
):
    jobs = plan_jobs([folder], tmp_path / "out", 2)
    unread = {"read": read_image, "jobs": 2, "model": "microscopy-x2"}
    for wrong in ({"jobs": 0}, {"jobs": 2}, {"engine": "steam"}, unread):
        with pytest.raises(InvalidInputError):
            next(run_batch(jobs, BatchSettings(**{"model": identity_network(), **wrong})))


@pytest.mark.parametrize("file_format", ["ome-tiff", "png", "ome-zarr"])
def test_a_full_disk_ends_the_batch_and_making_room_lets_it_go_on(
    file_format, tmp_path, small_disk, tiny_network
) -> None:
    noise = np.random.default_rng(0)
    for name in "abcdefgh":
        pixels = noise.integers(0, 2**16, (90, 90)).astype(np.uint16)
        tifffile.imwrite(tmp_path / f"{name}.tif", pixels)
    jobs = plan_jobs([tmp_path], small_disk, 2, file_format=file_format, pattern="?.tif")
    (small_disk / "ballast").write_bytes(b"0" * 70_000)
    settings = BatchSettings(model=tiny_network(), journal=small_disk)
    _, outcomes = drain(run_batch(jobs, settings))
    found = list(states(outcomes).values())
    assert found[0] == "done"
    assert found.count("failed") == 1
    assert found[-1] == "not done"
    (failed,) = [outcome for outcome in outcomes if outcome.state == "failed"]
    assert failed.disk_full
    assert "make room" in failed.message
    assert not list(small_disk.glob(".*part"))
    (small_disk / "ballast").unlink()
    for outcome in outcomes:
        if outcome.state == "done":  # moved to another place
            moved = outcome.job.target
            subprocess.run(["mv", str(moved), str(tmp_path / moved.name)], check=True)
    _, outcomes = drain(run_batch(jobs[1:2], settings))
    assert list(states(outcomes).values()) == ["done"]


@pytest.mark.parametrize("trust", [{}, {"self_ensemble": True, "keep_intensities": True}])
@pytest.mark.slow
def test_an_ome_zarr_too_large_for_memory_streams_and_goes_on_with_its_blocks(
    tmp_path, tiny_network, monkeypatch, trust
) -> None:
    pixels = np.random.default_rng(0).integers(0, 4000, (100, 90)).astype(np.uint16)
    source = write_image(Picture(array=pixels, axes="YX"), tmp_path / "cells.ome.zarr")
    whole, streamed = (plan_jobs([source], tmp_path / name, 2) for name in ("whole", "streamed"))
    settings = BatchSettings(model=tiny_network(), tile_size=24, **trust)
    (expected,) = drain(run_batch(whole, settings))[1]

    monkeypatch.setattr(blocks, "_SIDE", 24)
    monkeypatch.setattr(batch_work, "fits", lambda size: False)
    steps = run_batch(streamed, settings)
    begun = [event for event in islice(steps, 12) if isinstance(event, FileProgress)]
    steps.close()
    assert 1 < begun[-1].done < begun[-1].total
    assert not streamed[0].target.exists()

    events, (outcome,) = drain(run_batch(streamed, settings))
    assert outcome.state == "done", outcome.message
    progress = [event.done for event in events if isinstance(event, FileProgress)]
    assert 0 < begun[-1].done - 1 <= progress[0]
    assert [path.name for path in (tmp_path / "streamed").iterdir()] == ["cells_x2.ome.zarr"]
    results = [read_image(o.job.target) for o in (expected, outcome)]
    np.testing.assert_array_equal(*(np.asarray(result.array) for result in results))
    assert expected.consistency is not None
    assert outcome.consistency == expected.consistency
    record = results[1].record
    assert record == results[0].record
    assert record["consistency"] == expected.consistency
    assert trust.items() <= record.items()
