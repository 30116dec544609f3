"""Upscale into an OME-Zarr file, block by block, and go on after an interruption.

Until it is complete, the result lies under a temporary name with a journal of the blocks that are
done, so whatever is found under the target's name is whole. Each block is exactly one chunk of the
file and is written by one rename; killed between that and its line in the journal, it is done once
more, with the same answer.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from src_models.engines.opening import Engine, EngineName
from src_models.engines.shared_model import SharedModel
from src_models.errors import InvalidInputError
from src_models.files import writing
from src_models.images.axes import ArrayLike, ImageStack, check_axes, guess_axes
from src_models.images.intensity import check_dtype, check_no_mask
from src_models.images.ome_zarr import (
    ZarrImage,
    add_record,
    open_levels,
    read_zarr_image,
    stored_axes,
)
from src_models.jobs.fingerprint import source_fingerprint
from src_models.jobs.provenance import model_identity, provenance
from src_models.jobs.zarr_blocks import ZarrWork
from src_models.jobs.zarr_resume import begin, complete, planned, resume
from src_models.jobs.zarr_target import alone, check_has_name, check_not_nested, check_target
from src_models.models.description import ModelDescription
from src_models.models.registry import DEFAULT_MODEL
from src_models.progress import drain, with_progress
from src_models.quality.consistency import measure_consistency_summary_steps
from src_models.upscaling.chunk_cache import keeping_chunks
from src_models.upscaling.intensity_ranges import measure_channels
from src_models.upscaling.lazy import BlockPlan
from src_models.upscaling.pipeline import Progress

if TYPE_CHECKING:
    from src_models.networks.image_model import ImageModel


def upscale_to_zarr(
    source: str | Path | ArrayLike,
    target: str | Path,
    model: str | Path | ImageModel | Engine = DEFAULT_MODEL,
    *,
    axes: str | None = None,
    pixel_size: Mapping[str, float] | None = None,
    tile_size: int | None = None,
    overlap: int | None = None,
    batch_size: int | None = None,
    engine: EngineName = "auto",
    self_ensemble: bool = False,
    keep_intensities: bool = False,
    consistency: bool = False,
    overwrite: bool = False,
) -> Path:
    """Upscale an image of any size into an OME-Zarr file with pyramid and pixel sizes.

    Parameters
    ----------
    source : str, Path or array-like
        Folder of an OME-Zarr image of version 0.4 or 0.5; or a numpy, dask or zarr array.
    target : str or Path
        Folder of the OME-Zarr image (version 0.5) to write.
    model : str, Path, RDN, RRDN or Engine
        Name of a model, path of a model file, a model, or what `open_engine` made of one.
    axes : str, optional
        Meaning of the dimensions, for an array; a file tells its own.
    pixel_size : mapping of str to float, optional
        Of an array, in micrometres by axis, such as ``{"Z": 0.5, "Y": 0.1, "X": 0.1}``.
    tile_size, overlap, batch_size, engine, self_ensemble, keep_intensities
        As for `upscale`.
    consistency : bool
        Compare the result with the image, as `measure_consistency` does, and write the figure
        beside the model's name, under ``"napari-isr"`` in the file's attributes. It adds about a
        tenth to the time.
    overwrite : bool
        Replace the target, once the new one is complete; and begin anew where unfinished work
        does not fit.

    Returns
    -------
    Path
        The target.

    Raises
    ------
    InvalidInputError
        If the source or a setting does not fit, the target exists, holds the source or lies in
        it, cannot be written, other work is writing it, or unfinished work was begun with other
        settings.
    DiskFullError
        If there is no room; the same call goes on once there is.
    SuperResolutionError
        As `upscale` does.

    Notes
    -----
    If it is interrupted in whatever way, the same call goes on where it stopped, and the file is
    then the same, byte by byte. An engine that was opened is known again by what it answers.
    Intensities are measured on the whole image first.
    """
    steps = upscale_to_zarr_steps(
        source,
        target,
        model,
        axes=axes,
        pixel_size=pixel_size,
        tile_size=tile_size,
        overlap=overlap,
        batch_size=batch_size,
        engine=engine,
        self_ensemble=self_ensemble,
        keep_intensities=keep_intensities,
        consistency=consistency,
        overwrite=overwrite,
    )
    return drain(steps)


def upscale_to_zarr_steps(
    source: str | Path | ArrayLike,
    target: str | Path,
    model: str | Path | ImageModel | Engine = DEFAULT_MODEL,
    *,
    axes: str | None = None,
    pixel_size: Mapping[str, float] | None = None,
    tile_size: int | None = None,
    overlap: int | None = None,
    batch_size: int | None = None,
    engine: EngineName = "auto",
    self_ensemble: bool = False,
    keep_intensities: bool = False,
    consistency: bool = False,
    overwrite: bool = False,
) -> Generator[Progress, None, Path]:
    """Upscale as `upscale_to_zarr` does, yielding progress; closing the generator interrupts.

    Parameters
    ----------
    source, target, model, axes, pixel_size, tile_size, overlap, batch_size, engine
        As for `upscale_to_zarr`.
    self_ensemble, keep_intensities, consistency, overwrite
        As for `upscale_to_zarr`.

    Yields
    ------
    Progress
        While intensities are measured; then after every block, those of earlier calls counted.

    Returns
    -------
    Path
        The target.
    """
    named = Path(os.path.expanduser(target))
    target = Path(os.path.realpath(named))  # through a link, which stays one
    check_has_name(target)
    unfinished = target.with_name(f"{target.name}.unfinished")
    image = _open_source(source, axes, pixel_size)
    for folder in _folders_of(source):
        check_not_nested(target, folder)
        check_not_nested(unfinished, folder)  # which is removed if it is not wanted any more
    shared = SharedModel(model, engine)
    stack = ImageStack.of(image.array, image.axes, shared.description.channels)
    if keep_intensities:
        check_no_mask(np.dtype(image.array.dtype))
    plan = BlockPlan.of(stack, shared.description, tile_size, overlap, batch_size, shared.engine)
    path = Path(source) if isinstance(source, str | os.PathLike) else None
    asked = {
        "source": "an array" if path is None else os.path.realpath(path),
        "shape": list(image.array.shape),
        "dtype": str(np.dtype(image.array.dtype)),
        "axes": image.axes,
        "pixel_size": (dict(image.pixel_size) or None) if path is None else None,
        "content": source_fingerprint(image.array, path),
        "model": shared.identity(),
        "tile_size": tile_size,
        "overlap": overlap,
        "batch_size": batch_size,
        "engine": shared.engine,
        # None where it is not asked for, as in journals from before there was the choice.
        "self_ensemble": self_ensemble or None,
        "keep_intensities": keep_intensities or None,
    }
    with alone(target):
        check_target(target, overwrite)
        journal = resume(unfinished, asked, overwrite)
        if journal is None:
            yield Progress(0, 1)
            for ranges in measure_channels(stack, shared.description, sample=False):
                plan = replace(plan, ranges=dict(ranges))
                yield Progress(0, 1)
            with writing(unfinished):
                journal = begin(unfinished, image, stack, plan, asked)
        plan = planned(plan, stack, journal.settings)
        work = ZarrWork(stack, plan, open_levels(unfinished), shared, journal)
        yield from work.run()
        told = provenance(plan.description, shared.engine, model_identity(model), path)
        asked_for = {"self_ensemble": self_ensemble, "keep_intensities": keep_intensities}
        add_record(unfinished, told | {name: True for name, wanted in asked_for.items() if wanted})
        if consistency:
            comparing = _compare(unfinished, image, plan.description)
            yield from with_progress(comparing, lambda: Progress(work.total, work.total))
        with writing(target):
            complete(unfinished, target)
    return named


def _folders_of(source: Any) -> Iterator[Path]:
    """Yield the folders that an image is read from, without links, as far as they are known."""
    if isinstance(source, str | os.PathLike):
        yield Path(os.path.realpath(source))
    elif hasattr(source, "dask"):
        for name, layer in source.dask.layers.items():
            if name.startswith("original-"):  # what dask reads from, alone in its layer
                yield from _folders_of(layer.get(name))
            # Or, by inline_array=True, what every block is given whole.
            given = [value for value, index in getattr(layer, "indices", ()) if index is None]
            for array in given:
                if hasattr(array, "store"):
                    yield from _folders_of(array)
    elif (store := getattr(source, "store", None)) is not None:  # a zarr array's
        root = getattr(store, "root", None) or getattr(store, "path", None)  # zarr's own; fsspec's
        if isinstance(root, str | os.PathLike):
            yield Path(os.path.realpath(os.path.join(root, getattr(source, "path", ""))))


def _open_source(
    source: str | Path | ArrayLike, axes: str | None, pixel_size: Mapping[str, float] | None
) -> ZarrImage:
    if isinstance(source, str | os.PathLike):
        if axes is not None or pixel_size is not None:
            raise InvalidInputError(
                "An OME-Zarr file tells its own axes and pixel sizes. "
                f"Received: axes={axes!r}, pixel_size={pixel_size!r}. Leave them out."
            )
        image = read_zarr_image(source)
        image = replace(image, axes=check_axes(image.axes, image.array.shape))
    else:
        letters = guess_axes(source.shape) if axes is None else axes
        sizes = {axis.upper(): float(size) for axis, size in (pixel_size or {}).items()}
        image = ZarrImage(
            array=keeping_chunks(source),
            axes=check_axes(letters, source.shape),
            pixel_size=sizes,
            units=dict.fromkeys(sizes, "micrometer"),
        )
    check_dtype(np.dtype(image.array.dtype))
    stored_axes(image.axes)
    return image


def _compare(
    unfinished: Path, image: ZarrImage, description: ModelDescription
) -> Generator[None, None, None]:
    """Write into the file how well it agrees with its source."""
    from dask.array import from_zarr

    stored = stored_axes(image.axes)
    finest = from_zarr(open_levels(unfinished)[0])
    result = finest.transpose([stored.index(axis) for axis in image.axes])
    found = yield from measure_consistency_summary_steps(
        result, image.array, axes=image.axes, model=description
    )
    add_record(unfinished, {"consistency": found.record})
