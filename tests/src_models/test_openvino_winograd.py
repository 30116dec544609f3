"""Convolutions with half the multiplications: the same answers, where they save time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from src_models import RDN, RRDN, openvino_winograd
from src_models.config import RDNConfig, RRDNConfig
from src_models.graph import walk
from src_models.openvino_engine import OpenVinoEngine, write_down
from src_models.openvino_winograd import saves_time
from src_models.pretrained import BUNDLED, describe_model
from src_models.weight_file import Weights

openvino = pytest.importorskip("openvino")

NETWORKS = {
    "rdn": lambda: RDN({"C": 2, "D": 2, "G": 32, "G0": 48, "x": 2}, c_dim=3),
    "rdn, not enlarging": lambda: RDN({"C": 1, "D": 1, "G": 32, "G0": 32, "x": 1}, c_dim=1),
    "rrdn": lambda: RRDN({"C": 2, "D": 2, "G": 32, "G0": 32, "T": 2, "x": 4}, c_dim=3),
    # Their last convolution has channels enough to be one of them, and the last two other rows.
    "rrdn of many channels": lambda: RRDN(
        {"C": 1, "D": 1, "G": 32, "G0": 48, "T": 1, "x": 1}, c_dim=40
    ),
    "rrdn of many channels, enlarging": lambda: RRDN(
        {"C": 1, "D": 1, "G": 32, "G0": 32, "T": 1, "x": 2}, c_dim=33
    ),
    "rdn of many channels, enlarging": lambda: RDN(
        {"C": 1, "D": 1, "G": 32, "G0": 32, "x": 3}, c_dim=33
    ),
}


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest) -> tuple[Any, Weights]:
    """Give a network with weights and biases that all count."""
    rng = np.random.default_rng(1)
    model = NETWORKS[request.param]()
    weights: dict[str, Any] = {}
    for layer in model.model.layers:
        if stored := layer.get_weights():
            weights[f"{layer.name}/kernel"] = stored[0]
            weights[f"{layer.name}/bias"] = rng.normal(0, 0.2, stored[1].shape).astype(np.float32)
            layer.set_weights([stored[0], weights[f"{layer.name}/bias"]])
    return model, weights


@pytest.fixture
def whatever_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_winograd, "_LEAST_WORK", 0)
    monkeypatch.setattr(openvino_winograd, "_LEAST_USE", 0)
    monkeypatch.setattr(openvino_winograd.platform, "machine", lambda: "x86_64")


def kernels(model: Any) -> list[tuple[int, int]]:
    """Return height and width of the convolutions' kernels."""
    convolutions = [op for op in model.get_ops() if op.get_type_name() == "Convolution"]
    return [tuple(op.input(1).get_shape()[2:]) for op in convolutions]


@pytest.mark.usefixtures("whatever_the_size")
def test_the_answers_are_those_of_keras(network: tuple[Any, Weights]) -> None:
    model, weights = network
    shape = 2, 9, 8
    batch = np.random.default_rng(0).random((*shape, model.c_dim), np.float32)
    expected = np.asarray(model.model(batch))
    answer = OpenVinoEngine(model.description, weights).run(batch)
    assert answer.shape == expected.shape
    np.testing.assert_allclose(answer, expected, atol=1e-5 * np.ptp(expected))


@pytest.mark.usefixtures("whatever_the_size")
@pytest.mark.parametrize("network", ["rdn"], indirect=True)
@pytest.mark.parametrize("height", [1, 3, 4, 7, 10, 13])
def test_any_number_of_rows_is_answered(network: tuple[Any, Weights], height: int) -> None:
    model, weights = network
    batch = np.random.default_rng(height).random((1, height, 6, model.c_dim), np.float32)
    expected = np.asarray(model.model(batch))
    answer = OpenVinoEngine(model.description, weights).run(batch)
    np.testing.assert_allclose(answer, expected, atol=1e-5 * np.ptp(expected))


