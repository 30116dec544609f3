"""Which engine runs a network, and why. Free of Keras until Keras is what is chosen.

``engine="auto"`` takes, in this order:

1. Keras, if its backend finds a graphics processor;
2. ONNX Runtime, if a build of it for graphics processors is installed and there may be one;
3. OpenVINO, on processors about as fast as Keras in large images, with less memory, and started in
   no time;
4. ONNX Runtime on the processor;
5. Keras on the processor, and always for a network whose `model` was replaced by hand.

A model from an ONNX file is always run by ONNX Runtime.

Asking Keras means importing it, which takes seconds. So it is asked only if it is loaded already,
or if the system shows a device: an NVIDIA or AMD one on Linux, NVIDIA's driver on Windows. Apple's
are left to whoever names an engine.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, cast, get_args

import numpy as np
from numpy.typing import NDArray

from src_models.engines.timing import processors_in_words
from src_models.errors import InvalidInputError
from src_models.models.description import ModelDescription
from src_models.models.onnx_config import OnnxConfig
from src_models.models.onnx_files import check_onnxruntime
from src_models.models.onnx_graph import is_onnx
from src_models.models.registry import describe_model, find_model
from src_models.models.weights import Weights, fingerprint, weights_of

if TYPE_CHECKING:
    from src_models.networks.image_model import ImageModel

EngineName = Literal["auto", "keras", "openvino", "onnxruntime"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)
_NEEDS = {"openvino": ("openvino",), "onnxruntime": ("onnxruntime", "onnx"), "keras": ("keras",)}
# By module, what of it is used. Keras is imported by a module of ours only.
_LOADS = {
    "openvino": {"openvino": "Core"},
    "onnxruntime": {"onnxruntime": "InferenceSession", "onnx": "ModelProto"},
    "keras": {"src_models.networks.backend": "keras"},
}
_EXTRA = {"openvino": "fast", "onnxruntime": "onnx"}
_TITLES = {"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime", "keras": "Keras"}
_GPU_BUILDS = ("onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-rocm")
_MOST_OPEN = 4
_opened: OrderedDict[Hashable, Engine] = OrderedDict()
_lock = threading.RLock()


class Engine(Protocol):
    """Something that runs one network.

    Attributes
    ----------
    name : str
        ``"keras"``, ``"openvino"`` or ``"onnxruntime"``.
    description : ModelDescription
        The network.
    reason : str
        Why this engine was chosen, in a sentence.
    """

    name: str
    description: ModelDescription
    reason: str

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Answer ``(B, H, W, C)`` in [0, 1] with ``(B, H * scale, W * scale, C)``.

        Raises
        ------
        OutOfMemoryError
            If there is not enough memory for it; a smaller one may still fit.
        NetworkError
            If it failed otherwise, or was stopped.
        """

    def stop(self, batch: NDArray[np.float32]) -> None:
        """Make a batch that runs in another thread end with an error, if the library can."""

    def release(self) -> None:
        """Give back the memory for features, until the next batch."""


class Choice(NamedTuple):
    """An engine and why it is the one.

    Attributes
    ----------
    name : str
        ``"keras"``, ``"openvino"`` or ``"onnxruntime"``.
    reason : str
        In a sentence.
    """

    name: EngineName
    reason: str


def open_engine(model: str | Path | ImageModel | Engine, engine: EngineName = "auto") -> Engine:
    """Open a network in the engine that suits this machine, or in a named one.

    Parameters
    ----------
    model : str, Path, RDN or RRDN
        Name of a model, path of a model file, or a model; an open engine is returned as it is.
    engine : {"auto", "keras", "openvino", "onnxruntime"}
        See the top of this module.

    Returns
    -------
    Engine
        It may be shared by threads; the last few that were opened from files are kept.

    Raises
    ------
    InvalidInputError
        If there is no such engine, or it is not installed; the message says what to install.
    ModelFileError
        If there is no such model, or its file cannot be used.
    """
    if not isinstance(model, str | os.PathLike) and hasattr(model, "run"):
        return cast(Engine, model)
    in_memory = not isinstance(model, str | os.PathLike) and hasattr(model, "description")
    path = None if in_memory else find_model(model)  # type: ignore[arg-type]
    replaced = in_memory and not getattr(model, "is_as_built", False)
    foreign = path is not None and is_onnx(path)
    choice = _first_whole(engine, _for_onnx(engine) if foreign else _choices(engine, replaced))
    return _open_in_memory(model, choice) if path is None else _open_file(model, path, choice)


def choose_engine(engine: EngineName = "auto", model: ModelDescription | None = None) -> Choice:
    """Return which engine would be used, without loading it: one that is damaged may be named.

    Parameters
    ----------
    engine : {"auto", "keras", "openvino", "onnxruntime"}
        As for `open_engine`.
    model : ModelDescription, optional
        What is to be run; None for any network of ours.

    Raises
    ------
    InvalidInputError
        If there is no such engine, or it is not installed.
    """
    return next(_for_description(engine, model))


def load_engine(engine: EngineName, model: ModelDescription) -> Choice:
    """Return which engine `open_engine` takes, and import its library.

    Raises
    ------
    InvalidInputError
        If there is no such engine, it is not installed, or it cannot be imported.
    """
    return _first_whole(engine, _for_description(engine, model))


def _first_whole(engine: EngineName, choices: Iterator[Choice]) -> Choice:
    """Return the first choice whose library can be imported."""
    error: Exception | None = None
    for choice in choices:
        try:
            for module, used in _LOADS[choice.name].items():
                getattr(import_module(module), used)  # a folder left empty can be imported, too
        except Exception as damaged:  # noqa: BLE001 - damaged libraries raise anything
            error = damaged
        else:
            return choice
    raise InvalidInputError(
        f"The engine {engine!r} cannot be loaded on this machine. Received: {error}. "
        'Leave the choice to engine="auto", or install it again.'
    ) from error


