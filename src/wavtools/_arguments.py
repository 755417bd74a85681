"""Arguments: the one check of each kind of number and callback that callers pass.

Numbers are made plain here: a NumPy integer that was kept as it came would overflow in later arithmetic.

Thread: any; pure.
"""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable
from typing import Any, SupportsIndex

__all__ = ["callback", "integer", "number"]


def integer(value: SupportsIndex, name: str, low: int, high: int | None, advice: str) -> int:
    """*value* as int, from *low* to *high*.

    Raises
    ------
    TypeError
        not an integer; floats are not rounded
    ValueError
        out of range; the message ends with *advice*
    """
    try:
        plain = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {value!r} ({type(value).__name__})") from None
    if plain < low or (high is not None and plain > high):
        raise ValueError(f"{name} is {plain}; {advice}")
    return plain


def number(value: Any, name: str, low: float, high: float, advice: str) -> float:
    """*value* as float, from *low* to *high*; raises as `integer`, for NaN too."""
    try:
        # float() would read a text, too.
        plain = float("text" if isinstance(value, (str, bytes, bytearray)) else value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{name} must be a number, not {value!r} ({type(value).__name__})") from None
    if math.isnan(plain) or not low <= plain <= high:
        raise ValueError(f"{name} is {value}; {advice}")
    return plain


def callback(function: Callable[..., Any] | None, name: str, instead: str) -> None:
    """Check a callback, which a thread without an event loop will call.

    Raises
    ------
    TypeError
        not callable and not None; or a coroutine function, which nothing would await: the message says what to do *instead*
    """
    if function is None:
        return
    if not callable(function):
        raise TypeError(f"{name} must be callable, not {type(function).__name__}")
    call = getattr(function, "__call__", None)  # noqa: B004 - the method is looked at, not called
    if any(inspect.iscoroutinefunction(one) or inspect.isasyncgenfunction(one) for one in (function, call)):
        raise TypeError(
            f"{name} runs on a thread without an event loop and cannot be a coroutine function; {instead}"
        )
