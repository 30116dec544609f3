"""Show where models fail: ``python training/failure_pictures.py --data FOLDER [MODEL ...]``.

For each model and each of its test images that may be shown, the result is compared with the truth
and with cubic interpolation of the same input, in windows of 48 truth pixels. Two places are
drawn, side by side as input, interpolation, model, truth and error (grey: none), with one contrast:

- ``-lost``: where the model is farthest behind interpolation, by mean squared error;
- ``-invented``: where it has the most fine detail beyond that of the truth, in another image.

Inputs are made as those that the model is for: binned for microscopy, as from a camera with 200
photons for the denoising model, shrunk by cubic interpolation for photos, and through JPEG of
quality 30 for the model that removes its traces.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter, uniform_filter

from src_models import describe_model, open_engine, upscale
from src_models.images.degradation import (
    bicubic,
    binned,
    crop_to_multiple,
    microscope,
    resize_bicubic,
)
from src_models.images.intensity import IntensityRange, as_dtype
from src_models.models.description import ModelDescription
from src_models.models.registry import BUNDLED
from src_models.quality.metrics import robust_range

PICTURES = Path(__file__).parents[1] / "docs" / "images" / "failures"
# Licences that allow to show a part: by the beginning of the file's name.
MAY_BE_SHOWN = {
    "embl_": "EMBL, NEUBIAS training resources, CC-BY-4.0",
    "diatom_": "scikit-image tutorials, CC0",
    "emdiffuse_": "EMDiffuse, MIT",
    "cpfly_": "CellProfiler examples, BSD-3",
    "cpvitra_": "CellProfiler examples, BSD-3",
    "transfluor_": "CellProfiler examples, BSD-3",
    "worms_": "CellProfiler examples, BSD-3",
    "dsb": "BBBC038, CC0",
    "skimage_skin": "scikit-image, CC0",
    "bacteria_phase_": "Omnipose, MIT",
    "shale_": "python_for_microscopists, MIT",
    "kodim": "Kodak, released for unrestricted usage",
}
_WINDOW, _MARGIN = 48, 8
_SHOWN, _GAP, _TITLE = 192, 4, 18
_FINE = 1.5
_COLOURS = 128
Pixels = NDArray[Any]


class Trial(NamedTuple):
    """One image: its name, source, input, truth, and what became of the input."""

    name: str
    source: str
    low: Pixels
    plain: Pixels
    result: Pixels
    truth: Pixels


class Place(NamedTuple):
    """Where a trial is worst, and how bad it is there."""

    badness: float
    trial: Trial
    at: tuple[int, int]


def worst_place(trial: Trial, badness: NDArray[np.float64]) -> Place:
    """Find the worst window that lies within the image."""
    half = _WINDOW // 2 + _MARGIN
    inner = badness[half:-half, half:-half]
    y, x = np.unravel_index(int(inner.argmax()), inner.shape)
    return Place(float(inner.max()), trial, (int(y) + half, int(x) + half))


def images(data: Path, channels: int) -> Iterator[tuple[str, str, Pixels]]:
    """Yield name, source and pixels of the test images that may be shown."""
    folders = [data / "microscopy" / "test"]
    if channels == 3:
        folders.append(data / "natural" / "kodak11")
    for path in sorted(p for folder in folders for p in folder.rglob("*.png")):
        source = next((s for begin, s in MAY_BE_SHOWN.items() if path.stem.startswith(begin)), "")
        image = Image.open(path)
        pixels = np.asarray(image)
        pixels = pixels.astype(np.uint16) if image.mode.startswith("I") else pixels
        if source and (pixels.ndim == 3) == (channels == 3):
            yield path.stem, source, pixels


def shrunk(high: Pixels, model: ModelDescription, number: int) -> Pixels:
    """Return an input of the kind that the model is for."""
    if "denoise" in model.name:
        low = float(high.min())
        levels = IntensityRange(low, max(float(np.percentile(high, 99.9)), low + 1))
        rng = np.random.default_rng(number)
        return microscope(high, 2, rng=rng, levels=levels, blur=0.8, photons=200.0, read_noise=2.0)
    if model.channels == 1:
        return binned(high, model.scale)
    low_image = bicubic(high, model.scale)
    return through_jpeg(low_image) if "artefact" in model.name else low_image


def through_jpeg(image: Pixels) -> Pixels:
    """Return an image as JPEG of quality 30 gives it back."""
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=30)
    return np.asarray(Image.open(file))


def trials(model: ModelDescription, data: Path) -> Iterator[Trial]:
    """Upscale every image."""
    engine = open_engine(model.name)
    for number, (name, source, pixels) in enumerate(images(data, model.channels)):
        truth = crop_to_multiple(pixels, model.scale)
        low = shrunk(truth, model, number)
        plain = as_dtype(resize_bicubic(low, truth.shape[:2]).astype(np.float64), low.dtype)
        yield Trial(name, source, low, plain, upscale(low, engine), truth)


def worst_places(model: ModelDescription, data: Path) -> dict[str, Place]:
    """Return the places to draw, by kind of failure."""
    lost, invented = [], []
    for trial in trials(model, data):
        span = max(robust_range(trial.truth), 1e-9)
        shown = trial.truth, trial.plain, trial.result
        truth, plain, result = (_as_grey(image) / span for image in shown)
        behind = (result - truth) ** 2 - (plain - truth) ** 2
        lost.append(worst_place(trial, uniform_filter(behind, _WINDOW)))
        beyond = _fine(result) ** 2 - _fine(truth) ** 2
        invented.append(worst_place(trial, uniform_filter(beyond, _WINDOW)))
    most_lost = max(lost, key=lambda place: place.badness)
    others = [place for place in invented if place.trial.name != most_lost.trial.name]
    return {"lost": most_lost, "invented": max(others, key=lambda place: place.badness)}


def _as_grey(image: Pixels) -> NDArray[np.float64]:
    values = image.astype(np.float64)
    return values.mean(axis=2) if values.ndim == 3 else values


def _fine(image: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(image - gaussian_filter(image, _FINE))


def draw(model: ModelDescription, kind: str, worst: Place) -> Path:
    """Draw a place."""
    trial, scale = worst.trial, model.scale
    side = _WINDOW + 2 * _MARGIN
    top, left = ((c - side // 2) // scale * scale for c in worst.at)
    window = slice(top, top + side), slice(left, left + side)
    enlarged = trial.low.repeat(scale, axis=0).repeat(scale, axis=1)
    truth = trial.truth[window].astype(np.float64)
    columns = {"input": enlarged, "bicubic": trial.plain, model.name: trial.result}
    parts = {title: x[window].astype(np.float64) for title, x in columns.items()} | {"truth": truth}
    low, high = np.percentile(np.stack(list(parts.values())), (0.5, 99.5))
    unit = {title: (part - low) / max(high - low, 1e-9) for title, part in parts.items()}
    unit["error"] = (unit[model.name] - unit["truth"]) / 2 + 0.5
    sheet = Image.new("RGB", (len(unit) * (_SHOWN + _GAP) - _GAP, _SHOWN + _TITLE), "white")
    for n, (title, part) in enumerate(unit.items()):
        stored = as_dtype(np.clip(part, 0, 1) * 255, np.dtype(np.uint8))
        picture = Image.fromarray(stored).convert("RGB")
        picture = picture.resize((_SHOWN, _SHOWN), Image.Resampling.NEAREST)
        sheet.paste(picture, (n * (_SHOWN + _GAP), _TITLE))
        ImageDraw.Draw(sheet).text((n * (_SHOWN + _GAP) + 2, 3), title, fill="black")
    PICTURES.mkdir(parents=True, exist_ok=True)
    path = PICTURES / f"{model.name}-{kind}.png"
    sheet.quantize(_COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    return path


def main() -> None:
    """Read the command line, search, draw and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", help="names; by default all bundled ones")
    parser.add_argument("--data", type=Path, required=True, help="folder of the test images")
    args = parser.parse_args()
    for name in args.models or BUNDLED:
        model = describe_model(name)
        for kind, worst in worst_places(model, args.data).items():
            path = draw(model, kind, worst)
            trial, (y, x) = worst.trial, worst.at
            size = path.stat().st_size // 1000
            where = f"{trial.name} ({trial.source}), row {y}, column {x}"
            print(f"{path.name}: {worst.badness:.2e} in {where}; {size} kB", flush=True)


if __name__ == "__main__":
    main()
