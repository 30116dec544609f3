"""A model that other processes can open: it travels as its name, its path, or its file's bytes.

A process opens it once, however many tasks come with it, and runs one tile at a time: a backend
uses all processors for one tile anyway, and memory stays that of one.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
import uuid
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from src_models.engines.opening import Engine, EngineName, load_engine, open_engine
from src_models.errors import InvalidInputError, ModelFileError
from src_models.models.description import ModelDescription
from src_models.models.registry import describe_model, find_model, model_names, split_sharpness

if TYPE_CHECKING:
    from src_models.networks.image_model import ImageModel

_MOST_OPEN = 2
_PROBED = 16  # pixels, in which all weights have a say
_opened: OrderedDict[str, Engine] = OrderedDict()
_opening = threading.Lock()


class SharedModel:
    """A model on its way to wherever it is run.

    Parameters
    ----------
    model : str, Path, RDN, RRDN or Engine
        A name or path is sent as such: other machines must find the same file under it. A model
        in memory is sent as the file that it would be saved as, and stays as it is now. An open
        engine cannot be sent and serves this process alone.
    engine : str
        As for `open_engine`. "auto" is decided here, so that all processes use one engine and
        give the same pixels.

    Attributes
    ----------
    description : ModelDescription
        The network.
    digest : str
        Fingerprint of the engine and the model's file, or of a model in memory.
    engine : str
        What runs it.
    """

    def __init__(
        self, model: str | Path | ImageModel | Engine, engine: EngineName = "auto"
    ) -> None:
        self._name: str | None = None
        self._content: bytes | None = None
        self._live: Any = None
        if isinstance(model, str | os.PathLike):
            self.description: ModelDescription = describe_model(model)
            found = find_model(model)
            # A path is made whole, since workers run elsewhere; a name stays a name.
            is_name = str(split_sharpness(model)[0]) in model_names()
            self._name = str(model) if is_name else str(found.absolute())
            content = self.description.name.encode() + found.read_bytes()
        else:
            self.description = model.description
            if not getattr(model, "is_as_built", False):  # an engine, or a network of one's own
                self._live = open_engine(model, engine)
                self.engine, self.digest = self._live.name, uuid.uuid4().hex
                return
            network = cast("ImageModel", model)
            self._content = _saved(network)
            weights = [weight.tobytes() for weight in network.model.get_weights()]
            content = self.description.to_json().encode() + b"".join(weights)
        self.engine = load_engine(engine, self.description).name
        self.digest = _digest(self.engine.encode() + _digest(content).encode())

    def __getstate__(self) -> dict[str, Any]:
        """Return what travels.

        Raises
        ------
        InvalidInputError
            If the model's network was replaced by something that cannot be saved.
        """
        if self._live is not None:
            raise InvalidInputError(
                "Only a model that can be saved can be sent to other processes. "
                f"Received: {self._live!r}. Save it and give the path of its file."
            )
        return self.__dict__

    def __dask_tokenize__(self) -> str:
        return self.digest

    def open(self) -> Engine:
        """Return what runs the network in this process; opened once a process.

        Raises
        ------
        ModelFileError
            If there is no such model here, or it is another one than where it was sent from.
        """
        with _opening:
            if self.digest not in _opened:
                _opened[self.digest] = _OneAtATime(self._open())
            _opened.move_to_end(self.digest)
            while len(_opened) > _MOST_OPEN:
                _opened.popitem(last=False)
            return _opened[self.digest]

    def identity(self) -> str:
        """Return a fingerprint that the same model has in another process, too.

        An open engine tells nothing of its weights: it is known by what it answers.
        """
        if self._live is None:
            return self.digest
        shape = (1, _PROBED, _PROBED, self.description.channels)
        grey = np.arange(np.prod(shape)) * 7919 % 256 / 255
        output = self.open().run(grey.astype(np.float32).reshape(shape))
        told = self.engine.encode() + self.description.to_json().encode()
        return _digest(told + np.asarray(output, np.float32).tobytes())

    def _open(self) -> Engine:
        engine = cast(EngineName, self.engine)
        if self._live is not None:
            return open_engine(self._live)
        if self._name is not None:
            named = describe_model(self._name).name.encode()
            content = named + find_model(self._name).read_bytes()
            if _digest(self.engine.encode() + _digest(content).encode()) != self.digest:
                raise ModelFileError(
                    f"The model {self._name!r} is another one on this machine than where the work "
                    "was started: install the same version, or copy the model file."
                )
            return open_engine(self._name, engine)
        assert self._content is not None
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "sent.keras"
            path.write_bytes(self._content)
            return open_engine(path, engine)


class _OneAtATime:
    """Run an engine in one thread at a time."""

    def __init__(self, engine: Engine) -> None:
        self.name, self.description, self.reason = engine.name, engine.description, engine.reason
        self._engine = engine
        self._running = threading.Lock()

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with self._running:
            return self._engine.run(batch)

    def stop(self, batch: NDArray[np.float32]) -> None:
        self._engine.stop(batch)

    def release(self) -> None:
        with self._running:
            self._engine.release()


def _saved(model: ImageModel) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return model.save(Path(folder) / "sent.keras").read_bytes()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
