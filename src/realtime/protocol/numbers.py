"""Checks numbers that applications pass: integers by `operator.index`, seconds as finite or infinite floats.

Thread: any; stateless.
"""

from __future__ import annotations

import math
import operator
from typing import Any

__all__ = ["check_seconds", "whole_number"]


def whole_number(value: Any, name: str, *, least: int | None = None) -> int:
    """*value* as an int. Raises ValueError for anything but an integer, and for one below *least*."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} must be an integer, not {value!r}; use int() or round()") from None
    if least is not None and number < least:
        raise ValueError(f"{name} must be at least {least}, not {number}")
    return number


def check_seconds(value: Any, name: str) -> float:
    """*value* as a number of seconds, 0 or more, `math.inf` included. Raises ValueError for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, str) or not number >= 0:
        raise ValueError(f"{name} must be 0 or more, not {value!r}")
    return number
