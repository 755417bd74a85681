"""Evaluates the annotations of a tool's parameters, also those that are written as texts.

Thread: any; stateless.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

__all__ = ["evaluated"]


def evaluated(parameter: inspect.Parameter, function: Any, name: str) -> Any:
    """The annotation of a parameter; a text is evaluated where the function was defined.

    Raises TypeError for one that names what is not known there; its message names the tool, *name*.
    """
    if not isinstance(parameter.annotation, str):
        return parameter.annotation
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    if not hasattr(function, "__globals__") and not inspect.ismethod(function):
        function = getattr(type(function), "__call__", function)  # noqa: B004 - the method itself is needed
    function = getattr(function, "__func__", function)
    names = getattr(function, "__globals__", {})
    cells = zip(getattr(function, "__code__", _NoCode).co_freevars, function.__closure__ or (), strict=False)
    try:
        inner = {key: cell.cell_contents for key, cell in cells}
        return eval(parameter.annotation, names, inner)
    except Exception as error:
        raise TypeError(
            f"tool {name}: the annotation {parameter.annotation!r} of {parameter.name!r} is not known here"
            f" ({error}): import or define it at the top of the module"
        ) from None


class _NoCode:
    """Stands for the code of a function that has none."""

    co_freevars = ()
