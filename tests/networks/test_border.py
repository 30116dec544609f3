"""A network that pads with zeros by itself gives the same answer tile by tile as at once."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src_models import RDN, ModelDescription, load_model, upscale
from src_models.errors import InvalidInputError
from src_models.images.tiling import Region, Tile, split_region
from src_models.models.config import RDNConfig
from src_models.networks.backend import keras


def small_rdn() -> RDN:
    keras.utils.set_random_seed(3)
    rdn = RDN({"C": 1, "D": 2, "G": 4, "G0": 4, "x": 2}, init_extreme_val=0.4)
    rdn.describe(border="bare")
    return rdn


@pytest.mark.parametrize("length", [1, 2, 7, 16, 33])
@pytest.mark.parametrize(("size", "overlap"), product((1, 3, 8, 40), (0, 1, 5, 50)))
def test_bare_tiles_lie_inside_share_a_shape_and_cover_each_pixel_once(
    length: int, size: int, overlap: int
) -> None:
    image = np.arange(length * 9).reshape(length, 9, 1)
    out = np.full((length * 2, 18, 1), -1)
    regions = list(split_region(Region(0, length, 0, 9), size))
    shape = max(r.shape[0] for r in regions), max(r.shape[1] for r in regions)
    shapes = set()
    for region in regions:
        tile = Tile.around(region, (length, 9), shape, overlap, 2, reflect=False)
        read = tile.take(image[tile.read])
        assert np.array_equal(read, image[tile.read])
        shapes.add(read.shape)
        assert (out[tile.write] == -1).all()
        out[tile.write] = read.repeat(2, axis=0).repeat(2, axis=1)[tile.crop]
    assert len(shapes) == 1
    assert np.array_equal(out, image.repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize("shape", [(1, 9, 3), (24, 31, 3), (40, 17, 3)])
@pytest.mark.parametrize("tile_size", [5, 16, 64])
def test_bare_tiles_give_what_the_keras_model_gives_for_the_whole_image(
    shape: tuple[int, ...], tile_size: int
) -> None:
    rdn = small_rdn()
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    whole = rdn.model.predict_on_batch((image / np.float32(255))[None])[0]
    whole = np.clip(np.rint(np.asarray(whole, np.float64) * 255), 0, 255)
    radius = rdn.config.receptive_radius
    tiled = upscale(image, rdn, axes="YXC", tile_size=tile_size, overlap=radius)
    assert np.abs(tiled - whole).max() <= 1  # a rounding may tip over
    assert (tiled != whole).mean() < 0.001


def test_new_networks_see_a_reflection_and_isr_weights_nothing(write: Any, tmp_path: Path) -> None:
    path, _ = write("rdn-x2")
    rdn = RDN(load_model(path).params)
    assert rdn.description.reflects
    rdn.model.load_weights(path)
    assert not rdn.description.reflects
    assert not load_model(rdn.save(tmp_path / "kept.keras")).description.reflects


def test_the_border_survives_a_file_and_files_from_before_it_can_be_read() -> None:
    config = RDNConfig(C=1, D=1, G=4, G0=4, x=2)
    description = ModelDescription(name="a", config=config, intensity="measured", border="bare")
    record = json.loads(description.to_json())
    assert ModelDescription.from_json(json.dumps(record)) == description
    del record["border"]
    assert ModelDescription.from_json(json.dumps(record)).reflects


def test_an_unknown_border_is_refused() -> None:
    config = RDNConfig(C=1, D=1, G=4, G0=4, x=2)
    with pytest.raises(InvalidInputError, match="border must be 'reflected' or 'bare'"):
        ModelDescription(name="a", config=config, border="wrapped")  # type: ignore[arg-type]
