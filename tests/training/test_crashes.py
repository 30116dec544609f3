from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from src_models import Trainer, TrainingSettings
from src_models.errors import TrainingError
from src_models.training.checkpoints import (
    FILE_NAME,
    TrainingState,
    load_checkpoint,
    restore_variables,
    save_checkpoint,
)
from src_models.training.events import StepDone
from src_models.training.settings import PatchSettings, ValidationSettings
from src_models.training.training_folder import training_in, write_atomically

_CHILD = """
import os, sys, time
import numpy as np
from scipy.ndimage import gaussian_filter
from src_models import RDN, Trainer, TrainingSettings
from src_models.networks.initialization import start_as_interpolation
from src_models.training.settings import PatchSettings, ValidationSettings
from src_models.training.events import StepDone

folder, slow_write, epochs = sys.argv[1], sys.argv[2] == "slow", int(sys.argv[3])
image = (gaussian_filter(np.random.default_rng(0).random((64, 64)), 1.2) * 60000).astype(np.uint16)
rdn = RDN({"C": 1, "D": 1, "G": 8, "G0": 8, "x": 2}, c_dim=1, upscaling="shuffle")
start_as_interpolation(rdn)
settings = TrainingSettings(
    epochs=epochs, steps_per_epoch=6, batch_size=2, jit_compile=False,
    patch=PatchSettings(size=12), validation=ValidationSettings(patches=1, size=12),
)

def tell(event):
    if isinstance(event, StepDone):
        print("step", event.epoch, event.step, flush=True)
        if len(sys.argv) > 4:
            time.sleep(0.2)

if slow_write:
    replace = os.replace
    def slowly(source, target):
        if str(target).endswith("checkpoint.npz"):
            print("writing", flush=True)
            if os.path.exists(target):
                time.sleep(60)
        replace(source, target)
    os.replace = slowly

dirs = {"logs": folder + "/logs", "weights": folder + "/weights"}
result = Trainer(rdn, hr_train_dir=[image], log_dirs=dirs, settings=settings).train(on_event=tell)
print("done", result.epochs, repr(float(result.curve[-1]["loss"])), flush=True)
"""


