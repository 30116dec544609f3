"""Shows a batch while it runs: the lines of the table, progress and time left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from napari_isr.widgets.batch.panel import PROGRESS_PARTS, BatchPanel
from napari_isr.widgets.batch.run import BatchRun, FileList, News
from napari_isr.widgets.batch.words import end_in_words, running_in_words
from src_models.jobs.batch_plan import Job


class BatchBoard:
    """Puts a batch's news where they belong.

    Parameters
    ----------
    panel : BatchPanel
        Whose table, progress bar and status line are used.
    """

    def __init__(self, panel: BatchPanel) -> None:
        self._panel, self._table = panel, panel.table
        self._clock = BatchClock([], [])
        self._batch: BatchRun | None = None
        self._only: Sequence[Path] | None = None
        self._asked, self._started, self._is_stopping = 0, 0.0, False
        self._ended = self._failed = 0

    def begin(self, batch: BatchRun, only: Sequence[Path] | None) -> None:
        """Make room for a batch over all files, or some."""
        self._batch, self._only = batch, only
        self._asked, self._started, self._is_stopping = 0, time.monotonic(), False
        self._ended = self._failed = 0
        panel = self._panel
        panel.files.unselect()
        panel.progress.visible = True
        panel.progress.max = 0  # busy
        panel.status.say("Starting …")

    def stopping(self, words: str) -> None:
        """Say that the batch was asked to stop."""
        self._is_stopping = True
        self._panel.status.say(words)

    def show(self, news: FileList | News) -> None:
        """Show what happened since the last call."""
        if isinstance(news, FileList):
            self._show_listed(news)
            return
        table = self._table
        table.take(news.outcomes)
        for outcome in news.outcomes:
            self._clock.ended(table.row_of(outcome.job), is_done=outcome.state == "done")
            self._failed += outcome.state == "failed"
        self._ended += len(news.outcomes)
        table.set_running(news.running, news.share)
        if news.running is not None and table.running is not None:
            self._show_running(news.running, table.running, news.share)

    def _show_listed(self, listed: FileList) -> None:
        self._table.show(listed, keep=self._only is not None)
        self._table.forget(self._only or [])
        only = None if self._only is None else set(self._only)
        rows = [row for row, job in enumerate(listed.jobs) if only is None or job.source in only]
        self._asked = len(rows)
        self._clock = BatchClock(self._table.pixels(), rows)

    def _show_running(self, job: Job, row: int, share: float | None) -> None:
        if share is not None:
            self._clock.worked(row, share)
            self._panel.progress.max = PROGRESS_PARTS
            self._panel.progress.value = round(PROGRESS_PARTS * self._clock.share)
        self._panel.files.follow(row)
        if not self._is_stopping:
            words = running_in_words(
                self._ended + 1,
                self._asked,
                job.source.name,
                self._failed,
                self._clock.seconds_left,
            )
            self._panel.status.say(words)

    def say_end(self) -> None:
        """Say what came of the batch."""
        assert self._batch is not None
        seconds = time.monotonic() - self._started
        words = end_in_words(self._batch.outcomes, self._asked, seconds, stopped=self._is_stopping)
        self._panel.status.say(words)

    def end(self) -> float | None:
        """Show the table as it is left; return the input pixels that were done a second."""
        assert self._batch is not None
        self._table.set_running(None, None)
        self._table.take(self._batch.outcomes)  # also those that the last news did not reach
        self._panel.progress.visible = False
        failed = [row for row in range(len(self._table.jobs)) if self._table.is_failed(row)]
        if failed:
            self._panel.files.select(failed[0])
        return self._clock.speed


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
