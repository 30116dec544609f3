from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from src_models import Discriminator
from src_models.errors import InvalidInputError, SuperResolutionWarning
from src_models.networks.backend import keras
from src_models.networks.mixed_precision import half_precision
from src_models.training.isr_arguments import (
    USUAL_LOSSES,
    adam_from,
    flatness_from,
    learning_rate_from,
    losses_from,
    monitored_from,
)
from src_models.training.losses import adversarial_loss, discriminator_loss, logits_of, pixel_loss
from src_models.training.settings import (
    AdamSettings,
    Flatness,
    LearningRate,
    LossSettings,
    TrainingSettings,
)
from src_models.training.step import TrainingStep


def judge(channels: int = 3, *, sigmoid: str = "layer") -> keras.Model:
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, channels))
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu")(image)
    x = keras.layers.BatchNormalization()(x)
    last = keras.layers.Conv2D(1, 1, activation="sigmoid" if sigmoid == "inside" else None)
    x = last(x)
    return keras.Model(image, keras.layers.Activation("sigmoid")(x) if sigmoid == "layer" else x)


def extractor() -> keras.Model:
    image = keras.Input((None, None, 3))
    a = keras.layers.Conv2D(4, 3, activation="relu")(image)
    return keras.Model(image, [a, keras.layers.Conv2D(4, 3)(a)])


def step_of(small_rdn, channels: int = 3, **weights: float) -> TrainingStep:
    losses = LossSettings(**{"pixel_weight": 0.0, **weights})
    with logits_of(judge(channels)) as logits:
        step = TrainingStep(small_rdn().model, losses, logits, extractor())
    # A large epsilon, or a gradient of nearly zero takes a whole step in a random direction.
    step.compile(keras.optimizers.Adam(1e-2, epsilon=1e-3), jit_compile=False)
    return step


def nothing(_kind: str, real, fake):
    return 0.0 * (keras.ops.sum(real) + keras.ops.sum(fake))


def change(before: list[np.ndarray], after: list[np.ndarray]) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(before, after, strict=True))


@pytest.fixture
def batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((2, 8, 8, 1), np.float32), rng.random((2, 16, 16, 1), np.float32)


@pytest.mark.slow
def test_all_losses_are_noted_and_finite(small_rdn, batch) -> None:
    step = step_of(small_rdn, pixel_weight=1, perceptual_weight=0.1, adversarial_weight=0.1)
    logs = step.train_on_batch(*batch, return_dict=True)
    assert set(logs) == {
        "loss",
        "pixel_loss",
        "PSNR",
        "perceptual_loss",
        "adversarial_loss",
        "discriminator_loss",
    }
    assert all(np.isfinite(float(value)) for value in logs.values())


@pytest.mark.slow
def test_the_generators_losses_leave_the_discriminator_alone(small_rdn, batch, monkeypatch) -> None:
    step = step_of(small_rdn, adversarial_weight=1)
    monkeypatch.setattr("src_models.training.step.discriminator_loss", nothing)
    weights = [np.asarray(v) for v in step.discriminator.trainable_variables]
    generator = step.generator.get_weights()
    step.train_on_batch(*batch)
    after = [np.asarray(v) for v in step.discriminator.trainable_variables]
    assert change(weights, after) == 0
    assert change(generator, step.generator.get_weights()) > 0


@pytest.mark.slow
def test_bfloat16_in_the_discriminator_alone_keeps_the_direction_of_what_the_generator_learns(
    small_rdn, batch
) -> None:
    keras.utils.set_random_seed(0)
    judge_model = Discriminator(batch[1].shape[1]).model
    start = judge_model.get_weights()
    learnt = []
    for networks in ([], [judge_model]):
        judge_model.set_weights(start)
        generator = small_rdn().model
        before = generator.get_weights()
        with logits_of(judge_model) as logits, half_precision(networks, "bfloat16"):
            losses = LossSettings(pixel_weight=0.0, adversarial_weight=1.0)
            step = TrainingStep(generator, losses, logits)
            # Plain descent: the change is the gradient.
            step.compile(keras.optimizers.SGD(1.0), jit_compile=False)
            step.train_on_batch(*batch)
        after = generator.get_weights()
        moved = [(a - b).ravel() for a, b in zip(after, before, strict=True)]
        learnt.append(np.concatenate(moved).astype(np.float64))
    single, half = learnt
    cosine = single @ half / np.linalg.norm(single) / np.linalg.norm(half)
    # The noise of choosing eight patches turns it far more. Not equal: it did compute in bfloat16.
    assert 0.9 < cosine < 0.9999
    assert {layer.dtype_policy.name for layer in judge_model.layers} == {"float32"}


