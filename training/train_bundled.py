"""Train a bundled model: ``python training/train_bundled.py training/NAME.toml --data FOLDER``.

Stopped at any moment it goes on from its last epoch when it is started again. The result is
written to ``src_models/weights/NAME.keras``, with the record that the model card is made of.
"""

from __future__ import annotations

import argparse
import logging
import platform
import tomllib
from pathlib import Path
from typing import Any

from corpus import Corpus

from src_models import (
    RDN,
    RRDN,
    Discriminator,
    Trainer,
    TrainingSettings,
    load_model,
    measure_overlap,
)
from src_models.networks.image_model import ImageModel
from src_models.networks.initialization import start_as_interpolation

logger = logging.getLogger("train_bundled")
_JUDGED = 12  # images that show whether tiles can be seen
WEIGHTS = Path(__file__).parents[1] / "src_models" / "weights"


def new_network(settings: dict[str, Any]) -> ImageModel:
    """Return the network of a settings file as an interpolator, or as another model left it."""
    model, symbols = settings["model"], settings["network"]
    if "start_from" in model:
        network = load_model(model["start_from"])
    elif "T" in symbols:
        network = RRDN(symbols, c_dim=model["channels"])
        start_as_interpolation(network, settings["training"]["seed"])
    else:
        network = RDN(symbols, c_dim=model["channels"], upscaling="shuffle")
        start_as_interpolation(network, settings["training"]["seed"])
    said = {key: model[key] for key in ("name", "intensity", "summary", "faithful") if key in model}
    network.describe(**said, overlap=None)
    return network


def train(settings: dict[str, Any], data: Path, runs: Path) -> Path:
    """Train as a settings file says; return the model file."""
    network = new_network(settings)
    name = settings["model"]["name"]
    training, held_out = Corpus(**settings["corpus"]).read(data, settings["model"]["channels"])
    how = TrainingSettings.from_dict(settings["training"])
    judge = None
    if how.loss.adversarial_weight > 0:
        judge = Discriminator(how.patch.size * network.scale, c_dim=network.c_dim)
    trainer = Trainer(
        network,
        judge,
        hr_train_dir=training,
        hr_valid_dir=held_out,
        dataname=name,
        log_dirs={"logs": runs / "logs", "weights": runs},
        settings=how,
    )
    logger.info("%s", trainer.images.report.in_words.splitlines()[0])
    result = trainer.train()
    assert result.last_model is not None
    # The last rather than the best by a few patches: with a rate that fell to zero they are one.
    trained = load_model(result.last_model)
    record = {
        **trained.description.training,
        "trained_on": settings["model"]["trained_on"],
        "corpus": settings["corpus"],
        "machine": f"{platform.machine()}, CPU",
    }
    overlap = measure_overlap(trained, held_out[:_JUDGED], engine="keras")
    trained.describe(training=record, overlap=overlap)
    return trained.save(WEIGHTS / name)


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("settings", type=Path, help="the model's settings file")
    parser.add_argument("--data", type=Path, required=True, help="folder of the training images")
    parser.add_argument("--runs", type=Path, default=Path("training/runs"), help="for checkpoints")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logger.info("saved %s", train(tomllib.loads(args.settings.read_text()), args.data, args.runs))


if __name__ == "__main__":
    main()
