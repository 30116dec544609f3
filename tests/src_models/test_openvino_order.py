"""In what order OpenVINO runs a network: features are there no longer than they must be."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from src_models import RDN, openvino_winograd
from src_models.openvino_engine import write_down

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
    model = write_down(network.description, weights_of(network), (1, side, side, 1))
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


@pytest.mark.parametrize("least_work", [0, 2**62], ids=["half the multiplications", "usual"])
def test_no_block_waits_for_the_others(monkeypatch: pytest.MonkeyPatch, least_work: int) -> None:
    monkeypatch.setattr(openvino_winograd, "_LEAST_WORK", least_work)
    monkeypatch.setattr(openvino_winograd, "_LEAST_USE", 0)
    monkeypatch.setattr(openvino_winograd.platform, "machine", lambda: "x86_64")
    assert most_features(9) == most_features(3)
