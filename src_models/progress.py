"""Long work is a generator that can be closed at each step: running it through, telling of it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar

R = TypeVar("R")
Y = TypeVar("Y")


def drain(steps: Generator[Any, None, R]) -> R:
    """Run a generator to its end, and return what it returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: R = end.value
            return result


def with_progress(steps: Generator[Any, None, R], news: Callable[[], Y]) -> Generator[Y, None, R]:
    """Run a generator that has nothing to tell, yielding news after each of its steps."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: R = end.value
            return result
        yield news()
