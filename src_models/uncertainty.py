"""A result with what to believe of it: how far eight answers of the network are apart."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray

from src_models.axes import ArrayLike
from src_models.engines import Engine, EngineName
from src_models.measure import measure_channels
from src_models.pipeline import Progress, run_tiles
from src_models.predict import kept_intensities, leave_unrounded, open_image, refuse_lazy
from src_models.pretrained import DEFAULT_MODEL
from src_models.self_ensemble import SelfEnsemble, SpreadWork
from src_models.tiling import Region

if TYPE_CHECKING:
    from src_models.image_model import ImageModel


class WithUncertainty(NamedTuple):
    """A result, and what to believe of it.

    Attributes
    ----------
    result : ndarray
        As `src_models.upscale` returns with ``self_ensemble=True``.
    uncertainty : ndarray of float32 (float64 for images of 64 bits)
        Same shape: standard deviation over the eight answers, in the image's own units. 0 in
        alpha, NaN where the image is not finite.
    """

    result: NDArray[Any]
    uncertainty: NDArray[Any]


def upscale_with_uncertainty(
    image: ArrayLike,
    model: str | Path | ImageModel | Engine = DEFAULT_MODEL,
    *,
    axes: str | None = None,
    tile_size: int | None = None,
    overlap: int | None = None,
    batch_size: int | None = None,
    engine: EngineName = "auto",
    keep_intensities: bool = False,
) -> WithUncertainty:
    """Upscale by self-ensemble, and tell how far the eight answers are apart.

    Parameters
    ----------
    image : array-like
        As for `src_models.upscale`; in memory.
    model, axes, tile_size, overlap, batch_size, engine, keep_intensities
        As for `src_models.upscale`.

    Returns
    -------
    WithUncertainty
        Result and uncertainty. The eight agree on what the network always gets wrong, too: the
        uncertainty ranks errors, and does not bound them.

    Raises
    ------
    SuperResolutionError
        As `src_models.upscale`, and InvalidInputError for a dask or zarr array.

    Examples
    --------
    >>> import numpy as np
    >>> from src_models import RDN, upscale_with_uncertainty
    >>> rdn = RDN({"C": 1, "D": 1, "G": 4, "G0": 4, "x": 2}, c_dim=1)
    >>> result, uncertainty = upscale_with_uncertainty(np.zeros((10, 20), np.uint16), rdn)
    >>> uncertainty.shape, uncertainty.dtype
    ((20, 40), dtype('float32'))
    """
    refuse_lazy(image)
    steps = upscale_with_uncertainty_steps(
        image,
        model,
        axes=axes,
        tile_size=tile_size,
        overlap=overlap,
        batch_size=batch_size,
        engine=engine,
        keep_intensities=keep_intensities,
    )
    while True:
        try:
            next(steps)
        except StopIteration as end:
            both: WithUncertainty = end.value
            return both


def upscale_with_uncertainty_steps(
    image: ArrayLike,
    model: str | Path | ImageModel | Engine = DEFAULT_MODEL,
    *,
    axes: str | None = None,
    tile_size: int | None = None,
    overlap: int | None = None,
    batch_size: int | None = None,
    engine: EngineName = "auto",
    keep_intensities: bool = False,
    region: Region | None = None,
    planes: dict[str, int] | None = None,
) -> Generator[Progress, None, WithUncertainty]:
    """Do the same, yielding progress; closing the generator cancels.

    Parameters
    ----------
    image, model, axes, tile_size, overlap, batch_size, engine, keep_intensities
        As for `upscale_with_uncertainty`.
    region, planes
        As for `src_models.upscale_steps`.

    Yields
    ------
    Progress
        As `src_models.upscale_steps`.

    Returns
    -------
    WithUncertainty
    """
    stack, network = open_image(image, model, axes, engine)
    description = network.description
    # Grey in each of a network's colours: the mean of the answers is what is shown of them.
    as_grey = description.channels > 1 and not stack.joint
    ensemble = SelfEnsemble(network, spread=True, as_grey=as_grey)
    work = SpreadWork(
        stack, description, tile_size, overlap, batch_size, region, planes, network.name
    )
    if keep_intensities:
        leave_unrounded(work)
    yield Progress(0, work.total)
    is_part = region is not None or planes is not None
    for work.ranges in measure_channels(stack, description, sample=is_part or None):
        yield Progress(0, work.total)
    yield from run_tiles(work, ensemble)
    work.resample_alpha()
    work.warn()
    return WithUncertainty(kept_intensities(work) if keep_intensities else work.out, work.spread)
