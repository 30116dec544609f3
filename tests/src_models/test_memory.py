"""How large tiles are: as large as memory allows, within bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src_models.config import RDNConfig, RRDNConfig
from src_models.memory import bytes_per_pixel, choose_tile_size

SMALL = RDNConfig(C=2, D=2, G=8, G0=8, x=2, c_dim=1)
LARGE = RDNConfig(C=6, D=20, G=64, G0=64, x=2)
GANS = RRDNConfig(C=4, D=3, G=32, G0=32, T=10, x=4)


@given(
    st.sampled_from([SMALL, LARGE, GANS]),
    st.integers(0, 300),
    st.one_of(st.integers(1, 64), st.just(10**6)),
)
def test_tiles_are_neither_tiny_nor_huge(
    config: RDNConfig | RRDNConfig, overlap: int, batch_size: int
) -> None:
    assert 32 <= choose_tile_size(config, overlap, batch_size) <= 512


def test_larger_networks_have_smaller_tiles() -> None:
    assert bytes_per_pixel(SMALL) < bytes_per_pixel(LARGE)
    assert choose_tile_size(SMALL, 16, 1) >= choose_tile_size(LARGE, 16, 1)


@pytest.mark.parametrize("config", [SMALL, LARGE, GANS])
def test_a_batch_with_its_overlap_fits_into_half_a_gibibyte(config: RDNConfig | RRDNConfig) -> None:
    for overlap, batch_size in ((0, 1), (16, 1), (16, 4)):
        side = choose_tile_size(config, overlap, batch_size) + 2 * overlap
        assert side**2 * bytes_per_pixel(config) * batch_size <= 2**29
