"""How often each warning comes where it should, and where it should not.

``python benchmarks/image_warnings.py --data FOLDER`` prints Markdown tables from one run over the
test images: the images as they are, and the same images made to deserve each warning. It writes
down which images get a warning as they are. The model is ``microscopy-x2`` for microscopy and
``photo-x2`` for photos.

- *oversampled*: enlarged by cubic interpolation, to the nearest pixel (``repeated``) and linearly;
  also how often the factor is found to 25 %.
- *saturated*: clipped so that 1 % of the pixels are at the top, and with a scale bar of the highest
  value, which is none. Photos get no such warning.
- *noisy*: microscopy as a camera sees it, 200 photons at the 99.9th percentile and read noise of 2
  (``camera``), with ten blank rows and columns (``margin``), and as 60 photons on a background of
  none (``photons``), against the same images binned (``binned``).
- *jpeg*: through JPEG of quality 10 to 70.
- *range*: contrast squeezed into 40 of 256 levels (photos), or into 8 levels (microscopy).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import zoom

from src_models.images.degradation import binned, crop_to_multiple, microscope, resize_bicubic
from src_models.images.intensity import IntensityRange, as_dtype
from src_models.models.registry import describe_model
from src_models.quality.image_checks import Finding, check_image

KINDS = ("oversampled", "saturated", "noisy", "jpeg", "range")
MODELS = {"microscopy": "microscopy-x2", "photos": "photo-x2"}
PHOTO_SETS = ("Set5", "Set14", "kodak11", "B100")
_CLOSE = 1.25
Pixels = NDArray[Any]
Change = Callable[[Pixels, int], Pixels]  # with the number of the image


def read(path: Path) -> Pixels:
    """Return the pixels of a test image."""
    image = Image.open(path)
    pixels = np.asarray(image)
    return pixels.astype(np.uint16) if image.mode.startswith("I") else pixels


def images(data: Path, group: str) -> Iterator[tuple[str, Pixels]]:
    """Yield name and pixels of the test images of a group."""
    folders = [data / "microscopy" / "test"]
    if group == "photos":
        folders = [data / "natural" / name for name in PHOTO_SETS]
    for folder in folders:
        for path in sorted(folder.rglob("*.*")):
            if path.suffix.lower() in (".png", ".bmp", ".jpg"):
                yield f"{path.parent.name}/{path.stem}", read(path)


def findings(pixels: Pixels, group: str) -> dict[str, Finding]:
    """Return what is found, by kind."""
    return {f.kind: f for f in check_image(pixels, None, describe_model(MODELS[group]))}


def enlarging(factor: float) -> Change:
    """Return what enlarges by cubic interpolation."""

    def enlarged(pixels: Pixels, _: int) -> Pixels:
        size = round(pixels.shape[0] * factor), round(pixels.shape[1] * factor)
        return as_dtype(resize_bicubic(pixels, size).astype(np.float64), pixels.dtype)

    return enlarged


def repeated(factor: int) -> Change:
    """Return what enlarges to the nearest pixel."""
    return lambda pixels, _: pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def linear(factor: float) -> Change:
    """Return what enlarges linearly."""

    def enlarged(pixels: Pixels, _: int) -> Pixels:
        factors = (factor, factor, 1)[: pixels.ndim]
        values = pixels.astype(np.float64)
        large = zoom(values, factors, order=1, mode="nearest", grid_mode=True)
        return as_dtype(large, pixels.dtype)

    return enlarged


def clipped(pixels: Pixels) -> Pixels:
    """Clip the brightest 1 % of each channel."""
    brightest: Pixels = np.percentile(pixels, 99, axis=(0, 1)).astype(pixels.dtype)
    return np.minimum(pixels, brightest)


def with_scale_bar(pixels: Pixels, _: int) -> Pixels:
    """Draw a bar a quarter as wide as the image, in the highest value of 8 bits or of the image."""
    drawn = pixels.copy()
    height, width = pixels.shape[:2]
    top = 255 if pixels.dtype == np.uint8 else pixels.max()
    drawn[-30 : max(6, height // 40) - 30, -20 - width // 4 : -20] = top
    return drawn


def compressing(quality: int) -> Change:
    """Return what stores as 8-bit JPEG, and reads again."""

    def compressed(pixels: Pixels, _: int) -> Pixels:
        file = BytesIO()
        Image.fromarray(squeezed(pixels, 256)).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file))

    return compressed


def squeezed(pixels: Pixels, levels: int) -> Pixels:
    """Fill so many levels of uint8; 8-bit images for 256 levels stay as they are."""
    if levels == 256 and pixels.dtype == np.uint8:
        return pixels
    low, high = np.percentile(pixels, (0.1, 99.9))
    unit = (pixels.astype(np.float64) - low) / max(high - low, 1)
    return as_dtype(np.clip(unit, 0, 1) * (levels - 1), np.dtype(np.uint8))


def by_camera(pixels: Pixels, number: int) -> Pixels:
    """Halve the size as the bundled models' `camera` test does."""
    high = crop_to_multiple(pixels, 2)
    low = float(high.min())
    levels = IntensityRange(low, max(float(np.percentile(high, 99.9)), low + 1))
    rng = np.random.default_rng(number)
    return microscope(high, 2, rng=rng, levels=levels, blur=0.8, photons=200.0, read_noise=2.0)


