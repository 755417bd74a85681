"""Describes and checks the common types of annotations without pydantic.

Thread: any; stateless.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import pathlib
import types
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

__all__ = ["shape_of", "text_in"]

Convert = Callable[[Any], Any]
Shape = tuple[dict[str, Any], Convert]

MAX_DEPTH = 8
# Types whose text is their JSON: (format, function that reads the text)
_TEXTS: dict[Any, tuple[str, Callable[[str], Any]]] = {
    datetime.datetime: (
        "date-time",
        lambda text: datetime.datetime.fromisoformat(text.replace("Z", "+00:00")),
    ),
    datetime.date: ("date", datetime.date.fromisoformat),
    datetime.time: ("time", datetime.time.fromisoformat),
    uuid.UUID: ("uuid", uuid.UUID),
    pathlib.Path: ("path", pathlib.Path),
}
_ARRAYS: dict[Any, Any] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    Sequence: list,
    Iterable: list,
    AbstractSet: set,
}


def shape_of(annotation: Any, depth: int = 0) -> Shape:
    """The JSON schema of a type, and the function that converts a value to it.

    The function raises ValueError for a value of another type. A type that holds itself takes any value from a certain
    depth on. Raises TypeError for a type that cannot be described.
    """
    annotation = _bare(annotation)
    if depth > MAX_DEPTH:
        return {}, _unchanged
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _annotated(annotation, depth)
    if origin is Literal:
        return _one_of(list(arguments), list(arguments))
    if origin in (Union, types.UnionType):
        return _union(arguments, depth)
    if annotation in _SIMPLE:
        return dict(_SIMPLE[annotation][0]), _SIMPLE[annotation][1]
    if annotation in _TEXTS:
        return _from_text(annotation)
    kind = origin or annotation
    if kind in _ARRAYS:
        return _array(kind, arguments, depth)
    if kind in (dict, Mapping):
        return _mapping(arguments, depth)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _one_of([member.value for member in kind], list(kind))
    if dataclasses.is_dataclass(kind) or is_typeddict(kind):
        return _fields(kind, depth)
    if isinstance(annotation, TypeVar):
        return {}, _unchanged
    raise TypeError(
        f"{getattr(annotation, '__qualname__', None) or annotation} cannot be described to the model: use str, int, float, "
        "bool, list, dict, Literal, Enum, a dataclass, a TypedDict or Any, or install pydantic for types that it knows"
    )


def _bare(annotation: Any) -> Any:
    """The type behind a NewType, the name of a type, and the marks of a TypedDict's fields."""
    while True:
        if _mark_of(annotation) is not None:
            annotation = get_args(annotation)[0]
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return annotation


def _mark_of(annotation: Any) -> str | None:
    """ "Required", "NotRequired" or "ReadOnly"; None for a type without such a mark."""
    # Python 3.10 has them in typing_extensions only.
    name = getattr(get_origin(annotation), "_name", None)
    return name if name in ("Required", "NotRequired", "ReadOnly") else None


def text_in(annotation: Any) -> str | None:
    """The description that an ``Annotated`` type holds: a text, or an object with a ``description``."""
    for extra in get_args(annotation)[1:]:
        text = extra if isinstance(extra, str) else getattr(extra, "description", None)
        if isinstance(text, str):
            return text
    return None


def _unchanged(value: Any) -> Any:
    return value


def _other(value: Any, wanted: str) -> ValueError:
    return ValueError(f"{wanted} is needed, not {type(value).__name__}")


# Simple types


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _other(value, "a string")
    return value


