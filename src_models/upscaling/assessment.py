"""An image upscaled, with whatever is asked for that tells how far to believe the result."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Unpack, get_args

import numpy as np
from numpy.typing import NDArray

from src_models.engines.opening import Engine, open_engine
from src_models.errors import InvalidInputError
from src_models.images.axes import ArrayLike, check_axes, guess_axes
from src_models.models.registry import DEFAULT_MODEL
from src_models.progress import with_progress
from src_models.quality.consistency import Consistency, measure_consistency_steps
from src_models.quality.expected_error import expected_error_steps
from src_models.upscaling.pipeline import Progress
from src_models.upscaling.predict import HowToUpscale, upscale_steps
from src_models.upscaling.uncertainty import upscale_with_uncertainty_steps

if TYPE_CHECKING:
    from src_models.networks.image_model import ImageModel

Uncertainty = Literal["expected error", "standard deviation"]
_ALL_TILES = Progress(1, 1)


class Assessed(NamedTuple):
    """A result, and how far to believe it.

    Attributes
    ----------
    result : ndarray
        As `src_models.upscale` returns.
    uncertainty : ndarray of floats, or None
        Shape of the result, in the image's units: what `upscale_with_uncertainty` or
        `expected_error` returns. None if it was not asked for.
    consistency : Consistency or None
        As `measure_consistency` returns; None if it was not asked for.
    """

    result: NDArray[Any]
    uncertainty: NDArray[Any] | None
    consistency: Consistency | None


def upscale_and_assess_steps(
    image: ArrayLike,
    model: str | Path | ImageModel | Engine = DEFAULT_MODEL,
    *,
    self_ensemble: bool = False,
    keep_intensities: bool = False,
    uncertainty: Uncertainty | None = None,
    consistency: bool = True,
    **how: Unpack[HowToUpscale],
) -> Generator[Progress, None, Assessed]:
    """Upscale an image in memory and judge the result; closing the generator cancels.

    Parameters
    ----------
    image, model, self_ensemble, keep_intensities
        As for `src_models.upscale`.
    uncertainty : {"expected error", "standard deviation"}, optional
        What to tell of where the result is wrong, if anything. Either takes a self-ensemble.
    consistency : bool
        Whether to compare the result with the image.
    **how
        `axes`, `tile_size`, `overlap`, `batch_size` and `engine`, as for `src_models.upscale`.

    Yields
    ------
    Progress
        As `src_models.upscale_steps`; of all tiles done, while the result is judged.

    Returns
    -------
    Judged
    """
    check_uncertainty(uncertainty)
    network = open_engine(model, how.get("engine", "auto"))
    axes = how.get("axes")
    letters = check_axes(guess_axes(image.shape) if axes is None else axes, image.shape)
    spread = found = None
    if uncertainty is None:
        result = yield from upscale_steps(
            image, network, self_ensemble=self_ensemble, keep_intensities=keep_intensities, **how
        )
    else:
        result, spread = yield from upscale_with_uncertainty_steps(
            image, network, keep_intensities=keep_intensities, **how
        )
    if spread is not None and uncertainty == "expected error":
        estimating = expected_error_steps(result, spread, axes=letters)
        spread = yield from with_progress(estimating, lambda: _ALL_TILES)
    if consistency:
        comparing = measure_consistency_steps(
            result, image, axes=letters, model=network.description
        )
        found = yield from with_progress(comparing, lambda: _ALL_TILES)
    return Assessed(result, spread, found)


def check_uncertainty(asked: object) -> None:
    """Refuse a kind of uncertainty that there is not.

    Raises
    ------
    InvalidInputError
        If it is none of `Uncertainty`, nor None.
    """
    if asked is not None and asked not in get_args(Uncertainty):
        raise InvalidInputError(
            f"uncertainty must be one of {list(get_args(Uncertainty))}, or None. "
            f"Received: {asked!r}."
        )


def worst_of_colours(values: NDArray[Any]) -> NDArray[Any]:
    """Return of each pixel's colours, the last axis, the value farthest from 0, with its sign."""
    high, low = values.max(axis=-1), values.min(axis=-1)
    return np.asarray(np.where(-low > high, low, high))
