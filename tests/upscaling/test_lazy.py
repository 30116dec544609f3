from __future__ import annotations

import pickle
import warnings
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
import zarr

from src_models import upscale
from src_models.engines import shared_model
from src_models.engines.shared_model import SharedModel
from src_models.errors import InvalidInputError, ModelFileError, SuperResolutionWarning
from src_models.images.tiling import Region
from src_models.networks.model_files import new_model
from src_models.upscaling import blocks
from src_models.upscaling.blocks import BlockGrid


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_SIDE", 24)


def copy_of_network(network: Any, **changes: Any) -> Any:
    copy = new_model(network.description)
    copy.model.set_weights(network.model.get_weights())
    copy.describe(**changes)
    return copy


def image_of(dtype: str, shape: tuple[int, ...]) -> Any:
    smooth = np.cumsum(np.random.default_rng(0).normal(size=shape), axis=-1)
    unit = (smooth - smooth.min()) / np.ptp(smooth)
    return (unit * (1 if dtype == "f4" else np.iinfo(dtype).max)).astype(dtype)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("chunks", [(2, 61, 83), (1, 3, 5), (1, (40, 1, 20), (3, 80))])
@pytest.mark.slow
def test_every_chunking_gives_what_the_image_in_memory_gives(
    tiny_network: Any, dtype: str, chunks: Any
) -> None:
    image = image_of(dtype, (2, 61, 83))
    expected = upscale(image, tiny_network(), tile_size=11)
    lazy = upscale(da.from_array(image, chunks=chunks), tiny_network(), tile_size=11)
    assert isinstance(lazy, da.Array)
    assert lazy.npartitions > 10
    assert lazy.dtype == image.dtype
    np.testing.assert_array_equal(lazy.compute(), expected)


@pytest.mark.parametrize("tile_size", [1, 16, 40])
@pytest.mark.parametrize("border", ["reflected", "bare"])
@pytest.mark.parametrize("overlap", [0, None])
def test_every_tile_border_and_overlap_gives_the_same_as_in_memory(
    tiny_network: Any, tile_size: int, border: str, overlap: int | None
) -> None:
    network = copy_of_network(tiny_network(), border=border)
    image = image_of("u2", (4 if tile_size == 1 else 70, 37))
    settings = {"tile_size": tile_size, "overlap": overlap}
    lazy = upscale(zarr.array(image, chunks=(10, 9)), network, **settings)
    np.testing.assert_array_equal(lazy.compute(), upscale(image, network, **settings))


@pytest.mark.parametrize(
    ("axes", "shape", "channels"),
    [
        ("YXC", (50, 40, 3), 3),
        ("YXC", (50, 40, 4), 3),
        ("YXC", (50, 40, 4), 1),
        ("CYX", (3, 50, 40), 3),
        ("TZCYX", (2, 1, 2, 50, 40), 1),
        ("XTY", (40, 2, 50), 3),
    ],
)
def test_all_axes_colours_and_alpha_go_the_same_way(
    tiny_network: Any, axes: str, shape: tuple[int, ...], channels: int
) -> None:
    image = image_of("u1", shape)
    if "C" in axes:  # channels of different ranges
        image = image // np.arange(1, 5)[: shape[axes.index("C")]].reshape(
            [-1 if axis == "C" else 1 for axis in axes]
        ).astype("u1")
    network = tiny_network(channels=channels)
    settings = {"axes": axes, "tile_size": 13, "overlap": 0}
    lazy = upscale(da.from_array(image, chunks=17), network, **settings)
    np.testing.assert_array_equal(lazy.compute(), upscale(image, network, **settings))


def test_nothing_is_read_but_what_is_asked_for_and_what_is_measured(tiny_network: Any) -> None:
    read = []

    def plane(block_info: Any) -> Any:
        read.append(block_info[None]["chunk-location"][0])
        return image_of("u2", (1, 8, 9))

    stack = da.map_blocks(plane, chunks=((1,) * 1000, (8,), (9,)), dtype=np.uint16)
    lazy = upscale(stack, tiny_network())
    assert len(set(read)) <= 32
    read.clear()
    assert lazy[500].compute().shape == (16, 18)
    assert set(read) == {500}


def test_one_range_serves_all_blocks(tiny_network: Any) -> None:
    image = image_of("u2", (60, 60)) // 4
    image[:20, :20] //= 100
    lazy = upscale(da.from_array(image, chunks=20), tiny_network(), tile_size=12)
    part = upscale(da.from_array(image[:20, :20], chunks=20), tiny_network(), tile_size=12)
    assert (lazy[:16, :16].compute() != part[:16, :16].compute()).any()
    np.testing.assert_array_equal(lazy.compute(), upscale(image, tiny_network(), tile_size=12))


