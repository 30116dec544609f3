"""Upscale a bundled image with a bundled model, beside bicubic interpolation and the truth.

Run it with ``make demo``. The picture it leaves shows, from left to right: the input, bicubic
interpolation, the model, and the truth that the input was binned from.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from napari_isr._sample_data import read_sample
from src_models import load_model, upscale
from src_models.images.degradation import resize_bicubic
from src_models.images.intensity import as_dtype
from src_models.quality.metrics import psnr, robust_range

CROP = np.s_[120:280, 120:280]
ZOOM = 2


def to_8_bit(image: NDArray[np.uint16], low: float, high: float) -> Image.Image:
    """Show the range of intensities that the truth uses."""
    unit = np.clip((image[CROP].astype(float) - low) / (high - low), 0, 1) ** 0.7
    picture = Image.fromarray(np.uint8(np.rint(unit * 255)))
    return picture.resize((picture.width * ZOOM, picture.height * ZOOM), Image.Resampling.NEAREST)


def main() -> None:
    """Make the picture, and print its path and how close each panel is to the truth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="microscopy-x2", help="name or path of a x2 model")
    parser.add_argument("--out", type=Path, default=Path("demo-output/before_after.png"))
    args = parser.parse_args()

    image, truth = read_sample("embl_plant_12bit"), read_sample("embl_plant_12bit_truth")
    model = load_model(args.model)
    bicubic = as_dtype(resize_bicubic(image, truth.shape).astype(float), truth.dtype)
    panels = {
        "input, 2x2 binned": np.repeat(np.repeat(image, 2, 0), 2, 1),
        "bicubic": bicubic,
        model.description.name: upscale(image, model),
        "truth": truth,
    }
    low, high = np.percentile(truth, (0.5, 99.7))
    span = robust_range(truth)
    side = 160 * ZOOM
    strip = Image.new("L", (side * len(panels) + 8 * (len(panels) - 1), side + 24), 0)
    draw = ImageDraw.Draw(strip)
    for i, (name, panel) in enumerate(panels.items()):
        left = i * (side + 8)
        strip.paste(to_8_bit(panel, low, high), (left, 24))
        score = "" if panel is truth else f"  {psnr(truth, panel, data_range=span):.2f} dB"
        draw.text((left + 4, 4), name + score, fill=255, font_size=14)
        if score:
            print(f"{name:22s} PSNR {score.strip()}")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    strip.save(args.out)
    print(f"The picture is in {args.out.resolve()}")


if __name__ == "__main__":
    main()
