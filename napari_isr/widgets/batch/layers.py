"""Layers as the pictures that a batch writes into files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_isr.bridge.layers import LayerSource, layer_array
from src_models.errors import InvalidInputError, SuperResolutionError
from src_models.images.picture import Picture, unit_name
from src_models.jobs.batch_plan import Job

if TYPE_CHECKING:
    import napari.layers

_NO_UNIT = "pixel"


@dataclass(frozen=True, eq=False)
class BatchLayer:
    """What a batch needs of a layer, taken when it is chosen.

    Attributes
    ----------
    name : str
        The layer's.
    source : LayerSource or None
        Its pixels and placement; None if they cannot be upscaled.
    problem : str
        Why they cannot.
    nbytes : int
        What its pixels take in memory.
    """

    name: str
    source: LayerSource | None
    problem: str = ""
    nbytes: int = 0

    @classmethod
    def of(cls, layer: napari.layers.Image) -> BatchLayer:
        """Take an image layer; what is wrong with it is told when its turn comes."""
        try:
            source = LayerSource.of(layer)
        except SuperResolutionError as error:
            return cls(layer.name, None, str(error))
        return cls(layer.name, source, nbytes=_bytes_of(layer))

    @property
    def picture(self) -> Picture:
        """The layer as an image with axes and pixel sizes; where it was turned is left out.

        Raises
        ------
        InvalidInputError
            If it cannot be upscaled.
        """
        if self.source is None:
            raise InvalidInputError(self.problem)
        source = self.source
        sizes, units, origin = {}, {}, {}
        axes = source.axes[:-1] if source.rgb else source.axes
        for i, axis in enumerate(axes):
            unit, size = str(source.placement["units"][i]), float(source.placement["scale"][i])
            if axis == "C" or size <= 0 or (unit == _NO_UNIT and size == 1):
                continue
            sizes[axis], origin[axis] = size, float(source.placement["translate"][i])
            if unit != _NO_UNIT:
                units[axis] = unit_name(unit)
        return Picture(
            array=source.array,
            axes=source.axes,
            rgb=source.rgb,
            pixel_size=sizes,
            units=units,
            origin=origin,
            name=self.name,
            format="a layer of napari",
        )


def _bytes_of(layer: napari.layers.Image) -> int:
    array = layer_array(layer)
    size = int(array.dtype.itemsize)
    for n in array.shape:
        size *= int(n)
    return size


class LayerPictures:
    """Gives the picture of a job by the name that stands for its file.

    Parameters
    ----------
    jobs : sequence of Job
        As `plan_pictures` lists them.
    layers : sequence of BatchLayer
        In the same order.
    """

    def __init__(self, jobs: Sequence[Job], layers: Sequence[BatchLayer]) -> None:
        self._layers: dict[Path, BatchLayer] = {
            job.source: layer for job, layer in zip(jobs, layers, strict=True)
        }

    def __call__(self, job: Job) -> Picture:
        """Return the image of a job's layer."""
        return self._layers[job.source].picture
