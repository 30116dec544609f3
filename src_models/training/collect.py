"""Images checked and paired for training: what is used, what is skipped and why. Free of Keras."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.errors import InvalidInputError
from src_models.images.degradation import binned, crop_to_multiple, resize_bicubic
from src_models.images.intensity import IntensityRange, measure_range
from src_models.images.tiling import Region
from src_models.models.description import ModelDescription
from src_models.quality.metrics import fit_gain_offset, robust_range
from src_models.training.alignment import correlation, estimate_shift
from src_models.training.image import TrainingImage
from src_models.training.image_set import DataReport
from src_models.training.settings import DataSettings
from src_models.training.sources import (
    ImageCache,
    ImageSource,
    Source,
    match_sources,
    open_source,
    pair_in_order,
)

# Pairs of two instruments have 0.3 and more, images of other fields less than 0.1.
_LEAST_ALIKE = 0.1


def collect_images(
    lr: Source | None,
    hr: Source,
    description: ModelDescription,
    settings: DataSettings,
    *,
    least_size: int,
    purpose: str = "train on",
) -> tuple[list[TrainingImage], DataReport]:
    """Open, pair and check all images.

    Parameters
    ----------
    lr, hr : folder, array, layer or a list of arrays or layers
        The two sides; `lr` is None to make it from `hr`.
    description : ModelDescription
        Of the network to train: its scale, channels and intensities.
    settings : DataSettings
        How pairs are made.
    least_size : int
        Images with fewer low-resolution pixels than this along an axis are skipped.
    purpose : str
        What the images are for, in the message that there is none.

    Returns
    -------
    images : list of TrainingImage
        One for every plane; for a network of one channel, one for every channel.
    report : DataReport
        What was skipped, and what looks odd.

    Raises
    ------
    InvalidInputError
        If a source cannot be opened, or nothing in it can be used; the message has the report.
    """
    cache = ImageCache(settings.cache_bytes)
    skipped: list[tuple[str, str]] = []
    notes: list[tuple[str, str]] = []
    images: list[TrainingImage] = []
    for lr_source, hr_source in _pairs(lr, hr, description.scale, cache, skipped):
        maker = _Maker(lr_source, hr_source, description, settings, least_size)
        try:
            for name, make in maker.planes():
                try:
                    image, remark = make()
                except InvalidInputError as error:
                    skipped.append((name, str(error)))
                    continue
                images.append(image)
                notes += [(name, remark)] if remark else []
        except InvalidInputError as error:
            skipped.append((hr_source.name, str(error)))
    report = DataReport(len(images), tuple(skipped), tuple(notes))
    if not images:
        raise InvalidInputError(f"There is no image to {purpose}. {report.in_words}")
    return images, report


def _pairs(
    lr: Source | None,
    hr: Source,
    scale: int,
    cache: ImageCache,
    skipped: list[tuple[str, str]],
) -> Iterable[tuple[ImageSource | None, ImageSource]]:
    hr_sources = open_source(hr, cache)
    if lr is None:
        return [(None, source) for source in hr_sources]
    lr_sources = open_source(lr, cache)
    if not (_is_folder(lr) and _is_folder(hr)):
        return list(pair_in_order(lr_sources, hr_sources))
    matched, left = match_sources(lr_sources, hr_sources, scale)
    skipped += [
        (s.name, "no image of the other folder has its name or number, or several have.")
        for s in left
    ]
    return list(matched)


def _is_folder(source: Source) -> bool:
    return isinstance(source, str | Path)


class _Maker:
    """Checks one pair of sources, and makes its training images."""

    def __init__(
        self,
        lr: ImageSource | None,
        hr: ImageSource,
        description: ModelDescription,
        settings: DataSettings,
        least_size: int,
    ) -> None:
        self._lr, self._hr = lr, hr
        self._description, self._settings, self._least = description, settings, least_size
        self._scale = description.scale

    def planes(self) -> Iterator[tuple[str, Callable[[], tuple[TrainingImage, str]]]]:
        """Yield for each plane its name, and what makes its image and a remark."""
        hr = self._read(self._hr)
        lr = None if self._lr is None else self._read(self._lr)
        self._check(lr, hr)
        one_by_one = self._description.channels == 1
        several = len(hr) > 1 or (one_by_one and hr.shape[-1] > 1)
        for n in range(len(hr)):
            for c in range(hr.shape[-1]) if one_by_one else (None,):
                name = self._hr.name + (f"[{n}, {c or 0}]" if several else "")
                yield name, partial(self._image, name, n, c)

    def _read(self, source: ImageSource) -> NDArray[Any]:
        try:
            return source.read()
        except InvalidInputError as error:
            side = "low" if source is self._lr else "high"
            raise InvalidInputError(f"({side}-resolution side) {error}") from error

    def _check(self, lr: NDArray[Any] | None, hr: NDArray[Any]) -> None:
        s, channels = self._scale, self._description.channels
        if lr is None:
            size = hr.shape[1] // s, hr.shape[2] // s
        else:
            size = lr.shape[1] // self._settings.bin_lr, lr.shape[2] // self._settings.bin_lr
            self._check_sizes(lr, hr, size)
        if min(size) < self._least:
            raise InvalidInputError(
                f"it is too small: {size[0]} x {size[1]} low-resolution pixels, and a patch has "
                f"{self._least} x {self._least}. Train with a smaller patch size to use it."
            )
        for side in (x for x in (lr, hr) if x is not None):
            if channels not in (1, side.shape[-1]) and side.shape[-1] != 1:
                raise InvalidInputError(
                    f"the network takes {channels} channels, and the "
                    f"{'high' if side is hr else 'low'}-resolution image has {side.shape[-1]}."
                )
            if side.dtype.kind == "f" and not np.isfinite(side).all():
                count = int((~np.isfinite(side)).sum())
                raise InvalidInputError(f"{count} of its pixels are NaN or infinite.")

    def _check_sizes(self, lr: NDArray[Any], hr: NDArray[Any], size: tuple[int, int]) -> None:
        s = self._scale
        if len(lr) != len(hr):
            raise InvalidInputError(f"the stacks differ: {len(lr)} and {len(hr)} planes.")
        if self._description.channels == 1 and lr.shape[-1] != hr.shape[-1]:
            raise InvalidInputError(
                f"the channels differ: {lr.shape[-1]} and {hr.shape[-1]} in the two images."
            )
        if (hr.shape[1] // s, hr.shape[2] // s) == size:
            return
        words = f"{size[0]} x {size[1]} and {hr.shape[1]} x {hr.shape[2]} pixels"
        if lr.shape[1] > hr.shape[1] or lr.shape[2] > hr.shape[2]:
            advice = "The low-resolution image is the larger one: are the two sides swapped?"
        elif lr.shape[1:3] == hr.shape[1:3]:
            advice = f"Both have one pixel size: bin the low-resolution side (bin_lr={s})."
        else:
            advice = f"The network needs a ratio of {s}."
        raise InvalidInputError(f"the sizes do not fit: {words}. {advice}")

    def _image(self, name: str, n: int, channel: int | None) -> tuple[TrainingImage, str]:
        scale, bins = self._scale, self._settings.bin_lr
        read_hr = _plane_reader(self._hr, n, channel, self._description.channels)
        read_lr = None
        if self._lr is not None:
            read_lr = _plane_reader(self._lr, n, channel, self._description.channels)
        hr = read_hr()
        small: NDArray[Any] = binned(crop_to_multiple(hr, scale), scale)
        if read_lr is not None:
            small = binned(crop_to_multiple(read_lr(), bins), bins)
        if small.min() == small.max():
            raise InvalidInputError("it is constant, so there is nothing to learn from it.")
        offset, region, remark = (0, 0), Region(0, small.shape[0], 0, small.shape[1]), ""
        if read_lr is not None and self._settings.alignment != "ignore":
            offset, region, remark = self._align(small, hr, region)
            if min(region.shape) < self._least:
                raise InvalidInputError("what both sides show after the shift is too small.")
        image = TrainingImage(
            name,
            read_lr,
            read_hr,
            scale,
            region,
            offset,
            self._levels(small),
            data_range=1.0,
            bicubic_error=0.0,
            settings=self._settings,
            content=_digest(hr) + ("" if read_lr is None else _digest(small)),
        )
        return _with_scores(image, self._description), remark

    def _levels(self, lr: NDArray[Any]) -> IntensityRange:
        if self._description.intensity == "8-bit" and lr.dtype == np.uint8:
            return IntensityRange(0.0, 255.0)
        return measure_range(lr[..., c] for c in range(lr.shape[-1]))

    def _align(
        self, lr: NDArray[Any], hr: NDArray[Any], region: Region
    ) -> tuple[tuple[int, int], Region, str]:
        s = self._scale
        truth = crop_to_multiple(hr, s).mean(axis=-1)
        guess = resize_bicubic(lr.mean(axis=-1), truth.shape)
        rows, columns = estimate_shift(guess, truth)
        whole = round(rows), round(columns)
        words = f"the sides are shifted by {rows:.1f} rows and {columns:.1f} columns"
        if max(abs(rows), abs(columns)) < 0.75:
            alike = correlation(guess, truth)
            remark = f"the sides have little in common (correlation {alike:.2f}): are they a pair?"
            return (0, 0), region, remark if alike < _LEAST_ALIKE else ""
        if self._settings.alignment == "warn":
            advice = 'which blurs what is learnt: correct it with alignment="correct".'
            return (0, 0), region, f"{words} (high-resolution pixels), {advice}"
        top, left = (max(0, -(v // s)) for v in whole)
        bottom = min(region.y1, (hr.shape[0] - whole[0]) // s)
        right = min(region.x1, (hr.shape[1] - whole[1]) // s)
        return whole, Region(top, bottom, left, right), f"{words}; corrected by whole pixels."


def _plane_reader(
    source: ImageSource, n: int, channel: int | None, channels: int
) -> Callable[[], NDArray[Any]]:
    def read() -> NDArray[Any]:
        plane: NDArray[Any] = source.read()[n]
        if channel is not None:
            return plane[..., channel : channel + 1]
        # A grey image shows a network of colours the same in each channel, as at prediction.
        return plane if plane.shape[-1] == channels else np.repeat(plane, channels, axis=-1)

    return read


def _digest(pixels: NDArray[Any]) -> str:
    return f"{zlib.crc32(np.ascontiguousarray(pixels).data):08x}"


def _with_scores(image: TrainingImage, description: ModelDescription) -> TrainingImage:
    lr, hr = image.crop(image.region, np.random.default_rng(0))
    bicubic = resize_bicubic(lr, (hr.shape[0], hr.shape[1]))
    error, fit = np.abs(bicubic - hr).mean(), fit_gain_offset(bicubic, hr)
    is_fixed = description.intensity == "8-bit" and image.levels == IntensityRange(0.0, 255.0)
    data_range = 1.0 if is_fixed else (robust_range(hr) or 1.0)
    return replace(image, data_range=data_range, bicubic_error=float(error), fit=fit)
