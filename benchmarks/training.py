"""Speed of a training step, as a ratio to ISR's way of doing it, both in one run.

``python benchmarks/training.py`` times

- ``gan``: RRDN C4 D3 T10 G32 G032 x4 with all three losses, patch 24, batch 8, SRGAN's
  discriminator and VGG19 with random weights;
- ``plain``: RDN C3 D4 G16 G032 x2 with the pixel loss alone, patch 32, batch 16;
- ``gan-graph`` and ``plain-graph``: the same, but of ISR's step only the calls of graphs, on a
  batch that is there already.

ISR's way is re-created on today's Keras: a step reads one image pair from PNG files, cuts and
turns a batch, trains and writes TensorBoard's scalars, one after the other. To train is one call
of the combined model; with a discriminator, the generator's prediction, the discriminator's
training on truths and on answers and the feature extractor's prediction on truths come before it.
Ours runs as `Trainer` runs it, on files, with TensorBoard; the discriminator computes in bfloat16
where the processor is faster in it, unless ``--float32`` is given. The two take turns; the ratio
is that of the medians and, for a machine that others use as well, that of the fastest steps.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from src_models import RDN, RRDN
from src_models.images.degradation import binned
from src_models.networks.backend import keras
from src_models.networks.mixed_precision import half_precision, multiplies_bfloat16
from src_models.training.batches import PatchBatches
from src_models.training.collect import collect_images
from src_models.training.losses import logits_of
from src_models.training.patches import PatchSampler
from src_models.training.run import compiling_pays
from src_models.training.settings import LossSettings, PatchSettings, TrainingSettings
from src_models.training.step import TrainingStep

Step = Callable[[], Any]
# Low- and high-resolution batch in, losses by name out.
TrainOn = Callable[[Any, Any], dict[str, Any]]


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


def isr_gan_graphs(generator: keras.Model, patch: int, scale: int) -> TrainOn:
    """Return ISR's calls of graphs with all three losses."""
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

    def train_on(lr: Any, hr: Any) -> dict[str, Any]:
        valid = np.ones((len(lr), *judge.output_shape[1:]), np.float32)
        answer = generator.predict(lr, verbose=0)
        real = judge.train_on_batch(hr, valid, return_dict=True)["loss"]
        fake = judge.train_on_batch(answer, 0 * valid, return_dict=True)["loss"]
        features = extractor.predict(hr, verbose=0)
        losses = combined.train_on_batch(lr, [hr, valid, *features], return_dict=True)
        return {**losses, "real": real, "fake": fake}

    return train_on


def isr_plain_graph(generator: keras.Model, patch: int) -> TrainOn:
    """Return ISR's call of the graph with the pixel loss alone."""

    def psnr(truth: Any, answer: Any) -> Any:
        error = keras.ops.mean(keras.ops.square(truth - answer))
        return -10.0 * keras.ops.log(error) / keras.ops.log(10.0)

    lr_input = keras.Input((patch, patch, 3))
    combined = keras.Model(lr_input, generator(lr_input))
    combined.compile(loss="mae", optimizer=keras.optimizers.Adam(4e-4), metrics=[psnr])
    return lambda lr, hr: combined.train_on_batch(lr, hr, return_dict=True)


def isr_loop(
    train_on: TrainOn, patch: int, scale: int, batch: int, folders: tuple[Path, Path]
) -> Step:
    """Return ISR's whole step: read, cut, turn, train, log."""
    names = sorted(path.name for path in folders[0].iterdir())
    rng = np.random.default_rng(0)
    logs = keras.callbacks.TensorBoard(tempfile.mkdtemp(), write_graph=False)
    written = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    written.compile(optimizer="adam")  # whose learning rate is logged
    logs.set_model(written)
    steps = iter(range(10**9))

    def cut(image: Any, corners: Any, size: int, turns: Any) -> Any:
        crops = [image[y : y + size, x : x + size] for y, x in corners]
        return np.array([np.rot90(crop, turn) for crop, turn in zip(crops, turns, strict=True)])

    def step() -> None:
        name = names[rng.integers(len(names))]
        lr, hr = (np.asarray(Image.open(folder / name)) / np.float32(255) for folder in folders)
        corners = rng.integers(0, np.array(lr.shape[:2]) - patch + 1, (batch, 2))
        turns = rng.integers(0, 4, batch)
        small = cut(lr, corners, patch, turns)
        large = cut(hr, corners * scale, patch * scale, turns)
        losses = train_on(small, large)
        logs.on_epoch_end(next(steps), {name: float(value) for name, value in losses.items()})

    return step


