"""What a foreign ONNX network takes and gives, found by looking at its ends and by trying it.

A super-resolution network answers a smooth image with that same image, finer. So a smooth image
whose values between the pixels are known tells layout, scale and range of intensities, and
networks for something else answer with something else. Free of Keras.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from src_models.models.onnx_config import Layout

_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
# Sizes of images to try, and multiples that networks may insist on.
_SIZES = (32, 48, 64, 128)
_MULTIPLES = (1, 2, 4, 8, 16, 32, 64)
_MOST_CHANNELS, _LARGEST_SCALE = 4, 16
# Of the image's contrast. Networks that sharpen, smooth or mend colours stay below a fifth.
_MOST_DIFFERENT, _CLOSE = 0.35, 0.1
_BORDER = 4
# Waves this long, in pixels, have no detail that a network may add to.
_WAVES = 23.0, 29.0


class UnsupportedNetworkError(Exception):
    """A network is not one that can be used.

    Carries the reason, as the end of a sentence that begins with "it".
    """


class InferenceFailedError(UnsupportedNetworkError):
    """A network fails on an image of some size; on another one it may not."""


class InputSpec(NamedTuple):
    """The input of a network, as its file tells it.

    Attributes
    ----------
    name : str
        Of the input.
    dtype : dtype
        Of the input.
    shape : tuple of int or None
        None where any length will do.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Finding:
    """What a network takes.

    Attributes
    ----------
    layout : {"NCHW", "NHWC"}
        Order of its axes.
    channels, scale : int
        Of the image; of the answer.
    data_range : int
        What white is, 1 or 255.
    height, width : int
        Of an image that it took.
    is_fixed : tuple of bool
        Whether it takes no other height and width.
    multiple : int
        Larger sizes differ by multiples of it.
    """

    layout: Layout
    channels: int
    scale: int
    data_range: int
    height: int
    width: int
    is_fixed: tuple[bool, bool]
    multiple: int


def probe(session: Any, data_range: int | None = None) -> Finding:
    """Find out what a network takes and gives.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        The network.
    data_range : int, optional
        What white is, where the file says so and that it is a network for super-resolution.

    Raises
    ------
    Refusal
        If it is no super-resolution network of one image.
    """
    ends = read_input_spec(session)
    reasons: list[UnsupportedNetworkError] = []
    for layout, channels in _guesses(ends):
        for height, width in _sizes(ends, layout):
            try:
                return _try(session, ends, layout, (height, width, channels), data_range)
            except InferenceFailedError as refusal:
                reasons.append(refusal)
            except UnsupportedNetworkError as refusal:
                reasons.append(refusal)
                break
    # What came of an answer says more than that there was none.
    raise min(reasons, key=lambda reason: isinstance(reason, InferenceFailedError))


