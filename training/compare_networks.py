"""Compare network shapes before a long training.

``python training/compare_networks.py training/NAME.toml "C4 D5 G16 G032" "C2 D8 G16 G032" --data
FOLDER`` trains each shape equally long, from the same patches, and prints its gain over bicubic
interpolation on the images held out beside its parameters and operations.
"""

from __future__ import annotations

import argparse
import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from corpus import Corpus
from train_bundled import new_network

from src_models import Trainer, TrainingSettings


def symbols_of(shape: str, scale: int) -> dict[str, int]:
    """Read such as ``"C4 D5 G16 G032"``, where G0 is what follows the last ``G0``."""
    found = re.findall(r"(G0|[CDGT])(\d+)", shape)
    return {symbol: int(value) for symbol, value in found} | {"x": scale}


def compare(settings: dict[str, Any], shape: str, steps: int, images: tuple[Any, Any]) -> Any:
    """Train one shape; return what came of it."""
    scale = settings["network"]["x"]
    network = new_network(settings | {"network": symbols_of(shape, scale)})
    wanted = TrainingSettings.from_dict(settings["training"])
    epochs = max(1, steps // wanted.steps_per_epoch)
    validation = replace(wanted.validation, every=epochs)
    with TemporaryDirectory() as folder:
        trainer = Trainer(
            network,
            hr_train_dir=images[0],
            hr_valid_dir=images[1],
            log_dirs={"logs": f"{folder}/logs", "weights": folder},
            settings=replace(wanted, epochs=epochs, validation=validation),
        )
        result = trainer.train()
    return {
        "shape": shape,
        "parameters": network.model.count_params(),
        "operations_per_pixel": network.config.operations_per_pixel,
        "steps": epochs * wanted.steps_per_epoch,
        "gain_db": round(result.curve[-1]["val_gain"], 3),
        "seconds": round(result.seconds),
    }


def main() -> None:
    """Read the command line, train each shape and print a line of JSON for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("settings", type=Path, help="a model's settings file")
    parser.add_argument("shapes", nargs="+", help='such as "C4 D5 G16 G032"')
    parser.add_argument("--data", type=Path, required=True, help="folder of the training images")
    parser.add_argument("--steps", type=int, default=1000)
    args = parser.parse_args()
    settings = tomllib.loads(args.settings.read_text())
    images = Corpus(**settings["corpus"]).read(args.data, settings["model"]["channels"])
    for shape in args.shapes:
        print(json.dumps(compare(settings, shape, args.steps, images)), flush=True)


if __name__ == "__main__":
    main()
