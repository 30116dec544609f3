"""Candidates beside each other: how close each is to the truth, and what shows where they differ.

The candidates are an image's cubic interpolation, which costs nothing, and whatever claims to be
better. All numbers are of single planes, or of stacks of planes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.errors import InvalidInputError
from src_models.images.axes import ArrayLike
from src_models.images.degradation import resize_bicubic
from src_models.images.intensity import as_dtype
from src_models.quality import metrics

_SSIM_WINDOW = 11
_PERCENTILE = 99.9
# An exposure is another one where fitting it halves the squared error and more, and the images have
# most in common. Of equal exposure, fitted noise cannot come to both.
_FITTED_DB, _IN_COMMON = 3.1, 0.5


@dataclass(frozen=True, slots=True)
class Scores:
    """How close an image is to the truth; pixels that are not finite in both are left out.

    Attributes
    ----------
    psnr : float
        Peak signal-to-noise ratio in dB; infinite for equal images.
    psnr_fitted : float
        The same after the gain and offset that bring the image closest to the truth.
    ssim : float
        Structural similarity, 1 for equal images; NaN of planes below 11 x 11 pixels and of those
        with pixels that are not finite.
    nrmse : float
        Root mean squared error over the root mean square of the truth; 0 for equal images.
    mean_absolute_error, largest_error : float
        In the units of the images.
    data_range : float
        The intensity difference that counts as full in PSNR and SSIM.
    gain, offset : float
        Of that fit: ``gain * image + offset`` is closest to the truth in squared error; the gain is
        not below 0.
    explained : float
        The share of the truth's variance that the fitted image explains, from 0 to 1.
    """

    psnr: float
    psnr_fitted: float
    ssim: float
    nrmse: float
    mean_absolute_error: float
    largest_error: float
    data_range: float
    gain: float
    offset: float
    explained: float

    @property
    def differs_in_exposure(self) -> bool:
        """Whether most of the error is a gain and an offset, as of two recordings of one field."""
        is_closer = self.psnr_fitted - self.psnr > _FITTED_DB
        return is_closer and self.explained > _IN_COMMON


def usual_range(truth: NDArray[Any]) -> float:
    """Return the `data_range` to compare with: 255 of uint8, else the truth's central 99.8 %.

    Where those are one value, as of spots on nothing, it is from the lowest to the highest.

    Parameters
    ----------
    truth : ndarray
        Of any shape.
    """
    if truth.dtype == np.uint8:
        return 255.0
    finite = truth[np.isfinite(truth)].astype(np.float64)
    if not finite.size:
        return 1.0
    return metrics.robust_range(finite) or float(np.ptp(finite)) or 1.0


def compare_with_truth(
    truth: NDArray[Any],
    image: NDArray[Any],
    *,
    data_range: float | None = None,
    fit: bool = False,
) -> Scores:
    """Tell how close an image is to the truth.

    Parameters
    ----------
    truth, image : ndarray
        Planes ``(Y, X)`` or ``(Y, X, C)``, or stacks of them ``(N, Y, X, C)``, of equal shape.
    data_range : float, optional
        Largest intensity difference that counts as full; None for `usual_range`.
    fit : bool
        Compare what is left after the gain and offset that bring the image closest to the truth
        [1]_: for a truth that was recorded with another exposure. All numbers are then of the
        fitted image.

    Returns
    -------
    Closeness

    Raises
    ------
    InvalidInputError
        If the shapes differ, or no pixel can be compared.

    References
    ----------
    .. [1] Weigert et al., "Content-aware image restoration: pushing the limits of fluorescence
       microscopy", Nature Methods 15 (2018), https://doi.org/10.1038/s41592-018-0216-7, normalise
       so before they compare.
    """
    if truth.shape != image.shape or truth.ndim not in (2, 3, 4):
        raise InvalidInputError(
            "Two images are compared pixel by pixel, so they must be equally large. "
            f"Received: shapes {tuple(truth.shape)} and {tuple(image.shape)}."
        )
    span = usual_range(truth) if data_range is None else data_range
    planes = [_as_stack(x).astype(np.float64) for x in (truth, image)]
    finite = np.isfinite(planes[0]) & np.isfinite(planes[1])
    if not finite.any():
        raise InvalidInputError(
            "There must be pixels that are finite in both images. Received: none."
        )
    # Squares must neither overflow nor vanish; a power of two rounds nothing.
    unit = _power_of_two(max(float(np.abs(x[finite]).max()) for x in planes))
    planes, span = [x / unit for x in planes], span / unit
    a, b = (x[finite] for x in planes)
    gain, offset = metrics.fit_gain_offset(b, a)
    if gain < 0:  # an inverted image is another one, not another exposure
        gain, offset = 0.0, float(a.mean())
    fitted = gain * b + offset
    spread = float(np.var(a))
    unexplained = float(np.mean((a - fitted) ** 2)) / spread if spread else 1.0
    if fit:
        planes[1], b = gain * planes[1] + offset, fitted
    error = math.sqrt(float(np.mean((a - b) ** 2)))
    power = math.sqrt(float(np.mean(a**2)))
    is_whole = bool(finite.all()) and min(planes[0].shape[1:3]) >= _SSIM_WINDOW
    pairs = zip(*planes, strict=True) if is_whole else ()
    similar = [metrics.ssim(x, y, data_range=span) for x, y in pairs]
    return Scores(
        psnr=metrics.psnr(a, b, data_range=span),
        psnr_fitted=metrics.psnr(a, fitted, data_range=span),
        ssim=float(np.mean(similar)) if similar else math.nan,
        nrmse=error / power if power else (0.0 if error == 0 else math.inf),
        mean_absolute_error=float(np.abs(a - b).mean()) * unit,
        largest_error=float(np.abs(a - b).max()) * unit,
        data_range=span * unit,
        gain=gain,
        offset=offset * unit,
        explained=max(0.0, 1 - unexplained),
    )


def _power_of_two(size: float) -> float:
    """Return the largest one up to `size`, 1 for 0."""
    return math.ldexp(1.0, math.frexp(size)[1] - 1) if size else 1.0


def _as_stack(image: NDArray[Any]) -> NDArray[Any]:
    if image.ndim == 2:
        return image[None, ..., None]
    return image[None] if image.ndim == 3 else image


def interpolated(plane: NDArray[Any], scale: int) -> NDArray[Any]:
    """Enlarge by cubic interpolation: what every network must beat.

    Parameters
    ----------
    plane : ndarray
        ``(Y, X)`` or ``(Y, X, C)``.
    scale : int
        Factor along Y and X.

    Returns
    -------
    ndarray
        ``scale`` times larger, of the same dtype, rounded and clipped.
    """
    size = plane.shape[0] * scale, plane.shape[1] * scale
    values = plane.astype(np.float64)
    finite = values[np.isfinite(values)]
    # Float32 computes it: large offsets are kept out.
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    span = (high - low) or 1.0
    resized = resize_bicubic((values - low) / span, size).astype(np.float64)
    return as_dtype(resized * span + low, plane.dtype)


def interpolated_stack(array: ArrayLike, axes: str, scale: int) -> Any:
    """Enlarge each plane of a stack by cubic interpolation, as it is asked for.

    Parameters
    ----------
    array : array-like
        The stack.
    axes : str
        Meaning of its dimensions.
    scale : int
        Factor along Y and X.

    Returns
    -------
    ndarray or dask array
        An array of one plane at once; of others a dask array with a chunk for each plane.
    """
    y, x = axes.index("Y"), axes.index("X")

    def enlarged(block: NDArray[Any]) -> NDArray[Any]:
        moved = np.moveaxis(block, (y, x), (0, 1))
        flat = moved.reshape(*moved.shape[:2], -1)
        larger = interpolated(flat, scale)
        shape = larger.shape[:2] + moved.shape[2:]
        return np.moveaxis(larger.reshape(shape), (0, 1), (y, x))

    stack = _by_planes(array, axes)
    if isinstance(stack, np.ndarray):
        return enlarged(stack)
    chunks = tuple(
        tuple(n * scale for n in sizes) if axis in "YX" else sizes
        for axis, sizes in zip(axes, stack.chunks, strict=True)
    )
    return stack.map_blocks(enlarged, dtype=stack.dtype, chunks=chunks, meta=stack._meta)


def _by_planes(array: ArrayLike, axes: str) -> Any:
    """Return an array of one plane as it is, any other as a dask array with a chunk a plane."""
    whole = "YXC" if axes.endswith("YXC") else "YX"
    if isinstance(array, np.ndarray) and not set(axes) - set(whole):
        return array
    import dask.array

    return dask.array.asarray(array).rechunk(tuple(-1 if a in whole else 1 for a in axes))


def difference(
    image: ArrayLike,
    reference: ArrayLike,
    axes: str,
    *,
    rgb: bool = False,
    gain: float = 1.0,
    offset: float = 0.0,
) -> Any:
    """Return where an image is brighter (above 0) or darker than another.

    Parameters
    ----------
    image, reference : array-like
        Of equal shape.
    axes : str
        Of both.
    rgb : bool
        Channels, at the end, are colours: they are averaged, without alpha.
    gain, offset : float
        That the image is given first, as by `Scores`.

    Returns
    -------
    ndarray or dask array of float32
        ``gain * image + offset - reference``; of stacks a dask array, computed as it is asked for.

    Raises
    ------
    InvalidInputError
        If the shapes differ.
    """
    if tuple(image.shape) != tuple(reference.shape):
        raise InvalidInputError(
            "A difference is taken pixel by pixel, so both must be equally large. "
            f"Received: shapes {tuple(image.shape)} and {tuple(reference.shape)}."
        )
    a, b = (_by_planes(x, axes).astype(np.float64) for x in (image, reference))
    result = gain * a + offset - b
    if rgb:
        result = result[..., :3].mean(axis=-1)
    return result.astype(np.float32)


def brightness(plane: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean over channels; not finite where one of them is not.

    Parameters
    ----------
    plane : ndarray
        ``(Y, X)`` or ``(Y, X, C)``.

    Returns
    -------
    ndarray of float64
        ``(Y, X)``.
    """
    values = plane.astype(np.float64)
    with np.errstate(invalid="ignore"):  # of infinities of both signs
        return values.mean(axis=-1) if values.ndim == 3 else values


