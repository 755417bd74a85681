"""Parses JSON that every parser reads the same way, and refuses the rest.

Refused are: a key twice in one object, NaN and infinities (also a number such as 1e999, which some parsers read as
one), anything before or behind the value, nesting deeper than `MAX_DEPTH`, and numbers of too many digits.

Thread: any; stateless.
"""

from __future__ import annotations

import json
import math
from typing import Any

__all__ = ["MAX_DEPTH", "StrictJSONError", "parse"]

# The vendor's own objects are less than 10 levels deep, schemas of tools less than 40.
MAX_DEPTH = 100


class StrictJSONError(ValueError):
    """The text is not JSON, or two parsers could read it differently."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise StrictJSONError("a key occurs twice in one object")
    return tree


def _no_constant(name: str) -> Any:
    raise StrictJSONError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise StrictJSONError("a number is too large")
    return number


_decode = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite).decode


def parse(payload: bytes) -> Any:
    """The value in *payload*.

    Raises
    ------
    StrictJSONError
        The text is not unambiguous JSON.
    UnicodeDecodeError
        The bytes are not UTF-8.
    """
    text = payload.decode()
    try:
        value = _decode(text)
    except StrictJSONError:
        raise
    except RecursionError:
        raise StrictJSONError("nested too deeply") from None
    except ValueError as error:
        raise StrictJSONError("the message is not JSON") from error
    # Only a text with that many brackets can be that deep.
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_deeper(value, MAX_DEPTH):
        raise StrictJSONError("nested too deeply")
    return value


def _is_deeper(value: Any, depth: int) -> bool:
    """True if *value* has more than *depth* levels of objects and lists."""
    level = [value]
    for _ in range(depth):
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True
