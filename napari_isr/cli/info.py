"""``napari-isr info`` and ``napari-isr compare``: what files hold, and how close they are."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from napari_isr.cli.output import FAILED, say
from src_models.errors import InvalidInputError, ModelFileError, SuperResolutionError
from src_models.images.io import read_image
from src_models.images.picture import Picture, printable, unit_symbol
from src_models.models.description import ModelDescription
from src_models.models.registry import DEFAULT_MODEL, describe_model
from src_models.quality.image_checks import check_image

_MODEL_ENDINGS = (".keras", ".hdf5", ".h5", ".onnx", ".onnx.zip")


def show_files(files: Sequence[Path], *, as_json: bool) -> int:
    """Tell of each file; return the exit code."""
    code = 0
    for file in files:
        try:
            record = (
                _model(file) if file.name.endswith(_MODEL_ENDINGS) else _image(read_image(file))
            )
        except SuperResolutionError as error:
            code = FAILED
            record = {"error": str(error)}
        if as_json:
            typer.echo(json.dumps({"file": str(file), **record}))
        elif "error" in record:
            say(f"{file}: {record['error']}")
        else:
            typer.echo(printable(str(file)))
            notes = record.pop("notes", [])
            for key, value in record.items():
                if value not in (None, "", {}, []):
                    typer.echo(f"  {key.replace('_', ' '):<14} {_in_words(value)}")
            for note in notes:
                typer.echo(f"  {'note':<14} {note}")
    return code


def _model(file: Path) -> dict[str, Any]:
    description = describe_model(file)
    return {"format": "model", "name": description.name, "about": description.in_words}


def _image(picture: Picture) -> dict[str, Any]:
    sizes, units = picture.pixel_size, picture.units
    return {
        "format": picture.format,
        "axes": picture.axes,
        "shape": list(picture.array.shape),
        "dtype": str(picture.dtype),
        "colours": "RGB" + "A" * (picture.sizes["C"] == 4) if picture.rgb else None,
        "pixel_size": {
            axis: f"{sizes[axis]:g} {unit_symbol(units.get(axis, ''))}".strip()
            for axis in "XYZ"
            if axis in sizes
        },
        "time_step": f"{sizes['T']:g} {unit_symbol(units.get('T', 's'))}" if "T" in sizes else None,
        "channels": list(picture.channel_names),
        "channel_colours": list(picture.channel_colours),
        "made_with": dict(picture.record),
        "notes": notes_on(picture),
    }


def _in_words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    if isinstance(value, list):
        numbers = all(isinstance(item, int) for item in value)
        return (" x " if numbers else ", ").join(str(item) for item in value)
    return str(value)


def show_comparison(truth_file: Path, image_file: Path, *, as_json: bool) -> None:
    """Tell how close an image is to the truth.

    Raises
    ------
    ModelFileError, InvalidInputError
        If one cannot be read, or they are not equally large.
    """
    record = _compare(_read(truth_file), _read(image_file))
    if as_json:
        plain = {k: v if math.isfinite(v) else None for k, v in record.items()}
        typer.echo(json.dumps({"truth": str(truth_file), "image": str(image_file), **plain}))
        return
    units = {"psnr": " dB", "psnr_fitted": " dB"}
    words = {
        "psnr": "PSNR",
        "psnr_fitted": "PSNR, brightness and contrast fitted",
        "ssim": "SSIM (1 is equal)",
        "nrmse": "error over the truth's size (NRMSE)",
        "mean_absolute_error": "mean absolute error",
        "largest_error": "largest error",
        "data_range": "range of intensities these refer to",
    }
    for key in (key for key in words if key in record):
        typer.echo(f"{words[key]:<38} {record[key]:.4g}{units.get(key, '')}")


def _read(file: Path) -> Picture:
    try:
        return read_image(file).loaded()
    except InvalidInputError as error:
        raise ModelFileError(f"{file}: {error}") from error


def _compare(truth: Picture, image: Picture) -> dict[str, float]:
    import numpy as np

    from src_models.quality.comparison import compare_with_truth, usual_range
    from src_models.training.image_files import as_planes

    a = as_planes(np.asarray(truth.array), truth.axes)
    b = as_planes(np.asarray(image.array), image.axes)
    if a.shape != b.shape:
        shapes = [tuple(picture.array.shape) for picture in (truth, image)]
        raise InvalidInputError(
            "Two images are compared pixel by pixel, so they must be equally large. "
            f"Received: {truth.axes} {shapes[0]} and {image.axes} {shapes[1]}. "
            "Give a result and the truth at its own size."
        )
    data_range = usual_range(a)  # without alpha
    record = asdict(compare_with_truth(a, b, data_range=data_range))
    if math.isnan(record["ssim"]):
        record.pop("ssim")
    return record


_FOR_COLOURS = "photo-x2"


def notes_on(
    image: Path | Picture, model: ModelDescription | None = None, axes: str | None = None
) -> list[str]:
    """Return a sentence for each thing that speaks against upscaling an image as it is.

    Parameters
    ----------
    image : Path or Picture
        Of a file that cannot be read nothing is said: that is told where it is worked on.
    model : ModelDescription, optional
        What it is to be upscaled with; without one the default for such an image.
    axes : str, optional
        Instead of the file's own.
    """
    try:
        picture = image if isinstance(image, Picture) else read_image(image)
        picture = picture if axes is None else picture.with_axes(axes)
        chosen = model or (_FOR_COLOURS if picture.rgb else DEFAULT_MODEL)
        # All over the plane: pixels that are not read in parts are read as a whole in any case.
        found = check_image(picture.loaded().array, picture.axes, chosen)
        return [*picture.notes, *(finding.message for finding in found)]
    except SuperResolutionError:
        return []
