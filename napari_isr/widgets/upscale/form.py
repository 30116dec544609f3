"""What the Upscale widget's choices mean: whether they fit together, and what would happen."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_isr.bridge.layers import LayerSource, computed_lazily
from napari_isr.bridge.trust_layers import NO_MORE, Trust
from napari_isr.widgets.upscale.advice import Subject
from src_models.engines.opening import EngineName, choose_engine
from src_models.engines.timing import estimate_seconds, in_words, useful_operations
from src_models.errors import SuperResolutionError
from src_models.images.axes import ImageStack, is_lazy
from src_models.images.intensity import check_dtype, check_no_mask
from src_models.models.description import ModelDescription
from src_models.models.onnx_config import AnyConfig

if TYPE_CHECKING:
    import napari.layers

_NOTHING_OPEN = "Open an image, or choose one from File > Open Sample > napari-isr."
_BACKEND_SECONDS = 6.0


@dataclass(frozen=True)
class Job:
    """What the form asks for, in words.

    Attributes
    ----------
    layer_complaint, model_words, axes_complaint : str
        What to show under the fields.
    plan : str
        What would happen, where, and how long it would take.
    subject : Subject or None
        What to look at for advice; None if something does not fit.
    config : AnyConfig or None
        The network; None if the model cannot be used.
    pixels : int
        Input pixels that the network would be given, all planes together; 0 if something does
        not fit.
    together : str
        ``"C"`` if the channels go through the network together.
    speed : float or None
        Operations per second of that model, if it has run before.
    trust : Trust
        What can be done of what is asked for beyond upscaling.
    """

    layer_complaint: str = ""
    model_words: str = ""
    axes_complaint: str = ""
    plan: str = ""
    subject: Subject | None = None
    config: AnyConfig | None = None
    pixels: int = 0
    together: str = ""
    speed: float | None = None
    trust: Trust = NO_MORE

    @property
    def is_possible(self) -> bool:
        """Whether it can be run."""
        return self.pixels > 0

    def speed_seen(self, share_per_second: float) -> float:
        """Return operations per second, from the share of this job done per second."""
        assert self.config is not None
        operations = useful_operations(self.config, self.pixels) * self.trust.passes
        return operations * share_per_second

    def pixels_in(self, seconds: float) -> int:
        """Return how many pixels take about so long."""
        if self.config is None:
            return 1
        each = estimate_seconds(self.config, 1, self.speed) * self.trust.passes
        return max(int(seconds / each), 64**2)


def check_job(
    layer: napari.layers.Image | None,
    description: ModelDescription | None,
    axes: str,
    speed: float | None = None,
    engine: EngineName = "auto",
    trust: Trust = NO_MORE,
) -> Job:
    """Check the choices against each other; never raises.

    Parameters
    ----------
    layer : Image, optional
        The layer chosen.
    description : ModelDescription, optional
        The model chosen.
    axes : str
        As typed.
    speed : float, optional
        Operations per second of that model, as measured before.
    engine : str
        As chosen.
    trust : Trust
        As chosen.
    """
    model_words = description.in_words if description else "Choose a model, or open a model file."
    config = description.config if description else None
    if layer is None:
        return Job(layer_complaint=_NOTHING_OPEN, model_words=model_words, config=config)
    try:
        source = LayerSource.of(layer, axes)
    except SuperResolutionError as error:
        return Job(model_words=model_words, axes_complaint=str(error), config=config)
    if description is None or config is None:
        return Job(model_words=model_words)
    try:
        check_dtype(np.dtype(source.array.dtype))
        if trust.keep_intensities:
            check_no_mask(np.dtype(source.array.dtype))
        stack = ImageStack.of(source.array, source.axes, description.channels)
    except SuperResolutionError as error:
        return Job(layer_complaint=str(error), model_words=model_words, config=config)
    height, width = stack.size
    pixels = height * width * sum(1 for _ in stack.planes())
    plan = _plan(source, description, pixels, speed, engine, trust)
    if computed_lazily(source.array, description.scale, trust.copies):
        trust = trust.without_layers
    together = "C" if stack.joint else ""
    subject = Subject(layer, stack, description)
    return Job("", model_words, "", plan, subject, config, pixels, together, speed, trust)


def _plan(
    source: LayerSource,
    description: ModelDescription,
    pixels: int,
    speed: float | None,
    engine: EngineName,
    trust: Trust,
) -> str:
    scale = description.scale
    shape = [
        n * scale if axis in "YX" else n
        for axis, n in zip(source.axes, source.array.shape, strict=True)
    ]
    size = float(np.prod(shape, dtype=float)) * np.dtype(source.array.dtype).itemsize
    seconds = estimate_seconds(description.config, pixels, speed) * trust.passes
    basis = "as it took before" if speed else "estimated"
    if trust.passes > 1:
        basis += f", {trust.passes} times that of one answer"
    result = f"Result: {' x '.join(map(str, shape))} ({source.axes}), {_bytes_in_words(size)}"
    try:
        choice = choose_engine(engine, description)
    except SuperResolutionError as error:
        return str(error)
    if computed_lazily(source.array, scale, trust.copies):
        left_out = " Uncertainty and consistency, which need all of it, are left out."
        why = "the image is lazy" if is_lazy(source.array) else "it would fill the memory"
        return (
            f"{result}. Computed as you look at it, because {why}: zoomed out you see the image "
            f"itself, zoomed in what is upscaled. All of it would take {in_words(seconds)}; "
            f"src_models.upscale_to_zarr writes it to a file."
            f"{left_out if trust.has_layers else ''} {choice.reason}"
        )
    is_new = choice.name == "keras" and "keras" not in sys.modules
    start = f", and {_BACKEND_SECONDS:.0f} s to start the backend" if is_new else ""
    return f"{result}, in {in_words(seconds)} ({basis}{start}). {choice.reason}"


def _bytes_in_words(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