def test_gaps_stay_and_are_told(tiny_network: Any) -> None:
    image = image_of("f4", (60, 60))
    image[5:9, 30:50] = np.nan
    with pytest.warns(SuperResolutionWarning, match="Some pixels of the image are not finite"):
        result = upscale(da.from_array(image, chunks=20), tiny_network(), tile_size=12).compute()
    assert np.isnan(result[10:18, 60:100]).all()
    assert np.isnan(result).sum() == 4 * 20 * 4


def test_the_processes_of_dask_give_the_same(tiny_network: Any) -> None:
    image = image_of("u2", (60, 60))
    lazy = upscale(da.from_array(image, chunks=20), tiny_network(), tile_size=12)
    assert isinstance(pickle.loads(pickle.dumps(lazy)), da.Array)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(lazy)).compute(), upscale(image, tiny_network(), tile_size=12)
    )


def test_what_fits_neither_is_refused_before_anything_is_computed(tiny_network: Any) -> None:
    lazy = da.zeros((20, 20), dtype=np.uint16)
    with pytest.raises(InvalidInputError, match="tile_size must be"):
        upscale(lazy, tiny_network(), tile_size=0)
    with pytest.raises(InvalidInputError, match="real numbers"):
        upscale(da.zeros((20, 20), dtype=complex), tiny_network())
    with pytest.raises(ModelFileError):
        upscale(lazy, "no such model")


def test_a_process_opens_a_model_once(tiny_network: Any, tmp_path: Any) -> None:
    path = tiny_network().save(tmp_path / "tiny.keras")
    engines = {pickle.loads(pickle.dumps(SharedModel(path))).open() for _ in range(3)}
    assert len(engines) == 1
    for channels, scale in [(1, 2), (2, 2), (1, 3)]:
        SharedModel(tiny_network(channels=channels, scale=scale)).open()
    assert len(shared_model._opened) == 2


def test_a_model_that_is_another_one_elsewhere_is_refused(tiny_network: Any, tmp_path: Any) -> None:
    path = tiny_network().save(tmp_path / "tiny.keras")
    shared = SharedModel(path)
    tiny_network(scale=3).save(path)
    with pytest.raises(ModelFileError, match="another one on this machine"):
        shared.open()


