"""Networks that start as interpolators: cubic for RDN, bilinear for RRDN, from the first step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from src_models import RDN, RRDN
from src_models.errors import InvalidInputError
from src_models.networks.backend import keras
from src_models.networks.initialization import start_as_interpolation

RDN_SETTINGS = {"C": 2, "D": 2, "G": 8, "G0": 8}
RRDN_SETTINGS = {**RDN_SETTINGS, "T": 2}


def started(kind: str, channels: int, scale: int, seed: int = 0) -> Any:
    keras.utils.set_random_seed(3)
    network: Any
    if kind == "rdn":
        network = RDN({**RDN_SETTINGS, "x": scale}, c_dim=channels, upscaling="shuffle")
    else:
        network = RRDN({**RRDN_SETTINGS, "x": scale}, c_dim=channels)
    start_as_interpolation(network, seed)
    return network


def output(network: Any, image: Any) -> Any:
    return np.asarray(network.model(image[None].astype(np.float32)))[0]


def smooth_image(channels: int) -> Any:
    y, x = np.mgrid[:24, :28]
    planes = [0.5 + 0.4 * np.sin(x / (3 + c)) * np.cos(y / 4) for c in range(channels)]
    return np.stack(planes, -1).astype(np.float32)


@pytest.mark.parametrize(("channels", "scale"), [(1, 1), (1, 2), (3, 2), (1, 3), (1, 4)])
def test_an_rdn_starts_as_cubic_interpolation(channels: int, scale: int) -> None:
    image = smooth_image(channels)
    result = output(started("rdn", channels, scale), image)
    for c in range(channels):
        large = Image.fromarray(image[..., c]).resize(
            (28 * scale, 24 * scale), Image.Resampling.BICUBIC
        )
        inner = slice(4 * scale, -4 * scale)
        np.testing.assert_allclose(
            result[inner, inner, c], np.asarray(large)[inner, inner], atol=2e-5
        )


@pytest.mark.parametrize(("channels", "scale"), [(1, 2), (3, 2), (3, 4), (4, 3)])
def test_an_rrdn_starts_close_to_bilinear_interpolation(channels: int, scale: int) -> None:
    image = smooth_image(channels)
    result = output(started("rrdn", channels, scale), image)
    for c in range(channels):
        large = Image.fromarray(image[..., c]).resize(
            (28 * scale, 24 * scale), Image.Resampling.BILINEAR
        )
        inner = slice(4 * scale, -4 * scale)
        error = np.abs(result[inner, inner, c] - np.asarray(large)[inner, inner])
        assert error.max() < 0.05


@pytest.mark.parametrize("kind", ["rdn", "rrdn"])
@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_constants_stay_constant(kind: str, level: float) -> None:
    result = output(started(kind, 1, 2), np.full((30, 30, 1), level))
    np.testing.assert_allclose(result[16:-16, 16:-16], level, atol=1e-5)


@pytest.mark.parametrize("kind", ["rdn", "rrdn"])
def test_the_start_is_the_same_for_the_same_seed_alone(kind: str) -> None:
    first, again, other = (started(kind, 1, 2, seed).model.get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("kind", ["rdn", "rrdn"])
def test_every_weight_can_still_learn(kind: str) -> None:
    """One step of training moves the trunk, not only the last layers."""
    network = started(kind, 1, 2)
    before = {layer.name: layer.get_weights() for layer in network.model.layers if layer.weights}
    image = smooth_image(1)[None]
    target = np.random.default_rng(0).random((1, 48, 56, 1), np.float32)
    network.model.compile(keras.optimizers.SGD(10.0), loss="mse")
    network.model.fit(image, target, epochs=2, verbose=0)
    moved = [
        name
        for name, weights in before.items()
        if not np.array_equal(weights[0], network.model.get_layer(name).get_weights()[0])
    ]
    assert set(moved) == set(before)


def test_networks_too_narrow_for_it_are_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"upscaling='shuffle'.*Received"):
        start_as_interpolation(RDN({**RDN_SETTINGS, "x": 2}))
    with pytest.raises(InvalidInputError, match=r"<= 32.*Received"):
        start_as_interpolation(RDN({**RDN_SETTINGS, "x": 3}, c_dim=3, upscaling="shuffle"))
    with pytest.raises(InvalidInputError, match="at least as wide as c_dim"):
        start_as_interpolation(RRDN({**RRDN_SETTINGS, "G0": 2, "x": 2}, c_dim=3))
