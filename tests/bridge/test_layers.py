from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Image, Labels

from napari_isr.bridge.layers import LayerSource, layer_axes, result_layer
from src_models.errors import InvalidInputError
from src_models.images.tiling import Region

RECORD = {"model": "m", "scale": 2}
number = st.floats(-50, 50)
positive = st.floats(0.01, 20)


def corners(layer, shape):
    """World coordinates of the outer edges of the image, half a pixel past the centres."""
    ends = [(-0.5, n - 0.5) for n in shape]
    points = np.array(np.meshgrid(*ends, indexing="ij")).reshape(len(shape), -1).T
    return np.array([layer.data_to_world(point) for point in points])


def upscaled(layer, scale, axes=None, **where):
    source = LayerSource.of(layer, axes)
    shape = [
        n * scale if a in "YX" else n for a, n in zip(source.axes, layer.data.shape, strict=True)
    ]
    return result_layer(
        source, np.zeros(shape, layer.data.dtype), RECORD | {"scale": scale}, **where
    )


@settings(deadline=None, max_examples=60)
@given(
    scale=st.integers(1, 8),
    size=st.tuples(st.integers(1, 9), st.integers(2, 9)),
    pixel=st.tuples(positive, positive),
    place=st.tuples(number, number),
    angle=st.floats(-180, 180),
    shear=st.floats(-1, 1),
    affine=st.tuples(number, number, st.floats(0.2, 3), st.floats(-1, 1)),
)
@pytest.mark.slow
def test_outer_edges_coincide_for_any_transform(scale, size, pixel, place, angle, shear, affine):
    matrix = np.array([[affine[2], affine[3], affine[0]], [0, 1.5, affine[1]], [0, 0, 1]])
    layer = Image(
        np.zeros(size, np.uint8),
        scale=pixel,
        translate=place,
        rotate=angle,
        shear=[shear],
        affine=matrix,
    )
    result = upscaled(layer, scale)
    before, after = corners(layer, size), corners(result, result.data.shape)
    np.testing.assert_allclose(after, before, atol=1e-6)


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")  # napari's word on how it draws it
@settings(deadline=None, max_examples=20)
@given(
    pixel=st.tuples(positive, positive, positive, positive),
    place=st.tuples(number, number, number, number),
    angles=st.tuples(st.floats(-80, 80), st.floats(-80, 80), st.floats(-80, 80)),
)
def test_outer_edges_of_a_rotated_stack_coincide(pixel, place, angles):
    from napari.utils.transforms.transform_utils import rotate_to_matrix

    rotate = np.eye(4)
    rotate[1:, 1:] = rotate_to_matrix(angles, ndim=3)
    layer = Image(np.zeros((2, 3, 4, 5)), scale=pixel, translate=place, rotate=rotate)
    result = upscaled(layer, 2)
    assert result.data.shape == (2, 3, 8, 10)
    np.testing.assert_allclose(
        corners(result, result.data.shape), corners(layer, layer.data.shape), atol=1e-6
    )


def test_axes_other_than_the_last_are_placed_right_too():
    layer = Image(np.zeros((6, 4, 2)), scale=(0.5, 2, 3), translate=(1, 2, 3))
    result = upscaled(layer, 3, axes="YXZ")
    np.testing.assert_allclose(result.scale, (0.5 / 3, 2 / 3, 3))
    np.testing.assert_allclose(corners(result, (18, 12, 2)), corners(layer, (6, 4, 2)), atol=1e-9)


def test_a_region_lies_where_it_was_cut_out():
    layer = Image(np.zeros((5, 40, 60)), scale=(2, 0.5, 0.5), rotate=np.eye(3))
    source = LayerSource.of(layer)
    region = Region(10, 20, 30, 50)
    result = result_layer(source, np.zeros((1, 20, 40)), RECORD, region, {"Z": 3})
    np.testing.assert_allclose(result.data_to_world((0, -0.5, -0.5)), (6, 4.75, 14.75))
    np.testing.assert_allclose(result.data_to_world((0, 19.5, 39.5)), (6, 9.75, 24.75))


def test_looks_units_and_labels_carry_over():
    layer = Image(
        np.random.default_rng(0).random((3, 8, 8)),
        name="cells",
        units=("um", "nm", "nm"),
        axis_labels=("z", "y", "x"),
        colormap="magma",
        contrast_limits=(0.1, 0.7),
        gamma=0.6,
        blending="additive",
        opacity=0.5,
    )
    result = upscaled(layer, 2)
    assert result.name == "cells x2 [m]"
    for key in ("units", "axis_labels", "contrast_limits", "gamma", "blending", "opacity"):
        assert getattr(result, key) == getattr(layer, key), key
    assert result.colormap.name == "magma"
    record = dict(result.metadata["napari-isr"])
    assert (record.pop("source"), record.pop("source_id")) == ("cells", str(layer.unique_id))
    assert record == RECORD


def test_rgb_layers_stay_rgb():
    layer = Image(np.zeros((6, 8, 3), np.uint8), rgb=True, scale=(2, 2))
    source = LayerSource.of(layer)
    result = result_layer(source, np.zeros((12, 16, 3), np.uint8), RECORD)
    assert source.axes == "YXC"
    assert result.rgb
    np.testing.assert_allclose(result.scale, (1, 1))


def test_axes_come_from_labels_that_are_letters_and_else_from_the_shape():
    stack = np.zeros((2, 3, 4, 5))
    assert layer_axes(Image(stack, axis_labels=("t", "c", "y", "x"))) == "TCYX"
    assert layer_axes(Image(stack)) == "TZYX"
    assert layer_axes(Image(stack, axis_labels=("time", "c", "y", "x"))) == "TZYX"
    assert layer_axes(Image(np.zeros((9, 9, 3)), rgb=False)) == "ZYX"


def test_a_multiscale_layer_gives_its_finest_level():
    levels = [np.zeros((16, 16)), np.zeros((8, 8))]
    assert LayerSource.of(Image(levels, multiscale=True)).array.shape == (16, 16)


def test_layers_of_other_types_are_refused_by_name():
    with pytest.raises(InvalidInputError, match=r"Only image layers.*'cells'.*Labels"):
        LayerSource.of(Labels(np.zeros((4, 4), int), name="cells"))


def test_an_rgb_layer_needs_its_colours_last():
    with pytest.raises(InvalidInputError, match="must end with C"):
        LayerSource.of(Image(np.zeros((6, 8, 3), np.uint8), rgb=True), "CYX")
