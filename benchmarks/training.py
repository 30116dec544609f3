"""Speed of a training step, as a ratio to ISR's way of doing it, both in one run.

``python benchmarks/training.py`` times two trainings: RRDN C4 D3 T10 G32 G032 x4 with all three
losses (patch 24, batch 8, SRGAN's discriminator and VGG19 with random weights), and RDN C3 D10
G64 G064 x2 with the pixel loss alone (patch 32, batch 8).

ISR's way is re-created on today's Keras: with a discriminator a step is the generator's
prediction, the discriminator's training on truths and on answers, the feature extractor's
prediction on truths and the training of the combined model; without one it is the training of a
model with two metrics. Batches are in memory on its side; on ours they come through the patch
pipeline. The two take turns; the ratio is that of the medians and, for a machine that others use
as well, that of the fastest steps.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from src_models import RDN, RRDN
from src_models.backend import keras
from src_models.batches import PatchBatches
from src_models.data import collect_images
from src_models.logits import logits_of
from src_models.patches import PatchSampler
from src_models.training_config import LossSettings, PatchSettings, TrainingSettings
from src_models.training_run import compiling_pays
from src_models.training_step import TrainingStep

Step = Callable[[], Any]


def new_discriminator(size: int) -> keras.Model:
    """Return SRGAN's discriminator as ISR builds it."""
    layers = keras.layers
    image = keras.Input((size, size, 3))
    x = layers.LeakyReLU(0.2)(layers.Conv2D(64, 3, padding="same")(image))
    for filters, stride in zip(
        (64, 128, 128, 256, 256, 512, 512), (2, 1, 2, 1, 1, 1, 1), strict=True
    ):
        x = layers.Conv2D(filters, 3, strides=stride, padding="same")(x)
        x = layers.BatchNormalization(momentum=0.8)(layers.LeakyReLU(0.2)(x))
    x = layers.LeakyReLU(0.2)(layers.Dense(1024)(x))
    return keras.Model(image, layers.Activation("sigmoid")(layers.Dense(1)(x)))


def new_extractor(size: int) -> keras.Model:
    """Return VGG19 with random weights, cut after the layers of ISR's example."""
    vgg = keras.applications.VGG19(weights=None, include_top=False, input_shape=(size, size, 3))
    cut = keras.Model(vgg.input, [vgg.layers[i].output for i in (5, 9)])
    cut.trainable = False
    return cut


def isr_gan_step(generator: keras.Model, patch: int, scale: int, batch: int) -> Step:
    """Return ISR's step with all three losses."""
    size = patch * scale
    judge, extractor = new_discriminator(size), new_extractor(size)
    judge.compile(loss="binary_crossentropy", optimizer=keras.optimizers.Adam(2e-4, 0.5))
    frozen = keras.models.clone_model(judge)
    frozen.trainable = False
    lr_input = keras.Input((patch, patch, 3))
    sr = generator(lr_input)
    combined = keras.Model(lr_input, [sr, frozen(sr), *extractor(sr)])
    combined.compile(
        loss=["mae", "binary_crossentropy", "mse", "mse"],
        loss_weights=[0.0, 0.01, 0.04, 0.04],
        optimizer=keras.optimizers.Adam(4e-4),
    )
    rng = np.random.default_rng(0)
    lr = rng.random((batch, patch, patch, 3), np.float32)
    hr = rng.random((batch, size, size, 3), np.float32)
    valid = np.ones((batch, *judge.output_shape[1:]), np.float32)

    def step() -> None:
        answer = generator.predict(lr, verbose=0)
        judge.train_on_batch(hr, valid)
        judge.train_on_batch(answer, 0 * valid)
        features = extractor.predict(hr, verbose=0)
        combined.train_on_batch(lr, [hr, valid, *features])

    return step


def isr_plain_step(generator: keras.Model, patch: int, scale: int, batch: int) -> Step:
    """Return ISR's step with the pixel loss alone."""

    def psnr(truth: Any, answer: Any) -> Any:
        error = keras.ops.mean(keras.ops.square(truth - answer))
        return -10.0 * keras.ops.log(error) / keras.ops.log(10.0)

    lr_input = keras.Input((patch, patch, 3))
    combined = keras.Model(lr_input, generator(lr_input))
    combined.compile(loss="mae", optimizer=keras.optimizers.Adam(4e-4), metrics=[psnr])
    rng = np.random.default_rng(0)
    lr = rng.random((batch, patch, patch, 3), np.float32)
    hr = rng.random((batch, patch * scale, patch * scale, 3), np.float32)
    return lambda: combined.train_on_batch(lr, hr)


