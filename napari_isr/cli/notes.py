"""What the command says of an image before it is upscaled."""

from __future__ import annotations

from pathlib import Path

from src_models.errors import SuperResolutionError
from src_models.images.io import read_image
from src_models.images.picture import Picture
from src_models.models.description import ModelDescription
from src_models.models.registry import DEFAULT_MODEL
from src_models.quality.image_checks import check_image

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
