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
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from napari_isr._layers import computed_lazily
from src_models.engines import EngineName, choose_engine, open_engine
from src_models.errors import (
    NetworkError,
    OutOfMemoryError,
    SuperResolutionError,
    SuperResolutionWarning,
)
from src_models.tiling import Region

if TYPE_CHECKING:
    from src_models.image_model import ImageModel
    from src_models.predict import Progress

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
    """

    model: str | Path | ImageModel
    axes: str
    tile_size: int | None = None
    overlap: int | None = None
    batch_size: int | None = None
    engine: EngineName = "auto"
    region: Region | None = None
    planes: dict[str, int] | None = None


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
    """

    pixels: Any
    record: dict[str, Any]
    seconds: float
    speed: float


def with_our_errors(
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
        while True:
            try:
                progress = next(steps)
            except StopIteration as end:
                result: R = end.value
                return result
            now = time.monotonic()
            if progress.done and first is None:
                first = now, progress
            elif first and now > first[0]:
                self.speed = (progress.done - first[1].done) / progress.total / (now - first[0])
            yield progress


def show_our_warning(warning: tuple[Any, ...]) -> None:
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


@with_our_errors
def upscaling(
    array: Any, settings: UpscaleSettings
) -> Generator[Loading | Progress, None, Upscaled]:
    """Upscale an array, telling of loading first and of progress then."""
    import napari_isr

    is_keras = choose_engine(settings.engine).name == "keras"
    yield Loading(starts_keras=is_keras and "keras" not in sys.modules)
    from src_models.lazy import upscale_lazily
    from src_models.predict import upscale_steps

    arguments = {name: getattr(settings, name) for name in settings.__dataclass_fields__}
    network = open_engine(settings.model, settings.engine)
    started = time.monotonic()
    watch = _Stopwatch()
    if settings.region is None and computed_lazily(array, network.description.scale):
        arguments.pop("region"), arguments.pop("planes")
        pixels = upscale_lazily(array, **arguments)
    else:
        arguments["model"] = network
        pixels = yield from watch.over(upscale_steps(array, **arguments))
    seconds = time.monotonic() - started
    description = network.description
    record = {
        "model": description.name,
        "scale": description.scale,
        "settings": {
            k: v for k, v in arguments.items() if k not in ("model", "engine") and v is not None
        },
        "engine": network.name,
        "engine_reason": network.reason,
        "network": asdict(description.config),
        "version": napari_isr.__version__,
    }
    return Upscaled(pixels, record, seconds, watch.speed)
