"""What runs a network: whatever a backend raises becomes one of our errors, in a line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from src_models import load_model
from src_models.errors import InvalidInputError, NetworkError, OutOfMemoryError
from src_models.models.registry import BUNDLED
from src_models.networks import keras_engine
from src_models.networks.keras_engine import KerasEngine
from src_models.networks.model_files import new_model

BATCH = np.zeros((2, 8, 9, 1), np.float32)


@pytest.mark.parametrize("kind", ["rdn", "rrdn"])
@pytest.mark.slow
def test_an_engine_answers_as_the_network_does(tiny_network: Callable[..., Any], kind: str) -> None:
    network = tiny_network(kind)
    batch = np.random.default_rng(0).random((2, 8, 9, 1), np.float32)
    output = KerasEngine(network).run(batch)
    assert isinstance(output, np.ndarray)
    assert output.shape == (2, 16, 18, 1)
    np.testing.assert_allclose(output, np.asarray(network.model(batch)), atol=1e-5)


@pytest.mark.parametrize("name", sorted(BUNDLED))
@pytest.mark.slow
def test_half_precision_is_within_a_thousandth_of_the_range(name: str) -> None:
    network = load_model(name)
    shape = (1, 24, 32, network.c_dim)
    batch = np.random.default_rng(0).random(shape, np.float32)
    expected = KerasEngine(network, half=False).run(batch)
    engine = KerasEngine(network, "As asked for.", half=True)
    output = engine.run(batch)
    assert output.dtype == np.float32
    assert 0 < np.abs(output - expected).max() < 1e-3 * np.ptp(expected)
    assert engine.reason == "As asked for. Dense blocks compute in half precision."


@pytest.mark.parametrize("kind", ["rdn", "rrdn"])
def test_half_precision_leaves_the_network_as_it_is(
    tiny_network: Callable[..., Any], kind: str
) -> None:
    network = new_model(tiny_network(kind).description)
    weights = tiny_network(kind).model.get_weights()
    network.model.set_weights(weights)
    batch = np.random.default_rng(0).random((1, 12, 9, 1), np.float32)
    single, half = KerasEngine(network, half=False), KerasEngine(network, half=True)
    before = single.run(batch)
    np.testing.assert_array_equal(half.run(batch), half.run(batch))
    np.testing.assert_array_equal(single.run(batch), before)
    assert {layer.dtype_policy.name for layer in network.model.layers} == {"float32"}
    network.model.set_weights([1.1 * w for w in weights])
    after = single.run(batch)
    assert np.abs(after - before).max() > 0.1
    np.testing.assert_allclose(half.run(batch), after, atol=1e-3 * np.ptp(after))


def test_half_precision_is_for_graphics_processors_and_networks_of_ours(
    tiny_network: Callable[..., Any],
    repeating: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reasons = []
    for devices in ([], ["GPU:0"]):
        monkeypatch.setattr(keras_engine, "graphics_processors", lambda devices=devices: devices)
        reasons += [KerasEngine(network).reason for network in (tiny_network(), repeating())]
    assert [bool(reason) for reason in reasons] == [False, False, True, False]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        # OpenVINO's under a limit of addresses, as they were met.
        RuntimeError("Exception from src/inference/src/dev/plugin.cpp:54:\ncan't alloc\n"),
        RuntimeError("Cannot load library: failed to map segment from shared object"),
        RuntimeError("Exception from plugin.cpp:54:\nResource temporarily unavailable\n"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes"),
        RuntimeError("OOM when allocating tensor with shape[1,2,3] and type float"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("Dst tensor is not initialized."),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
)
def test_every_backends_word_for_no_memory_is_understood(
    repeating: Callable[..., Any], error: Exception
) -> None:
    with pytest.raises(OutOfMemoryError, match=r"ran out of memory.*\(2, 8, 9, 1\)"):
        KerasEngine(repeating(memory=0, error=error)).run(BATCH)


@pytest.mark.parametrize("text", ["one line", "first\nsecond", "", "\n"])
def test_any_other_failure_is_told_in_one_line(repeating: Callable[..., Any], text: str) -> None:
    engine = KerasEngine(repeating(memory=0, error=RuntimeError(text)))
    with pytest.raises(NetworkError, match=r"failed on a batch of shape .*RuntimeError") as caught:
        engine.run(BATCH)
    assert "\n" not in str(caught.value)


def test_our_own_errors_pass_unchanged(repeating: Callable[..., Any]) -> None:
    error = InvalidInputError("ours")
    with pytest.raises(InvalidInputError) as caught:
        KerasEngine(repeating(memory=0, error=error)).run(BATCH)
    assert caught.value is error


def test_an_interruption_is_no_failure_of_the_network(repeating: Callable[..., Any]) -> None:
    with pytest.raises(KeyboardInterrupt):
        KerasEngine(repeating(memory=0, error=KeyboardInterrupt())).run(BATCH)
