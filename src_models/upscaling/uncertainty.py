"""A result with what to believe of it: how far eight answers of the network are apart."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import numpy as np
from numpy.typing import NDArray

from src_models.engines.opening import Engine
from src_models.engines.self_ensemble import SelfEnsemble
from src_models.images.axes import ArrayLike, ImageStack
from src_models.images.tiling import Region
from src_models.models.registry import DEFAULT_MODEL
from src_models.progress import drain
from src_models.upscaling.pipeline import Progress
from src_models.upscaling.predict import HowToUpscale, open_work, refuse_lazy, work_steps
from src_models.upscaling.tiles import Batch, TileWork

if TYPE_CHECKING:
    from src_models.networks.image_model import ImageModel


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
    keep_intensities: bool = False,
    **how: Unpack[HowToUpscale],
) -> WithUncertainty:
    """Upscale by self-ensemble, and tell how far the eight answers are apart.

    Parameters
    ----------
    image : array-like
        As for `src_models.upscale`; in memory.
    model, keep_intensities
        As for `src_models.upscale`.
    **how
        `axes`, `tile_size`, `overlap`, `batch_size` and `engine`, as for `src_models.upscale`.

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
    steps = upscale_with_uncertainty_steps(image, model, keep_intensities=keep_intensities, **how)
    return drain(steps)


def upscale_with_uncertainty_steps(
    image: ArrayLike,
    model: str | Path | ImageModel | Engine = DEFAULT_MODEL,
    *,
    keep_intensities: bool = False,
    region: Region | None = None,
    planes: dict[str, int] | None = None,
    **how: Unpack[HowToUpscale],
) -> Generator[Progress, None, WithUncertainty]:
    """Do the same, yielding progress; closing the generator cancels.

    Parameters
    ----------
    image, model, keep_intensities, **how
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
    work, network = open_work(SpreadWork, image, model, region=region, planes=planes, **how)
    # Grey in each of a network's colours: the mean of the answers is what is shown of them.
    as_grey = network.description.channels > 1 and not work.stack.joint
    ensemble = SelfEnsemble(network, spread=True, as_grey=as_grey)
    result = yield from work_steps(work, ensemble, keep_intensities=keep_intensities)
    return WithUncertainty(result, work.spread)


class SpreadWork(TileWork):
    """The tiles of a call that also asks how far the eight answers are apart.

    Attributes
    ----------
    spread : ndarray of float32 (float64 for images of 64 bits)
        Shape of the result, in the image's units; 0 in alpha, NaN where the image is not finite.
    """

    def __init__(self, stack: ImageStack, *settings: Any) -> None:
        super().__init__(stack, *settings)
        is_wide = np.dtype(stack.array.dtype).itemsize == 8
        self.spread = np.zeros(self.out.shape, np.float64 if is_wide else np.float32)

    def keep(self, batch: Batch, outputs: NDArray[np.float32]) -> None:
        """Write the network's answers into the result, and their deviations beside it."""
        super().keep(batch, outputs[..., : self.channels])
        deviations = outputs[..., self.channels :]
        for number, (plane, _) in enumerate(batch.places):
            tile, residual = batch.plans[number], batch.residuals[number]
            levels = self.ranges[plane.channel]
            deviation = deviations[number][tile.crop][..., : residual.shape[-1]].astype(np.float64)
            around = residual.repeat(self.scale, axis=0).repeat(self.scale, axis=1)
            stored = np.where(np.isfinite(around), deviation * (levels.high - levels.low), np.nan)
            place = self._plane_in_out(plane), *self._in_out(tile)
            self.stack.write(self.spread, *place, stored)
