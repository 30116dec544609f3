"""Which image layers can be shown with one contrast."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from napari.layers import Image

_SAMPLE = 128  # pixels a side
_ALIKE = 0.25  # of two ranges, what they share of what both cover


def are_alike(a: Image, b: Image) -> bool:
    """Tell whether equal numbers mean equal intensities in two layers, as far as one can see.

    Parameters
    ----------
    a, b : Image
        Layers in colour and of different types are never alike, nor are those whose pixels have
        little in common, as of one field recorded with two exposures.
    """
    if a.rgb or b.rgb or a.dtype != b.dtype:
        return False
    (low_a, high_a), (low_b, high_b) = _levels(a), _levels(b)
    shared = min(high_a, high_b) - max(low_a, low_b)
    covered = max(high_a, high_b) - min(low_a, low_b)
    return shared >= _ALIKE * covered


def _levels(layer: Image) -> Sequence[float]:
    """Return the range of most of a layer's pixels; of a lazy one, that of its contrast."""
    data = layer.data[-1] if layer.multiscale else layer.data
    if not isinstance(data, np.ndarray):
        return tuple(layer.contrast_limits)
    most = [4] * (data.ndim - 2) + [_SAMPLE] * 2
    steps = (-(-length // n) for length, n in zip(data.shape, most, strict=True))
    sample = data[tuple(slice(None, None, step) for step in steps)]
    finite = sample[np.isfinite(sample)].astype(np.float64)
    return tuple(np.percentile(finite, (1, 99))) if finite.size else tuple(layer.contrast_limits)