def child(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    paths = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", _CHILD, str(folder), *arguments]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def kill_when(process: subprocess.Popen[str], line: str, times: int = 1) -> None:
    for printed in process.stdout:
        times -= printed.strip() == line
        if times == 0:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()


def last_line(process: subprocess.Popen[str]) -> str:
    return process.communicate(timeout=120)[0].strip().splitlines()[-1]


@pytest.mark.slow
def test_a_training_killed_in_an_epoch_and_in_a_write_goes_on_as_if_it_had_not_been(
    tmp_path,
) -> None:
    unbroken = last_line(child(tmp_path / "whole", "fast", "4"))
    folder = tmp_path / "broken"
    kill_when(child(folder, "fast", "4", "slowly"), "step 2 3")
    (run,) = (folder / "weights").iterdir()
    assert load_checkpoint(run)[0].epoch == 1
    kill_when(child(folder, "slow", "4"), "writing")
    assert list(run.glob(".writing-*"))
    assert load_checkpoint(run)[0].epoch == 1
    resumed = last_line(child(folder, "fast", "4"))
    assert not list(run.glob(".writing-*"))
    assert resumed.split()[:2] == unbroken.split()[:2] == ["done", "4"]
    assert float(resumed.split()[2]) == pytest.approx(float(unbroken.split()[2]), abs=1e-5)


def trainer_in(folder: Path, network, images) -> Trainer:
    settings = TrainingSettings(
        epochs=1,
        steps_per_epoch=2,
        batch_size=2,
        jit_compile=False,
        patch=PatchSettings(size=12),
        validation=ValidationSettings(patches=1, size=12),
    )
    dirs = {"logs": folder / "logs", "weights": folder / "weights"}
    return Trainer(network, hr_train_dir=images, log_dirs=dirs, settings=settings)


@pytest.mark.slow
def test_a_full_disk_stops_training_with_the_last_checkpoint_intact(
    small_rdn, cells, tmp_path, monkeypatch
) -> None:
    network = small_rdn()
    trainer = trainer_in(tmp_path, network, cells(1))
    trainer.train(epochs=1)
    kept = (trainer.folder / FILE_NAME).read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("src_models.training.training_folder.os.fsync", full)
    with pytest.raises(TrainingError, match=r"No space left.*after epoch 1, is intact"):
        trainer.train(epochs=3)
    assert (trainer.folder / FILE_NAME).read_bytes() == kept
    assert not list(trainer.folder.glob(".writing-*"))
    monkeypatch.undo()
    assert trainer.train(epochs=3).epochs == 3


@pytest.mark.slow
def test_begun_anew_over_an_old_training_it_never_falls_back_to_that_one(
    small_rdn, cells, tmp_path, monkeypatch
) -> None:
    trainer_in(tmp_path, small_rdn(), cells(1)).train(epochs=2)
    network = small_rdn()
    initial = network.model.get_weights()
    trainer = trainer_in(tmp_path, network, cells(1))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("src_models.training.training_folder.os.fsync", full)
    with pytest.raises(TrainingError, match="No space left"):
        trainer.train(epochs=2, resume=False)
    for before, now in zip(initial, network.model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, now)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may mount a small disk"
)
@pytest.mark.slow
def test_a_small_disk_that_fills_up_loses_nothing(small_rdn, cells, tmp_path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        trainer = trainer_in(disk, small_rdn(), cells(1))
        trainer.train(epochs=1)
        free = os.statvfs(disk)
        (disk / "ballast").write_bytes(b"0" * (free.f_bavail * free.f_bsize - 8192))
        with pytest.raises(TrainingError, match="is intact"):
            trainer.train(epochs=3)
        assert load_checkpoint(trainer.folder)[0].epoch == 1
        (disk / "ballast").unlink()
        assert trainer.train(epochs=3).epochs == 3
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch) -> None:
    path = tmp_path / "a"
    write_atomically(path, b"old")
    monkeypatch.setattr("src_models.training.training_folder.os.replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"x" * 99])
def test_a_damaged_checkpoint_is_refused_in_a_sentence(tmp_path, damage) -> None:
    path = save_checkpoint(tmp_path, TrainingState(epoch=3), {"generator": [np.zeros((4, 4))]})
    state, arrays = load_checkpoint(tmp_path)
    assert state == TrainingState(epoch=3)
    assert arrays["generator/0"].shape == (4, 4)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(TrainingError, match="is damaged"):
        load_checkpoint(tmp_path)


def test_a_checkpoint_of_other_networks_changes_nothing() -> None:
    with pytest.raises(TrainingError, match="other networks"):
        restore_variables({"generator/0": np.zeros(3)}, {"generator": [np.zeros(4)]})


def test_a_folder_that_cannot_be_written_is_refused_in_a_sentence(
    small_rdn, cells, tmp_path
) -> None:
    (tmp_path / "weights").write_text("a file is in the way")
    with pytest.raises(TrainingError, match="choose another one"):
        trainer_in(tmp_path, small_rdn(), cells(1)).train()


def test_an_image_that_vanishes_during_training_ends_in_a_sentence(
    small_rdn, cells, folder_of, tmp_path
) -> None:
    from src_models.errors import InvalidInputError
    from src_models.training.settings import DataSettings

    (image,) = cells(1)
    folder = folder_of("hr", {"a.png": image, "b.png": image})
    settings = TrainingSettings(
        epochs=1,
        steps_per_epoch=30,
        batch_size=2,
        jit_compile=False,
        patch=PatchSettings(size=12),
        data=DataSettings(cache_bytes=0),
        validation=ValidationSettings(patches=1, size=12),
    )
    dirs = {"logs": tmp_path / "logs", "weights": tmp_path / "weights"}
    trainer = Trainer(small_rdn(), hr_train_dir=folder, log_dirs=dirs, settings=settings)
    (folder / "a.png").unlink()
    with pytest.raises(InvalidInputError, match=r"a\.png cannot be read any more"):
        trainer.train()


@pytest.mark.slow
def test_two_trainings_in_one_folder_are_refused_and_the_first_one_goes_on(
    small_rdn, cells, tmp_path
) -> None:
    refused: list[str] = []

    def also_train(event: object) -> None:
        if isinstance(event, StepDone) and not refused:
            with pytest.raises(TrainingError, match="One training at a time") as raised:
                trainer_in(tmp_path, small_rdn(), cells(2)).train()
            refused.append(str(raised.value))

    result = trainer_in(tmp_path, small_rdn(), cells(2)).train(on_event=also_train)
    assert refused
    assert result.reason == "finished"
    assert trainer_in(tmp_path, small_rdn(), cells(2)).train().reason == "already finished"


def test_a_folder_is_free_again_when_its_process_was_killed(tmp_path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from src_models.training.training_folder import training_in\n"
        "with training_in(Path(sys.argv[1])): print('mine', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "mine\n"
        with pytest.raises(TrainingError, match="another folder"), training_in(tmp_path):
            pass
        child.kill()
    with training_in(tmp_path):
        pass


def test_files_of_a_training_can_be_read_by_those_who_can_read_others(tmp_path) -> None:
    (tmp_path / "usual").touch()
    write_atomically(tmp_path / "ours", b"")
    modes = {path.stat().st_mode for path in tmp_path.iterdir()}
    assert len(modes) == 1


@pytest.mark.slow
def test_logs_that_cannot_be_written_are_told_in_a_sentence(small_rdn, cells, tmp_path) -> None:
    (tmp_path / "logs").write_text("a file where the folder should be")
    with pytest.raises(TrainingError, match=r"TensorBoard's files cannot be written to .*logs"):
        trainer_in(tmp_path, small_rdn(), cells(2)).train()
    (tmp_path / "logs").unlink()
    assert trainer_in(tmp_path, small_rdn(), cells(2)).train().reason == "finished"
