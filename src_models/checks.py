"""Checks of arguments: numbers and choices that come from users and files."""

from __future__ import annotations

import math
from operator import index
from typing import Any, get_args

from src_models.errors import InvalidInputError


def require(condition: bool, rule: str, received: Any) -> None:
    """Refuse what a rule does not allow."""
    if not condition:
        raise InvalidInputError(f"{rule} Received: {received!r}.")


def require_choice(name: str, value: Any, choices: Any) -> None:
    """Refuse what is not one of the choices of a `Literal`."""
    allowed = get_args(choices)
    require(value in allowed, f"{name} must be one of {list(allowed)}.", value)


def require_whole(name: str, value: Any, least: int) -> None:
    """Refuse what is not a whole number of at least `least`."""
    is_whole = isinstance(value, int) and not isinstance(value, bool) and value >= least
    require(is_whole, f"{name} must be a whole number of at least {least}.", value)


def require_real(name: str, value: Any, low: float, high: float = math.inf) -> None:
    """Refuse what is not a number from `low` to `high`."""
    is_real = isinstance(value, (int, float)) and not isinstance(value, bool)
    require(is_real and low <= value <= high, f"{name} must lie in [{low}, {high}].", value)


def require_interval(name: str, value: Any, least: float) -> None:
    """Refuse what is not two numbers from `least` up, the smaller first."""
    fits = len(value) == 2 and least <= value[0] <= value[1] < math.inf
    require(fits, f"{name} must be two numbers from {least} up, the smaller first.", value)


def check_whole(name: str, value: object, least: int = 1) -> int:
    """Return a whole number from a user if it is one.

    Parameters
    ----------
    name : str
        What it is called, for the message.
    value : int
        Python's or numpy's.
    least : int
        The smallest allowed.

    Raises
    ------
    InvalidInputError
        If it is anything else.
    """
    try:
        number = -1 if isinstance(value, bool) else index(value)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if number < max(least, 0):
        raise InvalidInputError(
            f"{name} must be a whole number of at least {least}. Received: {name}={value!r}."
        )
    return number
