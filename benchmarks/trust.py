"""Measure what the means to judge a result are worth: ``python benchmarks/trust.py --data FOLDER``.

Prints two Markdown tables, a line for each model and test set. ``--every 3`` takes every third
microscopy image, from ``--first 0`` on, ``--crop 512`` the middle of large ones, and ``--models``
some of the models.

- Self-ensemble: the mean PSNR without and with it, and on how many images it is higher; Spearman's
  rank correlation of the uncertainty, and of `src_models.expected_error`, with the true absolute
  error: over pixels, and over blocks of 8 x 8 pixels; mean over images.
- Keep intensities: the mean PSNR without and with it, the largest difference of the binned result
  from the input in grey levels, for the input as uint8, uint16 and float32 (relative to its range),
  and the share of pixels that agree with the input within 3 sigma.

Photos: all channels, inputs by MATLAB's ``imresize``. Microscopy: binned; for the denoising model
blurred, binned, with photon and read noise. With ``--binned`` all inputs are made by binning alone.
Data range from the 0.1st to the 99.9th percentile.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import spearmanr

from src_models import (
    describe_model,
    expected_error,
    measure_consistency,
    upscale,
    upscale_with_uncertainty,
)
from src_models.images.degradation import binned, crop_to_multiple, microscope
from src_models.images.intensity import IntensityRange, as_dtype
from src_models.models.description import ModelDescription
from src_models.models.registry import BUNDLED
from src_models.quality.metrics import psnr, robust_range

Pixels = NDArray[Any]
_SAMPLED = 200_000
_BLOCK = 8


def photos(data: Path, scale: int, *, by_binning: bool) -> Iterator[tuple[Pixels, Pixels]]:
    """Yield input and truth of Set5."""
    for n, path in enumerate(sorted((data / "natural" / "Set5").glob("*.*"))):
        inputs = data / "natural" / "lr_matlab_bicubic" / f"Set5_x{scale}"
        low = np.asarray(Image.open(inputs / f"img_{n + 1:03d}_SRF_{scale}_LR.png").convert("RGB"))
        high = np.asarray(Image.open(path).convert("RGB"))
        if by_binning:
            high = crop_to_multiple(high, scale)
            low = binned(high, scale)
        yield low, high[: low.shape[0] * scale, : low.shape[1] * scale]


def microscopy(
    data: Path, scale: int, images: slice, crop: int, *, noisy: bool
) -> Iterator[tuple[Pixels, Pixels]]:
    """Yield input and truth of the microscopy images."""
    paths = sorted(p for p in (data / "microscopy" / "test").rglob("*.*") if p.is_file())
    for n, path in enumerate(paths[images]):
        high = np.asarray(Image.open(path))
        high = high.astype(np.uint16) if high.dtype.kind != "u" else high
        y, x = (max(0, (length - crop) // 2) for length in high.shape[:2])
        high = crop_to_multiple(high[y : y + crop, x : x + crop], scale)
        if not noisy:
            yield binned(high, scale), high
            continue
        low = float(high.min())
        levels = IntensityRange(low, max(float(np.percentile(high, 99.9)), low + 1))
        camera: dict[str, Any] = {"blur": 0.8, "photons": 200.0, "read_noise": 2.0}
        rng = np.random.default_rng(n)
        yield microscope(high, scale, rng=rng, levels=levels, **camera), high


def axes_of(image: Pixels) -> str:
    """Return the axes of a grey or colour image."""
    return "YX" if image.ndim == 2 else "YXC"


def rank_correlation(uncertainty: Pixels, error: Pixels) -> float:
    """Return Spearman's, on a sample of the pixels."""
    order = np.random.default_rng(0).permutation(error.size)[:_SAMPLED]
    return float(spearmanr(uncertainty.ravel()[order], error.ravel()[order]).statistic)


