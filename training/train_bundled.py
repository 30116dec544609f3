"""Train a bundled model: ``python training/train_bundled.py training/NAME.toml --data FOLDER``.

Stopped at any moment it goes on from its last epoch when it is started again. The result is
written to ``src_models/weights/NAME.keras``, with the record that the model card is made of.
"""

from __future__ import annotations

import argparse
import json
import logging
import platform
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from corpus import Corpus, Pair, load_groups

from src_models import RDN
from src_models.backend import keras
from src_models.degrade import resize_bicubic
from src_models.image_model import ImageModel
from src_models.interpolation_start import start_as_interpolation
from src_models.metrics import psnr, robust_range

logger = logging.getLogger("train_bundled")
WEIGHTS = Path(__file__).parents[1] / "src_models" / "weights"


def mean_gain(model: ImageModel, pairs: list[Pair]) -> float:
    """Return the mean gain over cubic interpolation in dB."""
    gains = []
    for pair in pairs:
        sr = np.asarray(model.model.predict_on_batch(pair.lr[None]))[0]
        span = robust_range(pair.hr)
        base = psnr(pair.hr, resize_bicubic(pair.lr, pair.hr.shape[:2]), data_range=span)
        gains.append(psnr(pair.hr, sr, data_range=span) - base)
    return float(np.mean(gains))


class Report(keras.callbacks.Callback):
    """Tell the corpus of the epoch, validate now and then, and save what there is."""

    def __init__(
        self, model: ImageModel, corpus: Corpus, held_out: list[Pair], folder: Path, every: int = 4
    ) -> None:
        super().__init__()
        self._network, self._corpus, self._held_out = model, corpus, held_out
        self._folder, self._every = folder, every
        self._curve_file = folder / "curve.json"
        self.curve: list[dict[str, float]] = []
        if self._curve_file.is_file():
            self.curve = json.loads(self._curve_file.read_text())
        self._started = time.monotonic() - (self.curve[-1]["seconds"] if self.curve else 0)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Make the patches of a resumed epoch those of an unbroken run."""
        self._corpus.epoch = epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Validate, log and save."""
        if (epoch + 1) % self._every:
            return
        point = {
            "epoch": epoch + 1,
            "loss": float((logs or {})["loss"]),
            "gain_db": mean_gain(self._network, self._held_out),
            "seconds": time.monotonic() - self._started,
        }
        self.curve = [p for p in self.curve if p["epoch"] <= epoch] + [point]
        self._curve_file.write_text(json.dumps(self.curve))
        self._network.save(self._folder / "latest.keras")
        logger.info("%s", {k: round(v, 4) for k, v in point.items()})


def train(settings: dict[str, Any], data: Path, folder: Path) -> Path:
    """Train as the settings say, in `folder`; return the model file."""
    keras.utils.set_random_seed(settings["seed"])
    groups, held_out = load_groups(data, settings)
    logger.info("pairs: %s, held out: %d", [len(pairs) for _, pairs in groups], len(held_out))
    network = RDN(settings["network"], c_dim=settings["channels"], upscaling="shuffle")
    start_as_interpolation(network, settings["seed"])
    network.describe(
        name=settings["name"],
        intensity=settings["intensity"],
        summary=settings["summary"],
        overlap=settings["overlap"],
    )
    fit = settings["fit"]
    rate = keras.optimizers.schedules.CosineDecay(
        0.0,
        fit["steps"] - fit["warmup_steps"],
        warmup_target=fit["learning_rate"],
        warmup_steps=fit["warmup_steps"],
    )
    network.model.compile(keras.optimizers.Adam(rate), loss="mae", jit_compile=True)
    corpus = Corpus(groups, settings)
    report = Report(network, corpus, held_out, folder)
    network.model.fit(
        corpus,
        epochs=fit["steps"] // fit["steps_per_epoch"],
        shuffle=False,
        verbose=0,
        callbacks=[
            report,
            keras.callbacks.BackupAndRestore(folder / "backup", delete_checkpoint=False),
        ],
    )
    network.describe(
        training={
            "settings": settings,
            "trained_on": settings["trained_on"],
            "pairs": {"trained_on": sum(len(p) for _, p in groups), "held_out": len(held_out)},
            "held_out_gain_db": mean_gain(network, held_out),
            "curve": report.curve,
            "seconds": report.curve[-1]["seconds"],
            "backend": keras.backend.backend(),
            "machine": f"{platform.machine()}, CPU",
        }
    )
    return network.save(WEIGHTS / settings["name"])


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("settings", type=Path, help="the model's settings file")
    parser.add_argument("--data", type=Path, required=True, help="folder of the training images")
    parser.add_argument("--runs", type=Path, default=Path("training/runs"), help="for checkpoints")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    settings = tomllib.loads(args.settings.read_text())
    folder = args.runs / settings["name"]
    folder.mkdir(parents=True, exist_ok=True)
    logger.info("saved %s", train(settings, args.data, folder))


if __name__ == "__main__":
    main()
