"""RDN and RRDN: one skeleton of tests over both."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from src_models import RDN, RRDN
from src_models.errors import InvalidInputError
from src_models.networks.backend import keras
from src_models.networks.image_model import ImageModel

SMALL: dict[type[ImageModel], dict[str, int]] = {
    RDN: {"C": 2, "D": 2, "G": 4, "G0": 4},
    RRDN: {"C": 2, "D": 2, "G": 4, "G0": 4, "T": 2},
}
BOTH = pytest.mark.parametrize("network", [RDN, RRDN])


def make(network: type[Any], scale: int = 2, **settings: Any) -> Any:
    return network({**SMALL[network], "x": scale}, **settings)


def weighted_layers(model: keras.Model) -> dict[str, Any]:
    return {layer.name: layer for layer in model.layers if layer.weights}


@BOTH
@pytest.mark.parametrize(
    ("channels", "scale"),
    [
        *((c, 2) for c in (1, 2, 3, 4, 5)),
        *((c, s) for c in (1, 3) for s in (1, 3, 4, 5, 8)),
        (5, 5),
    ],
)
def test_any_number_of_channels_and_any_scale_work(
    network: type[Any], channels: int, scale: int
) -> None:
    built = make(network, scale, c_dim=channels)
    assert (built.scale, built.c_dim, built.params["x"]) == (scale, channels, scale)
    assert built.model.output_shape == (None, None, None, channels)
    output = keras.ops.convert_to_numpy(built.model(np.ones((2, 5, 4, channels), np.float32)))
    assert output.shape == (2, 5 * scale, 4 * scale, channels)
    assert output.dtype == np.float32


@pytest.mark.parametrize("upscaling", ["ups", "shuffle"])
@pytest.mark.parametrize("scale", [1, 3])
def test_both_ways_of_upscaling_give_the_same_shape(upscaling: str, scale: int) -> None:
    built = make(RDN, scale, upscaling=upscaling)
    assert built.model(np.ones((1, 4, 5, 3), np.float32)).shape == (1, 4 * scale, 5 * scale, 3)


@BOTH
@pytest.mark.parametrize(
    "settings",
    [{}, {"c_dim": 1}, {"c_dim": 5}, {"kernel_size": 5}, {"scale": 3}, {"upscaling": "shuffle"}],
)
def test_the_layers_are_those_the_config_lists(
    network: type[Any], settings: dict[str, Any]
) -> None:
    if network is RRDN and "upscaling" in settings:
        settings = {"beta": 0.5}
    built = make(network, **settings)
    layers = weighted_layers(built.model)
    shapes = {c.name: (c.kernel, c.kernel, c.inputs, c.filters) for c in built.config.convs()}
    assert {name: layer.kernel.shape for name, layer in layers.items()} == shapes
    assert built.model.count_params() == built.config.num_parameters


@BOTH
@pytest.mark.parametrize("symbol", ["C", "D", "G", "G0", "T"])
def test_every_symbol_changes_the_network_as_the_config_says(
    network: type[Any], symbol: str
) -> None:
    if symbol not in SMALL[network]:
        symbol = "C"
    built = network({**SMALL[network], "x": 2, symbol: 3})
    assert built.params[symbol] == 3
    assert built.model.count_params() == built.config.num_parameters


def test_layer_names_are_those_of_isr() -> None:
    rdn = {"F_m1", "F_0", "F_1_1", "F_1_2", "F_2_1", "F_2_2", "LFF_1", "LFF_2"}
    rdn |= {"GFF_1", "GFF_2", "UPN1", "UPN2", "UPN3", "SR"}
    assert set(weighted_layers(make(RDN).model)) == rdn
    rrdn = {f"F_{t}_{d}_{c}" for t in (1, 2) for d in (1, 2) for c in (1, 2)}
    rrdn |= {f"LFF_{t}_{d}" for t in (1, 2) for d in (1, 2)}
    rrdn |= {"Pre_blocks_conv", "post_blocks_conv", "PreShuffle", "SR"}
    assert set(weighted_layers(make(RRDN).model)) == rrdn


@pytest.mark.parametrize(
    ("network", "signature"),
    [
        (
            RDN,
            {
                "arch_params": {"C": 3, "D": 10, "G": 64, "G0": 64, "x": 2},
                "patch_size": None,
                "c_dim": 3,
                "kernel_size": 3,
                "upscaling": "ups",
                "init_extreme_val": 0.05,
                "weights": "",
            },
        ),
        (
            RRDN,
            {
                "arch_params": {"C": 4, "D": 3, "G": 32, "G0": 32, "T": 10, "x": 4},
                "patch_size": None,
                "beta": 0.2,
                "c_dim": 3,
                "kernel_size": 3,
                "init_val": 0.05,
                "weights": "",
            },
        ),
    ],
)
def test_the_arguments_and_defaults_are_those_of_isr(
    network: type[Any], signature: dict[str, Any]
) -> None:
    parameters = inspect.signature(network).parameters
    assert [*parameters] == [*signature]
    assert {name: p.default for name, p in parameters.items()} == signature


@BOTH
def test_the_default_settings_cannot_be_changed_by_accident(network: type[Any]) -> None:
    default = inspect.signature(network).parameters["arch_params"].default
    with pytest.raises(TypeError):
        default["x"] = 3


@BOTH
def test_weights_start_within_the_range_and_none_equal_another(network: type[Any]) -> None:
    keras.utils.set_random_seed(0)
    name = "init_extreme_val" if network is RDN else "init_val"
    built = make(network, **{name: 0.01})
    kernels = [np.asarray(layer.kernel).ravel() for layer in weighted_layers(built.model).values()]
    assert all(np.abs(kernel).max() <= 0.01 for kernel in kernels)
    firsts = [kernel[0] for kernel in kernels]
    assert len(set(firsts)) == len(firsts)


def test_beta_scales_the_residuals() -> None:
    image = np.random.default_rng(0).random((1, 6, 6, 3), np.float32)
    weights = make(RRDN, init_val=0.2).model.get_weights()
    outputs = []
    for beta in (1e-9, 0.2, 1.0):
        built = make(RRDN, beta=beta)
        built.model.set_weights(weights)
        outputs.append(np.asarray(built.model(image)))
    assert not np.allclose(outputs[0], outputs[1], atol=1e-6)
    assert not np.allclose(outputs[1], outputs[2], atol=1e-6)


@BOTH
def test_name_params_and_patch_size_are_those_asked_for(network: type[Any]) -> None:
    built = make(network, patch_size=40)
    assert built.name == network.__name__.lower()
    assert built.params == {**SMALL[network], "x": 2}
    assert built.patch_size == 40


@BOTH
def test_settings_out_of_range_are_refused_before_anything_is_built(network: type[Any]) -> None:
    with pytest.raises(InvalidInputError, match="c_dim"):
        make(network, c_dim=0)
    with pytest.raises(InvalidInputError, match="x must"):
        make(network, scale=0)
    with pytest.raises(InvalidInputError, match="missing: \\['G0'\\]"):
        network({k: v for k, v in {**SMALL[network], "x": 2}.items() if k != "G0"})


@pytest.mark.parametrize("kind", ["rdn", "rrdn"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_a_network_can_be_nearest_neighbour_repetition_exactly(
    kind: str, channels: int, scale: int, identity_network: Callable[..., Any]
) -> None:
    network = identity_network(kind, channels, scale)
    image = np.random.default_rng(0).uniform(-1, 3, (1, 7, 5, channels)).astype(np.float32)
    output = np.asarray(network.model(image))
    np.testing.assert_array_equal(output, image.repeat(scale, 1).repeat(scale, 2))


@BOTH
def test_isr_predict_upscales_whole_or_by_patches(network: type[Any]) -> None:
    built = make(network)
    image = np.random.default_rng(0).integers(0, 256, (12, 10, 3), np.uint8)
    whole = built.predict(image)
    patched = built.predict(image, by_patch_of_size=5, batch_size=3, padding_size=12)
    assert whole.shape == patched.shape == (24, 20, 3)
    assert whole.dtype == np.uint8
    np.testing.assert_allclose(whole.astype(int), patched.astype(int), atol=1)


@pytest.mark.parametrize("image", [np.float32(1), [], [1.0], np.zeros((0, 3))])
def test_isr_predict_refuses_what_is_no_image(image: Any) -> None:
    with pytest.raises(InvalidInputError, match="Received"):
        make(RDN, c_dim=1).predict(image)
