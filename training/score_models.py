"""Score models: ``python training/score_models.py --data FOLDER [MODEL ...]``.

Prints a Markdown table: every model on every test set that it is for, and ISR's published ones on
all of their scale, beside bicubic interpolation of the same input; parameters, operations per input
pixel and seconds per megapixel of input, all in one run. ``--pictures`` also draws what each model
makes of a sample image.

- ``Set5``, ``Set14``: PSNR and SSIM of the Y channel, borders of `scale` pixels left out, inputs by
  MATLAB's ``imresize``; ``Set14 JPEG 30``: the inputs of Set14 through JPEG of quality 30.
- ``bicubic``, ``binned``, ``camera``: microscopy, shrunk in three ways; the data range is that from
  the 0.1st to the 99.9th percentile of the truth. ``camera`` blurs (sigma 0.8 pixels), bins, and
  adds photon noise (200 photons at the 99.9th percentile) and read noise (2 photons).
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

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
from src_models.models.registry import BUNDLED, is_available_offline
from src_models.quality.metrics import psnr, robust_range, ssim

ISRS = ("psnr-small", "gans")
SAMPLES = Path(__file__).parents[1] / "napari_isr" / "samples"
PICTURES = Path(__file__).parents[1] / "docs" / "images" / "models"
_SUFFIXES = {".png", ".jpg", ".tif", ".tiff"}
_SPEED_SIDE = 512
_CROP = 48
_OF_MICROSCOPY = ("bicubic", "binned", "camera")
_COLUMNS = (
    "model",
    "weights",
    "million operations per pixel",
    "s per megapixel",
    "test set",
    "PSNR",
    "bicubic",
    "mean gain",
    "worst image",
    "SSIM (bicubic)",
)
Pixels = NDArray[Any]
Case = tuple[str, Pixels, Pixels]


def _read(path: Path) -> Pixels:
    image: Image.Image = Image.open(path)
    if image.mode in ("P", "RGBA", "LA", "CMYK"):
        image = image.convert("RGB")
    pixels = np.asarray(image)
    return pixels.astype(np.uint16) if image.mode.startswith("I") else pixels


def photos(data: Path, scale: int, *, damaged: bool) -> Iterator[Case]:
    """Yield set, input and truth of the photo sets."""
    for name in ("Set14",) if damaged else ("Set5", "Set14"):
        for n, path in enumerate(sorted((data / "natural" / name).glob("*.*"))):
            inputs = data / "natural" / "lr_matlab_bicubic" / f"{name}_x{scale}"
            low = np.asarray(
                Image.open(inputs / f"img_{n + 1:03d}_SRF_{scale}_LR.png").convert("RGB")
            )
            high = np.asarray(Image.open(path).convert("RGB"))
            if damaged:
                low = through_jpeg(low, 30)
            yield (
                f"{name} JPEG 30" if damaged else name,
                low,
                high[: low.shape[0] * scale, : low.shape[1] * scale],
            )


def microscopy(data: Path, scale: int) -> Iterator[Case]:
    """Yield set, input and truth of the microscopy images."""
    paths = sorted((data / "microscopy" / "test").rglob("*"))
    for n, path in enumerate(p for p in paths if p.suffix.lower() in _SUFFIXES):
        high = crop_to_multiple(_read(path), scale)
        yield "bicubic", bicubic(high, scale), high
        yield "binned", binned(high, scale), high
        low = float(high.min())
        levels = IntensityRange(low, max(float(np.percentile(high, 99.9)), low + 1))
        rng = np.random.default_rng(n)
        noisy = microscope(
            high, scale, rng=rng, levels=levels, blur=0.8, photons=200.0, read_noise=2.0
        )
        yield "camera", noisy, high


def through_jpeg(image: Pixels, quality: int) -> Pixels:
    """Return an image as JPEG gives it back."""
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def interpolated(low: Pixels, scale: int) -> Pixels:
    """Return what the models are compared with."""
    size = low.shape[0] * scale, low.shape[1] * scale
    return as_dtype(resize_bicubic(low, size).astype(np.float64), low.dtype)


def quality(truth: Pixels, image: Pixels, scale: int, is_photo: bool) -> tuple[float, float]:
    """Return PSNR in decibels, and SSIM."""
    inner = slice(scale, -scale)
    a, b = (x[inner, inner].astype(np.float64) for x in (truth, image))
    if is_photo:
        weights = np.array([65.481, 128.553, 24.966]) / 255
        luma_a, luma_b = (16 + (x @ weights)[..., None] for x in (a, b))
        a, b, span = luma_a, luma_b, 255.0
    else:
        span = max(robust_range(truth), 1e-9)
        a, b = (x if x.ndim == 3 else x[..., None] for x in (a, b))
    return psnr(a, b, data_range=span), ssim(a, b, data_range=span)


def cases(model: ModelDescription, data: Path, with_microscopy: bool) -> Iterator[Case]:
    """Yield the cases that a model is for, and microscopy's if asked to."""
    if model.channels == 1 or with_microscopy:
        yield from microscopy(data, model.scale)
    if model.channels == 1:
        return
    yield from photos(data, model.scale, damaged=False)
    if model.scale == 2:
        yield from photos(data, 2, damaged=True)


