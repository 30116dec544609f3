"""What runs a network: whatever a backend raises becomes one of our errors, in a line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from src_models.errors import InvalidInputError, NetworkError, OutOfMemoryError
from src_models.keras_engine import KerasEngine

BATCH = np.zeros((2, 8, 9, 1), np.float32)


@pytest.mark.parametrize("kind", ["rdn", "rrdn"])
def test_an_engine_answers_as_the_network_does(tiny_network: Callable[..., Any], kind: str) -> None:
    network = tiny_network(kind)
    batch = np.random.default_rng(0).random((2, 8, 9, 1), np.float32)
    answer = KerasEngine(network).run(batch)
    assert isinstance(answer, np.ndarray)
    assert answer.shape == (2, 16, 18, 1)
    np.testing.assert_allclose(answer, np.asarray(network.model(batch)), atol=1e-5)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
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
