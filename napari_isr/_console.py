"""The plugin from the napari console and from scripts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_isr._layers import LayerSource, result_layer
from napari_isr._workers import UpscaleSettings, upscaling
from src_models.engines import EngineName

if TYPE_CHECKING:
    import napari.layers

    from src_models.image_model import ImageModel


def upscale(
    layer: napari.layers.Image,
    model: str | Path | ImageModel = "microscopy-x2",
    *,
    axes: str | None = None,
    tile_size: int | None = None,
    overlap: int | None = None,
    batch_size: int | None = None,
    engine: EngineName = "auto",
) -> napari.layers.Image:
    """Upscale an image layer; the same as the Upscale widget does, waiting for the result.

    Parameters
    ----------
    layer : napari.layers.Image
        Of any dtype and number of dimensions; it is not changed.
    model : str, Path, RDN or RRDN
        Name of a model, path of a model file, or a model.
    axes : str, optional
        Meaning of the dimensions, such as ``"ZYX"``; None for the layer's axis labels if they
        are such letters, else what the shape suggests.
    tile_size, overlap, batch_size : int, optional
        As for `src_models.upscale`.
    engine : {"auto", "keras", "openvino", "onnxruntime"}
        What runs the network; by default whatever is fastest here.

    Returns
    -------
    napari.layers.Image
        A new layer that lies exactly on `layer`, not yet added to a viewer. Of a dask or zarr
        array, or if the result would fill the memory, it is computed as napari shows it:
        ``data[0]`` is a dask array, and the layer's own levels follow as coarser ones.

    Raises
    ------
    SuperResolutionError
        One of its kinds, with a sentence about what was wrong and what to do.

    Examples
    --------
    >>> import napari_isr
    >>> viewer.add_layer(napari_isr.upscale(viewer.layers["nuclei"]))  # doctest: +SKIP
    """
    source = LayerSource.of(layer, axes)
    settings = UpscaleSettings(
        model=model,
        axes=source.axes,
        tile_size=tile_size,
        overlap=overlap,
        batch_size=batch_size,
        engine=engine,
    )
    steps = upscaling(source.array, settings)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return result_layer(source, end.value.pixels, end.value.record)
