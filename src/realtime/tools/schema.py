"""Makes a tool's definition from a function, and checks the arguments of its calls.

Types are described and checked by pydantic where it is installed, else by ``plain_types``, which knows the common
ones. pydantic is imported when the first function is described.

Thread: any; stateless.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable
from typing import Any, Optional

from ..errors import ToolError
from .annotations import evaluated
from .context import takes_context
from .results import plain

__all__ = ["definition_of", "describe_function"]

# Arguments by name, checked and converted
Check = Callable[[dict[str, Any]], dict[str, Any]]
# A type's schema, and the function that converts a value. It raises ValueError for a value of another type.
Shape = tuple[dict[str, Any], Callable[[Any], Any]]


def definition_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Make a tool definition from a function's name, docstring and annotated parameters.

    Parameters
    ----------
    function : callable
        Annotations may be str, int, float, bool, list, dict and their like with item types, Literal, Enum, Optional,
        unions, dataclasses, TypedDict, dates, and with pydantic whatever pydantic knows. A parameter of any other
        type, or of none, takes any value. Texts of parameters come from the docstring or from ``Annotated``.

    Returns
    -------
    dict
        the definition, as the session's ``tools`` holds it

    Raises
    ------
    TypeError
        the function takes ``*args``, ``**kwargs`` or positional-only parameters, or an annotation names what is not
        known
    """
    return describe_function(function)[0]


def describe_function(function: Callable[..., Any]) -> tuple[dict[str, Any], Check]:
    """The definition of a function, see `definition_of`, and the check of its arguments.

    The check returns the arguments converted to the annotated types. It raises ToolError, whose text tells the model
    what is wrong.
    """
    # Imported here: programs without tools do not need them.
    from .docstrings import texts_of

    name = _name_of(function)
    description, texts = texts_of(function)
    properties: dict[str, Any] = {}
    converters: dict[str, Callable[[Any], Any]] = {}
    required: list[str] = []
    definitions: dict[str, Any] = {}
    # The context is not the model's to give.
    taken = int(takes_context(function))
    for parameter in list(_signature(function, name).parameters.values())[taken:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise TypeError(f"tool {name}: {parameter} cannot be described; name every parameter")
        annotation = evaluated(parameter, function, name)
        if parameter.default is None and annotation is not parameter.empty:
            annotation = Optional[annotation]  # noqa: UP045 - also for an annotation that has no `|`
        schema, converters[parameter.name] = _shape_of(annotation)
        definitions.update(schema.pop("$defs", {}))
        if parameter.name in texts:
            schema.setdefault("description", texts[parameter.name])
        if parameter.default is parameter.empty:
            required.append(parameter.name)
        else:
            _state_default(schema, parameter.default)
        properties[parameter.name] = schema
    parameters: dict[str, Any] = {"type": "object", "properties": properties, "required": required}
    if definitions:
        parameters["$defs"] = definitions
    definition = {"type": "function", "name": name, "description": description, "parameters": parameters}
    return definition, functools.partial(_check, name, converters, required)


def _check(
    name: str, converters: dict[str, Callable[[Any], Any]], required: list[str], arguments: dict[str, Any]
) -> dict[str, Any]:
    problems = [f"argument {key!r} is missing" for key in required if key not in arguments]
    checked = {}
    for key, value in arguments.items():
        if key not in converters:
            problems.append(f"there is no argument {key[:80]!r}, only {', '.join(converters) or 'none'}")
            continue
        try:
            checked[key] = converters[key](value)
        except (ValueError, TypeError, RecursionError) as error:
            problems.append(f"argument {key!r}: {_text_of(error)}")
    if problems:
        raise ToolError(f"tool {name!r} cannot be called: {'; '.join(problems)}")
    return checked


def _text_of(error: Exception) -> str:
    """The text of a conversion's error; that of pydantic without its links and the repeated input."""
    errors = getattr(error, "errors", None)
    if not callable(errors):
        return str(error)
    found = errors(include_url=False, include_input=False, include_context=False)
    places = [(".".join(str(part) for part in one["loc"]), one["msg"]) for one in found[:10]]
    return "; ".join(f"{place}: {text}" if place else text for place, text in places)


def _shape_of(annotation: Any) -> Shape:
    if annotation is inspect.Parameter.empty:
        return {}, _unchanged
    try:
        pydantic = importlib.import_module("realtime.tools.pydantic_types")
    except ImportError:
        from . import plain_types

        return plain_types.shape_of(annotation)
    shape: Shape = pydantic.shape_of(annotation)
    return shape


def _unchanged(value: Any) -> Any:
    return value


def _state_default(schema: dict[str, Any], default: Any) -> None:
    if default is None:
        return
    try:
        schema["default"] = plain(default)
    except Exception:
        # A default that JSON does not have: the function knows it.
        pass


def _name_of(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", None) or type(function).__name__)


def _signature(function: Callable[..., Any], name: str) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except ValueError as error:
        raise TypeError(f"tool {name}: {error}; wrap it in a function with named parameters") from None
