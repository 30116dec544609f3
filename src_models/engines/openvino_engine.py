"""Run networks with OpenVINO: fast on processors, sparing of memory, and started in no time.

The network is written down straight from its configuration and weights, so neither Keras nor
TensorFlow is imported.
"""

from __future__ import annotations

import math
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.backend_errors import translate_backend_errors
from src_models.engines.compiled_cache import load_compiled, save_compiled
from src_models.engines.graph import walk
from src_models.engines.memory import bytes_per_pixel, is_little
from src_models.engines.openvino_graph import OpenVinoOperations
from src_models.errors import NetworkError, OutOfMemoryError
from src_models.models.config import config_to_dict
from src_models.models.description import ModelDescription
from src_models.models.weights import Weights, fingerprint

# The plugin's own choice may be bfloat16, which is off by several grey levels.
_SETTINGS = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
# The shapes of the tiles of an image, of a preview, and of the parts of a lazy array.
_MOST_SHAPES = 4
# For so long the memory for features is kept for a next image, a preview or a part of a lazy array.
_IDLE_S = 5.0
# Of `build_graph`: raised when it writes a network down in another way, which rounds otherwise, so
# that nothing that an older version compiled is taken for this one's.
_VERSION = 6


class OpenVinoEngine:
    """A network run by OpenVINO, compiled once for each of the last few shapes of batches.

    Parameters
    ----------
    description : ModelDescription
        The network.
    weights : mapping
        As `src_models.models.weights.read_weights` gives.
    reason : str
        Why this engine was chosen, in a sentence.
    keep : bool
        Keep what was compiled in a file, for the next session.
    """

    name = "openvino"

    def __init__(
        self,
        description: ModelDescription,
        weights: Weights,
        reason: str = "",
        keep: bool = False,
    ) -> None:
        import openvino

        self.description, self.reason = description, reason
        self._weights, self._keep = weights, keep
        self._core = openvino.Core()
        self._requests: OrderedDict[tuple[int, ...], Any] = OrderedDict()
        self._running: tuple[Any, Any] = None, None
        self._stopped: set[int] = set()  # batches by identity
        self._lock = threading.Lock()
        self._idle = threading.Timer(_IDLE_S, self._give_back_all)

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Answer a batch ``(B, H, W, C)`` in [0, 1].

        Raises
        ------
        OutOfMemoryError
            If there is not enough memory for it; a smaller one may still fit.
        NetworkError
            If it failed otherwise.
        """
        self._idle.cancel()
        self._stopped.discard(id(batch))  # one before it, that lay in the same place, may have been
        try:
            return self._answer(batch)
        except OutOfMemoryError:
            with self._lock:
                self._requests.clear()  # of the memory a part may have been taken
            raise

    def _answer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with translate_backend_errors(batch.shape), self._lock:
            self._check_wanted(batch)
            self._running = batch, None
            try:
                request = self._request(batch.shape)  # takes seconds, if it is the first one
                self._running = batch, request
                self._check_wanted(batch)
                # Its outputs are copies, so they may be written while the next batch runs.
                return np.asarray(request.infer([batch], share_inputs=True)[0])
            finally:
                self._running = None, None

    def _check_wanted(self, batch: NDArray[np.float32]) -> None:
        if id(batch) in self._stopped:
            raise NetworkError(f"A batch of shape {batch.shape} was stopped.")

    def stop(self, batch: NDArray[np.float32]) -> None:
        """Make a batch that runs in another thread, waits or is compiled for, end with an error."""
        self._stopped.add(id(batch))  # first, for it may get its request right now
        running, request = self._running
        if running is batch and request is not None:
            request.cancel()

    def release(self) -> None:
        """Give back the memory for features: at once if it is much, else unless a batch comes soon.

        Taking it again costs a tenth of a large image's time, and nearly half of a small one's.
        """
        self._idle.cancel()
        with self._lock:
            shapes = [*self._requests]
            self._give_back(shapes[:-1])
            for shape in shapes[-1:]:
                size = math.prod(shape[:3]) * bytes_per_pixel(self.description.config, self.name)
                if is_little(size):
                    self._idle = threading.Timer(_IDLE_S, self._give_back_all)
                    self._idle.daemon = True
                    self._idle.start()
                else:
                    self._give_back([shape])

    def _give_back_all(self) -> None:
        with self._lock:
            self._give_back([*self._requests])

    def _give_back(self, shapes: list[tuple[int, ...]]) -> None:
        for shape in shapes:
            self._requests[shape].get_compiled_model().release_memory()

    def _request(self, shape: tuple[int, ...]) -> Any:
        """Return what runs batches of a shape: a fixed one is a tenth faster than any."""
        if shape not in self._requests:
            while len(self._requests) >= _MOST_SHAPES:
                self._requests.popitem(last=False)
            self._requests[shape] = self._compile(shape).create_infer_request()
        self._requests.move_to_end(shape)
        return self._requests[shape]

    def _compile(self, shape: tuple[int, ...]) -> Any:
        """Compile the network for a shape, or take what was compiled in a session before."""
        key = self._key(shape) if self._keep else ""
        if key and (stored := load_compiled(key)) is not None:
            with suppress(RuntimeError):  # whole, yet not for this machine
                return self._core.import_model(stored, "CPU", _SETTINGS)
        model = build_graph(self.description, self._weights, shape)
        compiled = self._core.compile_model(model, "CPU", _SETTINGS)
        if key:
            save_compiled(key, compiled.export_model().getvalue())
        return compiled

    def _key(self, shape: tuple[int, ...]) -> str:
        """Name all that the compiled network depends on."""
        import openvino

        network = config_to_dict(self.description.network)
        processor = self._core.get_property("CPU", "FULL_DEVICE_NAME"), os.cpu_count()
        made_of = _VERSION, network, shape, _SETTINGS, openvino.get_version(), processor
        return fingerprint(self._weights, repr(made_of))


def build_graph(description: ModelDescription, weights: Weights, shape: Sequence[int]) -> Any:
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
    output = walk(description.network, channels_first, OpenVinoOperations(weights))
    channels_last = opset13.transpose(output, np.array([0, 2, 3, 1]))
    return openvino.Model([channels_last], [image], description.config.network)
