"""Upscale an array tile by tile.

`upscale_steps` is the one place where it happens: a generator that yields its progress after
every batch, can be closed there, and returns the result. `upscale` drains it.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import numpy as np
from numpy.typing import NDArray

from src_models.engines.opening import Engine, EngineName, open_engine
from src_models.engines.self_ensemble import SelfEnsemble
from src_models.errors import InvalidInputError
from src_models.images.axes import ArrayLike, ImageStack, check_axes, guess_axes, is_lazy
from src_models.images.intensity import check_dtype
from src_models.images.tiling import Region
from src_models.models.registry import DEFAULT_MODEL
from src_models.progress import drain
from src_models.upscaling.intensity_ranges import measure_channels
from src_models.upscaling.pipeline import Progress, allocate_float_output, run_work
from src_models.upscaling.tiles import TileWork

if TYPE_CHECKING:
    from src_models.networks.image_model import ImageModel

__all__ = ["Progress", "upscale", "upscale_steps"]

W = TypeVar("W", bound=TileWork)


class HowToUpscale(TypedDict, total=False):
    """Arguments of `upscale` that other calls pass on."""

    axes: str | None
    tile_size: int | None
    overlap: int | None
    batch_size: int | None
    engine: EngineName


def upscale(
    image: ArrayLike,
    model: str | Path | ImageModel | Engine = DEFAULT_MODEL,
    *,
    axes: str | None = None,
    tile_size: int | None = None,
    overlap: int | None = None,
    batch_size: int | None = None,
    engine: EngineName = "auto",
    self_ensemble: bool = False,
    keep_intensities: bool = False,
) -> NDArray[Any]:
    """Upscale an image or a stack of images.

    Parameters
    ----------
    image : array-like
        Bool, integers or floats of any bit depth. NaN and infinities stay where they are. Of a
        dask or zarr array nothing is upscaled yet, see `src_models.upscaling.lazy`.
    model : str, Path, RDN, RRDN or Engine
        Name of a model (``"photo-sharp-x4@0.5"`` between sharp and faithful, see
        `src_models.models.weights`), path of a model file, a model, or what `open_engine` made
        of one.
    axes : str, optional
        Meaning of the dimensions, such as ``"YX"``, ``"YXC"``, ``"CYX"`` or ``"TZCYX"``. Without
        it a trailing axis of 3 or 4 after Y and X holds RGB or RGBA. All axes but Y, X and C are
        looped over.
    tile_size : int, optional
        Width and height in input pixels of the tiles that are run one by one; None to choose it
        from the memory there is.
    overlap : int, optional
        Input pixels of context read around each tile; None for what the model needs for
        invisible seams.
    batch_size : int, optional
        Tiles run at a time, 1 by default.
    engine : {"auto", "keras", "openvino", "onnxruntime"}
        What runs the network; by default what suits the machine, see `src_models.engines.opening`.
    self_ensemble : bool
        Average over eight flips and quarter turns: a little closer to the truth in eight times the
        time, see `src_models.engines.self_ensemble`.
    keep_intensities : bool
        Change the result so that it is the image again when binned, and sums over regions stay,
        see `src_models.upscaling.back_projection`.

    Returns
    -------
    ndarray, or dask array of a dask or zarr array
        Same dtype and axes, `scale` times larger along Y and X; rounded and clipped to the dtype.

    Raises
    ------
    InvalidInputError
        If the image, its axes or a setting does not fit.
    ModelFileError
        If there is no such model.
    OutOfMemoryError
        If not even the smallest tile fits into memory.
    NetworkError
        If the backend fails.

    Warns
    -----
    SuperResolutionWarning
        If pixels are not finite, or tiles had to be made smaller.

    Notes
    -----
    Intensities are mapped to [0, 1] by one range per channel for the whole array and mapped back
    afterwards; see `src_models.images.intensity`. So ``upscale(a * x + b)`` is
    ``a * upscale(x) + b`` for every a above 0.

    Examples
    --------
    >>> import numpy as np
    >>> from src_models import RDN, upscale
    >>> rdn = RDN({"C": 1, "D": 1, "G": 4, "G0": 4, "x": 2}, c_dim=1)
    >>> upscale(np.zeros((3, 10, 20), np.uint16), rdn).shape
    (3, 20, 40)
    """
    how: HowToUpscale = {
        "axes": axes,
        "tile_size": tile_size,
        "overlap": overlap,
        "batch_size": batch_size,
        "engine": engine,
    }
    if is_lazy(image):
        from src_models.upscaling.lazy import upscale_lazily

        lazy: NDArray[Any] = upscale_lazily(
            image, model, **how, self_ensemble=self_ensemble, keep_intensities=keep_intensities
        )
        return lazy
    steps = upscale_steps(
        image, model, **how, self_ensemble=self_ensemble, keep_intensities=keep_intensities
    )
    return drain(steps)


def upscale_steps(
    image: ArrayLike,
    model: str | Path | ImageModel | Engine = DEFAULT_MODEL,
    *,
    axes: str | None = None,
    tile_size: int | None = None,
    overlap: int | None = None,
    batch_size: int | None = None,
    engine: EngineName = "auto",
    self_ensemble: bool = False,
    keep_intensities: bool = False,
    region: Region | None = None,
    planes: dict[str, int] | None = None,
) -> Generator[Progress, None, NDArray[Any]]:
    """Upscale as `upscale` does, yielding progress; closing the generator cancels.

    Parameters
    ----------
    image, model, axes, tile_size, overlap, batch_size, engine, self_ensemble, keep_intensities
        As for `upscale`.
    region : Region, optional
        Upscale these rows and columns only, as they would be in the whole result (of an image
        of more than 32 megapixels, whose intensities are then measured on a sample, nearly so).
    planes : dict, optional
        Upscale only these positions along axes other than Y, X and C, such as ``{"Z": 3}``; the
        axes stay, with length 1.

    Yields
    ------
    Progress
        Of nothing done, once at the start and again while intensities are measured; then after
        every batch of tiles, and now and then while one takes long.

    Returns
    -------
    ndarray
        As `upscale` returns.
    """
    work, network = open_work(
        TileWork,
        image,
        model,
        axes=axes,
        tile_size=tile_size,
        overlap=overlap,
        batch_size=batch_size,
        engine=engine,
        region=region,
        planes=planes,
    )
    if self_ensemble:
        network = SelfEnsemble(network)
    return (yield from work_steps(work, network, keep_intensities=keep_intensities))


def open_work(
    kind: type[W],
    image: ArrayLike,
    model: str | Path | ImageModel | Engine,
    *,
    axes: str | None = None,
    tile_size: int | None = None,
    overlap: int | None = None,
    batch_size: int | None = None,
    engine: EngineName = "auto",
    region: Region | None = None,
    planes: dict[str, int] | None = None,
) -> tuple[W, Engine]:
    """Check what `upscale_steps` is given; return its tiles and what will run them."""
    stack, network = open_image(image, model, axes, engine)
    tiles = tile_size, overlap, batch_size, region, planes
    return kind(stack, network.description, *tiles, network.name), network


def work_steps(
    work: TileWork, network: Engine, *, keep_intensities: bool
) -> Generator[Progress, None, NDArray[Any]]:
    """Do the work of `upscale_steps`, which it yields and returns as."""
    if keep_intensities:
        allocate_float_output(work)
    yield Progress(0, work.total)
    stack, sample = work.stack, work.is_part or None
    for work.ranges in measure_channels(stack, network.description, sample=sample):
        yield Progress(0, work.total)
    result = yield from run_work(work, network, keep_intensities=keep_intensities)
    work.unreliable.warn()
    return result


def refuse_lazy(image: ArrayLike) -> None:
    """Refuse what works on arrays in memory only.

    Raises
    ------
    InvalidInputError
        If the image is a dask or zarr array.
    """
    if is_lazy(image):
        raise InvalidInputError(
            "Uncertainty is told of arrays in memory. "
            f"Received: a lazy array of shape {tuple(image.shape)}. Give numpy.asarray(image), or "
            "a part of it."
        )


def open_image(
    image: ArrayLike,
    model: str | Path | ImageModel | Engine,
    axes: str | None,
    engine: EngineName,
) -> tuple[ImageStack, Engine]:
    """Check an image and open the network; see `upscale` for what may be given."""
    image = _as_array(image)
    check_dtype(np.dtype(image.dtype))
    letters = check_axes(guess_axes(image.shape) if axes is None else axes, image.shape)
    network = open_engine(model, engine)
    return ImageStack.of(image, letters, network.description.channels), network


def _as_array(image: Any) -> ArrayLike:
    """Return `image` as it is if it has what we ask of an array, or as a numpy array."""
    try:
        np.dtype(image.dtype)
        return image if hasattr(image, "shape") else np.asarray(image)
    except (AttributeError, TypeError):  # a list, or an array of a world without numpy's types
        pass
    first = image[0] if isinstance(image, list | tuple) and image else image
    if isinstance(first, str | os.PathLike):
        raise InvalidInputError(
            f"An image must be an array. Received: the path {str(first)!r}. Read the file first, "
            "or give files to the command: napari-isr upscale."
        )
    try:
        return np.asarray(image)
    except ValueError as error:
        raise InvalidInputError(
            "An image must be an array whose rows are equally long. "
            f"Received: {type(image).__name__}, of which numpy says: {error}"
        ) from error