def score(name: str, data: Path) -> dict[str, NDArray[np.float64]]:
    """Return PSNR, SSIM and those of interpolation for each image, by test set."""
    model = describe_model(name)
    rows: dict[str, list[tuple[float, ...]]] = {}
    for group, low, high in cases(model, data, with_microscopy=name in ISRS):
        result, plain = upscale(low, name), interpolated(low, model.scale)
        is_photo = group not in _OF_MICROSCOPY
        scores = (quality(high, x, model.scale, is_photo) for x in (result, plain))
        rows.setdefault(group, []).append(tuple(v for pair in scores for v in pair))
    return {group: np.array(values) for group, values in rows.items()}


def seconds_per_megapixel(name: str) -> float:
    """Return the best of a few runs, with the network loaded."""
    model, rng = describe_model(name), np.random.default_rng(0)
    shape = (_SPEED_SIDE, _SPEED_SIDE, 3) if model.channels == 3 else (_SPEED_SIDE, _SPEED_SIDE)
    image, engine = rng.integers(0, 255, shape).astype(np.uint8), open_engine(name)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        upscale(image, engine)
        times.append(time.perf_counter() - began)
    return min(times) / _SPEED_SIDE**2 * 1e6


def draw(name: str) -> Path:
    """Draw input, interpolation, the model's answer and the truth of a sample image."""
    model = describe_model(name)
    s, photo = model.scale, model.channels == 3
    source = "skimage_skin.png" if photo else "embl_plant_12bit_truth.png"
    truth = crop_to_multiple(_read(SAMPLES / source), s)
    if not photo:
        low, high = np.percentile(truth, (0.1, 99.9))
        truth = as_dtype((truth - low) * 255.0 / (high - low), np.dtype(np.uint8))
    small = bicubic(truth, s)
    if "artefact" in name:
        small = through_jpeg(small, 30)
    if "denoise" in name:
        levels, rng = IntensityRange(0, 255), np.random.default_rng(0)
        small = microscope(
            truth, s, rng=rng, levels=levels, blur=0.8, photons=100.0, read_noise=2.0
        )
    enlarged = small.repeat(s, axis=0).repeat(s, axis=1)
    y, x = (n // 2 // s * s for n in truth.shape[:2])
    side = _CROP * s
    columns = {"input": enlarged, "bicubic": interpolated(small, s), name: upscale(small, name)}
    sheet = Image.new("RGB", (4 * 260 - 4, 276), "white")
    for n, (title, pixels) in enumerate({**columns, "truth": truth}.items()):
        part = Image.fromarray(pixels[y : y + side, x : x + side]).convert("RGB")
        sheet.paste(part.resize((256, 256), Image.Resampling.NEAREST), (n * 260, 20))
        ImageDraw.Draw(sheet).text((n * 260 + 2, 4), title, fill="black")
    PICTURES.mkdir(parents=True, exist_ok=True)
    path = PICTURES / f"{name}.png"
    sheet.save(path, optimize=True)
    return path


def main() -> None:
    """Read the command line, score and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", help="names; by default all that are at hand")
    parser.add_argument("--data", type=Path, required=True, help="folder of the test images")
    parser.add_argument("--pictures", action="store_true", help="draw instead of scoring")
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    names = args.models or [*BUNDLED, *(name for name in ISRS if is_available_offline(name))]
    if args.pictures:
        for name in names:
            print(draw(name))
        return
    print("| " + " | ".join(_COLUMNS) + " |\n" + "|---" * len(_COLUMNS) + "|")
    for name in names:
        config = describe_model(name).config
        speed = f"{seconds_per_megapixel(name):.2f}"
        costs = f"{config.num_parameters:,} | {config.operations_per_pixel / 1e6:.2f} | {speed}"
        for group, values in score(name, args.data).items():
            mean, gain = values.mean(axis=0), values[:, 0] - values[:, 2]
            ssims = f"{mean[1]:.3f} ({mean[3]:.3f})"
            gains = f"{gain.mean():+.2f} | {gain.min():+.2f}"
            cells = (
                f"{name} | {costs} | {group} | {mean[0]:.2f} | {mean[2]:.2f} | {gains} | {ssims}"
            )
            print(f"| {cells} |", flush=True)


if __name__ == "__main__":
    main()