def read_input_spec(session: Any) -> InputSpec:
    """Check that there is one image in and one answer out, and return the input."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise UnsupportedNetworkError(
            f"has {len(inputs)} inputs and {len(outputs)} outputs instead of one each"
        )
    (given,) = inputs
    if given.type not in _TYPES:
        raise UnsupportedNetworkError(f"takes {given.type} instead of an image of floats or bytes")
    shape = tuple(n if isinstance(n, int) and n > 0 else None for n in given.shape or (None,) * 4)
    if len(shape) != 4:
        raise UnsupportedNetworkError(
            f"takes an array of {len(shape)} dimensions instead of four: batch, height, width and "
            "channels"
        )
    return InputSpec(given.name, np.dtype(_TYPES[given.type]), shape)


def _guesses(ends: InputSpec) -> Iterator[tuple[Layout, int]]:
    """Yield layouts and numbers of channels that the input allows, likeliest first."""
    orders: tuple[tuple[Layout, int], ...] = ("NCHW", 1), ("NHWC", 3)
    told = [(layout, ends.shape[axis]) for layout, axis in orders]
    known = [(layout, n) for layout, n in told if n is not None and n <= _MOST_CHANNELS]
    yield from known
    if known:
        return
    free = [layout for layout, n in told if n is None]
    if not free:
        raise UnsupportedNetworkError(
            f"takes arrays of shape {ends.shape}, which have no axis of channels"
        )
    for layout in free:
        for channels in (3, 1):
            yield layout, channels


def _sizes(ends: InputSpec, layout: Layout) -> Iterator[tuple[int, int]]:
    height, width = _of_plane(ends.shape, layout)
    for size in _SIZES:
        yield height or size, width or size
        if height and width:
            return


def _of_plane(shape: tuple[int | None, ...], layout: Layout) -> tuple[int | None, int | None]:
    return (shape[2], shape[3]) if layout == "NCHW" else (shape[1], shape[2])


def _try(
    session: Any, ends: InputSpec, layout: Layout, shape: tuple[int, int, int], told: int | None
) -> Finding:
    """Try images of a shape ``(H, W, C)``; the range that is told needs no proof."""
    height, width, channels = shape
    scale, errors = 0, {}
    possible = (255,) if ends.dtype == np.uint8 else (1, 255)
    for data_range in possible if told is None else (told,):
        image = smooth_image(height, width, channels)
        output = _run(session, ends, layout, image * data_range)
        scale = _scale_of(output, image)
        truth = smooth_image(height * scale, width * scale, channels, scale)
        errors[data_range] = _difference(output / data_range, truth, scale)
    best = min(errors, key=lambda key: errors[key])
    if errors.get(1, np.inf) <= _CLOSE:  # larger numbers hide the biases of any network
        best = 1
    if told is None and not errors[best] <= _MOST_DIFFERENT:  # NaN is worse
        raise UnsupportedNetworkError(
            "answers a smooth image with another one, so it does something else than "
            "super-resolution"
        )
    fixed = tuple(n is not None for n in _of_plane(ends.shape, layout))
    multiple = 1
    if not all(fixed):
        found = _find_multiple(session, ends, layout, shape, scale)
        fixed, multiple = (fixed, found) if found else ((True, True), 1)
    return Finding(layout, channels, scale, best, height, width, (fixed[0], fixed[1]), multiple)


def smooth_image(height: int, width: int, channels: int, scale: int = 1) -> NDArray[np.float32]:
    """Return waves ``(H, W, C)`` between 0.1 and 0.9, seen `scale` times finer."""
    y, x = (
        ((np.arange(length) + 0.5) / scale - 0.5)[:, None] * 2 * np.pi / wave + np.arange(channels)
        for length, wave in zip((height, width), _WAVES, strict=True)
    )
    return (0.5 + 0.2 * np.sin(y)[:, None] + 0.2 * np.cos(x)[None]).astype(np.float32)


def _run(session: Any, ends: InputSpec, layout: Layout, image: NDArray[Any]) -> NDArray[Any]:
    """Return the answer to an image, both ``(H, W, C)``."""
    batch = (np.rint(image) if ends.dtype == np.uint8 else image).astype(ends.dtype)[None]
    if layout == "NCHW":
        batch = batch.transpose(0, 3, 1, 2)
    batch = np.repeat(batch, ends.shape[0] or 1, axis=0)
    try:
        output = np.asarray(session.run(None, {ends.name: np.ascontiguousarray(batch)})[0])
    except Exception as error:  # ONNX Runtime's, of a dozen kinds
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InferenceFailedError(
            f"cannot be run on an image of {image.shape[:2]} pixels ({line})"
        ) from error
    if output.ndim != 4:
        raise UnsupportedNetworkError(
            f"answers an image with an array of shape {output.shape} instead of an image"
        )
    output = output.transpose(0, 2, 3, 1) if layout == "NCHW" else output
    first: NDArray[Any] = output[0].astype(np.float64)
    return first


def _scale_of(output: NDArray[Any], image: NDArray[Any]) -> int:
    told = f"answers {image.shape[:2]} pixels with {output.shape[:2]}"
    if output.shape[2] != image.shape[2]:
        raise UnsupportedNetworkError(
            f"answers an image of {image.shape[2]} channels with one of {output.shape[2]}"
        )
    scale = int(output.shape[0] // image.shape[0])
    if output.shape[:2] == image.shape[:2]:
        raise UnsupportedNetworkError(
            "answers an image with one of the same size instead of a larger one"
        )
    if output.shape[:2] != (scale * image.shape[0], scale * image.shape[1]):
        raise UnsupportedNetworkError(f"{told}, which is not a whole number times larger")
    if scale > _LARGEST_SCALE:
        raise UnsupportedNetworkError(f"{told}, more than {_LARGEST_SCALE} times larger")
    return scale


def _difference(output: NDArray[Any], truth: NDArray[Any], scale: int) -> float:
    """Return how much two images differ past their borders, as a share of the contrast."""
    inner = slice(_BORDER * scale, -_BORDER * scale)
    seen, true = output[inner, inner], truth[inner, inner]
    if seen.size == 0:  # too small for a border
        seen, true = output, truth
    return float(np.sqrt(np.mean((seen - true) ** 2)) / true.std())


def _find_multiple(
    session: Any, ends: InputSpec, layout: Layout, shape: tuple[int, int, int], scale: int
) -> int:
    """Return by what sizes may differ; 0 if there is but one."""
    height, width, channels = shape
    fixed = _of_plane(ends.shape, layout)
    for step in _MULTIPLES:
        larger = (fixed[0] or height + step, fixed[1] or width + 2 * step)
        try:
            image = smooth_image(*larger, channels)
            if _scale_of(_run(session, ends, layout, image), image) == scale:
                return step
        except UnsupportedNetworkError:
            continue
    return 0
