"""Run networks with ONNX Runtime: on graphics processors that Keras cannot use, and anywhere.

The network is written down straight from its configuration and weights, so neither Keras nor
TensorFlow is imported.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.backend_errors import translate_backend_errors
from src_models.engines.graph import walk
from src_models.errors import OutOfMemoryError
from src_models.models.description import ModelDescription
from src_models.models.onnx_config import OnnxConfig
from src_models.models.onnx_files import open_session
from src_models.models.onnx_probe import read_input_spec
from src_models.models.weights import Weights

# Best first. TensorRT would compile for minutes.
GPU_PROVIDERS = (
    "CUDAExecutionProvider",
    "MIGraphXExecutionProvider",
    "DmlExecutionProvider",
    "CoreMLExecutionProvider",
)
OPSET = 13  # depth-to-space with a mode, and all that DirectML knows


class OnnxEngine:
    """A network run by ONNX Runtime.

    Parameters
    ----------
    description : ModelDescription
        The network.
    weights : mapping
        As `src_models.models.weights.read_weights` gives.
    reason : str
        Why this engine was chosen, in a sentence.
    """

    name = "onnxruntime"

    def __init__(self, description: ModelDescription, weights: Weights, reason: str = "") -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # Its arena keeps whatever the largest batch took, for every session.
        options.enable_cpu_mem_arena = False

        def open_it() -> Any:
            network = build_graph(description, weights)
            return onnxruntime.InferenceSession(network, options, providers=providers())

        self._start(description, open_it, reason)

    def _start(
        self, description: ModelDescription, open_it: Callable[[], Any], reason: str
    ) -> None:
        self.description, self.reason = description, reason
        self._open_it, self._opening = open_it, threading.Lock()
        self._opened: Any = open_it()
        self._running: dict[int, Any] = {}

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Answer a batch ``(B, H, W, C)`` in [0, 1].

        Raises
        ------
        OutOfMemoryError
            If there is not enough memory for it; a smaller one may still fit.
        NetworkError
            If it failed otherwise.
        """
        import onnxruntime

        options = self._running[id(batch)] = onnxruntime.RunOptions()
        try:
            with translate_backend_errors(batch.shape):
                return self._answer(self._session(), batch, options)
        except OutOfMemoryError:
            # After a failed allocation a session fails on whatever it is given, however small.
            self._opened = None
            raise
        finally:
            del self._running[id(batch)]

    def _session(self) -> Any:
        """Return the open network; it is opened again after memory ran out."""
        with self._opening:
            if self._opened is None:
                self._opened = self._open_it()
            return self._opened

    def _answer(
        self, session: Any, batch: NDArray[np.float32], options: Any
    ) -> NDArray[np.float32]:
        return np.asarray(session.run(None, {"image": batch}, options)[0])

    def stop(self, batch: NDArray[np.float32]) -> None:
        """Make a batch that runs in another thread end with an error."""
        if options := self._running.get(id(batch)):
            options.terminate = True

    def release(self) -> None:
        """Do nothing: without an arena no features are kept."""


def providers() -> list[str]:
    """Return what ONNX Runtime can run on here, graphics processors first."""
    import onnxruntime

    available = onnxruntime.get_available_providers()
    return [name for name in (*GPU_PROVIDERS, "CPUExecutionProvider") if name in available]


def build_graph(description: ModelDescription, weights: Weights) -> bytes:
    """Return a network as a serialised ONNX model, for batches of any size.

    Parameters
    ----------
    description : ModelDescription
        The network.
    weights : mapping
        Its weights.
    """
    import onnx
    from onnx import TensorProto, helper

    operations = OnnxOperations(weights)
    first = operations.node("Transpose", ["image"], perm=[0, 3, 1, 2])
    answer = walk(description.network, first, operations)
    operations.node("Transpose", [answer], output="answer", perm=[0, 2, 3, 1])
    channels = description.channels
    graph = helper.make_graph(
        operations.nodes,
        description.config.network,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["b", "h", "w", channels])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["b", "H", "W", channels])],
        operations.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


