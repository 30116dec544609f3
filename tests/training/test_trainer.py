from __future__ import annotations

import csv
import threading
from dataclasses import replace

import numpy as np
import pytest

from src_models import Trainer, TrainingControl, TrainingSettings, load_model, upscale
from src_models.errors import InvalidInputError, TrainingError
from src_models.images.degradation import Degradation, binned
from src_models.quality.metrics import psnr
from src_models.training.batches import PatchBatches
from src_models.training.checkpoints import load_checkpoint
from src_models.training.events import EpochDone, Preview, StepDone
from src_models.training.patches import PatchSampler, detail
from src_models.training.settings import (
    DataSettings,
    Flatness,
    LearningRate,
    LossSettings,
    PatchSettings,
    ValidationSettings,
)

SETTINGS = TrainingSettings(
    epochs=2,
    steps_per_epoch=4,
    batch_size=2,
    patch=PatchSettings(size=12),
    data=DataSettings(degradations=(Degradation(name="binned"),), validation_share=0.25),
    validation=ValidationSettings(patches=2, size=16),
    jit_compile=False,
)


def trainer_of(network, images, tmp_path, settings=SETTINGS, **arguments) -> Trainer:
    folders = {"logs": tmp_path / "logs", "weights": tmp_path / "weights"}
    return Trainer(network, hr_train_dir=images, log_dirs=folders, settings=settings, **arguments)


