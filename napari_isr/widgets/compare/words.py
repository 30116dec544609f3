"""What the Compare widget says of its numbers."""

from __future__ import annotations

import numpy as np

from napari_isr.widgets.compare.measure import BICUBIC, Measured


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