class StepTimes(keras.callbacks.Callback):
    """Notes how long each step of `fit` takes."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []
        self._began = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the clock."""
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Note the time since the last step."""
        now = time.perf_counter()
        self.times.append(now - self._began)
        self._began = now


class Ours:
    """Our step, as `Trainer` runs it."""

    def __init__(self, model: Any, patch: int, batch: int, losses: LossSettings, xla: Any) -> None:
        settings = TrainingSettings(batch_size=batch, patch=PatchSettings(size=patch), loss=losses)
        hr = np.random.default_rng(0).integers(0, 255, (512, 512, 3)).astype(np.uint8)
        images, _ = collect_images(None, [hr], model.description, settings.data, least_size=patch)
        self.batches = PatchBatches(PatchSampler(images, settings.patch), settings)
        size = patch * model.scale
        judge = new_discriminator(size) if losses.adversarial_weight else None
        extractor = new_extractor(size) if losses.perceptual_weight else None
        # The context ends with the script.
        self.context = logits_of(judge)
        self.step = TrainingStep(model.model, losses, self.context.__enter__(), extractor)
        xla = compiling_pays(self.step) if xla == "auto" else xla
        self.step.compile(keras.optimizers.Adam(4e-4), jit_compile=xla)

    def run(self, steps: int) -> list[float]:
        """Return the times of so many steps."""
        times = StepTimes()
        self.step.fit(
            self.batches, steps_per_epoch=steps, verbose=0, shuffle=False, callbacks=[times]
        )
        return times.times[1:]


def compare(name: str, theirs: Step, ours: Ours, steps: int, rounds: int) -> dict[str, Any]:
    """Let the two take turns, the first round for warming up."""
    their_times: list[float] = []
    our_times: list[float] = []
    for turn in range(rounds + 1):
        taken = []
        for _ in range(steps):
            began = time.perf_counter()
            theirs()
            taken.append(time.perf_counter() - began)
        mine = ours.run(steps + 1)
        if turn:
            their_times += taken
            our_times += mine
    ours.batches.close()
    pairs = {"median": statistics.median, "fastest": min}
    result: dict[str, Any] = {"training": name, "xla": ours.step.jit_compile}
    for word, of in pairs.items():
        isr, our = of(their_times), of(our_times)
        result |= {f"isr_{word}_s": round(isr, 4), f"our_{word}_s": round(our, 4)}
        result[f"ratio_of_{word}"] = round(isr / our, 3)
    return result


def main() -> None:
    """Read the command line, measure and print one line of JSON for each training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=4, help="steps in a turn")
    parser.add_argument("--rounds", type=int, default=4, help="turns that count")
    parser.add_argument("--xla", choices=["auto", "yes", "no"], default="auto", help="ours")
    parser.add_argument("--only", choices=["gan", "plain"], help="one of the two trainings")
    args = parser.parse_args()
    xla = {"auto": "auto", "yes": True, "no": False}[args.xla]
    if args.only != "plain":
        arch = {"C": 4, "D": 3, "G": 32, "G0": 32, "T": 10, "x": 4}
        losses = LossSettings(pixel_weight=0.0, perceptual_weight=0.08, adversarial_weight=0.01)
        theirs = isr_gan_step(RRDN(arch).model, 24, 4, 8)
        ours = Ours(RRDN(arch), 24, 8, losses, xla)
        print(json.dumps(compare("gan", theirs, ours, args.steps, args.rounds)))
    if args.only != "gan":
        arch = {"C": 3, "D": 10, "G": 64, "G0": 64, "x": 2}
        theirs = isr_plain_step(RDN(arch).model, 32, 2, 8)
        ours = Ours(RDN(arch), 32, 8, LossSettings(), xla)
        print(json.dumps(compare("plain", theirs, ours, args.steps, args.rounds)))


if __name__ == "__main__":
    main()
