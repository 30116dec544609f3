from __future__ import annotations

import dask.array
import numpy as np
import pytest
import zarr
from napari.layers import Image

import napari_isr
import src_models
from src_models.errors import InvalidInputError


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


@pytest.mark.parametrize("wrap", [dask.array.from_array, zarr.array, lambda a: [a, a[:, ::2, ::2]]])
def test_lazy_and_multiscale_layers_give_the_same(wrap, tiny_model_file, image):
    stack = np.stack([image, image[::-1]])
    expected = napari_isr.upscale(Image(stack), tiny_model_file).data
    np.testing.assert_array_equal(
        napari_isr.upscale(Image(wrap(stack)), tiny_model_file).data, expected
    )


def test_axes_that_do_not_fit_are_explained(tiny_model_file, image):
    with pytest.raises(InvalidInputError, match="must name each of the 2 dimensions"):
        napari_isr.upscale(Image(image), tiny_model_file, axes="ZYX")
