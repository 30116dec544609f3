"""Train on pairs of two instruments and judge the result honestly.

``python examples/train_on_pairs.py FOLDER`` expects ``FOLDER/lr`` and ``FOLDER/hr`` with images
of one pixel size, such as a confocal and a STED image of each field, and ``FOLDER/split.txt`` with
a line ``test: NAME NAME``. The low-resolution side is binned by 2, as a confocal image that
samples its resolution twice too finely may be. What is printed at the end is the PSNR of whole
test images against cubic interpolation *with the gain and offset that fit it best to the truth*:
two instruments never agree on intensities, so plain interpolation would be a straw man.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from src_models import RDN, Trainer, TrainingSettings, upscale
from src_models.images.degradation import binned, resize_bicubic
from src_models.networks.initialization import start_as_interpolation
from src_models.quality.metrics import fit_intensity, psnr
from src_models.training.settings import (
    AdamSettings,
    DataSettings,
    LearningRate,
    LossSettings,
    PatchSettings,
)

SETTINGS = TrainingSettings(
    epochs=1000,  # more than the time allows
    steps_per_epoch=100,
    batch_size=8,
    # Squared error: its best answer is the mean of what may be there, which PSNR rewards.
    loss=LossSettings(pixel="mse"),
    learning_rate=LearningRate(initial=6e-4, decay="cosine", warmup_steps=200),
    adam=AdamSettings(clip_norm=0.1),
    patch=PatchSettings(size=48),
    data=DataSettings(match_gain=True, validation_share=0.0),
)


def read(folder: Path, name: str) -> np.ndarray:
    """Return an image ``(Y, X)``."""
    return np.asarray(Image.open(folder / f"{name}.png"))


def test_names(folder: Path) -> list[str]:
    """Return the names that ``split.txt`` keeps for the test."""
    lines = (folder / "split.txt").read_text().splitlines()
    return next(line.split()[1:] for line in lines if line.startswith("test:"))


def main() -> None:
    """Train, then compare on the test pairs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="with lr/, hr/ and split.txt")
    parser.add_argument("--minutes", type=float, default=20.0, help="time to train")
    parser.add_argument("--test", nargs="*", help="other test images than split.txt's")
    parser.add_argument("--out", type=Path, default=Path("training-run"), help="for the model")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    lr, hr = args.folder / "lr", args.folder / "hr"
    tested = args.test or test_names(args.folder)
    trained = sorted(path.stem for path in hr.glob("*.png") if path.stem not in tested)

    rdn = RDN({"C": 3, "D": 4, "G": 16, "G0": 32, "x": 2}, c_dim=1, upscaling="shuffle")
    rdn.describe(name="from-pairs", intensity="measured", overlap=12)
    start_as_interpolation(rdn)
    trainer = Trainer(
        rdn,
        lr_train_dir=[binned(read(lr, name), 2) for name in trained],
        hr_train_dir=[read(hr, name) for name in trained],
        log_dirs={"logs": args.out / "logs", "weights": args.out},
        settings=replace(SETTINGS, seconds=60 * args.minutes),
    )
    result = trainer.train()
    print(f"{result.epochs} epochs in {result.seconds / 60:.1f} minutes: {result.reason}")

    gains = []
    for name in tested:
        small, truth = binned(read(lr, name), 2), read(hr, name)
        bicubic = resize_bicubic(small, (truth.shape[0], truth.shape[1]))
        base = psnr(truth, fit_intensity(bicubic, truth), data_range=255)
        model = psnr(truth, upscale(small, rdn), data_range=255)
        gains.append(model - base)
        print(f"{name}: fitted bicubic {base:.2f} dB, model {model:.2f} dB, gain {gains[-1]:+.2f}")
    print(f"mean gain {np.mean(gains):+.2f} dB")


if __name__ == "__main__":
    main()
