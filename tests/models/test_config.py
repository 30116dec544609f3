"""The settings of the networks: what fits is taken, what does not is refused in a sentence."""

from __future__ import annotations

import json

import pytest

from src_models.errors import InvalidInputError
from src_models.models.config import (
    RDNConfig,
    RRDNConfig,
    config_from_arch_params,
    config_from_dict,
    config_to_dict,
)

RDN_SETTINGS = {"C": 3, "D": 10, "G": 64, "G0": 64, "x": 2}
RRDN_SETTINGS = {"C": 4, "D": 3, "G": 32, "G0": 32, "T": 10, "x": 4}


def test_isr_networks_have_the_number_of_weights_that_isr_published() -> None:
    assert RDNConfig(**RDN_SETTINGS).num_parameters == 2_619_635  # psnr-small
    assert RRDNConfig(**RRDN_SETTINGS).num_parameters == 4_176_100  # gans


@pytest.mark.parametrize("config", [RDNConfig(**RDN_SETTINGS), RRDNConfig(**RRDN_SETTINGS)])
def test_a_config_survives_json(config: RDNConfig | RRDNConfig) -> None:
    assert config_from_dict(json.loads(json.dumps(config_to_dict(config)))) == config


@pytest.mark.parametrize("config", [RDNConfig(**RDN_SETTINGS), RRDNConfig(**RRDN_SETTINGS)])
def test_convolutions_have_isr_names_each_once(config: RDNConfig | RRDNConfig) -> None:
    names = [conv.name for conv in config.convs()]
    assert len(set(names)) == len(names)
    expected = {
        "rdn": {"F_m1", "F_0", "F_1_1", "F_10_3", "LFF_10", "GFF_1", "GFF_2", "UPN1", "UPN3", "SR"},
        "rrdn": {"Pre_blocks_conv", "F_10_3_4", "LFF_10_3", "post_blocks_conv", "PreShuffle", "SR"},
    }
    assert expected[config.network] <= set(names)


@pytest.mark.parametrize("name", ["C", "D", "G", "G0", "x", "c_dim", "kernel_size"])
@pytest.mark.parametrize("value", [0, -1, 1.0, "2", None, True])
def test_settings_are_whole_numbers_from_one(name: str, value: object) -> None:
    with pytest.raises(InvalidInputError, match=rf"{name} must be a whole number.*Received"):
        RDNConfig(**{**RDN_SETTINGS, name: value})


@pytest.mark.parametrize("beta", [0, -0.1, 1.01, float("nan"), "0.2", None])
def test_beta_lies_above_zero_and_at_most_at_one(beta: object) -> None:
    with pytest.raises(InvalidInputError, match="beta must"):
        RRDNConfig(**RRDN_SETTINGS, beta=beta)


def test_kernels_are_odd() -> None:
    with pytest.raises(InvalidInputError, match="kernel_size must be odd"):
        RDNConfig(**RDN_SETTINGS, kernel_size=4)


def test_upscaling_is_one_of_two_kinds() -> None:
    with pytest.raises(InvalidInputError, match=r"'ups'.*'shuffle'.*Received: upscaling='cubic'"):
        RDNConfig(**RDN_SETTINGS, upscaling="cubic")


@pytest.mark.parametrize(
    "arch_params",
    [{}, {"C": 3}, {**RDN_SETTINGS, "T": 10}, {"c": 3, "D": 10, "G": 64, "G0": 64, "x": 2}],
)
def test_arch_params_have_exactly_the_keys_of_the_network(arch_params: dict[str, int]) -> None:
    with pytest.raises(InvalidInputError, match=r"exactly the keys.*missing.*unknown"):
        config_from_arch_params("rdn", arch_params)


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"network": "vgg", **RDN_SETTINGS},
        {"network": ["rdn"], **RDN_SETTINGS},
        {"network": "rdn"},
        {"network": "rdn", **RRDN_SETTINGS},
        {"network": "rdn", **RDN_SETTINGS, "upscaling": ["ups"]},
    ],
)
def test_records_that_describe_no_network_are_refused(record: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        config_from_dict(record)


def test_the_receptive_radius_is_the_sum_of_half_kernels() -> None:
    config = RDNConfig(C=1, D=1, G=4, G0=4, x=2)
    # F_m1, F_0, F_1_1, GFF_2: 1 each; UPN1: 2; UPN2, UPN3: 1 each; SR: 1 at twice the size.
    assert config.receptive_radius == 4 + 2 + 2 + 1


def test_a_larger_network_costs_more() -> None:
    small, large = (RDNConfig(**{**RDN_SETTINGS, "D": d}) for d in (5, 10))
    assert small.num_parameters < large.num_parameters
    assert small.operations_per_pixel < large.operations_per_pixel
    assert small.receptive_radius < large.receptive_radius
