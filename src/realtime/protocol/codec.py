"""Encodes and decodes JSON and base64, with orjson and pybase64 where they are installed.

No other module imports these two libraries. What is accepted does not depend on them: where the fast library
refuses a text, the standard one decides. Malformed input raises ValueError and nothing else; nesting is bounded,
so that code which walks a value by recursion needs no limit of its own.

Thread: any; stateless.
"""

from __future__ import annotations

import base64
import json
from typing import Any

__all__ = ["MAX_LEVELS", "b64decode", "b64decode_strictly", "b64encode", "dumps", "loads"]

# Levels of lists and objects in a JSON text; more than `outgoing` lets an application send, because a server
# echoes it inside of something.
MAX_LEVELS = 150
_WHITESPACE = str.maketrans("", "", "\t\n\f\r ")

orjson: Any = None
pybase64: Any = None
try:
    import orjson
except ImportError:
    pass
try:
    import pybase64
except ImportError:
    pass


def dumps(value: Any) -> str:
    """Compact JSON text of *value*; NaN and infinities are written as null, as JavaScript writes them.

    Raises TypeError for a type that JSON does not have, ValueError for a value that contains itself.
    """
    if orjson is not None:
        try:
            text: bytes = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
            return text.decode()
        except TypeError:
            # A lone surrogate or an integer over 64 bits: the standard library writes both.
            pass
    try:
        try:
            return json.dumps(value, separators=(",", ":"), allow_nan=False)
        except ValueError:
            finite = json.loads(json.dumps(value), parse_constant=lambda name: None)
            return json.dumps(finite, separators=(",", ":"))
    except RecursionError as error:
        raise ValueError("the value is nested too deeply for JSON") from error


def loads(text: str | bytes, *, prune: bool = False) -> Any:
    """The value of JSON *text*.

    Raises ValueError for other text, also for text nested more than `MAX_LEVELS` deep. With *prune* the lists and
    objects below that level are emptied instead, as far as the parser reads them, which is about 1000 levels.
    """
    value = _parse(text)
    if type(value) is dict:
        # Most messages are flat, audio above all: they must cost nothing here.
        for part in value.values():
            if type(part) is dict or type(part) is list:
                _limit_levels(value, prune)
                break
    elif type(value) is list:
        _limit_levels(value, prune)
    return value


def _parse(text: str | bytes) -> Any:
    if orjson is not None:
        try:
            return orjson.loads(text)
        except ValueError:
            # Also for what the standard library reads: NaN, a lone surrogate, a byte order mark.
            pass
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error


def _limit_levels(value: Any, prune: bool) -> None:
    level = [value]
    for _ in range(MAX_LEVELS):
        below: list[Any] = []
        for holder in level:
            parts = holder.values() if type(holder) is dict else holder
            below += [part for part in parts if type(part) is dict or type(part) is list]
        if not below:
            return
        level = below
    if not prune:
        raise ValueError(f"JSON nested more than {MAX_LEVELS} levels deep")
    for holder in level:
        holder.clear()


def b64encode(data: Any) -> str:
    """Base64 text of the bytes of any C-contiguous buffer."""
    if pybase64 is not None:
        return str(pybase64.b64encode_as_string(data))
    return base64.b64encode(data).decode("ascii")


def b64decode(text: str) -> bytes:
    """The bytes of base64 *text*, read as JavaScript's ``atob`` reads it.

    Line breaks and blanks may stand anywhere, the padding may be missing. Raises ValueError for any other
    character outside of base64.
    """
    try:
        return b64decode_strictly(text)
    except ValueError:
        pass
    text = text.translate(_WHITESPACE)
    if len(text) % 4 == 0 and text.endswith("="):
        text = text[:-2] + text[-2:].rstrip("=")
    if "=" in text:
        raise ValueError("base64 padding in the middle of the text")
    return b64decode_strictly(text + "=" * (-len(text) % 4))


def b64decode_strictly(text: str | memoryview) -> bytes:
    """The bytes of whole groups of base64 characters with their padding; raises ValueError for any other text."""
    if pybase64 is not None:
        data: bytes = pybase64.b64decode(text, validate=True)
        return data
    if len(text) % 4:
        # The standard library overlooks padding behind a whole group.
        raise ValueError("the length of base64 text is a multiple of 4")
    return base64.b64decode(text, validate=True)
