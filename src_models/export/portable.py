"""Networks written down for other programs: ONNX and OpenVINO files that need nothing of ours.

Both take one float32 image ``"image"`` of shape ``(batch, channels, height, width)`` in [0, 1], of
any batch and size, and give ``"answer"``, `scale` times larger. What `src_models.upscale` does
around the network at the image's border is in the file, too: a file answers a whole image as
`upscale` does. Free of Keras.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from src_models.engines.graph import walk
from src_models.engines.onnx_engine import OPSET, OnnxOperations
from src_models.engines.openvino_graph import OpenVinoOperations
from src_models.models.description import ModelDescription
from src_models.models.weights import Weights

# Under which our description lies in the files.
KEY = "napari-isr"


def border_of(description: ModelDescription) -> int:
    """Return how many pixels of its reflection a file puts around the image it is given."""
    if not description.reflects:
        return 0
    return min(description.default_overlap, description.config.receptive_radius)


def told_in_words(description: ModelDescription) -> str:
    """Say what a file takes and gives, for people who have only the file."""
    colours = {1: "1 channel (grey)", 3: "3 channels (red, green, blue)"}.get(
        description.channels, f"{description.channels} channels"
    )
    scaled = (
        "its darkest structures at 0 and its brightest ones at 1, such as its percentiles 0.1 and "
        "99.9"
        if description.intensity == "measured"
        else "8-bit images divided by 255"
    )
    least = border_of(description) + 1
    return (
        f"{description.name}: super-resolution x{description.scale}, made with napari-isr. "
        f"Input 'image': float32, (batch, channel, y, x), {colours}, intensities in [0, 1]: "
        f"{scaled}; any size from {least} x {least} pixels. Output 'answer': likewise, "
        f"{description.scale} times larger along y and x, around [0, 1], not clipped. "
        f"{description.in_words}"
    )


def metadata_of(description: ModelDescription) -> dict[str, str]:
    """Return what programs may read from a file."""
    return {
        "description": told_in_words(description),
        "layout": "NCHW",
        "input_range": "0..1",
        "scale": str(description.scale),
        "channels": str(description.channels),
        "border": str(border_of(description)),
        KEY: description.to_json(),
    }


def as_onnx(description: ModelDescription, weights: Weights) -> bytes:
    """Return a network as an ONNX file.

    Parameters
    ----------
    description : ModelDescription
        The network.
    weights : mapping
        Its weights.

    Raises
    ------
    InvalidInputError
        If the training record holds more than plain JSON values.
    """
    import onnx
    from onnx import TensorProto, helper

    operations = OnnxOperations(weights)
    border, scale, channels = border_of(description), description.scale, description.channels
    padded = "image"
    if border:
        pads = operations.constant([0, 0, border, border] * 2, dtype=np.int64)
        padded = operations.node("Pad", [padded, pads], mode="reflect")
    answer = walk(description.network, padded, operations)
    cut = border * scale
    if cut:
        slicing = [[cut, cut], [-cut, -cut], [2, 3]]
        ends = [operations.constant(part, dtype=np.int64) for part in slicing]
        operations.node("Slice", [answer, *ends], output="answer")
    else:
        operations.node("Identity", [answer], output="answer")
    names = ["batch", channels, "height", "width"]
    large = ["batch", channels, f"{scale} height", f"{scale} width"]
    graph = helper.make_graph(
        operations.nodes,
        description.config.network,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, names)],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, large)],
        operations.constants,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=8,
        producer_name="napari-isr",
        doc_string=told_in_words(description),
    )
    helper.set_model_props(model, metadata_of(description))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def as_openvino(description: ModelDescription, weights: Weights) -> Any:
    """Return a network as an OpenVINO model of free batch and size.

    Parameters
    ----------
    description : ModelDescription
        The network.
    weights : mapping
        Its weights.

    Returns
    -------
    openvino.Model
        ``openvino.serialize`` writes it.
    """
    import openvino
    from openvino import opset13

    border, cut = border_of(description), border_of(description) * description.scale
    image = opset13.parameter([-1, description.channels, -1, -1], np.float32, name="image")
    image.output(0).get_tensor().set_names({"image"})
    image.set_layout(openvino.Layout("NCHW"))
    x: Any = image
    if border:
        ends = np.array([0, 0, border, border])
        x = opset13.pad(x, ends, ends, "reflect")
    x = walk(description.network, x, OpenVinoOperations(weights))
    if cut:
        begin, end = np.array([cut, cut]), np.array([-cut, -cut])
        x = opset13.slice(x, begin, end, np.array([1, 1]), np.array([2, 3]))
    answer = opset13.result(x, name="answer")
    answer.input(0).get_tensor().set_names({"answer"})
    model = openvino.Model([answer], [image], description.config.network)
    for key, value in metadata_of(description).items():
        model.set_rt_info(value, ["napari_isr" if key == KEY else key])
    return model
