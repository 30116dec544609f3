"""The plugin from the napari console and from scripts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack, overload

from napari_isr.bridge.layers import LayerSource, result_layer
from napari_isr.bridge.trust_layers import Trust, assessment_layers
from napari_isr.bridge.upscaling import UpscaleSettings, upscaling
from src_models.engines.opening import EngineName
from src_models.progress import drain

if TYPE_CHECKING:
    import napari.layers

    from src_models.networks.image_model import ImageModel
    from src_models.upscaling.assessment import Uncertainty
    from src_models.upscaling.predict import HowToUpscale


@overload
def upscale(
    layer: napari.layers.Image,
    model: str | Path | ImageModel = ...,
    *,
    uncertainty: None = None,
    consistency: Literal[False] = False,
    self_ensemble: bool = ...,
    keep_intensities: bool = ...,
    **how: Unpack[HowToUpscale],
) -> napari.layers.Image: ...
@overload
def upscale(
    layer: napari.layers.Image,
    model: str | Path | ImageModel = ...,
    *,
    uncertainty: Uncertainty | None = ...,
    consistency: bool = ...,
    self_ensemble: bool = ...,
    keep_intensities: bool = ...,
    **how: Unpack[HowToUpscale],
) -> napari.layers.Image | list[napari.layers.Image]: ...
def upscale(
    layer: napari.layers.Image,
    model: str | Path | ImageModel = "microscopy-x2",
    *,
    axes: str | None = None,
    tile_size: int | None = None,
    overlap: int | None = None,
    batch_size: int | None = None,
    engine: EngineName = "auto",
    self_ensemble: bool = False,
    keep_intensities: bool = False,
    uncertainty: Uncertainty | None = None,
    consistency: bool = False,
) -> napari.layers.Image | list[napari.layers.Image]:
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
        What runs the network; by default what suits the machine.
    self_ensemble, keep_intensities : bool
        As for `src_models.upscale`.
    uncertainty : {"expected error", "standard deviation"}, optional
        Also return a layer of it, in the image's units; see `src_models.expected_error` and
        `src_models.upscale_with_uncertainty`. It takes a self-ensemble.
    consistency : bool
        Also return a layer of where the result disagrees with the image, in sigmas of its noise;
        see `src_models.measure_consistency`. The figure is in the result's
        ``metadata["napari-isr"]["consistency"]`` in any case, but for lazy results.

    Returns
    -------
    napari.layers.Image, or list of them if uncertainty or consistency is asked for
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
    >>> layers = napari_isr.upscale(viewer.layers["nuclei"], consistency=True)  # doctest: +SKIP
    """
    source = LayerSource.of(layer, axes)
    trust = Trust(
        self_ensemble=self_ensemble,
        keep_intensities=keep_intensities,
        uncertainty=uncertainty,
        consistency=consistency,
    )
    settings = UpscaleSettings(
        model=model,
        axes=source.axes,
        tile_size=tile_size,
        overlap=overlap,
        batch_size=batch_size,
        engine=engine,
        trust=trust,
    )
    done = drain(upscaling(source.array, settings))
    result = result_layer(source, done.pixels, done.record)
    further = assessment_layers(source, result.name, trust, done)
    return [result, *further] if trust.has_layers else result
