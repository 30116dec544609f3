"""Scores of a network on fixed patches, beside those of bicubic interpolation on the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.quality.metrics import psnr, psnr_y, ssim
from src_models.training.patches import ValidationPatch

_SCORES = {"PSNR": psnr, "PSNR_Y": psnr_y, "SSIM": ssim}
_HIGHEST_PSNR = 100.0
_SMALLEST_FOR_SSIM = 11


def score(truth: NDArray[Any], image: NDArray[Any], data_range: float) -> dict[str, float]:
    """Return PSNR, PSNR_Y and, from 11 pixels up, SSIM of one image ``(H, W, C)``."""
    names = list(_SCORES) if min(truth.shape[:2]) >= _SMALLEST_FOR_SSIM else ["PSNR", "PSNR_Y"]
    scores = {name: _SCORES[name](truth, image, data_range=data_range) for name in names}
    return {name: min(value, _HIGHEST_PSNR) for name, value in scores.items()}


class Validator:
    """Judges networks on the same patches, time and again.

    Parameters
    ----------
    patches : sequence of ValidationPatch
        At least one.

    Attributes
    ----------
    patches : list of ValidationPatch
        The patches.
    answers : list of ndarray
        What the network judged last made of them, ``(H * scale, W * scale, C)``.
    """

    def __init__(self, patches: Sequence[ValidationPatch]) -> None:
        self.patches = list(patches)
        self.outputs: list[NDArray[np.float32]] = []
        self._bicubic = [score(p.hr, p.bicubic, p.data_range) for p in patches]
        self._fitted = [score(p.hr, p.fitted, p.data_range) for p in patches]

    def output(self, generator: Any, count: int | None = None) -> list[NDArray[np.float32]]:
        """Run a network on the first `count` patches, or on all."""
        return [np.asarray(generator.predict_on_batch(p.lr[None]))[0] for p in self.patches[:count]]

    def judge(self, generator: Any) -> list[dict[str, Any]]:
        """Run a network on all patches and score it.

        Returns
        -------
        list of dict
            For each patch its ``name`` and, under ``model``, ``bicubic`` and ``fitted`` (bicubic
            with its best gain and offset), the scores by name.
        """
        self.outputs = self.output(generator)
        pairs = zip(self.patches, self.outputs, self._bicubic, self._fitted, strict=True)
        return [
            {
                "name": patch.name,
                "model": score(patch.hr, output, patch.data_range),
                "bicubic": bicubic,
                "fitted": fitted,
            }
            for patch, output, bicubic, fitted in pairs
        ]


def summarise(table: list[dict[str, Any]]) -> dict[str, float]:
    """Return the means of what `Validator.judge` gave, under the names that logs use.

    Returns
    -------
    dict
        ``val_PSNR``, ``val_PSNR_Y``, ``val_SSIM``; the same with ``_bicubic`` and
        ``_bicubic_fitted`` at the end; ``val_gain`` and ``val_gain_fitted``, the differences of
        PSNR in dB.
    """
    logs: dict[str, float] = {}
    ends = {"model": "", "bicubic": "_bicubic", "fitted": "_bicubic_fitted"}
    for rival, end in ends.items():
        for name in _SCORES:
            values = [row[rival][name] for row in table if name in row[rival]]
            if values:
                logs[f"val_{name}{end}"] = float(np.mean(values))
    logs["val_gain"] = logs["val_PSNR"] - logs["val_PSNR_bicubic"]
    logs["val_gain_fitted"] = logs["val_PSNR"] - logs["val_PSNR_bicubic_fitted"]
    return logs