def symmetric_limit(values: NDArray[Any]) -> float:
    """Return how far from 0 all but the most extreme thousandth of differences lie.

    Parameters
    ----------
    values : ndarray
        Differences; those that are not finite are left out.

    Returns
    -------
    float
        Above 0, also of differences that are all 0.
    """
    sizes = np.abs(values[np.isfinite(values)])
    if not sizes.size:
        return 1.0
    return float(np.percentile(sizes, _PERCENTILE)) or float(sizes.max()) or 1.0


def profile(
    plane: NDArray[Any], start: tuple[float, float], end: tuple[float, float]
) -> NDArray[np.float64]:
    """Return the intensities along a line, linearly interpolated about a pixel apart.

    Parameters
    ----------
    plane : ndarray
        ``(Y, X)`` or ``(Y, X, C)``, whose channels are averaged.
    start, end : tuple of float
        Row and column; the centre of the first pixel is (0, 0).

    Returns
    -------
    ndarray of float64
        At equal distances from start to end, both included; NaN outside of the plane.
    """
    from scipy.ndimage import map_coordinates

    ends = np.array([start, end], float)
    count = math.ceil(math.dist(*ends) + 1)
    points = np.linspace(ends[0], ends[1], count)
    # scikit-image's profile_line takes the same points, but has the whole plane as floats first.
    channels = plane[..., None] if plane.ndim == 2 else plane
    if plane.dtype in (np.bool_, np.float16):  # scipy does not take them
        channels = channels.astype(np.float32)
    lines = [
        map_coordinates(channels[..., c], points.T, output=np.float64, order=1, mode="nearest")
        for c in range(channels.shape[-1])
    ]
    limits = np.array(plane.shape[:2])
    is_outside = ((points < -0.5) | (points > limits - 0.5)).any(axis=1)
    return np.where(is_outside, math.nan, np.mean(lines, axis=0))