@pytest.mark.usefixtures("whatever_the_size")
def test_each_wide_convolution_takes_six_products_of_one_row(network: tuple[Any, Weights]) -> None:
    model, weights = network
    wide = [
        conv
        for conv in model.config.convs()
        if conv.kernel == 3 and min(conv.inputs, conv.filters) >= 32 and conv.at_scale == 1
    ]
    assert len(wide) > 1
    parts = 0
    for conv in wide:
        kind, last = conv.name.split("_")[0], conv.name.split("_")[-1]
        # The c-th convolution of a dense block takes c parts, the one that closes it all of them.
        in_block = {"F": int(last) if last.isdigit() else 1, "LFF": model.config.C + 1}
        parts += max(in_block.get(kind, 1), 1)
    found = kernels(write_down(model.description, weights, (1, 8, 8, model.c_dim)))
    assert found.count((1, 3)) == 6 * parts


@pytest.mark.usefixtures("whatever_the_size")
@pytest.mark.parametrize("network", ["rdn"], indirect=True)
@pytest.mark.parametrize("shape", [(-1, -1, -1), (1, -1, -1)])
def test_sizes_that_are_not_known_are_written_in_the_usual_way(
    network: tuple[Any, Weights], shape: tuple[int, int, int]
) -> None:
    model, weights = network
    assert (1, 3) not in kernels(write_down(model.description, weights, (*shape, model.c_dim)))


@pytest.mark.usefixtures("whatever_the_size")
@pytest.mark.parametrize("network", ["rdn", "rrdn of many channels"], indirect=True)
def test_the_last_step_is_one_tensor_whatever_it_was_made_of(network: tuple[Any, Weights]) -> None:
    model, weights = network
    from openvino import opset13

    image = opset13.parameter([1, model.c_dim, 6, 5], np.float32)
    operations = openvino_winograd.WinogradOperations(weights, 6)
    answer = operations.whole(walk(model.description.network, image, operations))
    scale = model.scale
    assert list(answer.get_output_shape(0)) == [1, model.c_dim, 6 * scale, 5 * scale]


def test_it_is_for_wide_networks_on_large_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_winograd.platform, "machine", lambda: "AMD64")
    psnr_small = RDNConfig(C=3, D=10, G=64, G0=64, x=2, c_dim=3)
    gans = RRDNConfig(C=4, D=3, G=32, G0=32, T=10, x=4, c_dim=3)
    assert saves_time(psnr_small, (1, 512, 512, 3))
    assert not saves_time(psnr_small, (1, 511, 512, 3))
    assert not saves_time(psnr_small, (8, 511, 512, 3))  # nor in the last, shorter batch
    assert saves_time(gans, (1, 1024, 1024, 3))
    assert not saves_time(gans, (1, 512, 512, 3))
    assert not saves_time(replace(psnr_small, kernel_size=5), (1, 1024, 1024, 3))
    assert not saves_time(replace(psnr_small, G=32, G0=32), (1, 4096, 4096, 3))
    assert not saves_time(replace(gans, C=2), (1, 4096, 4096, 3))
    for name in BUNDLED:
        assert not saves_time(describe_model(name).network, (1, 4096, 4096, 1))
    monkeypatch.setattr(openvino_winograd.platform, "machine", lambda: "arm64")
    assert not saves_time(psnr_small, (1, 1024, 1024, 3))


@pytest.mark.usefixtures("whatever_the_size")
@pytest.mark.parametrize("network", ["rdn"], indirect=True)
def test_two_shapes_are_kept_for_they_are_large(network: tuple[Any, Weights]) -> None:
    model, weights = network
    engine = OpenVinoEngine(model.description, weights)
    for height in (4, 5, 6):
        engine.run(np.zeros((1, height, 4, 3), np.float32))
    assert [*engine._requests] == [(1, 5, 4, 3), (1, 6, 4, 3)]
