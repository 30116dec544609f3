"""What the graph in an ONNX file tells without running it. Free of Keras."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from src_models.models.description import read_member

# Ours: an archive with our description and this member.
ONNX_MEMBER = "model.onnx"
ONNX_ARCHIVE = ".onnx.zip"
_USUAL_COST = 1000


class Cost(NamedTuple):
    """What a network takes, for an image of some pixels.

    Attributes
    ----------
    parameters : int
        Number of weights.
    operations : int
        Multiplications and additions of its convolutions and matrix products.
    features : int
        Most numbers that are there at once.
    """

    parameters: int
    operations: int
    features: int


def is_onnx(path: str | Path) -> bool:
    """Tell by its name whether a file is an ONNX file, or our archive with one in it."""
    return str(path).lower().endswith((".onnx", ONNX_ARCHIVE))


def is_described(path: str | Path) -> bool:
    """Tell whether a file is our archive, with a description beside the network."""
    return str(path).lower().endswith(ONNX_ARCHIVE)


def network_in(path: str | Path) -> bytes | str:
    """Return what ONNX Runtime opens: the network of our archive, or the path of an ONNX file."""
    return read_member(path, ONNX_MEMBER) if is_described(path) else str(path)


def complete_network(path: Path) -> bytes:
    """Return an ONNX file with its weights, which may lie in another file beside it."""
    import onnx

    if any(_external(tensor) for tensor in _load(path).graph.initializer):
        return bytes(onnx.load(path).SerializeToString())
    return path.read_bytes()


def measure_cost(path: Path, shape: tuple[int, ...]) -> Cost:
    """Count what a network takes for a batch of a shape, as far as the graph tells."""
    import onnx

    model = _load(path)
    weights = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    parameters = sum(math.prod(dims) for dims in weights.values())
    for dim, length in zip(_input(model).type.tensor_type.shape.dim, shape, strict=False):
        dim.dim_value = length
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError):  # then it is a guess
        return Cost(parameters, _USUAL_COST * math.prod(shape), _USUAL_COST * math.prod(shape))
    known = [*inferred.graph.value_info, *inferred.graph.output]
    shapes = {value.name: _dims(value) for value in known} | weights
    nodes = list(model.graph.node)
    operations = sum(_operations(node, shapes) for node in nodes)
    return Cost(parameters, max(operations, 1), max(_most_features(nodes, shapes), 1))


def _load(path: Path) -> Any:
    import onnx

    if is_described(path):
        return onnx.load_model_from_string(read_member(path, ONNX_MEMBER))
    return onnx.load(path, load_external_data=False)


def _external(tensor: Any) -> bool:
    return bool(tensor.data_location)


def _input(model: Any) -> Any:
    """Return the image: old files list the weights among the inputs, too."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return next(value for value in model.graph.input if value.name not in weights)


def _dims(value: Any) -> list[int]:
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim]


def _operations(node: Any, shapes: dict[str, list[int]]) -> int:
    """Count a convolution: every output number takes a kernel of weights."""
    if node.op_type not in ("Conv", "ConvTranspose", "MatMul", "Gemm"):
        return 0
    taken = shapes.get(node.input[1], [])
    if node.op_type == "ConvTranspose":
        given = shapes.get(node.input[0], [])
        return 2 * math.prod(given) * math.prod(taken[1:])
    given = shapes.get(node.output[0], [])
    per_number = math.prod(taken[1:]) if node.op_type == "Conv" else (taken or [0])[0]
    return 2 * math.prod(given) * per_number


def _most_features(nodes: list[Any], shapes: dict[str, list[int]]) -> int:
    """Follow the graph in the order of its nodes; what is used no more is given back."""
    last = {name: number for number, node in enumerate(nodes) for name in node.input}
    sizes = dict(_feature_sizes(nodes, shapes))
    alive = most = 0
    for number, node in enumerate(nodes):
        alive += sum(sizes.get(name, 0) for name in node.output)
        most = max(most, alive)
        alive -= sum(sizes.pop(name, 0) for name in set(node.input) if last[name] == number)
    return most


def _feature_sizes(nodes: list[Any], shapes: dict[str, list[int]]) -> Iterator[tuple[str, int]]:
    for node in nodes:
        for name in node.output:
            yield name, math.prod(shapes.get(name) or [0])
