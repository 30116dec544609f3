"""What a batch has finished, so that it can go on after it was killed. Free of Keras."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from src_models.files import writing
from src_models.jobs.batch_plan import Job

FILE_NAME = ".napari-isr-batch.jsonl"


class BatchJournal:
    """A file with a line for every finished file of an output folder.

    The line is on the disk before the file gets its name, with the size and time that the file
    has. So whenever the work is killed, a file with its line is whole, and one without is not
    there; a file that somebody changed later is not taken for ours.

    Parameters
    ----------
    folder : Path or None
        The output folder; None to keep no journal.
    settings : mapping
        What the results depend on; plain JSON values.
    """

    def __init__(self, folder: Path | None, settings: Mapping[str, Any]) -> None:
        self._keys: dict[Job, str] = {}
        self._path = None if folder is None else folder / FILE_NAME
        self._settings = hashlib.sha256(
            json.dumps(dict(settings), sort_keys=True).encode()
        ).hexdigest()[:16]
        self._finished = self._read()

    def _read(self) -> dict[str, dict[str, Any]]:
        finished: dict[str, dict[str, Any]] = {}
        if self._path is None or not self._path.is_file():
            return finished
        for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
                finished[entry["key"]] = entry
            except (ValueError, KeyError, TypeError):  # the line in hand when it was killed
                continue
        return finished

    def _key(self, job: Job) -> str:
        state = job.source.stat()
        source = [os.path.abspath(job.source), state.st_size, state.st_mtime_ns]
        text = json.dumps([source, os.path.abspath(job.target), job.format, self._settings])
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

    def finished(self, job: Job) -> Path | None:
        """Return the file that an earlier run wrote for a job, if it is as it was left."""
        if self._path is None:
            return None
        try:
            # Kept for `note`: an image that changes during the work is not what was read.
            self._keys[job] = self._key(job)
            entry = self._finished.get(self._keys[job])
            if entry is None:
                return None
            target = job.target.with_name(entry["name"])
            same = _state(target) == [entry["size"], entry["time"]]
        except OSError:
            return None
        return target if same else None

    def note(self, job: Job, temporary: Path, target: Path) -> None:
        """Write down that a file is complete, before it gets its name."""
        if self._path is None:
            return
        size, time = _state(temporary)
        entry: dict[str, Any] = {
            "key": self._keys.get(job) or self._key(job),
            "name": target.name,
            "size": size,
            "time": time,
        }
        with writing(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write("\n" * self._is_cut() + json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._finished[entry["key"]] = entry

    def _is_cut(self) -> bool:
        """Tell whether the last line has no end, because the one before was killed in it."""
        assert self._path is not None
        try:
            with self._path.open("rb") as file:
                file.seek(-1, os.SEEK_END)
                return file.read(1) != b"\n"
        except OSError:  # there is none, or it is empty
            return False


def _state(path: Path) -> list[int]:
    state = path.stat()
    return [0 if path.is_dir() else state.st_size, state.st_mtime_ns]
