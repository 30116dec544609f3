"""What is done of a long work that may be killed at any moment, kept in a file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from src_models.errors import InvalidInputError


class Journal:
    """The settings that a work was begun with, and the numbers of the jobs that are done.

    Parameters
    ----------
    path : Path
        One line of JSON with the settings, then a line for each job: its number, and what it noted.

    Attributes
    ----------
    path : Path
        As given.
    settings : dict
        As it was begun with; plain JSON values.
    done : dict of int to tuple of int
        Jobs, and what each noted.

    Raises
    ------
    InvalidInputError
        If the journal is damaged.
    """

    def __init__(self, path: Path) -> None:
        first, *rest = path.read_bytes().split(b"\n")
        try:
            self.settings: dict[str, Any] = json.loads(first)
            # What follows the last end of a line was being written when the process was killed.
            lines = [tuple(map(int, line.split())) for line in rest[:-1]]
            self.done = {job: tuple(noted) for job, *noted in lines}
        except ValueError as error:
            raise InvalidInputError(
                "Unfinished work needs the journal it was done with. "
                f"Received: {str(path)!r}, which is damaged ({error}). Begin anew with "
                f"overwrite=True, or delete {str(path.parent)!r}."
            ) from error
        whole = len(b"\n".join([first, *rest[:-1], b""])) if rest else len(first)
        os.truncate(path, whole)
        self.path = path

    @classmethod
    def begin(cls, path: Path, settings: dict[str, Any]) -> Journal:
        """Begin a journal, which is there as a whole or not at all."""
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(settings) + "\n")
        os.replace(temporary, path)
        return cls(path)

    def add(self, job: int, *noted: int) -> None:
        """Write down that a job is done."""
        with self.path.open("a") as file:
            file.write(" ".join(map(str, (job, *noted))) + "\n")
        self.done[job] = noted

    def check(self, asked: dict[str, Any], where: Path) -> None:
        """Refuse to go on with other settings.

        Raises
        ------
        InvalidInputError
            Naming what differs.
        """
        asked = json.loads(json.dumps(asked))
        differing = [
            f"{key} was {self.settings['asked'].get(key)!r} and is {value!r}"
            for key, value in asked.items()
            if self.settings["asked"].get(key) != value
        ]
        if differing:
            raise InvalidInputError(
                "Unfinished work can only go on as it was begun. "
                f"Received: {', '.join(differing)}. Use the same settings, or begin anew with "
                f"overwrite=True, or delete {str(where)!r}."
            )