def with_margin(pixels: Pixels, number: int) -> Pixels:
    """Return the same with ten rows and columns of nothing, as registered images have."""
    recorded: Pixels = by_camera(pixels, number)
    recorded[:10] = recorded[:, -10:] = 0
    return recorded


def by_counting(pixels: Pixels, number: int) -> Pixels:
    """Count up to 60 photons in what is brighter than the median of each channel."""
    low, high = np.percentile(pixels, (50, 99.9), axis=(0, 1))
    light = np.clip((pixels - low) / np.maximum(high - low, 1), 0, None)
    counts: Pixels = np.random.default_rng(number).poisson(60 * light).astype(np.uint16)
    return counts


def deserving(group: str) -> dict[str, tuple[str, Change]]:
    """Return what is done to the images, and the kind of warning that they then deserve."""
    cases: dict[str, tuple[str, Change]] = {}
    for factor in (1.5, 2.0, 3.0, 4.0):
        cases[f"enlarged x{factor:g}"] = "oversampled", enlarging(factor)
    for factor in (2, 3):
        cases[f"repeated x{factor}"] = "oversampled", repeated(factor)
        cases[f"linear x{factor}"] = "oversampled", linear(factor)
    note = " (no warning due)" if group == "photos" else ""
    cases[f"brightest 1 % clipped{note}"] = "saturated", lambda x, _: clipped(x)
    if group == "microscopy":
        cases["scale bar (no warning due)"] = "saturated", with_scale_bar
        cases["binned (no warning due)"] = "noisy", lambda x, _: binned(crop_to_multiple(x, 2), 2)
        cases["camera"] = "noisy", by_camera
        cases["margin"] = "noisy", with_margin
        cases["photons"] = "noisy", by_counting
    for quality in (10, 20, 30, 40, 50, 60, 70):
        cases[f"JPEG {quality}"] = "jpeg", compressing(quality)
    levels = 40 if group == "photos" else 8
    cases[f"{levels} levels"] = "range", lambda x, _: squeezed(x, levels)
    return cases


def report(data: Path, group: str) -> None:
    """Print the rates of a group, then which images get warnings as they are."""
    everything = list(images(data, group))
    clean = {name: findings(pixels, group) for name, pixels in everything}
    print(f"\n{len(everything)} images, {group} with {MODELS[group]}\n")
    print("| images | warning | comes on |\n|---|---|---|")
    for kind in KINDS:
        count = sum(kind in found for found in clean.values())
        print(f"| as they are | {kind} | {count} ({100 * count / len(clean):.0f} %) |")
    for title, (kind, change) in deserving(group).items():
        results = [
            (name, findings(change(pixels, n), group).get(kind))
            for n, (name, pixels) in enumerate(everything)
        ]
        found = [finding for _, finding in results if finding is not None]
        words = f"{len(found)} ({100 * len(found) / len(results):.0f} %)"
        if kind == "oversampled" and found:
            factor = float(title.partition("x")[2])
            close = sum(1 / _CLOSE <= f.value / factor <= _CLOSE for f in found)
            words += f", {close} of them with this factor"
        print(f"| {title} | {kind} | {words} |", flush=True)
        missed = [name for name, finding in results if finding is None]
        if missed and len(missed) <= 12:
            print(f"{title}: not {', '.join(missed)}", file=sys.stderr)
    print("\nAs they are:\n")
    for kind in KINDS:
        names = [f"{n} ({f[kind].value:.3g})" for n, f in clean.items() if kind in f]
        print(f"- {kind}: {', '.join(names) or 'none'}")


def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the test images")
    data = parser.parse_args().data
    for group in MODELS:
        report(data, group)


if __name__ == "__main__":
    main()
