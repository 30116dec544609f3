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
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from src_models.description import ModelDescription
from src_models.engines import Engine, KerasEngine
from src_models.errors import InvalidInputError, ModelFileError
from src_models.pretrained import describe_model, find_model

if TYPE_CHECKING:
    from src_models.image_model import ImageModel

_MOST_OPEN = 2
_opened: OrderedDict[str, Engine] = OrderedDict()
_opening = threading.Lock()


class SharedModel:
    """A model on its way to wherever it is run.

    Parameters
    ----------
    model : str, Path, RDN or RRDN
        A name or path is sent as such: other machines must find the same file under it. A model
        in memory is sent as the file that it would be saved as, and stays as it is now.

    Attributes
    ----------
    description : ModelDescription
        The network.
    digest : str
        Fingerprint of the model's file, or of a model in memory.
    """

    def __init__(self, model: str | Path | ImageModel) -> None:
        self._name: str | None = None
        self._content: bytes | None = None
        self._live: Any = None
        if isinstance(model, str | os.PathLike):
            self.description: ModelDescription = describe_model(model)
            found = find_model(model)
            # A path is made whole, since workers run elsewhere; a name stays a name.
            self._name = str(model) if Path(model).name == str(model) else str(found.absolute())
            self.digest = _digest(found.read_bytes())
            return
        self.description = model.description
        if hasattr(getattr(model, "model", None), "inputs"):
            self._content = _saved(model)
            weights = [weight.tobytes() for weight in model.model.get_weights()]
            self.digest = _digest(self.description.to_json().encode() + b"".join(weights))
        else:  # something in place of a Keras network
            self._live, self.digest = model, uuid.uuid4().hex

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

    def _open(self) -> Engine:
        if self._live is not None:
            return _open_engine(self._live)
        if self._name is not None:
            if _digest(find_model(self._name).read_bytes()) != self.digest:
                raise ModelFileError(
                    f"The model {self._name!r} is another one on this machine than where the work "
                    "was started: install the same version, or copy the model file."
                )
            return _open_engine(self._name)
        from src_models.model_io import load_model

        assert self._content is not None
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "sent.keras"
            path.write_bytes(self._content)
            return _open_engine(load_model(path))


class _OneAtATime:
    """Run an engine in one thread at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._running = threading.Lock()

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with self._running:
            return self._engine.run(batch)


def _open_engine(model: str | Path | ImageModel) -> Engine:
    from src_models.model_io import load_cached

    return KerasEngine(load_cached(model).model)


def _saved(model: ImageModel) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return model.save(Path(folder) / "sent.keras").read_bytes()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
