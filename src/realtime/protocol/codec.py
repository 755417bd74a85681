"""Encodes and decodes JSON and base64, with orjson and pybase64 where they are installed.

No other module imports these two libraries. Malformed input raises ValueError and nothing else: the standard
library's decoder would also raise RecursionError for deep nesting.

Thread: any; stateless.
"""

from __future__ import annotations

import base64
import json
from typing import Any

__all__ = ["b64decode", "b64encode", "dumps", "loads"]

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
    """Compact JSON text of *value*. Raises TypeError for a type that JSON does not have."""
    if orjson is not None:
        try:
            text: bytes = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
            return text.decode()
        except TypeError:
            # A lone surrogate or an integer over 64 bits: the standard library writes both.
            pass
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def loads(text: str | bytes) -> Any:
    """The value of JSON *text*. Raises ValueError for other text, also for text nested too deeply."""
    if orjson is not None:
        return orjson.loads(text)
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error


def b64encode(data: Any) -> str:
    """Base64 text of the bytes of any C-contiguous buffer."""
    if pybase64 is not None:
        return str(pybase64.b64encode_as_string(data))
    return base64.b64encode(data).decode("ascii")


def b64decode(text: str) -> bytes:
    """The bytes of base64 *text*. Raises ValueError for any character or padding outside of base64."""
    if pybase64 is not None:
        data: bytes = pybase64.b64decode(text, validate=True)
        return data
    return base64.b64decode(text, validate=True)
