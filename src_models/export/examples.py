"""An image to show and test a network with, and what the network makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from src_models.models.description import ModelDescription

# What is mapped to 0 and 1, where the range is measured: as `src_models.images.intensity`, but for
# structures that are smaller than these shares of the image.
PERCENTILES = 0.1, 99.9
_SIZE, _COVER_SIZE = 64, 256


def write_examples(description: ModelDescription, network: bytes, folder: Path) -> None:
    """Write an image, what the network makes of it, and a cover that shows both.

    Parameters
    ----------
    description : ModelDescription
        The network.
    network : bytes
        An ONNX file as `src_models.export.portable.as_onnx` gives.
    folder : Path
        For ``test_input.npy`` and ``test_output.npy``, float32 ``(1, C, Y, X)``, the same as
        ``sample_input.tif`` and ``sample_output.tif``, and ``cover.png``.
    """
    import onnxruntime

    image = _spots(description.channels)
    is_8_bit = description.intensity == "8-bit"
    low, high = (0.0, 255.0) if is_8_bit else (float(np.percentile(image, p)) for p in PERCENTILES)
    unit = ((image - low) / (high - low)).astype(np.float32)
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    output = np.asarray(session.run(None, {"image": unit.transpose(2, 0, 1)[None]})[0])
    stored = np.clip(output * 255, 0, 255) if is_8_bit else output
    for name, values in {"input": image.transpose(2, 0, 1)[None], "output": stored}.items():
        np.save(folder / f"test_{name}.npy", values.astype(np.float32))
        planes = values[0].astype(np.float32)
        tifffile.imwrite(folder / f"sample_{name}.tif", planes, photometric="minisblack")
    sides = [
        _as_picture(unit, Image.Resampling.NEAREST),
        _as_picture(output[0].transpose(1, 2, 0), Image.Resampling.BICUBIC),
    ]
    cover = Image.new("RGB", (2 * _COVER_SIZE, _COVER_SIZE))
    for number, side in enumerate(sides):
        cover.paste(side, (number * _COVER_SIZE, 0))
    cover.save(folder / "cover.png")


def _spots(channels: int) -> NDArray[np.float32]:
    """Draw blurred spots and a line on a dim background, ``(Y, X, C)`` from 0 to 255.

    The darkest and brightest parts are cut off, as in a camera: so the percentiles and the range
    that `src_models.upscale` measures are the same.
    """
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(7)
    planes = []
    for _ in range(channels):
        plane = np.zeros((_SIZE, _SIZE))
        y, x = rng.integers(0, _SIZE, (2, 40))
        plane[y, x] = rng.uniform(0.3, 1, 40)
        plane[rng.integers(8, _SIZE - 8), 6:-6] = 0.3
        plane = gaussian_filter(plane, 1.3)
        low, high = np.percentile(plane, (2, 98))
        planes.append(np.clip((plane - low) / (high - low), 0, 1) * 255)
    return np.stack(planes, axis=-1).astype(np.float32)


def _as_picture(unit: NDArray[Any], resampling: Image.Resampling) -> Image.Image:
    """Return an image in [0, 1], of which at most three channels are seen, as part of a cover."""
    seen = np.clip(unit[..., : 3 if unit.shape[-1] >= 3 else 1], 0, 1)
    pixels = np.rint(np.broadcast_to(seen, (*unit.shape[:2], 3)) * 255).astype(np.uint8)
    return Image.fromarray(pixels).resize((_COVER_SIZE, _COVER_SIZE), resampling)
