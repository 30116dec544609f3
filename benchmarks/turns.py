"""Let processes take turns of a second, halted between, so that what else a machine does meets all.

What a shared machine gives changes from one second to the next, by half and more: only what is
interleaved can be compared.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

READY = "ready"
_TURN_S = 1.0


def end_in_order() -> None:
    """Let a termination of this process run what ends the others, which may be halted."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Terminated."))


class TakingTurns:
    """A process that is halted but for its turns; it says that it is ready, and then what it did.

    Once it has printed a line with `READY` it must wait for a line of its input.

    Parameters
    ----------
    command : sequence of str
        Of the process. It finds the project's packages.

    Attributes
    ----------
    clock : float
        Seconds of all its turns.
    said : list of (float, str)
        Each line that it printed since, and what the clock told then.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.clock = 0.0
        self.said: list[tuple[float, str]] = []
        self._resumed: float | None = None
        self._lock = threading.Lock()
        root = str(Path(__file__).parents[1])
        paths = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
        self._process = psutil.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)

    @property
    def has_ended(self) -> bool:
        """Whether the process has, and all that it said was heard."""
        return self._process.poll() is not None and not self._listener.is_alive()

    def wait_until_ready(self) -> str:
        """Wait for the process, which is halted then.

        Returns
        -------
        str
            What it said instead of being ready; nothing, if it is.
        """
        output = self._process.stdout.readline().strip() or "the process ended"
        if output != READY:
            return str(output)
        self._process.suspend()
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        self._listener.start()
        return ""

    def _listen(self) -> None:
        for line in self._process.stdout:
            with self._lock:
                running = 0.0 if self._resumed is None else time.perf_counter() - self._resumed
                self.said.append((self.clock + running, line.strip()))

    def take_turn(self) -> None:
        """Run for a second, or until the process ends; not at all once it has."""
        if self._process.poll() is not None:
            self._listener.join()
            return
        with self._lock:
            self._resumed = time.perf_counter()
            self._process.resume()
        try:
            self._process.wait(_TURN_S)
        except psutil.TimeoutExpired:
            self._process.suspend()
        with self._lock:
            self.clock += time.perf_counter() - self._resumed
            self._resumed = None

    def end(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
