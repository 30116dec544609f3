"""How long the rest of a batch will take, by what its files took so far."""

from __future__ import annotations

import time
from collections.abc import Sequence


class BatchClock:
    """Weighs files by their pixels.

    Parameters
    ----------
    work : sequence of float
        How much work each file is, by row.
    rows : sequence of int
        The files of this run.
    """

    # The first seconds say more of caches and compilation than of the files.
    _SECONDS = 2.0

    def __init__(self, work: Sequence[float], rows: Sequence[int]) -> None:
        self._work = {row: max(work[row], 1e-9) for row in rows}
        self._done, self._total = 0.0, sum(self._work.values())
        self._started: float | None = None
        self._in_hand = 0.0

    def worked(self, row: int, share: float) -> None:
        """Take how far the file in hand is."""
        if self._started is None:
            self._started = time.monotonic()  # the network is loaded
        self._in_hand = self._work.get(row, 0.0) * share

    def ended(self, row: int, *, is_done: bool) -> None:
        """Take that a file ended; one that took no work says nothing of those to come."""
        work = self._work.pop(row, 0.0)
        self._in_hand = 0.0
        if is_done:
            self._done += work
        else:
            self._total -= work

    @property
    def share(self) -> float:
        """How much of the work is done, from 0 to 1."""
        return min((self._done + self._in_hand) / self._total, 1.0) if self._total > 0 else 1.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the end; None before that can be told."""
        worked = self._done + self._in_hand
        spent = 0.0 if self._started is None else time.monotonic() - self._started
        if spent < self._SECONDS or worked <= 0:
            return None
        return spent * max(self._total - worked, 0.0) / worked

    @property
    def speed(self) -> float | None:
        """Input pixels a second; None before that can be told."""
        spent = 0.0 if self._started is None else time.monotonic() - self._started
        return self._done / spent if spent > 0 and self._done > 0 else None
