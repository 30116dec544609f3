"""The only door from the user interface to long work.

Work runs as a generator in a napari worker: it can be cancelled where it yields, and napari
knows of it when it closes. What may bring TensorFlow is imported inside the functions that run in
the thread.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from napari_isr.bridge.layers import computed_lazily
from napari_isr.bridge.trust_layers import NO_MORE, Trust
from src_models.engines.opening import Engine, EngineName, choose_engine, open_engine
from src_models.errors import (
    NetworkError,
    OutOfMemoryError,
    SuperResolutionError,
    SuperResolutionWarning,
)
from src_models.images.tiling import Region

if TYPE_CHECKING:
    from src_models.networks.image_model import ImageModel
    from src_models.quality.consistency import Consistency
    from src_models.upscaling.predict import Progress

Y = TypeVar("Y")
R = TypeVar("R")
P = ParamSpec("P")


@dataclass(frozen=True, kw_only=True)
class UpscaleSettings:
    """How to upscale: the arguments of `src_models.upscale_steps` but for the image.

    Attributes
    ----------
    model : str, Path, RDN or RRDN
        Name of a model, path of a model file, or a model.
    axes : str
        Meaning of the dimensions.
    tile_size, overlap, batch_size : int or None
        As for `src_models.upscale`.
    engine : str
        As for `src_models.upscale`.
    region, planes
        What to upscale of the image; None for all.
    trust : Trust
        What is asked for beyond upscaling. Of a region it is not judged how far to believe it.
    """

    model: str | Path | ImageModel
    axes: str
    tile_size: int | None = None
    overlap: int | None = None
    batch_size: int | None = None
    engine: EngineName = "auto"
    region: Region | None = None
    planes: dict[str, int] | None = None
    trust: Trust = NO_MORE


@dataclass(frozen=True)
class Loading:
    """The work has begun with loading the network.

    Attributes
    ----------
    starts_keras : bool
        Whether that imports Keras and its backend, which is done once a session.
    """

    starts_keras: bool


@dataclass(frozen=True)
class Upscaled:
    """What comes back.

    Attributes
    ----------
    pixels : ndarray or dask array
        The result; lazy where `computed_lazily` says so.
    record : dict
        Model, scale, settings, engine and version, for the layer's metadata.
    seconds : float
        Time the tiles took, without loading.
    speed : float
        Share of the work done per second, without the first batch, which compiles the network;
        0 if there was but one.
    uncertainty, consistency
        As in `src_models.upscaling.assessment.Assessed`; None for a region, and for results that
        are computed lazily.
    """

    pixels: Any
    record: dict[str, Any]
    seconds: float
    speed: float
    uncertainty: Any = None
    consistency: Consistency | None = None


def with_own_errors(
    steps: Callable[P, Generator[Y, None, R]],
) -> Callable[P, Generator[Y, None, R]]:
    """Let nothing but our own errors out of a generator.

    superqt swallows a ``RuntimeError`` of a generator worker, and backends raise many.
    """

    @functools.wraps(steps)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> Generator[Y, None, R]:
        try:
            return (yield from steps(*args, **kwargs))
        except SuperResolutionError:
            raise
        except MemoryError as error:
            raise OutOfMemoryError(
                "There is not enough memory for the result: upscale a part of the image, or "
                "close other programs."
            ) from error
        except Exception as error:
            raise NetworkError(f"It failed: {type(error).__name__}: {error}") from error

    return guarded


class _Stopwatch:
    """Measure the share of the work done per second, from the end of the first batch on."""

    def __init__(self) -> None:
        self.speed = 0.0

    def over(self, steps: Generator[Progress, None, R]) -> Generator[Progress, None, R]:
        """Pass the steps on."""
        first: tuple[float, Progress] | None = None
        has_ended = False  # then comes what is no upscaling
        while True:
            try:
                progress = next(steps)
            except StopIteration as end:
                result: R = end.value
                return result
            now = time.monotonic()
            if progress.done and first is None:
                first = now, progress
            elif first and now > first[0] and not has_ended:
                self.speed = (progress.done - first[1].done) / progress.total / (now - first[0])
            has_ended = progress.done == progress.total
            yield progress


def show_own_warning(warning: tuple[Any, ...]) -> None:
    """Show a warning of ours in napari; those of the backends mean nothing to its users.

    Parameters
    ----------
    warning : tuple
        Arguments of `warnings.showwarning`, as superqt's workers send them.
    """
    from napari.utils.notifications import show_warning

    message, category = warning[:2]
    if issubclass(category, SuperResolutionWarning):
        show_warning(str(message))


@with_own_errors
def upscaling(
    array: Any, settings: UpscaleSettings
) -> Generator[Loading | Progress, None, Upscaled]:
    """Upscale an array, telling of loading first and of progress then."""
    is_keras = choose_engine(settings.engine).name == "keras"
    yield Loading(starts_keras=is_keras and "keras" not in sys.modules)
    from src_models.upscaling.assessment import upscale_and_assess_steps
    from src_models.upscaling.lazy import upscale_lazily
    from src_models.upscaling.predict import upscale_steps

    network = open_engine(settings.model, settings.engine)
    started = time.monotonic()
    watch = _Stopwatch()
    how, trust = _how(settings), settings.trust
    uncertainty = consistency = None
    if settings.region is not None:
        how |= {"region": settings.region, "planes": settings.planes}
        pixels = yield from watch.over(upscale_steps(array, network, **how))
    elif computed_lazily(array, network.description.scale, trust.copies):
        trust.check_lazy()
        pixels = upscale_lazily(array, settings.model, engine=settings.engine, **how)
    else:
        steps = upscale_and_assess_steps(array, network, uncertainty=trust.uncertainty, **how)
        pixels, uncertainty, consistency = yield from watch.over(steps)
    seconds = time.monotonic() - started
    record = _record(network, settings, consistency)
    return Upscaled(pixels, record, seconds, watch.speed, uncertainty, consistency)


def _how(settings: UpscaleSettings) -> dict[str, Any]:
    """Return the arguments of `src_models.upscale` for all but image, model, engine and part."""
    tiling = {name: getattr(settings, name) for name in ("tile_size", "overlap", "batch_size")}
    return {
        "axes": settings.axes,
        **tiling,
        "self_ensemble": settings.trust.passes > 1,
        "keep_intensities": settings.trust.keep_intensities,
    }


def _record(
    network: Engine, settings: UpscaleSettings, consistency: Consistency | None
) -> dict[str, Any]:
    """Return how a result was made, for its layer's metadata."""
    asked = _how(settings) | {"region": settings.region, "planes": settings.planes}
    description = network.description
    record = {
        "model": description.name,
        "scale": description.scale,
        "settings": {k: v for k, v in asked.items() if v is not None and v is not False},
        "engine": network.name,
        "engine_reason": network.reason,
        "network": asdict(description.config),
        "version": version("napari-isr"),
    }
    return record if consistency is None else record | {"consistency": consistency.record}