def test_training_gains_on_bicubic_and_leaves_models_curves_and_logs(
    small_rdn, cells, tmp_path
) -> None:
    settings = replace(SETTINGS, epochs=3, steps_per_epoch=30)
    rdn = small_rdn()
    trainer = trainer_of(rdn, cells(2, size=96), tmp_path, settings)
    result = trainer.train()
    assert result.reason == "finished"
    assert result.curve[-1]["val_gain"] > 0.1
    assert {"model", "bicubic", "fitted"} <= set(result.scores[0])
    rows = list(csv.DictReader((trainer.folder / "curves.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert list((tmp_path / "logs").rglob("events.out.tfevents*"))
    (image,) = cells(size=40)
    for path in (result.best_model, result.last_model):
        assert upscale(image, load_model(path)).shape == (80, 80)
    record = load_model(result.last_model).description.training
    assert record["curve"][-1]["val_PSNR"] == result.curve[-1]["val_PSNR"]
    assert record["settings"]["epochs"] == 3
    assert np.array_equal(upscale(image, rdn), upscale(image, load_model(result.last_model)))


def test_arguments_in_the_wrong_place_are_explained(small_rdn, cells, tmp_path) -> None:
    with pytest.raises(InvalidInputError, match="generator must be a network"):
        Trainer("microscopy-x2", hr_train_dir=cells)
    with pytest.raises(InvalidInputError, match="folder of the logs is a path"):
        Trainer(small_rdn(), hr_train_dir=cells, logs_dir=[tmp_path])
    for settings in ({}, {"epochs": 2}, 5):
        with pytest.raises(InvalidInputError, match="settings must be TrainingSettings"):
            Trainer(small_rdn(), hr_train_dir=tmp_path, settings=settings)


@pytest.mark.slow
def test_tensorboard_files_can_be_read_back(small_rdn, cells, tmp_path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trainer = trainer_of(small_rdn(), cells(2), tmp_path)
    result = trainer.train()
    accumulator = EventAccumulator(str(trainer.log_folder / "validation"))
    accumulator.Reload()
    names = accumulator.Tags()
    assert "epoch_PSNR" in names["scalars"] + names["tensors"]
    assert len(result.curve) == 2


@pytest.mark.slow
def test_overfitting_one_pair_reaches_forty_decibels(cells, tmp_path) -> None:
    from src_models import RDN
    from src_models.networks.initialization import start_as_interpolation

    (hr,) = cells(size=32)
    network = RDN(
        {"C": 2, "D": 2, "G": 16, "G0": 16, "x": 2}, c_dim=1, patch_size=16, upscaling="shuffle"
    )
    network.describe(intensity="measured")
    start_as_interpolation(network)
    settings = TrainingSettings(
        epochs=1,
        steps_per_epoch=700,
        batch_size=2,
        loss=LossSettings(pixel="mse"),
        learning_rate=LearningRate(initial=1e-3, decay="cosine"),
        patch=PatchSettings(size=16, flips=False, turns=False),
        data=DataSettings(validation_share=0),
    )
    trainer = trainer_of(network, [hr], tmp_path, settings, lr_train_dir=[binned(hr, 2)])
    pair = trainer.images.training[0]
    lr, truth = pair.crop(pair.region, np.random.default_rng(0))
    before = psnr(truth, network.model.predict_on_batch(lr[None])[0], data_range=1.0)
    trainer.train()
    after = psnr(truth, network.model.predict_on_batch(lr[None])[0], data_range=1.0)
    assert before < 30
    assert after > 40


def test_a_resumed_training_equals_an_unbroken_one(small_rdn, cells, tmp_path) -> None:
    images = cells(2)
    settings = replace(SETTINGS, learning_rate=LearningRate(initial=1e-3, decay_frequency=2))
    whole, broken = small_rdn(), small_rdn()
    unbroken = trainer_of(whole, images, tmp_path / "a", settings).train(epochs=4)
    trainer_of(broken, images, tmp_path / "b", settings).train(epochs=2)
    fresh = small_rdn()
    resumed = trainer_of(fresh, images, tmp_path / "b", settings).train(epochs=4)
    for a, b in zip(whole.model.get_weights(), fresh.model.get_weights(), strict=True):
        assert np.abs(a - b).max() < 1e-5
    assert [p["epoch"] for p in resumed.curve] == [1, 2, 3, 4]
    assert resumed.curve[-1]["loss"] == pytest.approx(unbroken.curve[-1]["loss"], abs=1e-5)
    again = trainer_of(small_rdn(), images, tmp_path / "b", settings).train(epochs=4)
    assert again.reason == "already finished"


@pytest.mark.slow
def test_beginning_anew_forgets_the_checkpoint(small_rdn, cells, tmp_path) -> None:
    trainer = trainer_of(small_rdn(), cells(2), tmp_path)
    trainer.train()
    result = trainer.train(resume=False)
    assert result.reason == "finished"
    assert len(result.curve) == 2


@pytest.mark.slow
def test_another_network_in_the_same_folder_is_refused(small_rdn, cells, tmp_path) -> None:
    trainer_of(small_rdn(), cells(2), tmp_path).train(epochs=1)
    other = trainer_of(small_rdn(c_dim=3), cells(2), tmp_path)
    with pytest.raises(TrainingError, match="another network"):
        other.train()


@pytest.mark.slow
def test_other_images_in_the_same_folder_are_refused(small_rdn, cells, tmp_path) -> None:
    trainer_of(small_rdn(), cells(2), tmp_path).train()
    other = trainer_of(small_rdn(), cells(2, seed=1), tmp_path)
    with pytest.raises(TrainingError, match=r"on other images.*resume=False") as raised:
        other.train(epochs=4)
    assert str(other.folder / "last.keras") in str(raised.value)
    turned = [np.ascontiguousarray(image[::-1]) for image in cells(2)]
    with pytest.raises(TrainingError, match="on other images"):
        trainer_of(small_rdn(), turned, tmp_path).train(epochs=4)
    assert other.train(epochs=1, resume=False).reason == "finished"


@pytest.mark.slow
def test_a_training_can_go_on_with_other_patches_and_another_split(
    small_rdn, cells, tmp_path
) -> None:
    trainer_of(small_rdn(), cells(2), tmp_path).train(epochs=1)
    changed = replace(
        SETTINGS,
        patch=PatchSettings(size=8),
        data=replace(SETTINGS.data, validation_share=0.5),
    )
    result = trainer_of(small_rdn(), cells(2), tmp_path, changed).train(epochs=2)
    assert [point["epoch"] for point in result.curve] == [1, 2]


@pytest.mark.slow
def test_a_training_tells_of_steps_epochs_and_previews(small_rdn, cells, tmp_path) -> None:
    events: list[object] = []
    trainer_of(small_rdn(), cells(2), tmp_path).train(on_event=events.append)
    steps = [e for e in events if isinstance(e, StepDone)]
    assert [(e.epoch, e.step) for e in steps] == [(e, s) for e in (1, 2) for s in (1, 2, 3, 4)]
    assert steps[-1].seconds_left == 0
    assert [e.epoch for e in events if isinstance(e, EpochDone)] == [1, 2]
    patch = next(e for e in events if isinstance(e, Preview)).patches[0]
    assert patch.sr.shape == patch.hr.shape == patch.bicubic.shape == (24, 32, 1)
    assert patch.lr.shape == (12, 16, 1)


@pytest.mark.slow
def test_stop_keeps_the_model_and_continue_goes_on(small_rdn, cells, tmp_path) -> None:
    control = TrainingControl()
    trainer = trainer_of(small_rdn(), cells(2), tmp_path)

    def stop_soon(event: object) -> None:
        if isinstance(event, StepDone) and (event.epoch, event.step) == (1, 2):
            control.stop()

    stopped = trainer.train(epochs=3, control=control, on_event=stop_soon)
    assert (stopped.reason, stopped.epochs) == ("stopped", 1)
    assert stopped.last_model.is_file()
    finished = trainer.train(epochs=3)
    assert (finished.reason, finished.epochs) == ("finished", 3)


@pytest.mark.slow
def test_a_paused_training_waits_until_it_is_resumed(small_rdn, cells, tmp_path) -> None:
    control, seen = TrainingControl(), []
    trainer = trainer_of(small_rdn(), cells(2), tmp_path)
    paused = threading.Event()

    def listen(event: object) -> None:
        seen.append(event)
        if len(seen) == 2:
            control.pause()
            paused.set()

    thread = threading.Thread(target=trainer.train, kwargs={"control": control, "on_event": listen})
    thread.start()
    assert paused.wait(60)
    thread.join(0.5)
    assert thread.is_alive()
    while_paused = len(seen)
    thread.join(0.3)
    assert len(seen) == while_paused
    control.resume()
    thread.join(60)
    assert not thread.is_alive()
    assert isinstance(seen[-1], EpochDone)


@pytest.mark.slow
def test_time_that_is_up_ends_the_training_well(small_rdn, cells, tmp_path) -> None:
    trainer = trainer_of(small_rdn(), cells(2), tmp_path, replace(SETTINGS, seconds=0.0))
    result = trainer.train(epochs=50)
    assert (result.reason, result.epochs) == ("time is up", 1)


@pytest.mark.slow
def test_a_diverging_training_ends_in_a_sentence_and_goes_back(small_rdn, cells, tmp_path) -> None:
    network = small_rdn()
    trainer_of(network, cells(2), tmp_path).train(epochs=1)
    good = network.model.get_weights()
    trainer = trainer_of(network, cells(2), tmp_path)

    def poison(event: object) -> None:
        if isinstance(event, StepDone) and event.step == 1:
            network.model.set_weights([w * np.nan for w in good])

    with pytest.raises(TrainingError, match="learning rate ten times smaller"):
        trainer.train(epochs=2, on_event=poison)
    assert all(np.array_equal(a, b) for a, b in zip(good, network.model.get_weights(), strict=True))
    assert load_checkpoint(trainer.folder)[0].epoch == 1


def test_batches_depend_on_seed_and_number_alone(small_rdn, cells, tmp_path) -> None:
    trainer = trainer_of(small_rdn(), cells(2), tmp_path)
    sampler = PatchSampler(trainer.images.training, SETTINGS.patch)
    first = PatchBatches(sampler, SETTINGS)
    later = PatchBatches(sampler, SETTINGS, first_epoch=1)
    try:
        for a, b in zip(first[SETTINGS.steps_per_epoch + 1], later[1], strict=True):
            assert np.array_equal(a, b)
        assert not np.array_equal(first[0][0], first[1][0])
    finally:
        first.close()
        later.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("patches")]


def test_flat_patches_are_rejected(small_rdn, tmp_path) -> None:
    rng = np.random.default_rng(0)
    image = np.zeros((64, 128), np.uint16)
    image[:, 64:] = rng.integers(0, 60000, (64, 64))
    trainer = trainer_of(small_rdn(), [image], tmp_path)
    for threshold, expected in ((0.0, False), (0.05, True)):
        sampler = PatchSampler(trainer.images.training, PatchSettings(size=12))
        drawn = [sampler.draw(np.random.default_rng(i), threshold)[0] for i in range(30)]
        assert all(detail(patch) >= 0.05 for patch in drawn) == expected


def test_augmentation_keeps_both_sides_alike_and_can_be_switched_off(
    small_rdn, cells, tmp_path
) -> None:
    trainer = trainer_of(small_rdn(), cells(1), tmp_path)
    varied = PatchSettings(size=12, gain_share=1.0)
    plain = PatchSettings(size=12, flips=False, turns=False)
    for settings in (varied, plain):
        sampler = PatchSampler(trainer.images.training, settings)
        for seed in range(8):
            lr, hr, _ = sampler.draw(np.random.default_rng(seed), 0)
            assert np.abs(binned(hr, 2) - lr).max() < 1e-4
    assert Flatness().at(5) == 0


def test_a_listener_that_fails_ends_the_training_with_its_error(small_rdn, cells, tmp_path) -> None:
    def fail(event: object) -> None:
        raise InvalidInputError("no such thing.")

    with pytest.raises(InvalidInputError, match="no such thing"):
        trainer_of(small_rdn(), cells(1), tmp_path).train(on_event=fail)
    assert not [t for t in threading.enumerate() if t.name.startswith("patches")]


@pytest.mark.slow
def test_half_precision_trains_and_leaves_a_network_of_single_precision(
    small_rdn, cells, tmp_path
) -> None:
    network = small_rdn()
    before = network.model.get_weights()
    settings = replace(SETTINGS, mixed_precision=True)
    result = trainer_of(network, cells(1), tmp_path, settings).train()
    assert np.isfinite(result.curve[-1]["loss"])
    after = network.model.get_weights()
    assert any(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert {layer.dtype_policy.name for layer in network.model.layers} == {"float32"}
    assert load_model(result.last_model).model.get_layer("F_m1").dtype_policy.name == "float32"


@pytest.mark.slow
def test_an_epoch_that_ruins_the_network_is_undone_and_training_goes_on_more_slowly(
    small_rdn, cells, tmp_path
) -> None:
    network = small_rdn()
    trainer = trainer_of(network, cells(2), tmp_path)
    trainer.train(epochs=2)
    good = network.model.get_weights()

    def ruin(event: object) -> None:
        if isinstance(event, StepDone) and (event.epoch, event.step) == (3, 1):
            network.model.set_weights([0 * w for w in good])
        if isinstance(event, EpochDone) and event.epoch == 3:
            kept = zip(good, network.model.get_weights(), strict=True)
            assert all(np.array_equal(a, b) for a, b in kept)

    result = trainer.train(epochs=4, on_event=ruin)
    assert [p.get("undone") for p in result.curve] == [None, None, 1.0, None]
    assert result.curve[3]["learning_rate"] == pytest.approx(result.curve[0]["learning_rate"] / 2)
    assert result.curve[3]["pixel_loss"] < 2 * result.curve[1]["pixel_loss"]


@pytest.mark.slow
def test_scores_of_an_undone_epoch_are_not_kept(small_rdn, cells, tmp_path) -> None:
    network = small_rdn()
    trainer = trainer_of(network, cells(2), tmp_path)
    good = trainer.train(epochs=2).scores

    def ruin(event: object) -> None:
        if isinstance(event, StepDone) and (event.epoch, event.step) == (3, 1):
            network.model.set_weights([0 * w for w in network.model.get_weights()])

    result = trainer.train(epochs=3, on_event=ruin)
    assert result.curve[2]["undone"] == 1.0
    assert result.scores == good
