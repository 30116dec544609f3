"""Run networks with OpenVINO: the fastest on processors, and started in no time.

The network is written down straight from its configuration and weights, so neither Keras nor
TensorFlow is imported.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.description import ModelDescription
from src_models.engine_errors import our_errors
from src_models.graph import walk
from src_models.weight_file import Weights

# The plugin's own choice may be bfloat16, which is off by several grey levels.
_SETTINGS = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
# The shapes of the tiles of an image, of a preview, and of the parts of a lazy array.
_MOST_SHAPES = 4


class OpenVinoEngine:
    """A network run by OpenVINO, compiled once for each of the last few shapes of batches.

    Parameters
    ----------
    description : ModelDescription
        The network.
    weights : mapping
        As `src_models.weight_file.read_weights` gives.
    reason : str
        Why this engine was chosen, in a sentence.
    """

    name = "openvino"

    def __init__(self, description: ModelDescription, weights: Weights, reason: str = "") -> None:
        import openvino

        self.description, self.reason = description, reason
        self._weights = weights
        self._core = openvino.Core()
        self._requests: OrderedDict[tuple[int, ...], Any] = OrderedDict()
        self._lock = threading.Lock()

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Answer a batch ``(B, H, W, C)`` in [0, 1].

        Raises
        ------
        OutOfMemoryError
            If there is not enough memory for it; a smaller one may still fit.
        NetworkError
            If it failed otherwise.
        """
        with our_errors(batch.shape), self._lock:
            answers = self._request(batch.shape).infer([batch], share_inputs=True)
            return np.asarray(answers[0])

    def _request(self, shape: tuple[int, ...]) -> Any:
        """Return what runs batches of a shape: a fixed one is a tenth faster than any."""
        if shape not in self._requests:
            while len(self._requests) >= _MOST_SHAPES:
                self._requests.popitem(last=False)
            self._requests[shape] = self._compile(shape).create_infer_request()
        self._requests.move_to_end(shape)
        return self._requests[shape]

    def _compile(self, shape: tuple[int, ...]) -> Any:
        model = write_down(self.description, self._weights, shape)
        return self._core.compile_model(model, "CPU", _SETTINGS)


def write_down(description: ModelDescription, weights: Weights, shape: Sequence[int | None]) -> Any:
    """Return a network as an OpenVINO model.

    Parameters
    ----------
    description : ModelDescription
        The network.
    weights : mapping
        Its weights.
    shape : sequence of int
        Of the batches, ``(B, H, W, C)``; -1 where any length will do.

    Returns
    -------
    openvino.Model
        Float32 ``(B, H, W, C)`` to ``(B, H * scale, W * scale, C)``.
    """
    import openvino
    from openvino import opset13

    image = opset13.parameter(list(shape), np.float32, name="image")
    channels_first = opset13.transpose(image, np.array([0, 3, 1, 2]))
    answer = walk(description.config, channels_first, _Operations(weights))
    channels_last = opset13.transpose(answer, np.array([0, 2, 3, 1]))
    return openvino.Model([channels_last], [image], description.config.network)


class _Operations:
    """The network's operations as OpenVINO's, on features ``(B, C, H, W)``."""

    def __init__(self, weights: Weights) -> None:
        from openvino import opset13

        self._weights, self._ops = weights, opset13

    def conv(self, x: Any, name: str, relu: bool = False) -> Any:
        kernel = self._weights[f"{name}/kernel"].transpose(3, 2, 0, 1)
        bias = self._weights[f"{name}/bias"].reshape(1, -1, 1, 1)
        pad = [kernel.shape[-1] // 2] * 2
        filters = self._ops.constant(np.ascontiguousarray(kernel))
        x = self._ops.convolution(x, filters, [1, 1], pad, pad, [1, 1], name=name)
        x = self._ops.add(x, self._ops.constant(bias))
        return self._ops.relu(x) if relu else x

    def concat(self, parts: Sequence[Any]) -> Any:
        return self._ops.concat(list(parts), 1)

    def add(self, a: Any, b: Any, factor: float = 1.0) -> Any:
        if factor != 1:
            b = self._ops.multiply(b, self._ops.constant(np.float32(factor)))
        return self._ops.add(a, b)

    def shuffle(self, x: Any, scale: int) -> Any:
        return self._ops.depth_to_space(x, "blocks_first", scale)

    def repeat(self, x: Any, scale: int) -> Any:
        return self._ops.interpolate(
            x,
            np.array([scale, scale], np.float32),
            "nearest",
            "scales",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
            axes=np.array([2, 3]),
        )
