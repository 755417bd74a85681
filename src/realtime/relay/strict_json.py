"""Parses JSON that every parser reads the same way, and refuses the rest.

Refused are: a key twice in one object, NaN and infinities, anything before or behind the value, nesting that is too
deep, and numbers of too many digits.

Thread: any; stateless.
"""

from __future__ import annotations

import json
from typing import Any

__all__ = ["StrictJSONError", "parse"]


class StrictJSONError(ValueError):
    """The text is not JSON, or two parsers could read it differently."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise StrictJSONError("a key occurs twice in one object")
    return tree


def _no_constant(name: str) -> Any:
    raise StrictJSONError(f"{name} is not JSON")


_decode = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant).decode


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
        return _decode(text)
    except StrictJSONError:
        raise
    except RecursionError:
        raise StrictJSONError("nested too deeply") from None
    except ValueError as error:
        raise StrictJSONError("the message is not JSON") from error
