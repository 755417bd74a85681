"""Checks numbers that applications pass: integers by `operator.index`, times and amounts as floats of 0 or more.

Thread: any; stateless.
"""

from __future__ import annotations

import math
import operator
from typing import Any

__all__ = ["not_negative", "positive", "whole_number"]


def whole_number(value: Any, name: str, *, least: int | None = None) -> int:
    """*value* as an int. Raises ValueError for anything but an integer, and for one below *least*."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} must be an integer, not {_shown(value)}; use int() or round()") from None
    if least is not None and number < least:
        raise ValueError(f"{name} must be at least {least}, not {number}")
    return number


def not_negative(value: Any, name: str) -> float:
    """*value*, a time or an amount, as a float of 0 or more; infinity is allowed. Raises ValueError otherwise."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, str) or not number >= 0:
        raise ValueError(f"{name} must be 0 or more, not {_shown(value)}")
    return number


def positive(value: Any, name: str) -> float:
    """As `not_negative`, but 0 is refused as well."""
    number = not_negative(value, name)
    if number == 0:
        raise ValueError(f"{name} must be above 0; None sets none")
    return number


def _shown(value: Any) -> str:
    """*value* for a message: short, and whatever its own repr does."""
    try:
        return repr(value)[:100]
    except Exception:
        return f"a {type(value).__name__}"
