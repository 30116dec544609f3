"""Run networks from ONNX files of other people, each in the way it wants its images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.engines.onnx_engine import OnnxEngine, providers
from src_models.models.description import ModelDescription
from src_models.models.onnx_config import OnnxConfig
from src_models.models.onnx_files import open_session
from src_models.models.onnx_probe import read_input_spec


class OnnxFileEngine(OnnxEngine):
    """A network from an ONNX file, run by ONNX Runtime.

    Parameters
    ----------
    description : ModelDescription
        The network, with an `OnnxConfig`.
    path : Path
        The file.
    reason : str
        Why this engine was chosen, in a sentence.
    """

    def __init__(self, description: ModelDescription, path: Path, reason: str = "") -> None:
        assert isinstance(description.config, OnnxConfig)
        self._start(description, lambda: open_session(path, providers=providers()), reason)
        self._config, self._ends = description.config, read_input_spec(self._session())

    def _answer(
        self, session: Any, batch: NDArray[np.float32], options: Any
    ) -> NDArray[np.float32]:
        height, width = batch.shape[1:3]
        rows, columns = self._config.padded(height, width)
        beyond = ((0, 0), (0, rows - height), (0, columns - width), (0, 0))
        given = self._to_network(np.pad(batch, beyond, mode="reflect"))
        scale, step = self._config.x, self._ends.shape[0]
        parts = [given] if step is None else self._parts(given, step)
        outputs = [
            np.asarray(session.run(None, {self._ends.name: part}, options)[0]) for part in parts
        ]
        output = np.concatenate(outputs)[: len(batch)]
        if self._config.layout == "NCHW":
            output = output.transpose(0, 2, 3, 1)
        output = output[:, : height * scale, : width * scale].astype(np.float32)
        return np.ascontiguousarray(output / np.float32(self._config.data_range))

    def _to_network(self, batch: NDArray[np.float32]) -> NDArray[Any]:
        if self._config.layout == "NCHW":
            batch = batch.transpose(0, 3, 1, 2)
        given = batch * np.float32(self._config.data_range)
        if self._ends.dtype == np.uint8:
            given = np.clip(np.rint(given), 0, 255)
        return np.ascontiguousarray(given, self._ends.dtype)

    @staticmethod
    def _parts(given: NDArray[Any], step: int) -> list[NDArray[Any]]:
        """Split a batch into batches of the one length that the network takes."""
        missing = -len(given) % step
        given = np.concatenate([given, np.repeat(given[-1:], missing, axis=0)])
        return [given[start : start + step] for start in range(0, len(given), step)]
