"""What is asked for beyond upscaling, and the layers that tell how far to believe a result."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_isr.bridge.layers import LayerSource
from src_models.engines.timing import SELF_ENSEMBLE_PASSES
from src_models.errors import InvalidInputError

if TYPE_CHECKING:
    import napari.layers
    from numpy.typing import NDArray

    from napari_isr.bridge.upscaling import Upscaled
    from src_models.upscaling.assessment import Uncertainty

_AGREES = 3.0
# In the metadata of a layer: the name of the result that it tells of.
JUDGES = "judges"
_SAMPLE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Trust:
    """What is asked for beyond upscaling.

    Attributes
    ----------
    self_ensemble, keep_intensities : bool
        As for `src_models.upscale`.
    uncertainty : {"expected error", "standard deviation"} or None
        Of what a layer is wanted; either takes a self-ensemble.
    consistency : bool
        Whether a layer of it is wanted. The figure is told in any case.
    """

    self_ensemble: bool = False
    keep_intensities: bool = False
    uncertainty: Uncertainty | None = None
    consistency: bool = False

    @property
    def passes(self) -> int:
        """How often the network sees each tile."""
        return SELF_ENSEMBLE_PASSES if self.self_ensemble or self.uncertainty else 1

    @property
    def copies(self) -> int:
        """How many float32 images of the result's size are there beside it."""
        return {"expected error": 2, "standard deviation": 1}.get(
            self.uncertainty or "", 0
        ) + self.keep_intensities

    @property
    def has_layers(self) -> bool:
        """Whether further layers are wanted."""
        return self.uncertainty is not None or self.consistency

    @property
    def without_layers(self) -> Trust:
        """The same pixels, and no further layers."""
        return replace(self, self_ensemble=self.passes > 1, uncertainty=None, consistency=False)

    def check_lazy(self) -> None:
        """Refuse layers of what is computed as it is looked at.

        Raises
        ------
        InvalidInputError
            If any are wanted.
        """
        if self.has_layers:
            raise InvalidInputError(
                "Uncertainty and consistency need the whole result in memory. Received: an image "
                "that is lazy, or whose result would fill the memory. Upscale a part of it, or "
                "leave them out."
            )


NO_MORE = Trust()


def assessment_layers(
    source: LayerSource, result: str, trust: Trust, done: Upscaled
) -> list[napari.layers.Image]:
    """Make the layers that tell how far to believe a result; hidden, as they would cover it.

    Parameters
    ----------
    source : LayerSource
        What was upscaled.
    result : str
        Name of the result's layer.
    trust : Trust
        What was asked for.
    done : Upscaled
        What came back. Of RGB layers the worst of the colours is shown.
    """
    from napari.layers import Image

    from src_models.upscaling.assessment import worst_of_colours

    layers = []
    uncertainty, consistency = done.uncertainty, done.consistency
    if uncertainty is not None:
        values = worst_of_colours(uncertainty) if source.rgb else uncertainty
        looks = {"colormap": "magma", "contrast_limits": (0.0, _top(values))}
        name = f"{result}: {trust.uncertainty}"
        placed = _plain(source.placed(done.record["scale"]))
        layers.append(Image(values, name=name, **placed | looks))
    if trust.consistency and consistency is not None:
        values = worst_of_colours(consistency.residual) if source.rgb else consistency.residual
        looks = {"colormap": "coolwarm", "contrast_limits": (-_AGREES, _AGREES)}
        name = f"{result}: disagreement in sigmas"
        layer = Image(values, name=name, **_plain(source.placed(1)) | looks)
        layers.append(layer)
    for layer in layers:
        layer.metadata["napari-isr"] = {JUDGES: result} | done.record
    return layers


def _plain(placed: dict[str, Any]) -> dict[str, Any]:
    """Return where a layer is placed, without the looks of an image."""
    looks = {"blending": "translucent", "opacity": 1.0, "gamma": 1.0, "rgb": False}
    return placed | looks | {"visible": False}


def _top(values: NDArray[Any]) -> float:
    """Return where the colours of an uncertainty end: single pixels may lie above."""
    flat = values.ravel()[:: max(values.size // _SAMPLE, 1)]
    finite = flat[np.isfinite(flat)]
    if not finite.any():
        return 1.0
    return float(np.percentile(finite, 99.8)) or float(finite.max())  # spots on nothing
