"""Which axis is what: guessing, checking, and reading planes in every order of axes."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr

from src_models.errors import InvalidInputError
from src_models.images.axes import ImageStack, check_axes, guess_axes

WHOLE = slice(None)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((5, 6), "YX"),
        ((5, 3), "YX"),
        ((5, 6, 3), "YXC"),
        ((5, 6, 4), "YXC"),
        ((5, 6, 7), "ZYX"),
        ((3, 5, 6), "ZYX"),
        ((2, 5, 6, 7), "TZYX"),
        ((2, 5, 6, 3), "ZYXC"),
        ((2, 3, 2, 5, 6), "TZCYX"),
        ((2, 3, 5, 6, 4), "TZYXC"),
    ],
)
def test_axes_are_guessed_from_the_shape(shape: tuple[int, ...], axes: str) -> None:
    assert guess_axes(shape) == axes
    assert check_axes(axes, shape) == axes


def test_a_viewer_that_knows_of_colours_overrules_the_guess() -> None:
    assert guess_axes((5, 6, 3), rgb=False) == "ZYX"
    assert guess_axes((5, 6, 3), rgb=True) == "YXC"


@pytest.mark.parametrize("shape", [(), (5,), (1, 2, 3, 4, 5, 6), (2, 2, 2, 2, 5, 6, 3)])
def test_axes_that_cannot_be_guessed_are_asked_for(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInputError, match=r"guessed.*Received: shape.*Name them"):
        guess_axes(shape)


def test_axes_may_be_small_letters() -> None:
    assert check_axes(" zyx ", (2, 5, 6)) == "ZYX"


@pytest.mark.parametrize(
    ("axes", "shape", "rule"),
    [
        ("YX", (2, 5, 6), "each of the 3 dimensions"),
        ("TZYX", (2, 5, 6), "each of the 3 dimensions"),
        ("", (5, 6), "each of the 2 dimensions"),
        ("YY", (5, 6), "twice"),
        ("YXY", (5, 6, 7), "twice"),
        ("ZYT", (2, 5, 6), "contain Y and X"),
        ("Y2X", (5, 6, 7), "letters"),
        ("Y X", (5, 6, 7), "letters"),
        (("Y", "X"), (5, 6), "letters"),
        (2, (5, 6), "letters"),
    ],
)
def test_axes_that_do_not_fit_are_refused_with_the_rule(
    axes: Any, shape: tuple[int, ...], rule: str
) -> None:
    with pytest.raises(InvalidInputError, match=rf"Axes must.*{rule}.*Received: axes="):
        check_axes(axes, shape)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 5, 6), (0, 0)])
def test_an_empty_image_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInputError, match=r"must not be empty. Received: shape"):
        check_axes("ZYX"[-len(shape) :], shape)


@pytest.mark.parametrize("shape", [(1, 1), (9, 1, 1)])
def test_an_image_of_one_pixel_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInputError, match=r"at least two pixels.*Received: shape"):
        check_axes("ZYX"[-len(shape) :], shape)


def test_an_array_of_unknown_length_is_refused() -> None:
    array = da.ones((4, 5))
    unknown = array[array[:, 0] > 0]
    with pytest.raises(InvalidInputError, match=r"how long.*compute_chunk_sizes"):
        check_axes("YX", unknown.shape)


@pytest.mark.parametrize(
    ("axes", "shape", "network", "colours", "joint", "alpha"),
    [
        ("YX", (5, 6), 1, 1, False, False),
        ("YX", (5, 6), 3, 1, False, False),
        ("YXC", (5, 6, 3), 1, 3, False, False),
        ("YXC", (5, 6, 3), 3, 3, True, False),
        ("YXC", (5, 6, 4), 1, 3, False, True),
        ("YXC", (5, 6, 4), 3, 3, True, True),
        ("YXC", (5, 6, 4), 4, 4, True, False),
        ("CYX", (4, 5, 6), 1, 4, False, False),
        ("CYX", (3, 5, 6), 3, 3, True, False),
        ("CYX", (2, 5, 6), 3, 2, False, False),
        ("CYX", (2, 5, 6), 2, 2, True, False),
        ("ZYX", (3, 5, 6), 3, 1, False, False),
        ("YXC", (5, 6, 1), 1, 1, False, False),
        ("YXC", (5, 6, 1), 3, 1, False, False),
    ],
)
def test_channels_meet_networks(
    axes: str, shape: tuple[int, ...], network: int, colours: int, joint: bool, alpha: bool
) -> None:
    stack = ImageStack.of(np.zeros(shape), axes, network)
    assert (stack.colours, stack.joint, stack.has_alpha) == (colours, joint, alpha)
    assert stack.size == (5, 6)


@pytest.mark.parametrize(
    ("axes", "shape", "network"),
    [("YX", (5, 6), 2), ("YXC", (5, 6, 3), 4), ("CYX", (2, 5, 6), 5), ("YXC", (5, 6, 4), 2)],
)
def test_channels_that_do_not_meet_the_network_are_refused(
    axes: str, shape: tuple[int, ...], network: int
) -> None:
    with pytest.raises(InvalidInputError, match=rf"of {network} channels.*Choose a model"):
        ImageStack.of(np.zeros(shape), axes, network)


@pytest.mark.parametrize("axes", ["".join(p) for p in permutations("CYXT")])
@pytest.mark.parametrize("network", [1, 3])
def test_what_is_read_is_written_back_in_every_order_of_axes(axes: str, network: int) -> None:
    lengths = {"C": 3, "Y": 5, "X": 6, "T": 2}
    array = np.arange(180).reshape([lengths[a] for a in axes])
    stack = ImageStack.of(array, axes, network)
    out = np.full_like(array, -1)
    canonical = array.transpose([axes.index(a) for a in "TYXC"])
    for plane in stack.planes():
        for rows, columns in ((slice(0, 2), WHOLE), (slice(2, 5), slice(0, 4))):
            part = stack.read(plane, rows, columns)
            t = plane.index[axes.index("T")]
            assert t is not None
            expected = canonical[t, rows, columns]
            if network == 1:
                expected = expected[..., [plane.channel]]
            np.testing.assert_array_equal(part, expected)
            stack.write(out, plane, rows, columns, part)
        stack.write(
            out, plane, slice(2, 5), slice(4, 6), stack.read(plane, slice(2, 5), slice(4, 6))
        )
    np.testing.assert_array_equal(out, array)


def test_planes_of_alpha_are_apart_from_those_of_colour() -> None:
    stack = ImageStack.of(np.zeros((2, 5, 6, 4)), "TYXC", 1)
    assert [p.channel for p in stack.planes()] == [0, 1, 2] * 2
    assert [p.index for p in stack.planes(alpha=True)] == [(0, None, None, 3), (1, None, None, 3)]
    joint = ImageStack.of(np.zeros((2, 5, 6, 4)), "TYXC", 3)
    assert [p.index for p in joint.planes()] == [(0, None, None, None), (1, None, None, None)]
    assert [p.index for p in joint.planes(alpha=True)] == [(0, None, None, 3), (1, None, None, 3)]


def test_planes_without_alpha_have_none() -> None:
    assert list(ImageStack.of(np.zeros((5, 6, 3)), "YXC", 3).planes(alpha=True)) == []


@pytest.mark.parametrize("lazy", [da.from_array, zarr.array])
def test_only_the_part_asked_for_is_read_of_a_lazy_array(lazy: Any) -> None:
    array = np.arange(2 * 5 * 6).reshape(2, 5, 6)
    stack = ImageStack.of(lazy(array), "ZYX", 1)
    plane = list(stack.planes())[1]
    part = stack.read(plane, slice(1, 3), slice(2, 6))
    assert isinstance(part, np.ndarray)
    np.testing.assert_array_equal(part[..., 0], array[1, 1:3, 2:6])
