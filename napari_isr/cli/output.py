"""What all commands share: lines for people, exit codes, and backends kept quiet."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

FAILED, WRONG_USE, DISK_FULL, INTERRUPTED = 1, 2, 3, 130


def say(text: str = "") -> None:
    """Write a line to people, to where warnings and progress go."""
    # Names of files may hold bytes that are no letters.
    typer.echo(text.encode("utf-8", "replace").decode("utf-8"), err=True)


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Discard standard error while a backend is loaded: it prints there past Python's settings."""
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error, so nothing to hold back
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
