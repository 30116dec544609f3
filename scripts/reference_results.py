"""Results that a refactoring must not change: written before it, compared after every step.

``python scripts/reference_results.py write FILE`` and ``... check FILE``, on the same machine:
another processor sums in another order. Images are compared to the bit, a training to 1e-6.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.array as da
import napari.layers
import numpy as np
import zarr
from numpy.typing import NDArray
from PIL import Image

import napari_isr
from src_models import (
    RDN,
    Trainer,
    TrainingSettings,
    expected_error,
    measure_consistency,
    upscale,
    upscale_to_zarr,
    upscale_with_uncertainty,
)

ROOT = Path(__file__).parents[1]
SAMPLES = ("embl_plant_12bit", "skimage_skin", "diatom_025")
MODELS = (
    "microscopy-denoise-x2",
    "microscopy-x2",
    "microscopy-x4",
    "photo-artefact-x2",
    "photo-sharp-x4",
    "photo-x2",
    "photo-x4",
)


def sample(name: str) -> NDArray[Any]:
    """Read a sample image."""
    with Image.open(ROOT / "napari_isr" / "samples" / f"{name}.png") as image:
        pixels: NDArray[Any] = np.asarray(image)
    return pixels.astype(np.uint16 if pixels.dtype.itemsize > 2 else np.uint8)


def stack_of_12_bits() -> NDArray[Any]:
    """Make a stack ``(Z, C, Y, X)`` of the plant with a moving gain and noise, 0 to 4095."""
    plant = sample("embl_plant_12bit")[:90, :110].astype(np.float64)
    rng = np.random.default_rng(3)
    planes = [[plant * g + rng.normal(50, 5, plant.shape) for g in (0.9, 0.3)] for _ in range(2)]
    stack: NDArray[Any] = np.clip(np.rint(np.array(planes)), 0, 4095).astype(np.uint16)
    return stack


def digest(array: Any) -> str:
    """Hash an array's dtype, shape and bytes."""
    array = np.ascontiguousarray(array)
    head = f"{array.dtype.str} {array.shape} ".encode()
    return hashlib.sha256(head + array.tobytes()).hexdigest()[:16]


def results(folder: Path) -> Iterator[tuple[str, Any]]:
    """Yield names and what must stay: hashes, or numbers."""
    images = {name: sample(name) for name in SAMPLES} | {"stack": stack_of_12_bits()}
    for model in MODELS:
        for name, image in images.items():
            axes = "ZCYX" if name == "stack" else None
            yield f"{model} {name}", digest(upscale(image, model, axes=axes))
        small = images["skimage_skin" if model.startswith("photo") else "diatom_025"][:70, :84]
        yield f"{model} tiles", digest(upscale(small, model, tile_size=40, batch_size=2))
        yield f"{model} ensemble", digest(upscale(small, model, self_ensemble=True))
        yield f"{model} kept", digest(upscale(small, model, keep_intensities=True))
        chunked = da.from_array(images["stack"], chunks=(1, 1, 50, 60))
        lazy = upscale(chunked, model, axes="ZCYX", tile_size=48)
        yield f"{model} lazy", digest(lazy)
        path = folder / f"{model}.ome.zarr"
        upscale_to_zarr(images["stack"], path, model, axes="ZCYX")
        written = zarr.open_group(path, mode="r")
        yield f"{model} zarr", [digest(array[...]) for _, array in sorted(written.arrays())]
    for engine in ("keras", "onnxruntime"):
        yield f"{engine}", digest(upscale(images["diatom_025"][:70, :84], engine=engine))
    image = images["embl_plant_12bit"][:70, :84]
    result, deviation = upscale_with_uncertainty(image)
    yield "uncertainty", [digest(result), digest(deviation)]
    yield "expected error", digest(expected_error(result, deviation))
    yield "consistency", digest(measure_consistency(result, image).residual)
    for name, image in images.items():
        data = image[..., :70, :84] if name != "skimage_skin" else image[:70, :84]
        layer = napari.layers.Image(data, name=name, scale=[0.5] * (2 if data.ndim < 4 else 4))
        layers = napari_isr.upscale(
            layer,
            axes="ZCYX" if name == "stack" else None,
            self_ensemble=True,
            keep_intensities=True,
            uncertainty="expected error",
            consistency=True,
        )
        for made in layers if isinstance(layers, list) else [layers]:
            placed = [made.scale.tolist(), made.translate.tolist()]
            yield f"layer {made.name}", [digest(made.data), placed]
    yield from training(images["diatom_025"], folder)


def training(image: NDArray[Any], folder: Path) -> Iterator[tuple[str, Any]]:
    """Train a tiny network for a few steps; yield its weights and curve."""
    random.seed(1)  # Keras' initialisers draw their seeds from it
    rdn = RDN({"C": 1, "D": 2, "G": 4, "G0": 4, "x": 2}, c_dim=1, upscaling="shuffle")
    values = TrainingSettings().to_dict()
    values |= {"epochs": 2, "steps_per_epoch": 5, "batch_size": 2, "jit_compile": False}
    values["patch"] |= {"size": 16}
    values["validation"] |= {"patches": 2, "size": 16}
    logs = {"logs": folder / "logs", "weights": folder / "weights"}
    settings = TrainingSettings.from_dict(values)
    images = [image[:128, :128], image[-128:, -128:], image[:128, -128:]]
    trained = Trainer(rdn, hr_train_dir=images, log_dirs=logs, settings=settings).train()
    yield "training weights", [float(w) for a in rdn.model.get_weights() for w in a.ravel()[:5]]
    yield "training loss", [float(point["loss"]) for point in trained.curve]


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Name what is not equal: to 1e-6 where it is numbers of a training, else to the bit."""
    names = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            names.append(name)
        elif name.startswith("training"):
            if not np.allclose(old, new, rtol=0, atol=1e-6):
                names.append(name)
        elif old != new:
            names.append(name)
    return names


def main() -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["write", "check"])
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        found = json.loads(json.dumps(dict(results(Path(folder)))))
    if arguments.what == "write":
        arguments.file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        return 0
    unequal = differences(json.loads(arguments.file.read_text(encoding="utf-8")), found)
    for name in unequal:
        sys.stdout.write(f"differs: {name}\n")
    sys.stdout.write(f"{len(found) - len(unequal)} of {len(found)} equal\n")
    return 1 if unequal else 0


if __name__ == "__main__":
    raise SystemExit(main())
