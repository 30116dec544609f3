"""Batches of patches, prepared ahead in threads so that the training step never waits."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any

import numpy as np

from src_models.networks.backend import keras
from src_models.training.patches import PatchSampler
from src_models.training.settings import TrainingSettings

_AHEAD = 8


class PatchBatches(keras.utils.PyDataset):
    """Endless batches, a function of seed and number alone, so a resumed run sees the same ones.

    Parameters
    ----------
    sampler : PatchSampler
        Draws the patches.
    settings : TrainingSettings
        Size of batches and epochs, seed, and number of threads.
    first_epoch : int
        Where to begin, counted from 0.

    Attributes
    ----------
    error : Exception or None
        What went wrong while preparing; backends wrap it beyond recognition.
    """

    # Keras' own threads restart with every epoch and know nothing of its number.
    def __init__(
        self, sampler: PatchSampler, settings: TrainingSettings, first_epoch: int = 0
    ) -> None:
        super().__init__(workers=1)
        self._sampler, self._settings = sampler, settings
        self._first = first_epoch * settings.steps_per_epoch
        self._pool = ThreadPoolExecutor(settings.workers, thread_name_prefix="patches")
        self._ready: dict[int, Future[Any]] = {}
        self._lock = Lock()
        self._is_closed = False
        self.error: Exception | None = None

    @property
    def num_batches(self) -> None:
        """None: there is no end."""
        return

    def __getitem__(self, index: int) -> Any:
        """Return the batch of this number: lr, hr and, if patches weigh differently, weights."""
        number = self._first + index
        with self._lock:
            if self._is_closed:
                raise StopIteration
            for n in range(number, number + _AHEAD):
                if n not in self._ready:
                    self._ready[n] = self._pool.submit(self.make, n)
            future = self._ready.pop(number)
        try:
            return future.result()
        except Exception as error:
            self.error = error
            raise

    def make(self, number: int) -> Any:
        """Make the batch of this number, counted over the whole training."""
        settings = self._settings
        rng = np.random.default_rng((settings.seed, number))
        flatness = settings.patch.flatness.at(number // settings.steps_per_epoch)
        drawn = [self._sampler.draw(rng, flatness) for _ in range(settings.batch_size)]
        lr, hr = np.stack([d[0] for d in drawn]), np.stack([d[1] for d in drawn])
        if settings.patch.balance_floor is None:
            return lr, hr
        return lr, hr, np.array([d[2] for d in drawn], np.float32)

    def close(self) -> None:
        """End the threads."""
        with self._lock:
            self._is_closed = True
            self._ready.clear()
        self._pool.shutdown(wait=True, cancel_futures=True)