def of_blocks(image: Pixels, size: int) -> Pixels:
    """Return the root mean square of whole blocks, which do not overlap."""
    height, width = (n // size for n in image.shape[:2])
    cut = image[: height * size, : width * size].astype(np.float64) ** 2
    cells = cut.reshape(height, size, width, size, *image.shape[2:])
    return np.asarray(np.sqrt(cells.mean(axis=(1, 3))))


def as_other(image: Pixels, dtype: str) -> Pixels:
    """Return an image in another dtype, of as many levels as it can hold."""
    top = 1.0 if image.dtype == np.uint8 else image.max() / 255
    if dtype == "uint8":
        return np.rint(image / top).astype(np.uint8)
    return (image.astype(np.float64) / top * 257.0).astype(dtype)


def off(image: Pixels, scale: int, name: str, dtype: str) -> float:
    """Return the largest difference of the binned result: grey levels, or a share of the range."""
    image = as_other(image, dtype)
    kept = upscale(image, name, axes=axes_of(image), keep_intensities=True)
    difference = binned(kept.astype(np.float64), scale) - image.astype(np.float64)
    span = 1.0 if image.dtype.kind == "u" else float(np.ptp(image)) or 1.0
    return float(np.abs(difference).max()) / span


def judge(low: Pixels, high: Pixels, model: ModelDescription) -> list[float]:
    """Return all figures of one image."""
    axes = axes_of(low)
    span = max(robust_range(high), 1e-9)
    plain = upscale(low, model.name, axes=axes)
    # Unrounded where the range is measured anyway: equal errors of whole numbers have no ranks.
    given = low if model.intensity == "8-bit" else low.astype(np.float32)
    both = upscale_with_uncertainty(given, model.name, axes=axes)
    ensemble = as_dtype(both.result.astype(np.float64), low.dtype)
    kept = upscale(low, model.name, axes=axes, keep_intensities=True)
    error = np.abs(both.result.astype(np.float64) - high)
    return [
        *(psnr(high, x, data_range=span) for x in (plain, ensemble, kept)),
        *(
            rank_correlation(of_blocks(x, size), of_blocks(error, size))
            for size in (1, _BLOCK)
            for x in (both.uncertainty, expected_error(*both, axes=axes))
        ),
        *(off(low, model.scale, model.name, dtype) for dtype in ("uint8", "uint16", "float32")),
        measure_consistency(plain, low, axes=axes, model=model).share,
        measure_consistency(kept, low, axes=axes, model=model).share,
    ]


def main() -> None:
    """Judge all models, and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", nargs="*", default=sorted(BUNDLED))
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--crop", type=int, default=100_000)
    parser.add_argument("--binned", action="store_true", help="make all inputs by binning")
    given = parser.parse_args()
    images = slice(given.first, None, given.every)
    ensembles, intensities = [], []
    for name in given.models:
        model = describe_model(name)
        noisy = "denoise" in name and not given.binned
        pairs = (
            photos(given.data, model.scale, by_binning=given.binned)
            if model.channels == 3
            else microscopy(given.data, model.scale, images, given.crop, noisy=noisy)
        )
        rows = np.array([judge(low, high, model) for low, high in pairs])
        plain, ensemble, kept, *ranks = rows[:, :7].mean(axis=0)
        agree, agree_kept = rows[:, 10:].mean(axis=0)
        higher = f"{int((rows[:, 1] > rows[:, 0]).sum())} of {len(rows)}"
        ensembles.append(
            f"| {name} | {len(rows)} | {plain:.2f} | {ensemble:.2f} | {ensemble - plain:+.3f} "
            f"| {higher} | " + " | ".join(f"{rank:.2f}" for rank in ranks) + " |"
        )
        byte, word, real = rows[:, 7:10].max(axis=0)
        intensities.append(
            f"| {name} | {plain:.2f} | {kept:.2f} | {kept - plain:+.3f} | {byte:.3f} | {word:.3f} "
            f"| {real:.1e} | {agree:.1%} | {agree_kept:.1%} |"
        )
        print(ensembles[-1], intensities[-1], sep="\n", flush=True)
    print(
        "\n| model | images | PSNR | with self-ensemble | gain | higher on | uncertainty, pixels "
        "| expected error, pixels | uncertainty, blocks | expected error, blocks |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|", *ensembles, sep="\n")
    print("\n| model | PSNR | kept | gain | off, uint8 | uint16 | float32 | agree | agree, kept |")
    print("|---|---|---|---|---|---|---|---|---|", *intensities, sep="\n")


if __name__ == "__main__":
    main()
