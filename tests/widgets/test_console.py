from __future__ import annotations

from pathlib import Path

import dask.array
import numpy as np
import pytest
import zarr
from napari.layers import Image

import napari_isr
import src_models
from src_models.errors import InvalidInputError


@pytest.mark.slow
def test_the_console_gives_what_the_library_gives(tiny_model_file, image):
    layer = Image(image, name="cells", scale=(0.5, 0.5))
    before = image.copy()
    result = napari_isr.upscale(layer, tiny_model_file)
    np.testing.assert_array_equal(result.data, src_models.upscale(image, tiny_model_file))
    assert result.name == "cells x2 [tiny]"
    assert result.data.dtype == image.dtype
    np.testing.assert_array_equal(layer.data, before)


def test_the_record_says_how_the_result_was_made(tiny_model_file, image):
    result = napari_isr.upscale(Image(image), tiny_model_file, tile_size=16, overlap=4)
    record = result.metadata["napari-isr"]
    assert record["model"] == "tiny"
    assert record["scale"] == 2
    assert record["settings"] == {"axes": "YX", "tile_size": 16, "overlap": 4}
    assert record["version"] == napari_isr.__version__
    assert record["engine"] in record["engine_reason"].lower().replace(" ", "")


@pytest.mark.parametrize("wrap", [dask.array.from_array, zarr.array])
def test_lazy_layers_give_the_same_when_they_are_looked_at(wrap, tiny_model_file, image):
    stack = np.stack([image, image[::-1]])
    expected = napari_isr.upscale(Image(stack), tiny_model_file)
    lazy = napari_isr.upscale(Image(wrap(stack), scale=(3, 2, 2)), tiny_model_file)
    assert isinstance(lazy.data[0], dask.array.Array)
    np.testing.assert_array_equal(lazy.data[0], expected.data)
    np.testing.assert_array_equal(lazy.data[1], stack)
    np.testing.assert_array_equal(lazy.scale, (3, 1, 1))
    assert lazy.contrast_limits == Image(stack).contrast_limits


def test_multiscale_layers_give_the_same_and_lazy_ones_keep_their_levels(tiny_model_file, image):
    expected = napari_isr.upscale(Image(image), tiny_model_file).data
    result = napari_isr.upscale(Image([image, image[::2, ::2]]), tiny_model_file)
    np.testing.assert_array_equal(result.data, expected)
    levels = [dask.array.from_array(level) for level in (image, image[::2, ::2])]
    lazy = napari_isr.upscale(Image(levels), tiny_model_file)
    assert [level.shape for level in lazy.data] == [(80, 100), (40, 50), (20, 25)]
    np.testing.assert_array_equal(lazy.data[0], expected)


def test_what_would_fill_the_memory_is_computed_as_it_is_looked_at(
    tiny_model_file, image, monkeypatch
):
    expected = napari_isr.upscale(Image(image), tiny_model_file).data
    monkeypatch.setattr("napari_isr.bridge.layers.fits", lambda size: False)
    lazy = napari_isr.upscale(Image(image), tiny_model_file)
    np.testing.assert_array_equal(lazy.data[0], expected)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": 5}, "name of a model is a text"),
        ({"scale": "2"}, r"scale must be a whole number .*Received: scale='2'"),
        ({"minutes": "3"}, "minutes must be a number"),
        ({"folder": 5}, "folder must be the path of one"),
        ({"settings": {}}, "settings must be TrainingSettings"),
    ],
)
def test_arguments_of_a_training_that_do_not_fit_are_explained(wrong, words):
    with pytest.raises(InvalidInputError, match=words):
        napari_isr.train(np.zeros((40, 40)), **wrong)


@pytest.mark.parametrize("images", [["a.png"], None, 5, [Path("b.png")]])
def test_what_is_no_image_to_train_on_is_explained(images):
    with pytest.raises(InvalidInputError, match=r"Images are .*folder"):
        napari_isr.train(images, epochs=1).result(60)


def test_axes_that_do_not_fit_are_explained(tiny_model_file, image):
    with pytest.raises(InvalidInputError, match="must name each of the 2 dimensions"):
        napari_isr.upscale(Image(image), tiny_model_file, axes="ZYX")
