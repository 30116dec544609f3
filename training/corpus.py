"""Pairs of low- and high-resolution images for the bundled models, and patches from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from src_models import degrade
from src_models.backend import keras
from src_models.intensity import IntensityRange, as_dtype, measure_range

_DEGRADATIONS = {"bicubic": degrade.bicubic, "binned": degrade.binned}


@dataclass(frozen=True)
class Pair:
    """One image, or one channel of it.

    Attributes
    ----------
    lr, hr : ndarray of float32
        ``(H, W, C)`` and ``(H * scale, W * scale, C)``; 0 to 1 is the range measured on `lr` if
        the model measures, else 0 to 255.
    bicubic_error : float
        Mean absolute error of cubic interpolation, in the same units.
    """

    lr: NDArray[np.float32]
    hr: NDArray[np.float32]
    bicubic_error: float


def read_images(path: Path, channels: int, as_grey: bool) -> Iterator[NDArray[Any]]:
    """Yield what a model of so many channels learns from a file, ``(H, W, channels)``.

    A model of one channel learns from each colour by itself, or from the luminance; one of three
    from colour images only.
    """
    image = Image.open(path)
    if image.mode.startswith("I"):
        if channels == 1:
            yield np.asarray(image).astype(np.uint16)[..., None]
        return
    is_grey = image.mode == "L"
    if channels == 3:
        if not is_grey:
            yield np.asarray(image.convert("RGB"))
        return
    array = np.atleast_3d(np.asarray(image.convert("L" if as_grey or is_grey else "RGB")))
    for c in range(array.shape[-1]):
        yield array[..., c : c + 1]


def make_pair(
    hr: NDArray[Any], scale: int, kind: str, intensity: str, blur: float = 0.0
) -> Pair | None:
    """Degrade an image ``(H, W, C)``; None if it is constant or too small to learn from."""
    hr = degrade.crop_to_multiple(hr, scale)
    if blur:
        hr = as_dtype(gaussian_filter(hr.astype(np.float64), (blur, blur, 0)), hr.dtype)
    lr = _DEGRADATIONS[kind](hr, scale)
    levels = IntensityRange(0.0, 255.0)
    if intensity == "measured":
        levels = measure_range(lr[..., c] for c in range(lr.shape[-1]))
    if levels.low == levels.high or min(lr.shape[:2]) < 40:
        return None
    unit = [
        ((x.astype(np.float64) - levels.low) / (levels.high - levels.low)).astype(np.float32)
        for x in (lr, hr)
    ]
    error = float(np.abs(degrade.resize_bicubic(unit[0], hr.shape[:2]) - unit[1]).mean())
    return Pair(unit[0], unit[1], error)


class Corpus(keras.utils.PyDataset):
    """Random patches, the same for the same seed and epoch.

    Parameters
    ----------
    groups : list of (share, list of Pair)
        Where patches come from, and how often.
    settings : dict
        The settings file.
    """

    def __init__(self, groups: list[tuple[float, list[Pair]]], settings: dict[str, Any]) -> None:
        super().__init__(workers=1)
        self._groups, self._settings = groups, settings
        self.epoch = 0
        errors = [1 / (p.bicubic_error + self._floor) for _, pairs in groups for p in pairs]
        self._mean_weight = float(np.mean(errors))

    @property
    def _floor(self) -> float:
        return float(self._settings["data"]["error_floor"])

    def __len__(self) -> int:
        return int(self._settings["fit"]["steps_per_epoch"])

    def __getitem__(self, step: int) -> tuple[Any, Any, Any]:
        rng = np.random.default_rng((self._settings["seed"], self.epoch, step))
        samples = [self._sample(rng) for _ in range(self._settings["fit"]["batch_size"])]
        lr, hr, weights = zip(*samples, strict=True)
        return (
            np.stack(lr)[..., None],
            np.stack(hr)[..., None],
            np.reshape(np.array(weights, np.float32), (-1, 1, 1)),
        )

    def _sample(self, rng: np.random.Generator) -> tuple[Any, Any, float]:
        shares = np.array([share for share, _ in self._groups])
        pairs = self._groups[rng.choice(len(shares), p=shares / shares.sum())][1]
        pair = pairs[rng.integers(len(pairs))]
        n, scale = self._settings["fit"]["patch"], self._settings["network"]["x"]
        y, x = (int(rng.integers(length - n + 1)) for length in pair.lr.shape[:2])
        lr = pair.lr[y : y + n, x : x + n]
        hr = pair.hr[y * scale : (y + n) * scale, x * scale : (x + n) * scale]
        gain, offset = self._gain(rng)
        turn, flip = int(rng.integers(4)), bool(rng.integers(2))
        lr, hr = (np.rot90(v[::-1] if flip else v, turn) * gain + offset for v in (lr, hr))
        # Decibels are relative: an image that cubic interpolation nearly gets right counts as
        # much as one that it blurs.
        weight = 1 / (pair.bicubic_error + self._floor) / gain / self._mean_weight
        return lr.astype(np.float32), hr.astype(np.float32), weight

    def _gain(self, rng: np.random.Generator) -> tuple[float, float]:
        data = self._settings["data"]
        if rng.random() >= data["gain_share"]:
            return 1.0, 0.0
        gain = float(np.exp(rng.uniform(np.log(data["smallest_gain"]), np.log(1.5))))
        return gain, float(rng.uniform(0, max(1 - gain, 0)))


def load_groups(
    root: Path, settings: dict[str, Any]
) -> tuple[list[tuple[float, list[Pair]]], list[Pair]]:
    """Read the training folders; return groups to train on and pairs to validate with."""
    data, scale, intensity = settings["data"], settings["network"]["x"], settings["intensity"]
    rng = np.random.default_rng(settings["seed"])
    groups: list[tuple[float, list[Pair]]] = []
    held_out: list[Pair] = []
    for folder, share in data["folders"].items():
        sharp: list[Pair] = []
        blurred: list[Pair] = []
        for number, path in enumerate(sorted((root / folder).rglob("*.png"))):
            validates = folder == data["held_out_of"] and number % data["held_out_every"] == 5
            for hr in read_images(path, settings["channels"], folder.startswith("natural")):
                for kind in data["degradations"]:
                    pair = make_pair(hr, scale, kind, intensity)
                    if pair is not None:
                        (held_out if validates else sharp).append(pair)
                if not validates and data["blurred_share"]:
                    kind = data["degradations"][int(rng.integers(len(data["degradations"])))]
                    pair = make_pair(hr, scale, kind, intensity, float(rng.uniform(0.7, 2.5)))
                    if pair is not None:
                        blurred.append(pair)
        shares = share * (1 - data["blurred_share"]), share * data["blurred_share"]
        groups += [(s, pairs) for s, pairs in zip(shares, (sharp, blurred), strict=True) if pairs]
    return groups, held_out
