"""Measure the overlap that makes the tiles of a model invisible.

``python benchmarks/measure_overlap.py MODEL IMAGE [IMAGE ...]`` upscales the middle of each image
whole and tile by tile, and prints the largest difference in grey levels of 255 for each overlap.
What comes out belongs into the model's description.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from src_models import load_model, upscale
from src_models.image_model import ImageModel

TILE = 32


def largest_difference(model: ImageModel, image: NDArray[np.uint8], overlap: int) -> int:
    """Return how far tiled and whole differ anywhere, in grey levels."""
    whole = upscale(image, model, tile_size=max(image.shape)).astype(int)
    tiled = upscale(image, model, tile_size=TILE, overlap=overlap).astype(int)
    return int(np.abs(tiled - whole).max())


def middle(path: Path, size: int) -> NDArray[np.uint8]:
    """Return the middle of an image file as 8-bit RGB."""
    image = np.asarray(Image.open(path).convert("RGB"))
    y, x = (max((n - size) // 2, 0) for n in image.shape[:2])
    return image[y : y + size, x : x + size]


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="name of a model or path of a model file")
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--overlaps", nargs="+", type=int, default=[8, 12, 16, 20, 24])
    parser.add_argument("--size", type=int, default=96, help="pixels that are used of each image")
    args = parser.parse_args()
    model = load_model(args.model)
    images = {path.name: middle(path, args.size) for path in args.images}
    noise = np.random.default_rng(0).integers(0, 256, (args.size, args.size, 3), np.uint8)
    for name, image in {**images, "noise": noise}.items():
        found = {o: largest_difference(model, image, o) for o in args.overlaps}
        print(f"{name:>24}  {found}", flush=True)


if __name__ == "__main__":
    main()
