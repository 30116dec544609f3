"""Make the picture that ISR is known for: what each model makes of a photo, clean and damaged.

``python examples/compare_models.py PHOTO`` upscales a part of the photo, once as it is and once
after JPEG compression, and puts side by side the input, bicubic interpolation, the network trained
for pixels (`psnr-small`, `psnr-large`), the one trained on with VGG19 features and an adversary on
damaged photos (`noise-cancel`), and the adversarial RRDN (`gans`): whichever are at hand, or those
that are named. A sharp picture is not a true one: compare with the input.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from src_models import load_model, upscale
from src_models.images.degradation import resize_bicubic
from src_models.images.intensity import as_dtype
from src_models.models.registry import is_available_offline
from src_models.networks.image_model import ImageModel

# ISR's, and what they were trained for.
USUAL = {
    "psnr-small": "RDN, pixel loss",
    "psnr-large": "RDN, pixel loss",
    "noise-cancel": "RDN, VGG19 and GAN",
    "gans": "RRDN, VGG19 and GAN",
}
CAPTION, GAP = 18, 6

Photo = NDArray[np.uint8]


def through_jpeg(photo: Photo, quality: int) -> Photo:
    """Return a photo as JPEG gives it back."""
    file = BytesIO()
    Image.fromarray(photo).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def cut(photo: Photo, corner: tuple[int, int], size: int, scale: int = 1) -> Photo:
    """Return a square part; `corner` and `size` in pixels of the input."""
    y, x = (n * scale for n in corner)
    return photo[y : y + size * scale, x : x + size * scale]


def panels(
    photo: Photo, models: Sequence[ImageModel], corner: tuple[int, int], size: int
) -> dict[str, Photo]:
    """Return what there is to compare of one photo, by name."""
    scale = max([model.scale for model in models], default=2)
    larger = (photo.shape[0] * scale, photo.shape[1] * scale)
    bicubic = as_dtype(resize_bicubic(photo, larger).astype(np.float64), photo.dtype)
    found = {"input": cut(photo, corner, size), "bicubic": cut(bicubic, corner, size, scale)}
    for model in models:
        # With what the network looks at around the part, but not the whole photo.
        margin = min(*corner, model.description.default_overlap)
        start = (corner[0] - margin, corner[1] - margin)
        output = upscale(cut(photo, start, size + 2 * margin), model)
        name = model.description.name
        trained = f": {USUAL[name]}" if name in USUAL else ""
        found[f"{name} x{model.scale}{trained}"] = cut(output, (margin, margin), size, model.scale)
    return found


def draw(rows: dict[str, dict[str, Photo]], side: int) -> Image.Image:
    """Put panels side by side, one row a photo, each enlarged to `side` without smoothing."""
    columns = max(len(row) for row in rows.values())
    step = side + GAP
    sheet = Image.new("RGB", (columns * step, len(rows) * (step + CAPTION)), "white")
    pen = ImageDraw.Draw(sheet)
    for i, (damage, row) in enumerate(rows.items()):
        for j, (name, panel) in enumerate(row.items()):
            left, top = j * step, i * (step + CAPTION)
            caption = f"{name}, {damage}" if name == "input" else name
            pen.text((left + 2, top + 2), caption, fill="black", font_size=13)
            picture = Image.fromarray(panel).resize((side, side), Image.Resampling.NEAREST)
            sheet.paste(picture, (left, top + CAPTION))
    return sheet


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, upscale and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", type=Path, help="the input, an RGB photo")
    parser.add_argument("--models", nargs="*", help="names, model files or ISR's weight files")
    parser.add_argument("--download", action="store_true", help="fetch ISR's models, 160 MB")
    parser.add_argument("--quality", type=int, default=30, help="of the JPEG, 1 to 95")
    parser.add_argument("--corner", type=int, nargs=2, metavar=("Y", "X"), help="of the part shown")
    parser.add_argument("--size", type=int, default=80, help="of the part shown, in pixels")
    parser.add_argument("--out", type=Path, default=Path("comparison.png"))
    args = parser.parse_args(arguments)

    names = args.models
    if names is None:
        names = [name for name in USUAL if args.download or is_available_offline(name)]
    if not names:
        print("No model is at hand: name some with --models, or fetch ISR's with --download.")
    photo = np.asarray(Image.open(args.photo).convert("RGB"))
    size = min(args.size, *photo.shape[:2])
    height, width = photo.shape[:2]
    corner = tuple(args.corner or ((height - size) // 2, (width - size) // 2))
    models = [load_model(name) for name in names]
    rows = {
        "clean": panels(photo, models, corner, size),
        f"JPEG {args.quality}": panels(through_jpeg(photo, args.quality), models, corner, size),
    }
    draw(rows, max(4 * size, 240)).save(args.out)
    print(f"The picture is in {args.out.resolve()}")


if __name__ == "__main__":
    main()