@pytest.mark.slow
def test_the_discriminators_loss_leaves_the_generator_alone(small_rdn, batch, monkeypatch) -> None:
    step = step_of(small_rdn, adversarial_weight=1)
    monkeypatch.setattr("src_models.training.step.adversarial_loss", nothing)
    weights = [np.asarray(v) for v in step.discriminator.trainable_variables]
    generator = step.generator.get_weights()
    step.train_on_batch(*batch)
    after = [np.asarray(v) for v in step.discriminator.trainable_variables]
    assert change(weights, after) > 0
    assert change(generator, step.generator.get_weights()) == 0


@pytest.mark.slow
def test_the_feature_extractor_never_changes_and_is_no_part_of_the_step(small_rdn, batch) -> None:
    network = extractor()
    losses = LossSettings(pixel_weight=0, perceptual_weight=1)
    step = TrainingStep(small_rdn().model, losses, None, network)
    step.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
    before, generator = network.get_weights(), step.generator.get_weights()
    step.train_on_batch(*batch)
    assert change(before, network.get_weights()) == 0
    assert change(generator, step.generator.get_weights()) > 0
    assert len(step.variables) == len(step.generator.variables)


def test_one_step_equals_two_steps_with_an_optimizer_each(small_rdn, batch) -> None:
    lr, hr = batch
    step = step_of(small_rdn, 1, pixel_weight=1, adversarial_weight=0.5)
    generator, logits = small_rdn().model, keras.models.clone_model(step.discriminator)
    generator.set_weights(step.generator.get_weights())
    logits.set_weights(step.discriminator.get_weights())
    step.train_on_batch(lr, hr)

    class OnlyDiscriminator(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.logits = logits
            self.built = True

        def call(self, images):
            return self.logits(images)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            real, fake = self.logits(y, training=True), self.logits(x, training=True)
            return discriminator_loss("srgan", real, fake)

    class OnlyGenerator(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.generator = generator
            self.built = True

        def call(self, images):
            return self.generator(images)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            fake, _ = logits.stateless_call(
                [v.value for v in logits.trainable_variables],
                [v.value for v in logits.non_trainable_variables],
                y_pred,
                training=True,
            )
            pixel = keras.ops.mean(pixel_loss("mae", keras.ops.convert_to_tensor(y), y_pred))
            return pixel + 0.5 * adversarial_loss("srgan", fake, fake)

    sr = np.asarray(generator.predict_on_batch(lr))
    frozen = logits.get_weights()
    for model, x in ((OnlyGenerator(), lr), (OnlyDiscriminator(), sr)):
        model.compile(keras.optimizers.Adam(1e-2, epsilon=1e-3), jit_compile=False)
        model.train_on_batch(x, hr)
        if isinstance(model, OnlyGenerator):
            assert change(frozen, logits.get_weights()) == 0
    assert change(step.generator.get_weights(), generator.get_weights()) < 5e-4
    trained = [np.asarray(v) for v in step.discriminator.trainable_variables]
    assert change(trained, [np.asarray(v) for v in logits.trainable_variables]) < 5e-4


@pytest.mark.parametrize("kind", ["srgan", "relativistic"])
def test_adversarial_losses_stay_finite_where_a_sigmoid_saturates(kind) -> None:
    far = keras.ops.full((2, 4, 4, 1), 300.0)
    for real, fake in ((far, -far), (-far, far)):
        for loss in (adversarial_loss, discriminator_loss):
            assert np.isfinite(float(loss(kind, real, fake)))
    assert float(adversarial_loss(kind, far, -far)) > 100
    assert float(discriminator_loss(kind, far, -far)) < 1e-6


def test_the_best_guess_of_a_lost_generator_costs_two_ln_two_halves() -> None:
    zero = keras.ops.zeros((2, 4, 4, 1))
    for kind in ("srgan", "relativistic"):
        assert float(discriminator_loss(kind, zero, zero)) == pytest.approx(np.log(2))


@pytest.mark.parametrize("sigmoid", ["layer", "inside", "none"])
def test_logits_are_what_the_sigmoid_gets(sigmoid) -> None:
    network = judge(sigmoid=sigmoid)
    images = np.random.default_rng(0).random((1, 8, 8, 3), np.float32)
    before = network.predict_on_batch(images)
    with logits_of(network) as logits:
        network.predict_function = None
        values = logits.predict_on_batch(images)
    network.predict_function = None
    expected = values if sigmoid == "none" else 1 / (1 + np.exp(-values))
    assert np.allclose(before, expected, atol=1e-6)
    assert np.allclose(before, network.predict_on_batch(images), atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "expected"), [("mae", 0.5), ("mse", 0.25), ("charbonnier", 0.500001)]
)
def test_pixel_losses_are_what_their_names_say(kind, expected) -> None:
    hr, sr = keras.ops.zeros((3, 4, 4, 1)), keras.ops.full((3, 4, 4, 1), 0.5)
    assert np.allclose(np.asarray(pixel_loss(kind, hr, sr)), [expected] * 3)


def test_both_generations_of_isrs_arguments_give_the_same_settings() -> None:
    old = losses_from(
        {"generator": 0.0, "feat_extr": 0.0833, "discriminator": 0.01},
        None,
        USUAL_LOSSES,
        judged=True,
        seen=True,
    )
    new = losses_from(
        {"generator": 0.0, "feature_extractor": 0.0833, "discriminator": 0.01},
        {
            "generator": "mae",
            "discriminator": "binary_crossentropy",
            "feature_extractor": "mse",
        },
        USUAL_LOSSES,
        judged=True,
        seen=True,
    )
    expected = LossSettings(pixel_weight=0.0, perceptual_weight=0.0833, adversarial_weight=0.01)
    assert old == new == expected
    rate = {"initial_value": 1e-3, "decay_factor": 0.5, "decay_frequency": 30}
    usual = LearningRate()
    assert learning_rate_from(rate, None, None, usual) == learning_rate_from(1e-3, 0.5, 30, usual)
    assert flatness_from(None, 0.01, Flatness()) == flatness_from(
        {"min": 0.01, "increase": 0.0, "increase_frequency": None}, None, Flatness()
    )
    betas = {"beta1": 0.5, "beta2": 0.9, "epsilon": None}
    assert adam_from(betas, AdamSettings()) == AdamSettings(beta_1=0.5, beta_2=0.9)


def test_isrs_arguments_change_of_the_settings_what_they_say_and_no_more() -> None:
    rate = LearningRate(initial=1e-3, decay="cosine", warmup_steps=7)
    assert learning_rate_from(None, 0.3, None, rate) == replace(rate, decay_factor=0.3)
    flatness = Flatness(min=0.1, increase=0.01, increase_frequency=3)
    assert flatness_from({"max": 0.5}, None, flatness) == replace(flatness, max=0.5)
    assert flatness_from(None, None, flatness) == flatness
    adam = AdamSettings(clip_norm=0.1)
    assert adam_from({"beta1": 0.5}, adam) == replace(adam, beta_1=0.5)
    losses = LossSettings(pixel="charbonnier", adversarial="relativistic", adversarial_weight=0.2)
    kept = losses_from(None, {"generator": "mse"}, losses, judged=True, seen=False)
    assert kept == replace(losses, pixel="mse")
    kept = losses_from({"generator": 0.5}, None, losses, judged=True, seen=False)
    assert kept == replace(losses, pixel_weight=0.5, adversarial_weight=0.0)


def test_isrs_metric_names_are_understood_and_unknown_ones_left_out() -> None:
    assert monitored_from(None, {"val_PSNR_Y": "max"}) == {"val_PSNR_Y": "max"}
    assert monitored_from(None, {"val_generator_PSNR_Y": "max"}) == {"val_PSNR_Y": "max"}
    with pytest.warns(SuperResolutionWarning, match="not measured"):
        assert monitored_from(None, {"val_nonsense": "max"}) == {}


def test_misspelt_keys_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="unknown"):
        losses_from({"generater": 1.0}, None, USUAL_LOSSES, judged=False, seen=False)
    with pytest.raises(InvalidInputError, match="unknown"):
        flatness_from({"minimum": 1.0}, None, Flatness())


def test_schedules_follow_their_rules() -> None:
    steps = LearningRate(initial=1e-3, decay_factor=0.5, decay_frequency=10)
    assert [steps.at(0, e, 0) for e in (0, 9, 10, 25)] == [1e-3, 1e-3, 5e-4, 2.5e-4]
    assert steps.at(0, 10**6, 0) == 1e-7
    cosine = LearningRate(initial=1e-3, decay="cosine", warmup_steps=9)
    assert cosine.at(0, 0, 0.0) == pytest.approx(1e-4)
    assert cosine.at(100, 1, 0.5) == pytest.approx(5e-4)
    flatness = Flatness(min=0.0, max=0.15, increase=0.1, increase_frequency=5)
    assert [flatness.at(e) for e in (0, 4, 5, 10)] == [0, 0, 0.1, 0.15]


@pytest.mark.parametrize(
    "make",
    [
        lambda: TrainingSettings(epochs=0),
        lambda: LossSettings(pixel="l3"),
        lambda: LossSettings(pixel_weight=0),
        lambda: LearningRate(initial=-1),
    ],
)
def test_settings_out_of_range_are_refused_in_a_sentence(make) -> None:
    with pytest.raises(InvalidInputError, match="Received"):
        make()
