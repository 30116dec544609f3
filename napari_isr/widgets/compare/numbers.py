"""The numbers of a comparison: which there are, what each means, and how it is written."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_isr.widgets.compare.measure import BICUBIC, Measured, Row

_NONE = "\u2013"
_NO_RESOLUTION = "none"


@dataclass(frozen=True)
class Column:
    """A measure: what heads it, what it means, how it is written, and whether more is better."""

    key: str
    title: str
    tooltip: str
    form: str
    best: Any = None


_TRUTH_COLUMNS = (
    Column("psnr", "PSNR", "Peak signal-to-noise ratio against the truth in dB.", ".2f", max),
    Column("ssim", "SSIM", "Structural similarity with the truth: 1 is equal.", ".3f", max),
    Column(
        "nrmse",
        "NRMSE",
        "Root mean squared error over the truth's root mean square: 0 is equal.",
        ".3f",
        min,
    ),
)
_AGREEMENT = Column(
    "agreement",
    "Agrees",
    "Share of the input's pixels within 3 sigma of its noise, when the image is brought back to "
    "the input's grid. A result that does not agree is wrong; one that agrees need not be right.",
    ".1f",
)


def columns(measured: Measured) -> tuple[Column, ...]:
    """Return the columns that a comparison has."""
    unit = measured.request.unit
    has_truth = measured.request.truth is not None
    meaning = "that agrees with the truth" if has_truth else "that is more than noise"
    alone = " In brackets: that is more than noise in the image alone." if has_truth else ""
    resolution = (
        Column(
            "rings",
            "FRC",
            f"Fourier ring correlation: the finest period in {unit} {meaning}.{alone}",
            ".3g",
            min if has_truth else None,
        ),
        Column(
            "decorrelation",
            "Decorr.",
            f"Resolution in {unit} by decorrelation analysis: the finest period that holds "
            "structure.",
            ".3g",
        ),
    )
    first = _TRUTH_COLUMNS if has_truth else ()
    return (*first, _AGREEMENT, *resolution)


def value_of(row: Row, key: str) -> float | None:
    """Return a number of a row; None if it was not measured."""
    if key in ("psnr", "ssim", "nrmse"):
        found = None if row.closeness is None else getattr(row.closeness, key)
        return None if found is None or math.isnan(found) else float(found)
    if key == "agreement":
        if row.agreement is None or math.isnan(row.agreement):  # of no pixel, where all are NaN
            return None
        return math.floor(row.agreement * 1000) / 10  # rounded down, as in words: 100 are all
    curve = getattr(row, key)
    return None if curve is None else float(curve.resolution)


def is_best(row: Row, rows: Sequence[Row], column: Column) -> bool:
    """Tell whether no other row is better; numbers of an image alone do not count."""
    if column.best is None or _is_alone(row, column):
        return False
    values = [value_of(x, column.key) for x in rows if not _is_alone(x, column)]
    numbers = [v for v in values if v is not None and not math.isnan(v)]
    return bool(numbers) and value_of(row, column.key) == column.best(numbers)


def _is_alone(row: Row, column: Column) -> bool:
    """Tell whether a number is of the image alone where others of its column are of the truth."""
    return column.key == "rings" and column.best is not None and not row.with_truth


def written(row: Row, column: Column) -> str:
    """Return a number as text."""
    value = value_of(row, column.key)
    if value is None:
        return _NONE
    if math.isnan(value):
        text = _NO_RESOLUTION if column.key in ("rings", "decorrelation") else _NONE
    else:
        is_equal = math.isinf(value) and column.key == "psnr"
        text = "equal" if is_equal else format(value, column.form)
    return f"({text})" if _is_alone(row, column) else text


def meaning_of(row: Row, column: Column, unit: str) -> str:
    """Say what a number tells, or why there is none."""
    if column.key == "agreement" and row.agreement_words:
        return row.agreement_words
    if column.key in ("rings", "decorrelation"):
        curve = getattr(row, column.key)
        if curve is not None:
            return f"{curve.in_words} Periods are in {unit}."
    if value_of(row, column.key) is None and row.notes:
        return "\n".join(row.notes)
    return column.tooltip


def as_csv(measured: Measured) -> str:
    """Return all numbers as comma-separated values, with a line of names first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    request = measured.request
    unit = request.unit
    keys = ("psnr", "ssim", "nrmse", "agreement", "rings", "decorrelation")
    titles = ("PSNR (dB)", "SSIM", "NRMSE", "agrees with the input (%)")
    resolution = (f"FRC resolution ({unit})", f"decorrelation resolution ({unit})")
    first, last = ["image", "kind"], ["FRC against", "data range", "fitted to the truth", "plane"]
    writer.writerow([*first, *titles, *resolution, *last])
    for row in measured.rows:
        values = [value_of(row, key) for key in keys]
        cells = ["" if v is None or math.isnan(v) else f"{v:.6g}" for v in values]
        span = "" if row.closeness is None else f"{row.closeness.data_range:.6g}"
        against = "" if row.rings is None else ("the truth" if row.with_truth else "itself")
        fitted = "" if row.closeness is None else ("yes" if request.fits else "no")
        writer.writerow([row.name, row.kind, *cells, against, span, fitted, request.place])
    return text.getvalue()


def outdated_in_words(measured: Measured) -> str:
    """Say that what is chosen or shown has changed since numbers and curves were measured."""
    place = f" ({measured.request.place})" if measured.request.place else ""
    return (
        f"What is chosen or shown has changed since numbers and curves were measured{place}: "
        "Measure again."
    )


def exposure_in_words(measured: Measured) -> str:
    """Say whether the truth was recorded with another exposure, and what to do; else nothing.

    Bicubic tells, which invents nothing.
    """
    for row in measured.rows:
        found = row.closeness
        if row.kind == BICUBIC and found is not None and found.differs_in_exposure:
            return (
                "The truth has another brightness or contrast than the input, which PSNR, SSIM and "
                f"NRMSE count as error: with a gain of {found.gain:.3g} and an offset of "
                f"{found.offset:.3g}, PSNR of {row.name} is {found.psnr_fitted:.2f} dB. Check "
                '"Fit brightness and contrast" under Truth, and measure again.'
            )
    return ""


def measured_in_words(measured: Measured) -> str:
    """Say what was measured, and what the numbers refer to."""
    request = measured.request
    words = [f"Measured on the plane {request.place}." if request.place else ""]
    if measured.data_range is not None and request.truth is not None:
        is_bytes = np.dtype(request.truth.source.array.dtype) == np.uint8
        basis = "" if is_bytes else ", the central 99.8 % of the truth"
        words.append(f"PSNR and SSIM refer to a range of {measured.data_range:.4g}{basis}.")
        if request.fits:
            words.append("Each image was fitted to the truth in brightness and contrast.")
    else:
        words.append("Without a truth no number tells what is right: agreement can only disprove.")
    if any(row.rings or row.decorrelation for row in measured.rows):
        periods = f"FRC and Decorr. are periods in {request.unit}"
        shared = "" if request.truth else "; both take noise that was interpolated for detail"
        alone = "; FRC in brackets is of the image alone" if request.truth else ""
        words.append(f"{periods}{shared}{alone}.")
    notes = [f"{row.name}: {note}" for row in measured.rows for note in row.notes]
    return " ".join([word for word in words if word] + notes[:1])
