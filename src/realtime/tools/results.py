"""Writes what a tool returns as text: one rule, whichever JSON library is installed.

Thread: any; stateless.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import enum
import json
import math
import os
import sys
import uuid
from collections import deque
from collections.abc import ItemsView, KeysView, Mapping, Sequence, Set, ValuesView
from typing import Any

import numpy as np

from ..errors import ToolError

__all__ = ["MAX_OUTPUT", "ToolResult", "plain", "text_of_result", "to_json"]

# Characters of a tool's output; the vendor refuses events over 15 MiB.
MAX_OUTPUT = 1 << 20
MAX_DEPTH = 100
ADVICE = "return text, numbers, lists, dictionaries or dataclasses"


@dataclasses.dataclass(frozen=True)
class ToolResult:
    """What a tool may return instead of its output alone.

    Attributes
    ----------
    output : Any
        A string, or anything that can be written as JSON.
    respond : bool
        False: the model gets the output and says nothing about it now. If other calls of the same answer want an
        answer, it gets one.

    Examples
    --------
    >>> ToolResult({"volume": 3}, respond=False).respond
    False
    """

    output: Any = ""
    respond: bool = True


def text_of_result(result: Any) -> str:
    """The output of a tool that returned *result*: a string as it is, anything else as JSON.

    Raises ToolError for a value that JSON cannot hold, and for an output that is too long.
    """
    output = str(result) if _is_text(result) else to_json(result)
    if len(output) > MAX_OUTPUT:
        raise ToolError(f"the tool's output has {len(output)} characters, {MAX_OUTPUT} are allowed")
    return output


def to_json(value: Any) -> str:
    """Compact JSON text of *value*, see `plain`. Raises ToolError."""
    # Not codec.dumps(): its two libraries differ in exponents and in characters beyond ASCII.
    return json.dumps(plain(value), separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def plain(value: Any) -> Any:
    """*value* in the types that JSON has.

    Dataclasses, named tuples, attrs and pydantic objects become objects; sets, arrays and other sequences become
    arrays; an Enum its value; dates and times ISO 8601, a timedelta its seconds; a Path, UUID or Decimal its text;
    bytes their text if they are UTF-8, else base64. A number that is not finite becomes null.

    Raises
    ------
    ToolError
        a value that JSON cannot hold, one that contains itself, or one with too many parts
    """
    return _Plain().of(value, 0)


class _Plain:
    """One conversion, which counts the parts so that no value can fill the memory."""

    def __init__(self) -> None:
        self._parts = 0

    def of(self, value: Any, depth: int) -> Any:
        """The plain form of *value*, which stands at this depth."""
        self._parts += 1
        if self._parts > MAX_OUTPUT:
            raise ToolError(f"the tool's result has more than {MAX_OUTPUT} parts: return less")
        if depth > MAX_DEPTH:
            raise ToolError(f"the tool's result is nested over {MAX_DEPTH} levels deep, or contains itself")
        kind = type(value)
        if value is None or kind is bool or kind is str or kind is int:
            return value
        if kind is float:
            return value if math.isfinite(value) else None
        if kind is dict:
            return self._object(value, depth)
        if kind is list or kind is tuple:
            return [self.of(one, depth + 1) for one in value]
        return self._other(value, depth)

    def _other(self, value: Any, depth: int) -> Any:
        if isinstance(value, (enum.Enum, np.generic, np.ndarray)):
            return self._unwrapped(value, depth)
        if isinstance(value, (bool, int)):
            return int(value)
        if isinstance(value, float):
            return self.of(float(value), depth)
        if _is_text(value):
            return str(value)
        if isinstance(value, os.PathLike):
            return self.of(os.fspath(value), depth)
        if isinstance(value, datetime.timedelta):
            return value.total_seconds()
        if isinstance(value, (datetime.date, datetime.time)):
            return value.isoformat()
        if isinstance(value, (bytes, bytearray, memoryview)):
            return _text_of_bytes(bytes(value))
        fields = _fields_of(value)
        if fields is not None:
            return self._object(fields, depth)
        if isinstance(value, (Sequence, Set, deque, KeysView, ValuesView, ItemsView)):
            return [self.of(one, depth + 1) for one in value]
        if callable(getattr(value, "tolist", None)):
            return self._unwrapped(value, depth)
        raise ToolError(f"the tool's result holds a {type(value).__name__}, which JSON cannot hold: {ADVICE}")

    def _unwrapped(self, value: Any, depth: int) -> Any:
        if isinstance(value, enum.Enum):
            return self.of(value.value, depth + 1)
        if isinstance(value, (np.datetime64, np.timedelta64)):
            return str(value)
        if getattr(value, "nbytes", 0) > 8 * MAX_OUTPUT:
            raise ToolError(f"the tool's result holds an array of {value.nbytes} bytes: return less")
        inside = value.tolist()
        if type(inside) is type(value):
            raise ToolError(
                f"the tool's result holds a {type(value).__name__}, which JSON cannot hold: {ADVICE}"
            )
        return self.of(inside, depth + 1)

    def _object(self, fields: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        return {self._key(key, depth): self.of(value, depth + 1) for key, value in fields.items()}

    def _key(self, key: Any, depth: int) -> str:
        if type(key) is str:
            return key
        simple = self.of(key, depth + 1)
        if isinstance(simple, str):
            return simple
        if isinstance(simple, (dict, list)):
            raise ToolError(f"the tool's result has a {type(key).__name__} as a key: use strings")
        return json.dumps(simple)


def _is_text(value: Any) -> bool:
    """True for an object whose text stands for it."""
    if isinstance(value, enum.Enum):
        return False
    # decimal is imported by whoever has made a Decimal.
    decimal = sys.modules.get("decimal")
    return isinstance(value, (str, uuid.UUID)) or (decimal is not None and isinstance(value, decimal.Decimal))


def _text_of_bytes(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return base64.b64encode(data).decode("ascii")


def _fields_of(value: Any) -> Mapping[Any, Any] | None:
    """The named fields of an object that has such, else None."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, type):
        return None
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    for method in ("model_dump", "_asdict"):
        dump = getattr(value, method, None)
        if callable(dump):
            fields = dump()
            return fields if isinstance(fields, Mapping) else None
    names = getattr(value, "__attrs_attrs__", None)
    return None if names is None else {field.name: getattr(value, field.name) for field in names}