def write_photos(folder: Path, scale: int) -> tuple[Path, Path]:
    """Write pairs of PNG files as large as photos of the Kodak set."""
    rng = np.random.default_rng(0)
    folders = folder / "lr", folder / "hr"
    for sub in folders:
        sub.mkdir()
    for number in range(6):
        noise = gaussian_filter(rng.random((512, 768, 3)), (2, 2, 0))
        hr = (255 * (noise - noise.min()) / np.ptp(noise)).astype(np.uint8)
        Image.fromarray(binned(hr, scale)).save(folders[0] / f"{number}.png")
        Image.fromarray(hr).save(folders[1] / f"{number}.png")
    return folders


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

    def __init__(
        self, model: Any, patch: int, batch: int, losses: LossSettings, xla: Any, half: bool
    ) -> None:
        settings = TrainingSettings(batch_size=batch, patch=PatchSettings(size=patch), loss=losses)
        with tempfile.TemporaryDirectory() as folder:
            lr, hr = write_photos(Path(folder), model.scale)
            # Everything is in the cache after this.
            images, _ = collect_images(lr, hr, model.description, settings.data, least_size=patch)
        self.batches = PatchBatches(PatchSampler(images, settings.patch), settings)
        size = patch * model.scale
        judge = new_discriminator(size) if losses.adversarial_weight else None
        extractor = new_extractor(size) if losses.perceptual_weight else None
        # As `TrainingRun` does; the contexts end with the script.
        self.context = contextlib.ExitStack()
        logits = self.context.enter_context(logits_of(judge))
        faster = [judge] if half and multiplies_bfloat16() else []
        self.context.enter_context(half_precision(faster, "bfloat16"))
        self.step = TrainingStep(model.model, losses, logits, extractor)
        xla = compiling_pays() if xla == "auto" else xla
        self.step.compile(keras.optimizers.Adam(4e-4), jit_compile=xla)

    def run(self, steps: int) -> list[float]:
        """Return the times of so many steps."""
        times = StepTimes()
        logs = keras.callbacks.TensorBoard(tempfile.mkdtemp(), write_graph=False)
        self.step.fit(
            self.batches, steps_per_epoch=steps, verbose=0, shuffle=False, callbacks=[times, logs]
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
    pairs: dict[str, Callable[[list[float]], float]] = {"median": statistics.median, "fastest": min}
    result: dict[str, Any] = {"training": name, "xla": ours.step.jit_compile}
    for word, of in pairs.items():
        isr, our = of(their_times), of(our_times)
        result |= {f"isr_{word}_s": round(isr, 4), f"our_{word}_s": round(our, 4)}
        result[f"ratio_of_{word}"] = round(isr / our, 3)
    return result


def measure(
    name: str,
    train_on: TrainOn,
    network: Any,
    losses: LossSettings,
    shape: tuple[int, int],
    how: tuple[Any, bool],
    turns: tuple[int, int],
) -> None:
    """Print the comparison with ISR's whole step, and with its calls of graphs alone."""
    (patch, batch), scale = shape, network.scale
    rng = np.random.default_rng(0)
    lr, hr = (rng.random((batch, n, n, 3), np.float32) for n in (patch, patch * scale))
    with tempfile.TemporaryDirectory() as folder:
        whole = isr_loop(train_on, patch, scale, batch, write_photos(Path(folder), scale))
        for words, step in ((name, whole), (f"{name}-graph", lambda: train_on(lr, hr))):
            ours = Ours(type(network)(network.params), patch, batch, losses, *how)
            print(json.dumps(compare(words, step, ours, *turns)), flush=True)


def main() -> None:
    """Read the command line, measure and print one line of JSON for each training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=4, help="steps in a turn")
    parser.add_argument("--rounds", type=int, default=4, help="turns that count")
    parser.add_argument("--xla", choices=["auto", "yes", "no"], default="auto", help="ours")
    parser.add_argument("--float32", action="store_true", help="ours without bfloat16")
    parser.add_argument("--only", choices=["gan", "plain"], help="one of the two trainings")
    args = parser.parse_args()
    how = {"auto": "auto", "yes": True, "no": False}[args.xla], not args.float32
    gan = LossSettings(pixel_weight=0.0, perceptual_weight=0.08, adversarial_weight=0.01)
    if args.only != "plain":
        rrdn = RRDN({"C": 4, "D": 3, "G": 32, "G0": 32, "T": 10, "x": 4})
        train_on = isr_gan_graphs(rrdn.model, 24, 4)
        measure("gan", train_on, rrdn, gan, (24, 8), how, (args.steps, args.rounds))
    if args.only != "gan":
        rdn = RDN({"C": 3, "D": 4, "G": 16, "G0": 32, "x": 2})
        train_on = isr_plain_graph(rdn.model, 32)
        turns = 10 * args.steps, args.rounds
        measure("plain", train_on, rdn, LossSettings(), (32, 16), how, turns)


if __name__ == "__main__":
    main()