@pytest.mark.parametrize("name", ["tiny.keras", "./tiny.keras", "with@sign.keras"])
def test_a_file_named_from_one_folder_is_found_from_another(
    tiny_network: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    image = image_of("u2", (30, 30))
    monkeypatch.chdir(tmp_path)
    tiny_network().save(name)
    sent = pickle.dumps(upscale(da.from_array(image), name))
    expected = upscale(image, name)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setattr(shared_model, "_opened", type(shared_model._opened)())
    np.testing.assert_array_equal(pickle.loads(sent).compute(), expected)


@pytest.mark.parametrize("name", ["microscopy-x2", "photo-sharp-x4@0.5"])
def test_a_name_stays_a_name_whose_file_lies_elsewhere_on_other_machines(name: str) -> None:
    assert name.encode() in pickle.dumps(SharedModel(name))
    assert b".keras" not in pickle.dumps(SharedModel(name))


def test_a_lazy_result_keeps_the_weights_it_was_made_with(tiny_network: Any) -> None:
    network = copy_of_network(tiny_network())
    image = image_of("u2", (30, 30))
    expected = upscale(image, network)
    lazy = upscale(da.from_array(image), network)
    network.model.set_weights([0 * weight for weight in network.model.get_weights()])
    np.testing.assert_array_equal(lazy.compute(), expected)


def test_what_cannot_be_saved_runs_here_and_is_not_sent(repeating: Any) -> None:
    image = image_of("u2", (30, 30))
    lazy = upscale(da.from_array(image, chunks=15), repeating())
    np.testing.assert_array_equal(lazy.compute(), image.repeat(2, 0).repeat(2, 1))
    with pytest.raises(InvalidInputError, match="can be saved"):
        pickle.dumps(SharedModel(repeating()))


@pytest.mark.parametrize("size", [(1, 2), (23, 5), (100, 301), (130, 199)])
@pytest.mark.parametrize("tile", [1, 10, 33, 1000])
@pytest.mark.parametrize("overlap", [0, 8, 50])
@pytest.mark.parametrize("reflect", [True, False])
def test_blocks_cover_an_image_once_and_are_deep_enough(
    size: tuple[int, int], tile: int, overlap: int, reflect: bool
) -> None:
    grid = BlockGrid.of(size, tile, overlap, reflect)
    covered = np.zeros(size, int)
    for block in grid.regions:
        covered[block.slices] += 1
        tiles = grid.tiles(block)
        assert sum(np.prod(tile.shape) for tile in tiles) == np.prod(block.shape)
        assert all(tile.shape <= grid.tile_shape for tile in tiles)
    assert (covered == 1).all()
    for edges, depth in zip((grid.rows, grid.columns), grid.depth, strict=True):
        lengths = np.diff(edges)
        assert (lengths[:-1] == lengths[0]).all()
        assert lengths[-1] <= lengths[0]
        assert len(lengths) == 1 or lengths.min() >= depth


def test_the_plan_depends_on_the_shape_alone() -> None:
    grids = {BlockGrid.of((300, 200), 20, 8, True) for _ in range(3)}
    assert len(grids) == 1
    assert next(iter(grids)).tiles(Region(0, 20, 0, 40)) == [
        Region(0, 20, 0, 20),
        Region(0, 20, 20, 40),
    ]


def test_dask_computes_with_any_scheduler(tiny_network: Any) -> None:
    image = image_of("u2", (40, 40))
    lazy = upscale(da.from_array(image, chunks=20), tiny_network(), tile_size=12)
    for scheduler in ("synchronous", "threads"):
        with dask.config.set(scheduler=scheduler):
            np.testing.assert_array_equal(
                lazy.compute(), upscale(image, tiny_network(), tile_size=12)
            )


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("axes", ["ZYX", "YXC"])
@pytest.mark.slow
def test_self_ensemble_and_kept_intensities_are_those_of_the_image_in_memory(
    tiny_network: Any, dtype: str, axes: str
) -> None:
    image = image_of(dtype, (2, 31, 53) if axes == "ZYX" else (31, 53, 4))
    how = {"axes": axes, "tile_size": 11, "self_ensemble": True, "keep_intensities": True}
    lazy = upscale(da.from_array(image, chunks=20), tiny_network(), **how)
    assert lazy.npartitions > 1
    np.testing.assert_array_equal(lazy.compute(), upscale(image, tiny_network(), **how))
    plain = upscale(image, tiny_network(), **how | {"self_ensemble": False})
    assert (plain != lazy.compute()).any()


def test_a_lazy_mask_has_no_intensities_to_keep(tiny_network: Any) -> None:
    with pytest.raises(InvalidInputError, match="dtype bool"):
        upscale(da.zeros((9, 9), dtype=bool), tiny_network(), keep_intensities=True)


class Narrow:
    """An engine that repeats pixels, has memory for so many, and notes what it refused."""

    name, reason = "openvino", ""

    def __init__(self, network: Any, pixels: int) -> None:
        self.description, self.pixels = network.description, pixels
        self.refused: list[tuple[int, ...]] = []

    def run(self, batch: Any) -> Any:
        if batch[..., 0].size > self.pixels:
            self.refused.append(batch.shape)
            raise MemoryError
        return batch.repeat(2, axis=1).repeat(2, axis=2)

    def stop(self, batch: Any) -> None:
        pass

    def release(self) -> None:
        pass


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_memory_that_runs_out_is_told_once_and_spares_later_blocks_the_trial(
    repeating: Any, scheduler: str, batch_size: int
) -> None:
    image = image_of("u2", (70, 100))
    engine = Narrow(repeating(), 200)
    lazy = upscale(da.from_array(image), engine, tile_size=20, overlap=1, batch_size=batch_size)
    assert lazy.npartitions >= 12
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = lazy.compute(scheduler=scheduler)
    assert [w.category for w in caught] == [SuperResolutionWarning]
    np.testing.assert_array_equal(result, image.repeat(2, 0).repeat(2, 1))
    if scheduler == "synchronous":
        assert len(engine.refused) <= 4
    else:  # as many as were on their way
        assert len(engine.refused) < lazy.npartitions


def test_a_chunk_is_made_once_to_measure_the_intensities_and_once_for_the_result(
    tiny_network: Any,
) -> None:
    plane, made = image_of("u2", (2500, 1100)), []

    def load() -> Any:
        made.append(1)
        return plane

    lazy = upscale(da.from_delayed(dask.delayed(load)(), plane.shape, "u2"), tiny_network())
    assert len(made) == 1
    lazy[:10, :10].compute()
    assert len(made) == 2