def _integer(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            pass
    raise _other(value, "an integer")


def _number(value: Any) -> float:
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    raise _other(value, "a number")


def _decimal(value: Any) -> decimal.Decimal:
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            return decimal.Decimal(str(value))
        except decimal.InvalidOperation:
            pass
    raise _other(value, "a number")


def _boolean(value: Any) -> bool:
    if isinstance(value, str):
        value = {"true": True, "false": False}.get(value.lower(), value)
    if not isinstance(value, bool):
        raise _other(value, "true or false")
    return value


def _null(value: Any) -> None:
    if value is not None:
        raise _other(value, "null")


_SIMPLE: dict[Any, Shape] = {
    str: ({"type": "string"}, _text),
    int: ({"type": "integer"}, _integer),
    float: ({"type": "number"}, _number),
    bool: ({"type": "boolean"}, _boolean),
    decimal.Decimal: ({"type": "number"}, _decimal),
    None: ({"type": "null"}, _null),
    type(None): ({"type": "null"}, _null),
    Any: ({}, _unchanged),
    object: ({}, _unchanged),
}


def _from_text(annotation: Any) -> Shape:
    name, read = _TEXTS[annotation]

    def convert(value: Any) -> Any:
        return read(_text(value))

    return {"type": "string", "format": name}, convert


# Types made of others


def _annotated(annotation: Any, depth: int) -> Shape:
    schema, convert = shape_of(get_args(annotation)[0], depth)
    text = text_in(annotation)
    return ({**schema, "description": text} if text else schema), convert


def _one_of(stated: list[Any], meant: list[Any]) -> Shape:
    """One value of *stated*, which stands for that of *meant*."""

    def convert(value: Any) -> Any:
        for one, result in zip(stated, meant, strict=True):
            if type(one) is type(value) and one == value:
                return result
        raise ValueError(f"one of {', '.join(map(repr, stated))} is needed, not {str(value)[:80]!r}")

    schema: dict[str, Any] = {"enum": stated}
    kinds = {type(one) for one in stated}
    if len(kinds) == 1 and (kind := kinds.pop()) in _SIMPLE:
        schema = {**_SIMPLE[kind][0], "enum": stated}
    return schema, convert


def _union(arguments: tuple[Any, ...], depth: int) -> Shape:
    shapes = [shape_of(one, depth + 1) for one in arguments]

    def convert(value: Any) -> Any:
        if type(value) in arguments:
            # It comes before the types to which the value could be converted.
            return value
        problems = []
        for _, part in shapes:
            try:
                return part(value)
            except ValueError as error:
                problems.append(str(error))
        raise ValueError(" or ".join(dict.fromkeys(problems)))

    return {"anyOf": [schema for schema, _ in shapes]}, convert


def _array(kind: Any, arguments: tuple[Any, ...], depth: int) -> Shape:
    make = _ARRAYS[kind]
    if kind is tuple and arguments and arguments[-1] is not Ellipsis:
        return _tuple(arguments, depth)
    schema, item = shape_of(arguments[0], depth + 1) if arguments else ({}, _unchanged)

    def convert(value: Any) -> Any:
        if not isinstance(value, list):
            raise _other(value, "a list")
        return make(item(one) for one in value)

    unique = {"uniqueItems": True} if make in (set, frozenset) else {}
    return {"type": "array", "items": schema, **unique}, convert


def _tuple(arguments: tuple[Any, ...], depth: int) -> Shape:
    shapes = [shape_of(one, depth + 1) for one in arguments]

    def convert(value: Any) -> Any:
        if not isinstance(value, list) or len(value) != len(shapes):
            raise ValueError(f"a list of {len(shapes)} values is needed")
        return tuple(part(one) for (_, part), one in zip(shapes, value, strict=True))

    items = [schema for schema, _ in shapes]
    return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}, convert


def _mapping(arguments: tuple[Any, ...], depth: int) -> Shape:
    key: Convert = _unchanged
    item: Convert = _unchanged
    extra: Any = True
    if len(arguments) == 2:
        key = shape_of(arguments[0], depth + 1)[1]
        schema, item = shape_of(arguments[1], depth + 1)
        extra = schema or True

    def convert(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _other(value, "an object")
        return {key(name): item(one) for name, one in value.items()}

    return {"type": "object", "additionalProperties": extra}, convert


def _fields(kind: Any, depth: int) -> Shape:
    """A dataclass or a TypedDict."""
    hints = get_type_hints(kind, include_extras=True)
    if dataclasses.is_dataclass(kind):
        fields = [one for one in dataclasses.fields(kind) if one.init]
        hints = {one.name: hints[one.name] for one in fields}
        missing = dataclasses.MISSING
        required = [one.name for one in fields if one.default is missing and one.default_factory is missing]
    else:
        # Where annotations are texts, Python itself does not see the marks.
        marks = {name: _mark_of(hint) for name, hint in hints.items()}
        required = [
            name
            for name in hints
            if marks[name] == "Required" or (marks[name] != "NotRequired" and name in kind.__required_keys__)
        ]
    shapes = {name: shape_of(hint, depth + 1) for name, hint in hints.items()}

    def convert(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _other(value, "an object")
        problems = [f"{name!r} is missing" for name in required if name not in value]
        problems += [f"there is no {str(name)[:80]!r}" for name in value if name not in shapes]
        if problems:
            raise ValueError(", ".join(problems))
        return kind(**{name: shapes[name][1](one) for name, one in value.items()})

    properties = {name: schema for name, (schema, _) in shapes.items()}
    return {"type": "object", "properties": properties, "required": required}, convert