class OnnxOperations:
    """The network's operations as ONNX nodes, on features ``(B, C, H, W)``; tensors are names."""

    def __init__(self, weights: Weights) -> None:
        from onnx import helper, numpy_helper

        self._weights, self._helper, self._numpy_helper = weights, helper, numpy_helper
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, kind: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """Append a node and return the name of its output."""
        output = output or f"t{len(self.nodes)}"
        self.nodes.append(self._helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, values: Any, name: str = "", dtype: type = np.float32) -> str:
        """Keep an array with the network and return its name."""
        name = name or f"c{len(self.constants)}"
        array: Any = np.ascontiguousarray(values, dtype)
        self.constants.append(self._numpy_helper.from_array(array, name))
        return name

    def conv(self, x: str, name: str, relu: bool = False) -> str:
        """Run a convolution, see `src_models.engines.graph.Operations`."""
        kernel = self._weights[f"{name}/kernel"].transpose(3, 2, 0, 1)
        bias = self._weights[f"{name}/bias"]
        parts = [
            self.constant(kernel, f"{name}/kernel"),
            self.constant(bias, f"{name}/bias"),
        ]
        x = self.node("Conv", [x, *parts], pads=[kernel.shape[-1] // 2] * 4)
        return self.node("Relu", [x]) if relu else x

    def concat(self, parts: Sequence[str]) -> str:
        """Put channels one behind the other."""
        return self.node("Concat", parts, axis=1)

    def fuse(self, parts: Sequence[str], name: str, factor: float = 1.0) -> str:
        """Close a dense block, see `src_models.engines.graph.Operations`."""
        return self.add(parts[0], self.conv(self.concat(parts), name), factor)

    def fuse_blocks(self, blocks: Sequence[str], name: str) -> str:
        """Convolve what the blocks made, see `src_models.engines.graph.Operations`."""
        return self.conv(self.concat(blocks), name)

    def add(self, a: str, b: str, factor: float = 1.0) -> str:
        """Return ``a + factor * b``."""
        if factor != 1:
            b = self.node("Mul", [b, self.constant(np.float32(factor).reshape(1))])
        return self.node("Add", [a, b])

    def shuffle(self, x: str, scale: int) -> str:
        """Make pixels of channels."""
        return self.node("DepthToSpace", [x], blocksize=scale, mode="DCR")

    def repeat(self, x: str, scale: int) -> str:
        """Repeat each pixel along Y and X."""
        scales = self.constant(np.array([1, 1, scale, scale]))
        return self.node(
            "Resize",
            [x, "", scales],
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )


class OnnxFileEngine(OnnxEngine):
    """A network from an ONNX file, run by ONNX Runtime.

    Parameters
    ----------
    description : ModelDescription
        The network, with an `OnnxConfig`.
    path : Path
        The file.
    reason : str
        Why this engine was chosen, in a sentence.
    """

    def __init__(self, description: ModelDescription, path: Path, reason: str = "") -> None:
        assert isinstance(description.config, OnnxConfig)
        self._start(description, lambda: open_session(path, providers=providers()), reason)
        self._config, self._ends = description.config, read_input_spec(self._session())

    def _answer(
        self, session: Any, batch: NDArray[np.float32], options: Any
    ) -> NDArray[np.float32]:
        height, width = batch.shape[1:3]
        rows, columns = self._config.padded(height, width)
        beyond = ((0, 0), (0, rows - height), (0, columns - width), (0, 0))
        given = self._to_network(np.pad(batch, beyond, mode="reflect"))
        scale, step = self._config.x, self._ends.shape[0]
        parts = [given] if step is None else self._parts(given, step)
        outputs = [
            np.asarray(session.run(None, {self._ends.name: part}, options)[0]) for part in parts
        ]
        output = np.concatenate(outputs)[: len(batch)]
        if self._config.layout == "NCHW":
            output = output.transpose(0, 2, 3, 1)
        output = output[:, : height * scale, : width * scale].astype(np.float32)
        return np.ascontiguousarray(output / np.float32(self._config.data_range))

    def _to_network(self, batch: NDArray[np.float32]) -> NDArray[Any]:
        if self._config.layout == "NCHW":
            batch = batch.transpose(0, 3, 1, 2)
        given = batch * np.float32(self._config.data_range)
        if self._ends.dtype == np.uint8:
            given = np.clip(np.rint(given), 0, 255)
        return np.ascontiguousarray(given, self._ends.dtype)

    @staticmethod
    def _parts(given: NDArray[Any], step: int) -> list[NDArray[Any]]:
        """Split a batch into batches of the one length that the network takes."""
        missing = -len(given) % step
        given = np.concatenate([given, np.repeat(given[-1:], missing, axis=0)])
        return [given[start : start + step] for start in range(0, len(given), step)]
