"""In what order OpenVINO runs a network: features are there no longer than they must be."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from src_models import RDN
from src_models.engines.openvino_engine import build_graph

openvino = pytest.importorskip("openvino")


def weights_of(network: RDN) -> dict[str, Any]:
    return {
        f"{layer.name}/{kind}": values
        for layer in network.model.layers
        for kind, values in zip(("kernel", "bias"), layer.get_weights(), strict=False)
    }


def most_features(blocks: int) -> int:
    """Return how many numbers per pixel are there at once at most, of what still will be read."""
    arch = {"C": 2, "D": blocks, "G": 32, "G0": 32, "x": 2}
    network = RDN(arch, c_dim=1, upscaling="shuffle")
    side = 16
    model = build_graph(network.description, weights_of(network), (1, side, side, 1))
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    operations = sorted(
        (op for op in compiled.get_runtime_model().get_ops() if op.get_type_name() != "Constant"),
        key=lambda op: int(op.get_rt_info()["execOrder"].astype(str)),
    )
    place = {op.get_friendly_name(): i for i, op in enumerate(operations)}
    live: Counter[int] = Counter()
    for op in operations:
        for output in op.outputs():
            readers = [place[i.get_node().get_friendly_name()] for i in output.get_target_inputs()]
            features = int(np.prod(output.get_shape())) // side**2
            made = place[op.get_friendly_name()]
            live.update(dict.fromkeys(range(made, max(readers, default=made) + 1), features))
    return max(live.values())


@pytest.mark.slow
def test_no_block_waits_for_the_others() -> None:
    assert most_features(9) == most_features(3)
