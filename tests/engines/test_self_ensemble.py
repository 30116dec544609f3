"""Eight flips and quarter turns averaged: what must hold for every network and image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
import pytest

from src_models import open_engine, upscale, upscale_steps, upscale_with_uncertainty
from src_models.engines.self_ensemble import SelfEnsemble
from src_models.errors import InvalidInputError, NetworkError
from src_models.images.tiling import Region
from src_models.upscaling.uncertainty import upscale_with_uncertainty_steps

Networks = Callable[..., Any]
SHAPES = pytest.mark.parametrize("shape", [(17, 12), (9, 9), (1, 8), (21, 2)])
SYMMETRIES = [(turns, mirror) for turns in range(4) for mirror in (False, True) if turns or mirror]


def picture(shape: tuple[int, ...], seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(500, 100, shape).astype(np.float32)


def moved(image: Any, turns: int, mirror: bool) -> Any:
    turned = np.rot90(image, turns, (0, 1))
    return turned[:, ::-1] if mirror else turned


def drain(steps: Any) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@SHAPES
@pytest.mark.parametrize("engine", ["keras", "openvino"])
@pytest.mark.slow
def test_of_a_flipped_or_turned_image_it_is_flipped_or_turned(
    tiny_network: Networks, shape: tuple[int, int], engine: Any
) -> None:
    network, image = open_engine(tiny_network(), engine), picture(shape)
    result, uncertainty = upscale_with_uncertainty(image, network)
    plain = upscale(image, network)
    seen_to_differ = False
    for turns, mirror in SYMMETRIES:
        other = upscale_with_uncertainty(moved(image, turns, mirror), network)
        np.testing.assert_allclose(other.result, moved(result, turns, mirror), atol=0.01)
        np.testing.assert_allclose(other.uncertainty, moved(uncertainty, turns, mirror), atol=0.01)
        alone = upscale(moved(image, turns, mirror), network)
        seen_to_differ |= not np.allclose(alone, moved(plain, turns, mirror), atol=0.01)
    assert seen_to_differ, "the network itself must not be indifferent"


def test_it_is_the_mean_of_eight_upscaled_images(tiny_network: Networks) -> None:
    network, image = tiny_network("rrdn", 1, 3), picture((11, 14))
    eight = []
    for turns, mirror in [(0, False), *SYMMETRIES]:
        back = upscale(moved(image, turns, mirror), network)
        back = back[:, ::-1] if mirror else back
        eight.append(np.rot90(back, -turns, (0, 1)))
    result, uncertainty = upscale_with_uncertainty(image, network)
    np.testing.assert_allclose(result, np.mean(eight, axis=0), atol=0.01)
    np.testing.assert_allclose(uncertainty, np.std(eight, axis=0), atol=0.01)
    np.testing.assert_array_equal(upscale(image, network, self_ensemble=True), result)


@pytest.mark.parametrize("axes", ["XY", "CYX", "YXC", "XCY", "ZYX", "TZCYX"])
@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_right_for_every_order_of_axes(
    tiny_network: Networks, axes: str, channels: int
) -> None:
    network, lengths = tiny_network("rdn", channels), {"Y": 7, "X": 10, "C": 3, "Z": 2, "T": 2}
    image = picture(tuple(lengths[axis] for axis in axes))
    order = [axes.index(axis) for axis in sorted(axes, key="TZCYX".index)]
    usual = "".join(sorted(axes, key="TZCYX".index))
    expected = upscale_with_uncertainty(image.transpose(order), network, axes=usual)
    found = upscale_with_uncertainty(image, network, axes=axes)
    np.testing.assert_array_equal(found.result.transpose(order), expected.result)
    np.testing.assert_array_equal(found.uncertainty.transpose(order), expected.uncertainty)
    assert np.median(found.uncertainty) > 0


@pytest.mark.parametrize("dtype", ["?", "u1", "u2", "i4", "f4", "f8"])
def test_an_equivariant_network_is_certain(identity_network: Networks, dtype: str) -> None:
    image = (picture((9, 14)) - 400).clip(0).astype(dtype)
    result, uncertainty = upscale_with_uncertainty(image, identity_network())
    np.testing.assert_array_equal(result, image.repeat(2, 0).repeat(2, 1))
    assert not uncertainty.any()
    assert uncertainty.dtype == (np.float64 if dtype == "f8" else np.float32)


def test_uncertainty_is_in_the_units_of_the_image(tiny_network: Networks) -> None:
    image = picture((12, 16))
    once = upscale_with_uncertainty(image, tiny_network()).uncertainty
    more = upscale_with_uncertainty(image * 8 + 1000, tiny_network()).uncertainty
    np.testing.assert_allclose(more, once * 8, rtol=0.01, atol=0.01)


def test_tiles_show_no_more_than_without(tiny_network: Networks) -> None:
    network, image = tiny_network(), picture((31, 23))
    overlap = network.config.receptive_radius
    whole = upscale_with_uncertainty(image, network, tile_size=64, overlap=overlap)
    tiled = upscale_with_uncertainty(image, network, tile_size=7, overlap=overlap, batch_size=3)
    np.testing.assert_allclose(tiled.result, whole.result, atol=0.01)
    np.testing.assert_allclose(tiled.uncertainty, whole.uncertainty, atol=0.01)


def test_grey_in_a_network_of_colours_is_the_mean_of_its_answers(tiny_network: Networks) -> None:
    network, image = tiny_network("rdn", 3), picture((8, 9))
    eight = [
        np.rot90(upscale(np.rot90(image, turns)[:, ::step], network)[:, ::step], -turns)
        for turns in range(4)
        for step in (1, -1)
    ]
    uncertainty = upscale_with_uncertainty(image, network).uncertainty
    np.testing.assert_allclose(uncertainty, np.std(eight, axis=0), atol=0.01)


def test_a_part_is_that_part_of_the_whole(tiny_network: Networks) -> None:
    network, image = tiny_network(), picture((2, 20, 24))
    region, axes = Region(4, 12, 6, 20), "ZYX"
    whole = drain(upscale_steps(image, network, axes=axes, self_ensemble=True))
    part = drain(
        upscale_with_uncertainty_steps(image, network, axes=axes, region=region, planes={"Z": 1})
    )
    np.testing.assert_allclose(part.result[0], whole[1, 8:24, 12:40], atol=0.01)
    assert part.uncertainty.shape == part.result.shape


def test_what_is_not_finite_is_unknown_and_alpha_is_certain(tiny_network: Networks) -> None:
    image = np.concatenate([picture((8, 9, 3)), np.ones((8, 9, 1), np.float32)], axis=-1)
    image[2, 3, 0] = np.nan
    with pytest.warns(UserWarning, match="finite") as caught:
        result, uncertainty = upscale_with_uncertainty(image, tiny_network(), axes="YXC")
    assert [warning.filename for warning in caught] == [__file__]
    assert not uncertainty[..., 3].any()
    assert (result[..., 3] == 1).all()
    assert np.isnan(uncertainty[4:6, 6:8, 0]).all()
    assert np.isnan(uncertainty).sum() == 4


def test_uncertainty_of_lazy_arrays_is_refused_in_a_sentence(tiny_network: Networks) -> None:
    with pytest.raises(InvalidInputError, match=r"arrays in memory\. Received: a lazy array"):
        upscale_with_uncertainty(da.zeros((8, 9)), tiny_network())


def test_a_misspelt_setting_is_refused(tiny_network: Networks) -> None:
    misspelt: Any = {"tilesize": 8}
    with pytest.raises(TypeError, match="tilesize"):
        upscale_with_uncertainty(picture((8, 9)), tiny_network(), **misspelt)


def test_stopped_it_ends_before_the_next_of_the_eight(tiny_network: Networks) -> None:
    ensemble = SelfEnsemble(open_engine(tiny_network(), "keras"))
    batch = np.zeros((1, 8, 8, 1), np.float32)
    ensemble.stop(batch)
    with pytest.raises(NetworkError, match="stopped"):
        ensemble.run(batch)
