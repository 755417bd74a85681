"""Checks of untrusted JSON whose errors are those of the vendor's API: a code, a message, a path.

A check is a callable ``check(value, path)`` that returns None or raises RequestError. The functions here
build the schemas of `session_schema` and of the offline server's ``client_events``.

As at the vendor, null for an optional property means that it is not given: ``record`` removes it from the value, so
that no reader of the value meets it. Where null is a value of its own ("off"), the property is ``nullable``.

Thread: any; pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Check = Callable[[Any, str], None]


class RequestError(Exception):
    """A client event cannot be carried out: it changes nothing and is answered by an ``error`` event.

    Parameters
    ----------
    code : str, optional
        The vendor's code, such as "invalid_value".
    message : str
        What is wrong.
    param : str, optional
        Path of the wrong value in the event.
    kind : str
        The error's ``type``.
    """

    def __init__(
        self, code: str | None, message: str, param: str | None = None, kind: str = "invalid_request_error"
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.kind = kind

    def body(self, client_event_id: Any = None) -> dict[str, Any]:
        """The ``error`` object of the error event that answers the client event of that id."""
        return {
            "type": self.kind,
            "code": self.code,
            "message": self.message,
            "param": self.param,
            "event_id": client_event_id,
        }


def anything(value: Any, path: str) -> None:
    """Accepts every value."""


def text(longest: int | None = None) -> Check:
    """A string of at most *longest* characters (None: no limit)."""

    def check(value: Any, path: str) -> None:
        if not isinstance(value, str):
            raise _wrong_type(value, path, "a string")
        if longest is not None and len(value) > longest:
            raise RequestError(
                "string_above_max_length",
                f"Invalid '{path}': string too long. Expected a string with maximum length {longest}, "
                f"but got a string with length {len(value)} instead.",
                path,
            )

    return check


def boolean(value: Any, path: str) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise _wrong_type(value, path, "a boolean")


def integer(least: int, most: int) -> Check:
    """An integer from *least* to *most*."""
    return _number("integer", int, least, most)


def decimal(least: float, most: float) -> Check:
    """A number from *least* to *most*."""
    return _number("decimal", (int, float), least, most)


def _number(name: str, types: Any, least: float, most: float) -> Check:
    def check(value: Any, path: str) -> None:
        if isinstance(value, bool) or not isinstance(value, types):
            raise _wrong_type(value, path, "an integer" if name == "integer" else "a decimal")
        # Written this way, it refuses NaN too.
        if not value >= least:
            raise RequestError(
                f"{name}_below_min_value",
                f"Invalid '{path}': {name} below minimum value. "
                f"Expected a value >= {least}, but got {value} instead.",
                path,
            )
        if value > most:
            raise RequestError(
                f"{name}_above_max_value",
                f"Invalid '{path}': {name} above maximum value. "
                f"Expected a value <= {most}, but got {value} instead.",
                path,
            )

    return check


def choice(*values: Any) -> Check:
    """One of *values*."""

    def check(value: Any, path: str) -> None:
        if not any(value == allowed and type(value) is type(allowed) for allowed in values):
            raise invalid_value(value, path, values)

    return check


@dataclass(frozen=True)
class Nullable:
    """The check that ``nullable`` makes."""

    inner: Check

    def __call__(self, value: Any, path: str) -> None:
        if value is not None:
            self.inner(value, path)


def nullable(inner: Check) -> Nullable:
    """Null, or what *inner* accepts; ``record`` keeps the null."""
    return Nullable(inner)


def either(*checks: Check) -> Check:
    """What one of *checks* accepts; if none does, the error is that of the last one."""

    def check(value: Any, path: str) -> None:
        for candidate in checks[:-1]:
            try:
                return candidate(value, path)
            except RequestError:
                pass
        return checks[-1](value, path)

    return check


def array(of: Check, longest: int | None = None) -> Check:
    """An array of at most *longest* elements (None: no limit), each accepted by *of*."""

    def check(value: Any, path: str) -> None:
        if not isinstance(value, list):
            raise _wrong_type(value, path, "an array")
        if longest is not None and len(value) > longest:
            raise RequestError(
                "array_above_max_length",
                f"Invalid '{path}': array too long. Expected an array with maximum length {longest}, "
                f"but got an array with length {len(value)} instead.",
                path,
            )
        for i, element in enumerate(value):
            of(element, f"{path}[{i}]")

    return check


def mapping(key: Check, of: Check, most: int) -> Check:
    """An object with at most *most* properties: names accepted by *key*, values by *of*."""

    def check(value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise _wrong_type(value, path, "an object")
        if len(value) > most:
            raise RequestError(
                "object_above_max_properties",
                f"Invalid '{path}': too many properties. Expected an object with at most {most} properties, "
                f"but got an object with {len(value)} properties instead.",
                path,
            )
        for name, element in value.items():
            key(name, path)
            of(element, _join(path, name))

    return check


def record(fields: Mapping[str, Check], required: tuple[str, ...] = ()) -> Check:
    """An object with no other properties than *fields*, and with all of *required*.

    An optional property that is null and not ``nullable`` is removed from the object.
    """

    def check(value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise _wrong_type(value, path, "an object")
        for name in required:
            if name not in value:
                raise missing(_join(path, name))
        for name, element in list(value.items()):
            inner = fields.get(name)
            if inner is None:
                unknown = _join(path, name)
                raise RequestError("unknown_parameter", f"Unknown parameter: '{unknown}'.", unknown)
            if element is None and name not in required and not isinstance(inner, Nullable):
                del value[name]
            else:
                inner(element, _join(path, name))

    return check


def tagged(variants: Mapping[str, Check], tag: str = "type", default: str | None = None) -> Check:
    """An object that *variants* checks by the value of its property *tag* (*default* if it has none)."""

    def check(value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise _wrong_type(value, path, "an object")
        name = value.get(tag, default)
        if name is None:
            raise missing(_join(path, tag))
        inner = variants.get(name) if isinstance(name, str) else None
        if inner is None:
            raise invalid_value(name, _join(path, tag), tuple(variants))
        inner(value, path)

    return check


def missing(path: str) -> RequestError:
    """The error for a missing property."""
    return RequestError("missing_required_parameter", f"Missing required parameter: '{path}'.", path)


def invalid_value(value: Any, path: str, allowed: tuple[Any, ...]) -> RequestError:
    """The error for a value that is none of *allowed*."""
    shown = value if isinstance(value, str) else repr(value)
    names = [f"'{name}'" if isinstance(name, str) else str(name) for name in allowed]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return RequestError(
        "invalid_value", f"Invalid value: '{shown[:200]}'. Supported values are: {listed}.", path
    )


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


_TYPE_NAMES = {
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    str: "a string",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


def _wrong_type(value: Any, path: str, expected: str) -> RequestError:
    found = _TYPE_NAMES.get(type(value), "something else")
    return RequestError(
        "invalid_type", f"Invalid type for '{path}': expected {expected}, but got {found} instead.", path
    )
