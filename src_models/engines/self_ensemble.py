"""Ask a network eight times: the image flipped and turned, the answers turned back and averaged.

The papers' "+" variants ("EDSR+", "RDN+") [1]_. It is done tile by tile between reading and
writing, so answers are averaged before they are rounded, all eight share one range of intensities,
and neither odd sizes nor the order of axes matter. How far the eight are apart tells where the
network guesses.

References
----------
.. [1] Timofte et al., CVPR 2016, https://arxiv.org/abs/1511.02228, section 3.3
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from src_models.engines.opening import Engine
from src_models.errors import NetworkError

# Transposed or not comes first, so that the engine changes its shape once a batch.
_TRANSFORMS = tuple(
    (turned, up, left) for turned in (False, True) for up in (1, -1) for left in (1, -1)
)


class SelfEnsemble:
    """An engine that answers with the mean over eight flips and quarter turns.

    Parameters
    ----------
    engine : Engine
        What runs the network.
    spread : bool
        Whether the standard deviation over the eight follows as further channels.
    as_grey : bool
        Average the channels before taking the deviation, where a grey image stands in each.

    Attributes
    ----------
    share : float
        How much of the batch in work is done, from 0 to 1.
    """

    def __init__(self, engine: Engine, *, spread: bool = False, as_grey: bool = False) -> None:
        self.name, self.description, self.reason = engine.name, engine.description, engine.reason
        self._engine, self._spread, self._as_grey = engine, spread, as_grey
        self._running: NDArray[np.float32] | None = None
        self._stopped = False
        self.share = 0.0

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Answer ``(B, H, W, C)`` with ``(B, H * scale, W * scale, C)``, or twice as many channels.

        Raises
        ------
        OutOfMemoryError, NetworkError
            As the engine.
        """
        # Running mean and squared deviation (Welford): equal answers give themselves and 0 exactly.
        mean: Any = np.float32(0)
        squares: Any = np.float32(0)
        for count, output in enumerate(self._answers(batch), start=1):
            difference = output - mean
            mean = mean + difference / np.float32(count)
            if self._spread:
                squares = squares + difference * (output - mean)
        if not self._spread:
            return np.asarray(mean, np.float32)
        deviation = np.sqrt(np.maximum(squares, 0) / np.float32(len(_TRANSFORMS)))
        return np.concatenate([mean, deviation], axis=-1, dtype=np.float32)

    def _answers(self, batch: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        for number, (turned, up, left) in enumerate(_TRANSFORMS):
            self.share = number / len(_TRANSFORMS)
            if self._stopped:
                raise NetworkError("The run was stopped. Start it again to have a result.")
            seen = batch.swapaxes(1, 2) if turned else batch
            self._running = np.ascontiguousarray(seen[:, ::up, ::left])
            output = self._engine.run(self._running)[:, ::up, ::left]
            output = output.swapaxes(1, 2) if turned else output
            if self._as_grey:
                output = np.broadcast_to(output.mean(axis=-1, keepdims=True), output.shape)
            yield output

    def stop(self, batch: NDArray[np.float32]) -> None:
        """Make a batch that runs in another thread end with an error, after a transform at most."""
        self._stopped = True
        if self._running is not None:
            self._engine.stop(self._running)

    def release(self) -> None:
        """Give back the memory for features."""
        self._engine.release()
