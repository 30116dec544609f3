from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from src_models import RRDN, Trainer, TrainingSettings, load_model
from src_models.errors import InvalidInputError, TrainingError
from src_models.networks.backend import keras
from src_models.training.settings import PatchSettings


def picture(size: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.kron(rng.integers(0, 255, (size // 4, size // 4, 3)), np.ones((4, 4, 1))).astype(
        np.uint8
    )


@pytest.fixture
def folders(folder_of) -> dict[str, object]:
    high = {f"{i:04}.png": picture(48, i) for i in range(4)}
    low = {name.replace(".png", "x2.png"): image[::2, ::2] for name, image in high.items()}
    part = dict(list(high.items())[:2]), dict(list(low.items())[:2])
    return {
        "lr_train_dir": folder_of("low_train", low),
        "hr_train_dir": folder_of("high_train", high),
        "lr_valid_dir": folder_of("low_valid", part[1]),
        "hr_valid_dir": folder_of("high_valid", part[0]),
    }


@pytest.fixture
def networks() -> dict[str, object]:
    patch = 12
    image = keras.Input((2 * patch, 2 * patch, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu")(image)
    x = keras.layers.BatchNormalization()(x)
    judge = keras.Model(image, keras.layers.Conv2D(1, 1, activation="sigmoid")(x))
    seen = keras.layers.Conv2D(4, 3, activation="relu")(image)
    seer = keras.Model(image, [seen, keras.layers.Conv2D(4, 3)(seen)])
    arch = {"C": 1, "D": 1, "G": 4, "G0": 4, "T": 1, "x": 2}
    return {
        "generator": RRDN(arch_params=arch, patch_size=patch),
        "discriminator": SimpleNamespace(model=judge, patch_size=2 * patch),
        "feature_extractor": SimpleNamespace(model=seer, patch_size=2 * patch),
    }


@pytest.mark.slow
def test_the_first_generations_call_trains_all_three_losses_and_resumes(
    networks, folders, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = {
        **networks,
        **folders,
        "loss_weights": {"generator": 0.0, "feat_extr": 0.0833, "discriminator": 0.01},
        "dataname": "image_dataset",
        "logs_dir": "./logs",
        "weights_dir": "./weights",
        "weights_generator": None,
        "weights_discriminator": None,
        "n_validation": 3,
        "lr_decay_frequency": 30,
        "lr_decay_factor": 0.5,
        "T": 0.01,
    }
    before = [networks[n].model.get_weights() for n in ("discriminator", "generator")]
    trainer = Trainer(**arguments)
    result = trainer.train(epochs=2, steps_per_epoch=3, batch_size=2)
    assert {"perceptual_loss", "adversarial_loss", "discriminator_loss"} <= set(result.curve[0])
    after = [networks[n].model.get_weights() for n in ("discriminator", "generator")]
    for old, new in zip(before, after, strict=True):
        assert any(not np.array_equal(a, b) for a, b in zip(old, new, strict=True))
    assert list(tmp_path.glob("logs/**/events.out.tfevents*"))
    assert load_model(result.last_model).scale == 2
    assert len(result.scores) == 2
    resumed = Trainer(**arguments).train(epochs=3, steps_per_epoch=3, batch_size=2)
    assert [p["epoch"] for p in resumed.curve] == [1, 2, 3]
    assert resumed.curve[:2] == result.curve


@pytest.mark.slow
def test_the_second_generations_call_trains(networks, folders, tmp_path) -> None:
    trainer = Trainer(
        **networks,
        **folders,
        loss_weights={"generator": 1.0, "feature_extractor": 0.08, "discriminator": 0.01},
        losses={
            "generator": "mae",
            "discriminator": "binary_crossentropy",
            "feature_extractor": "mse",
        },
        log_dirs={"logs": tmp_path / "logs", "weights": tmp_path / "weights"},
        learning_rate={"initial_value": 1e-3, "decay_factor": 0.5, "decay_frequency": 1},
        flatness={"min": 0.0, "max": 0.15, "increase": 0.01, "increase_frequency": 5},
        adam_optimizer={"beta1": 0.9, "beta2": 0.999, "epsilon": None},
        metrics={"generator": "PSNR_Y"},
        dataname="image_dataset",
        fallback_save_every_n_epochs=1,
        n_validation=2,
    )
    result = trainer.train(
        epochs=2, steps_per_epoch=2, batch_size=2, monitored_metrics={"val_PSNR_Y": "max"}
    )
    assert result.best_model.name == "best-val_PSNR_Y.keras"
    assert [p["learning_rate"] for p in result.curve] == pytest.approx([1e-3, 5e-4])


def test_weights_of_a_saved_model_are_where_training_begins(networks, folders, tmp_path) -> None:
    path = networks["generator"].save(tmp_path / "begun")
    other = RRDN(networks["generator"].params, patch_size=12)
    dirs = {"logs": tmp_path / "logs", "weights": tmp_path / "weights"}
    Trainer(other, **folders, log_dirs=dirs, weights_generator=path)
    pairs = zip(other.model.get_weights(), networks["generator"].model.get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    wider = RRDN({**other.params, "G": 8}, patch_size=12)
    with pytest.raises(InvalidInputError, match="same network"):
        Trainer(wider, **folders, log_dirs=dirs, weights_generator=path)


def test_networks_of_other_sizes_are_refused_in_a_sentence(networks, folders) -> None:
    networks["discriminator"].patch_size = 48
    with pytest.raises(InvalidInputError, match=r"generator's times its scale, 24.*=48"):
        Trainer(**networks, **folders)


def test_a_loss_without_its_network_is_refused_in_a_sentence(folders, networks) -> None:
    from src_models import TrainingSettings
    from src_models.training.settings import LossSettings

    settings = TrainingSettings(loss=LossSettings(adversarial_weight=0.1))
    with pytest.raises(InvalidInputError, match="needs one"):
        Trainer(networks["generator"], **folders, settings=settings)


@pytest.mark.slow
def test_given_weights_are_never_lost_to_an_older_training(networks, folders, tmp_path) -> None:
    generator = networks["generator"]
    dirs = {"logs": tmp_path / "logs", "weights": tmp_path / "weights"}
    begun = generator.save(tmp_path / "begun")
    arguments = {
        **folders,
        "log_dirs": dirs,
        "settings": TrainingSettings(patch=PatchSettings(size=12)),
    }
    Trainer(generator, **arguments).train(1, 1, 1)
    with pytest.raises(TrainingError, match="begun from other weights"):
        Trainer(generator, **arguments, weights_generator=begun).train(2, 1, 1)
    anew = Trainer(generator, **arguments, weights_generator=begun)
    assert len(anew.train(1, 1, 1, resume=False).curve) == 1
    again = Trainer(generator, **arguments, weights_generator=begun).train(2, 1, 1)
    assert len(again.curve) == 2


def test_what_would_be_left_unused_is_refused_in_a_sentence(networks, folders, tmp_path) -> None:
    generator, low = networks["generator"], folders["lr_train_dir"]
    with pytest.raises(InvalidInputError, match="hr_valid_dir too"):
        Trainer(generator, hr_train_dir=folders["hr_train_dir"], lr_valid_dir=low)
    with pytest.raises(InvalidInputError, match="needs a discriminator"):
        Trainer(generator, **folders, weights_discriminator=tmp_path / "judge.weights.h5")
    small = tmp_path / "small"
    small.mkdir()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(small / "a.png")
    with pytest.raises(InvalidInputError, match=r"(?s)no image to validate with.*too small"):
        Trainer(
            generator,
            hr_train_dir=folders["hr_train_dir"],
            hr_valid_dir=small,
            settings=TrainingSettings(patch=PatchSettings(size=12)),
        )
