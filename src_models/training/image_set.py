"""All images of a training: what was found, and which of them judge. Free of Keras."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from src_models.training.image import TrainingImage

_FEW_IMAGES = 10


@dataclass(frozen=True, slots=True)
class DataReport:
    """What was found in the sources.

    Attributes
    ----------
    used : int
        Planes to train on and validate with.
    skipped : tuple of (name, reason)
        What was left out; reasons are sentences.
    notes : tuple of (name, remark)
        What is used, but looks odd.
    """

    used: int
    skipped: tuple[tuple[str, str], ...]
    notes: tuple[tuple[str, str], ...]

    @property
    def in_words(self) -> str:
        """The report as lines of text."""
        planes = "1 image plane" if self.used == 1 else f"{self.used} image planes"
        lines = [f"{planes} can be used, {len(self.skipped) or 'nothing'} skipped."]
        lines += [f"Skipped {name}: {reason}" for name, reason in self.skipped]
        lines += [f"Note on {name}: {remark}" for name, remark in self.notes]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TrainingImages:
    """The images of a training.

    Attributes
    ----------
    training, validation : sequence of TrainingImage
        To learn from, and to judge with; the latter may be empty.
    report : DataReport
        How they were found.
    """

    training: Sequence[TrainingImage]
    validation: Sequence[TrainingImage]
    report: DataReport

    @property
    def identity(self) -> str:
        """Short text that is another one for other images, or for pairs made in another way.

        It follows from names, pixels and the error of cubic interpolation, so that another order
        or another split is the same training.
        """
        lines = sorted(
            f"{image.name} {image.content} {image.scale} {image.bicubic_error:.4g}"
            for image in (*self.training, *self.validation)
        )
        # What is split in two, to train and to judge, is one image.
        return hashlib.sha256("\n".join(dict.fromkeys(lines)).encode()).hexdigest()[:16]


def hold_out(
    images: list[TrainingImage], share: float, least_size: int
) -> tuple[list[TrainingImage], list[TrainingImage]]:
    """Split images into those to train on and those to validate with.

    Whole images are held out if there are ten or more, every so many; otherwise a strip of each
    that is high enough for it.

    Parameters
    ----------
    images : list of TrainingImage
        All there are.
    share : float
        Part to hold out; 0 gives an empty second list.
    least_size : int
        Rows that either part must have, in low-resolution pixels.

    Returns
    -------
    training, validation : list of TrainingImage
    """
    if share == 0:
        return images, []
    if len(images) >= _FEW_IMAGES:
        every = max(2, round(1 / share))
        held = images[every // 2 :: every]
        return [image for image in images if image not in held], held
    training, validation = [], []
    for image in images:
        region = image.region
        rows = max(least_size, round(region.shape[0] * share))
        cut = region.y1 - rows
        if cut - region.y0 < least_size:
            training.append(image)
            continue
        training.append(replace(image, region=region._replace(y1=cut)))
        validation.append(replace(image, region=region._replace(y0=cut)))
    return training, validation


def match_gains(images: list[TrainingImage]) -> list[TrainingImage]:
    """Give all pairs the brightness ratio that is the median of theirs.

    Images that get darker where the other side gets brighter have no ratio and stay as they are.
    """
    gains = [image.fit[0] for image in images if image.fit[0] > 0]
    if not gains:
        return images
    common = float(np.median(gains))
    return [
        replace(image, factor=common / image.fit[0]) if image.fit[0] > 0 else image
        for image in images
    ]
