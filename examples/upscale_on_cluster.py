"""Upscale an OME-Zarr image on a dask cluster, into another OME-Zarr image.

    python examples/upscale_on_cluster.py cells.zarr cells-x2.zarr --workers 4
    python examples/upscale_on_cluster.py cells.zarr cells-x2.zarr --workers 16 --queue gpu

The first line uses processes of this machine, the second one Slurm jobs (`dask-jobqueue`).
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


def start_cluster(workers: int, queue: str | None) -> Any:
    """Start workers of one thread each: the network uses its processors by itself."""
    if queue is None:
        from distributed import LocalCluster

        return LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)
    from dask_jobqueue import SLURMCluster

    cluster = SLURMCluster(queue=queue, processes=1, cores=1, memory="8GB", walltime="04:00:00")
    cluster.scale(jobs=workers)
    return cluster


def write(lazy: Any, levels: list[Any], axes: str) -> None:
    """Compute each level of a pyramid and store it, chunk by chunk."""
    import dask.array as da

    from src_models.images.picture import halved

    da.store(lazy, levels[0], lock=False)
    for finer, coarser in pairwise(levels):
        twice = [2 * n if axis in "YX" else n for axis, n in zip(axes, coarser.chunks, strict=True)]
        array = da.from_array(finer, chunks=twice)
        sizes = [
            tuple(-(-n // 2) for n in sizes) if axis in "YX" else sizes
            for axis, sizes in zip(axes, array.chunks, strict=True)
        ]
        smaller = array.map_blocks(halved, axes, chunks=tuple(sizes), dtype=array.dtype)
        da.store(smaller, coarser, lock=False)


def main() -> None:
    """Read the command line, start the workers, and wait for them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--model", default="microscopy-x2")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--queue", help="of Slurm; without it, workers run on this machine")
    options = parser.parse_args()
    if os.path.lexists(options.target):
        parser.error(
            f"There is something already under {str(options.target)!r}: choose another name."
        )

    from distributed import Client

    from src_models import describe_model, upscale
    from src_models.engines.opening import load_engine
    from src_models.images.ome_zarr import create_pyramid, read_zarr_image
    from src_models.jobs.provenance import model_identity, provenance

    image = read_zarr_image(options.source)
    model = describe_model(options.model)
    engine = load_engine("auto", model).name  # one for all workers
    record = provenance(model, engine, model_identity(options.model), options.source)
    # Beside the target, where all workers reach it; it has the target's name once it is whole.
    beside = options.target.absolute().parent
    with (
        start_cluster(options.workers, options.queue) as cluster,
        Client(cluster),
        TemporaryDirectory(prefix=".unfinished-", dir=beside) as folder,
    ):
        lazy: Any = upscale(image.array, options.model, axes=image.axes, engine=engine)
        begun, made = Path(folder, options.target.name), replace(image, record=record)
        levels = create_pyramid(begun, made, lazy.shape, lazy.chunksize, model.scale)
        write(lazy, levels, image.axes)
        os.replace(begun, options.target)
    print(f"{options.target}: {' x '.join(map(str, lazy.shape))}, {len(levels)} levels")


if __name__ == "__main__":
    main()
