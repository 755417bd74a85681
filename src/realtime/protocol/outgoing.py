"""Checks what an application gives to be sent, at the call: what JSON cannot hold never reaches the writer.

`check` returns a copy made of JSON's own types. So a value that the application changes afterwards changes
nothing that waits to be sent, and what is accepted does not depend on which JSON library is installed.

Thread: any; stateless.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import codec
from .reading import Wire

__all__ = ["MAX_DEPTH", "MAX_EVENT_BYTES", "check", "check_event"]

# Levels of lists and objects; JSON schemas of tools have about 20.
MAX_DEPTH = 100
# Values in one event. A list that holds another one many times grows with each level.
MAX_VALUES = 1_000_000
# Characters of the place that a message names.
MAX_PLACE = 200
# Of one event; the vendor refuses larger ones.
MAX_EVENT_BYTES = 15 * 1024 * 1024
# Event type -> fields that the client reads itself: name, types, description.
_FIELDS: dict[str, tuple[tuple[str, Any, str], ...]] = {
    "session.update": (("session", dict, "a dictionary"),),
    "conversation.item.create": (("item", dict, "a dictionary"),),
    "response.create": (("response", (dict, type(None)), "a dictionary"),),
    "input_audio_buffer.append": (("audio", str, "base64 text; append_input_audio() takes samples"),),
}
# Fields of any event that hold an id.
_TEXTS = ("event_id", "item_id", "previous_item_id", "response_id")


def check(value: Any, where: str) -> Any:
    """A copy of *value* in JSON's own types.

    Tuples become lists, mappings become dictionaries, NumPy's numbers and arrays become Python's; members of an
    enumeration that are texts or numbers become these. Keys must be texts.

    Parameters
    ----------
    value : Any
        What the application gave.
    where : str
        The name of the argument, for the message: "item", "session".

    Returns
    -------
    Any
        The copy.

    Raises
    ------
    TypeError
        a value or a key that JSON does not have, such as a path, a set, bytes or a class
    ValueError
        NaN or infinity, a number beyond 1e308, a value that contains itself, more than `MAX_DEPTH` levels or
        `MAX_VALUES` values
    """
    return _Checker(where).copy(value)


def check_event(event: Mapping[str, Any]) -> Wire:
    """As `check`, for a whole event.

    Raises TypeError also for a field of another type than the client itself relies on, ValueError also for an
    event of more than `MAX_EVENT_BYTES`.
    """
    kind = event.get("type")
    if not isinstance(kind, str):
        raise TypeError(f"the type of an event is a text, not {_what(kind)}")
    copied: Wire = check(event, kind)
    for name, needed, description in _FIELDS.get(kind, ()):
        if not isinstance(copied.get(name), needed):
            raise TypeError(f"{kind} needs {name}=, {description}")
    item = copied.get("item")
    for holder, name in (*((copied, name) for name in _TEXTS), (item, "id")):
        value = holder.get(name) if isinstance(holder, dict) else None
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{name} in {kind} is a text, not {_what(value)}")
    size = len(codec.dumps(copied).encode())
    if size > MAX_EVENT_BYTES:
        raise ValueError(f"{kind} has {size:,} bytes; servers take {MAX_EVENT_BYTES:,}: send less at once")
    return copied


class _Checker:
    """One walk through a value."""

    __slots__ = ("_around", "_count", "_keys", "_where")

    def __init__(self, where: str) -> None:
        self._where = where
        self._count = 0
        # Keys and indexes that lead to the current value, and the ids of the lists and objects around it.
        self._keys: list[str | int] = []
        self._around: set[int] = set()

    def copy(self, value: Any) -> Any:
        kind = type(value)
        if kind is str or kind is bool or value is None:
            return value
        if isinstance(value, (np.generic, np.ndarray)):
            return self._copy_numpy(value)
        if isinstance(value, (list, tuple, Mapping)):
            return self._copy_container(value)
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, int):
            return self._finite_int(int.__index__(value))
        if isinstance(value, float):
            if not math.isfinite(value):
                raise ValueError(f"{self._place()} is {float.__repr__(value)}, which JSON cannot hold")
            return float.__float__(value)
        raise TypeError(f"{self._place()} is {_what(value)}, which JSON cannot hold; {_advice(value)}")

    def _copy_container(self, value: Any) -> Any:
        if id(value) in self._around:
            raise ValueError(f"{self._place()} contains itself")
        if len(self._around) >= MAX_DEPTH:
            raise ValueError(f"{self._where} is nested more than {MAX_DEPTH} levels deep")
        self._count += len(value)
        if self._count > MAX_VALUES:
            raise ValueError(f"{self._where} has more than {MAX_VALUES:,} values")
        self._around.add(id(value))
        if isinstance(value, (list, tuple)):
            copied: Any = [self._copy_part(index, part) for index, part in enumerate(value)]
        else:
            copied = {self._key(key): self._copy_part(key, part) for key, part in value.items()}
        self._around.discard(id(value))
        return copied

    def _copy_part(self, key: Any, part: Any) -> Any:
        self._keys.append(key)
        copied = self.copy(part)
        self._keys.pop()
        return copied

    def _copy_numpy(self, value: Any) -> Any:
        if value.dtype.kind not in "biufU":
            raise TypeError(f"{self._place()} is a NumPy value of type {value.dtype}, which JSON cannot hold")
        if value.dtype.kind == "f":
            # A long double has no equivalent in Python.
            value = value.astype(np.float64)
        return self.copy(value.tolist())

    def _key(self, key: Any) -> str:
        if not isinstance(key, str):
            raise TypeError(f"a key in {self._place()} is {_what(key)}; the keys of JSON are texts")
        return str.__str__(key)

    def _finite_int(self, value: int) -> int:
        try:
            float(value)
        except OverflowError:
            raise ValueError(
                f"{self._place()} is a number of {value.bit_length()} bits, too large for JSON"
            ) from None
        return value

    def _place(self) -> str:
        keys = (f"[{key}]" if isinstance(key, int) else f".{key}" for key in self._keys)
        return (self._where + "".join(keys))[:MAX_PLACE]


def _what(value: Any) -> str:
    kind = type(value)
    return f"the class {value.__name__}" if isinstance(value, type) else f"of type {kind.__name__}"


def _advice(value: Any) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "give base64 text"
    if isinstance(value, (set, frozenset)):
        return "give a list"
    return "give a text, a number, a list or a dictionary"