def _for_description(engine: EngineName, model: ModelDescription | None) -> Iterator[Choice]:
    foreign = model is not None and isinstance(model.config, OnnxConfig)
    return _for_onnx(engine) if foreign else _choices(engine, replaced=False)


def _for_onnx(engine: EngineName) -> Iterator[Choice]:
    """Yield what may run a model from an ONNX file."""
    check_onnxruntime()
    if engine not in ("auto", "onnxruntime"):
        raise InvalidInputError(
            "Only ONNX Runtime runs a model from an ONNX file. "
            f'Received: engine={engine!r}. Use engine="auto".'
        )
    yield Choice("onnxruntime", "Runs on ONNX Runtime: the model is an ONNX file.")


def _choices(engine: EngineName, replaced: bool) -> Iterator[Choice]:
    """Yield what may be used, best first."""
    if engine not in ENGINES:
        raise InvalidInputError(f"engine must be one of {list(ENGINES)}. Received: {engine!r}.")
    if engine != "auto":
        _check_installed(engine)
        if replaced and engine != "keras":
            raise InvalidInputError(
                "Only Keras runs a network whose model was replaced by hand. "
                f'Received: engine={engine!r}. Use engine="keras".'
            )
        yield Choice(engine, f"Runs on {_TITLES[engine]}, as asked for.")
        return
    if replaced:
        yield Choice("keras", "Runs on Keras: the network's model was replaced by hand.")
        return
    yield from _automatic()


def _automatic() -> Iterator[Choice]:
    devices = _keras_gpus()
    if devices:
        yield Choice("keras", f"Runs on Keras, which finds a graphics processor ({devices[0]}).")
    if _may_have_gpu() and any(map(_has_distribution, _GPU_BUILDS)) and _is_installed("onnx"):
        yield Choice("onnxruntime", "Runs on ONNX Runtime, in its build for graphics processors.")
    cpu = processors_in_words()
    if _is_installed("openvino"):
        yield Choice("openvino", f"Runs on OpenVINO: {cpu}, no GPU for Keras.")
    if _is_installed("onnxruntime"):
        why = "OpenVINO is not installed, or damaged"
        yield Choice("onnxruntime", f"Runs on ONNX Runtime, {cpu}: {why}.")
    yield Choice(
        "keras",
        f"Runs on Keras, {cpu}: no faster engine is installed, or each is damaged "
        "(pip install napari-isr[fast]).",
    )


def _is_installed(engine: str) -> bool:
    return all(find_spec(package) is not None for package in _NEEDS.get(engine, (engine,)))


def _check_installed(engine: str) -> None:
    if not _is_installed(engine):
        raise InvalidInputError(
            f"{_TITLES[engine]} is not installed. Received: engine={engine!r}. Install it with "
            f'pip install "napari-isr[{_EXTRA.get(engine, "all")}]", or use engine="auto".'
        )


def _has_distribution(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _may_have_gpu() -> bool:
    """Tell whether the system shows a device that a backend of Keras may use."""
    if sys.platform == "win32":
        return (Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32/nvcuda.dll").exists()
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/kfd").exists()


def _keras_gpus() -> list[str]:
    """Return the graphics processors that Keras finds; it is not loaded in vain."""
    if "keras" not in sys.modules and not _may_have_gpu():
        return []
    from src_models.networks.backend import graphics_processors

    return graphics_processors()


def _open_in_memory(model: Any, choice: Choice) -> Engine:
    if choice.name == "keras":
        from src_models.networks.keras_engine import KerasEngine

        return KerasEngine(model, choice.reason)
    description, weights = model.description, weights_in(model)
    # Training changes them, so it is they that tell whether the engine opened before will do.
    content = fingerprint(weights, description.to_json())
    return _kept((content, choice), lambda: _with_weights(description, weights, choice))


def weights_in(model: ImageModel) -> Weights:
    """Return the weights of a model in memory, as `src_models.models.weights.read_weights` does."""
    return {
        f"{layer.name}/{kind}": np.array(values, np.float32)
        for layer in model.model.layers
        for kind, values in zip(("kernel", "bias"), layer.get_weights(), strict=False)
    }


def _open_file(model: Any, path: Path, choice: Choice) -> Engine:
    def open_it() -> Engine:
        if choice.name == "keras":
            from src_models.networks.keras_engine import KerasEngine
            from src_models.networks.model_files import load_cached

            return KerasEngine(load_cached(model), choice.reason)
        description = describe_model(model)
        if isinstance(description.config, OnnxConfig):
            from src_models.engines.onnx_engine import OnnxFileEngine

            return OnnxFileEngine(description, path, choice.reason)
        weights = weights_of(model, description)
        return _with_weights(description, weights, choice, keep=True)

    return _kept((str(model), path, path.stat().st_mtime_ns, choice), open_it)


def _with_weights(
    description: ModelDescription, weights: Weights, choice: Choice, *, keep: bool = False
) -> Engine:
    if choice.name == "openvino":
        from src_models.engines.openvino_engine import OpenVinoEngine

        return OpenVinoEngine(description, weights, choice.reason, keep)
    from src_models.engines.onnx_engine import OnnxEngine

    return OnnxEngine(description, weights, choice.reason)


def _kept(key: Hashable, open_it: Callable[[], Engine]) -> Engine:
    """Return the engine that was opened under a key before, or open it."""
    with _lock:
        if key not in _opened:
            _opened[key] = open_it()
        _opened.move_to_end(key)
        while len(_opened) > _MOST_OPEN:
            _opened.popitem(last=False)
        return _opened[key]
