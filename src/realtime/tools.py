"""Registers the application's tools and runs their calls: each call once, in a task of its own.

Thread: the event loop's. Synchronous handlers run in a thread of the loop's executor, so that a slow handler delays
neither the audio nor other events.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .callables import is_coroutine_function
from .errors import ToolError
from .protocol import codec
from .protocol.bounded_dict import remember

__all__ = ["Tool", "Toolbox", "definition_of"]

# Characters of a tool's output; the vendor refuses events over 15 MiB.
MAX_OUTPUT = 1 << 20
_JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", list: "array", dict: "object"}


@dataclass(frozen=True)
class Tool:
    """One tool: the definition that the model receives, and the function to call."""

    definition: dict[str, Any]
    handler: Callable[..., Any]

    @property
    def name(self) -> str:
        """The name by which the model calls the tool."""
        return str(self.definition["name"])


def definition_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Make a tool definition from a function's name, docstring and annotated parameters.

    Parameters
    ----------
    function : callable
        Parameters annotated with str, int, float, bool, list or dict get that JSON type, others get any type.

    Returns
    -------
    dict
        the definition, as the session's ``tools`` holds it

    Raises
    ------
    TypeError
        the function takes ``*args``, ``**kwargs`` or positional-only parameters
    """
    properties: dict[str, Any] = {}
    required = []
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise TypeError(
                f"tool {function.__name__}: {parameter} cannot be described; name every parameter"
            )
        kind = _JSON_TYPES.get(parameter.annotation)
        properties[parameter.name] = {"type": kind} if kind else {}
        if parameter.default is parameter.empty:
            required.append(parameter.name)
    return {
        "type": "function",
        "name": function.__name__,
        "description": inspect.getdoc(function) or "",
        "parameters": {"type": "object", "properties": properties, "required": required},
    }


class Toolbox:
    """The registered tools and their running calls.

    Parameters
    ----------
    timeout : float or None
        Seconds that a call may take; a longer call ends with an error, which the model receives.
    answered : callable
        Called as ``answered(call_id, output, error)`` when a call has ended, also when it failed.
    """

    def __init__(
        self, timeout: float | None, answered: Callable[[str, str, BaseException | None], None]
    ) -> None:
        self.timeout = timeout
        self.tools: dict[str, Tool] = {}
        self._answered = answered
        self._running: dict[str, asyncio.Task[None]] = {}
        self._called: dict[str, None] = {}

    def add(self, definition: dict[str, Any], handler: Callable[..., Any]) -> Tool:
        """Register a tool.

        Raises
        ------
        ValueError
            the definition has no name, or a tool of that name exists
        TypeError
            the handler is not callable
        """
        name = definition.get("name") if isinstance(definition, dict) else None
        if not isinstance(name, str) or not name:
            raise ValueError("a tool definition needs a name")
        if name in self.tools:
            raise ValueError(f"tool {name!r} is already added; call remove_tool({name!r}) first")
        if not callable(handler):
            raise TypeError(f"the handler of tool {name!r} must be callable, not {type(handler).__name__}")
        tool = Tool({"type": "function", **definition}, handler)
        self.tools[name] = tool
        return tool

    def remove(self, name: str) -> None:
        """Remove a tool. Raises ValueError for a name that was not added."""
        if name not in self.tools:
            raise ValueError(f"tool {name!r} cannot be removed: it has not been added")
        del self.tools[name]

    @property
    def running(self) -> set[str]:
        """The ids of the running calls."""
        return set(self._running)

    def call(self, call_id: str, name: str, arguments: str) -> bool:
        """Start a call in its own task; False, and no second start, if the call was started before."""
        if call_id in self._called:
            return False
        remember(self._called, call_id, None)
        task = asyncio.get_running_loop().create_task(self._run(call_id, name, arguments))
        self._running[call_id] = task
        return True

    def cancel(self) -> None:
        """Cancel all running calls; their outputs are not reported."""
        running, self._running = self._running, {}
        for task in running.values():
            task.cancel()

    async def _run(self, call_id: str, name: str, arguments: str) -> None:
        failure: BaseException | None = None
        try:
            output = _as_output(await asyncio.wait_for(self._invoke(name, arguments), self.timeout))
        except asyncio.TimeoutError:
            failure = ToolError(f"tool {name!r} did not answer within {self.timeout:g} s")
            output = codec.dumps({"error": str(failure)})
        except Exception as error:
            failure = error
            output = codec.dumps({"error": str(error) or type(error).__name__})
        # None: cancel() was called while the task was ending.
        if self._running.pop(call_id, None) is not None:
            self._answered(call_id, output, failure)

    async def _invoke(self, name: str, arguments: str) -> Any:
        tool = self.tools.get(name)
        if tool is None:
            raise ToolError(f"tool {name!r} has not been added")
        try:
            keywords = codec.loads(arguments) if arguments.strip() else {}
        except ValueError as error:
            raise ToolError(f"the arguments of tool {name!r} are not JSON: {error}") from error
        if not isinstance(keywords, dict):
            raise ToolError(f"the arguments of tool {name!r} are not an object")
        if is_coroutine_function(tool.handler):
            return await tool.handler(**keywords)
        result = await asyncio.to_thread(tool.handler, **keywords)
        return await result if inspect.isawaitable(result) else result


def _as_output(result: Any) -> str:
    output = result if isinstance(result, str) else codec.dumps(result)
    if len(output) > MAX_OUTPUT:
        raise ToolError(f"the tool's output has {len(output)} characters, {MAX_OUTPUT} are allowed")
    return output
