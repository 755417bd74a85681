"""Registers the application's tools and runs their calls: each call once, and every call is answered.

A call is answered whatever becomes of its tool: it returns, raises anything, takes too long, or never ends.

Thread: the event loop's. Plain functions run in daemon threads of their own, so that a slow one delays neither the
audio nor other events, and a blocked one does not hold up the end of the program.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..background import Failed, describe, start
from ..callables import is_coroutine_function
from ..daemon_threads import DaemonThreads
from ..errors import ToolError
from ..protocol.bounded_dict import remember
from .call import Call, current_call, serve
from .context import ToolContext, takes_context
from .results import ToolResult, text_of_result, to_json

__all__ = ["MAX_THREADS", "Tool", "Toolbox"]

# Plain functions of one toolbox that may run at once, blocked ones included
MAX_THREADS = 32
NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")

Check = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Tool:
    """One tool: the definition that the model receives, and the function to call.

    Attributes
    ----------
    check : callable or None
        Converts the arguments of a call. Raises ToolError with a text for the model.
    takes_context : bool
        True if the function's first parameter is a `ToolContext`.
    """

    definition: dict[str, Any]
    handler: Callable[..., Any]
    check: Check | None = None
    takes_context: bool = False

    @property
    def name(self) -> str:
        """The name by which the model calls the tool."""
        return str(self.definition["name"])


class Toolbox:
    """The registered tools and their running calls.

    Parameters
    ----------
    timeout : float or None
        Seconds that a call may take; a longer call ends with an error, which the model receives.
    answered : callable
        Called as ``answered(call, output, error, respond)`` when a call has ended, also when it failed; *respond*
        is False if the model shall say nothing about the output.
    owner : Any
        Given to each `Call`.

    Raises
    ------
    ValueError
        a timeout that is no number above 0
    """

    def __init__(
        self,
        timeout: float | None,
        answered: Callable[[Call, str, BaseException | None, bool], None],
        owner: Any = None,
    ) -> None:
        self.timeout = _checked_timeout(timeout)
        self.tools: dict[str, Tool] = {}
        self.owner = owner
        self.threads = DaemonThreads("realtime-tool", MAX_THREADS)
        self._answered = answered
        self._running: dict[str, tuple[Call, asyncio.Task[Any]]] = {}
        # Keys of the calls of this connection
        self._called: dict[str, None] = {}

    def add(
        self, definition: dict[str, Any], handler: Callable[..., Any], check: Check | None = None
    ) -> Tool:
        """Register a tool.

        Raises
        ------
        ValueError
            the definition has no name, one that no server takes, or one that is taken
        TypeError
            the handler is not callable, or is a generator function
        """
        name = definition.get("name") if isinstance(definition, dict) else None
        if not isinstance(name, str) or not name:
            raise ValueError("a tool definition needs a name")
        if not NAME.fullmatch(name):
            raise ValueError(f"{name[:80]!r} cannot be a tool's name: use at most 64 of A-Z a-z 0-9 _ . -")
        if name in self.tools:
            raise ValueError(f"tool {name!r} is already added; call remove_tool({name!r}) first")
        if not callable(handler):
            raise TypeError(f"the handler of tool {name!r} must be callable, not {type(handler).__name__}")
        if inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
            raise TypeError(f"tool {name!r} is a generator function: return a list instead of yielding")
        tool = Tool({"type": "function", **definition}, handler, check, takes_context(handler))
        self.tools[name] = tool
        return tool

    def remove(self, name: str) -> None:
        """Remove a tool. Raises ValueError for a name that was not added."""
        if name not in self.tools:
            raise ValueError(f"tool {name!r} cannot be removed: it has not been added")
        del self.tools[name]

    @property
    def running(self) -> set[str]:
        """The call ids of the running calls."""
        return {call.call_id for call, _ in self._running.values()}

    def call(self, call_id: str, name: str, arguments: str, key: str | None = None) -> bool:
        """Start a call in its own task; False, and no second start, if the call was started before.

        Parameters
        ----------
        call_id, name, arguments : str
            As the model stated them.
        key : str, optional
            Id of the item that holds the call. Default: the call id.
        """
        call = Call(key or call_id, call_id, name, arguments, self.owner)
        if call.key in self._called:
            return False
        remember(self._called, call.key, None)
        self._running[call.key] = call, start(self._run(call), f"tool {name[:64]}", self._broken(call))
        return True

    def cancel(self) -> None:
        """Cancel all running calls; their outputs are not reported.

        A call on whose behalf this is called runs on to its end: a tool may end the session.
        """
        running, self._running = self._running, {}
        current = current_call()
        for call, task in running.values():
            if call is not current:
                task.cancel()

    def forget(self) -> None:
        """Forget which calls were made: another conversation begins, in which ids may come again."""
        self._called.clear()

    def _broken(self, call: Call) -> Failed:
        """What to do if the task of a call ends by an exception."""

        def broken(name: str, error: BaseException) -> None:
            if call.key in self._running:
                self._end(call, None, error)
            else:
                # It was answered: the exception came out of `answered`.
                context = {"message": f"{name} could not be answered", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)

        return broken

    async def _run(self, call: Call) -> None:
        serve(call)
        # A task of its own: a CancelledError that the tool raises is told apart from our cancellation.
        handler = asyncio.get_running_loop().create_task(self._outcome(call))
        try:
            await asyncio.wait({handler}, timeout=self.timeout)
        except asyncio.CancelledError:
            handler.cancel()
            raise
        if handler.done():
            self._end(call, *handler.result())
            return
        # Not awaited: a tool may refuse to be cancelled.
        handler.cancel()
        self._end(call, None, ToolError(f"tool {call.name!r} did not answer within {self.timeout:g} s"))

    def _end(self, call: Call, result: _Written | None, failure: BaseException | None) -> None:
        # None: cancel() was called before.
        if self._running.pop(call.key, None) is None:
            return
        if failure is not None or result is None:
            result = _Written(to_json({"error": _text_for_model(failure)}) if failure is not None else "")
        self._answered(call, result.output, failure, result.respond)

    async def _outcome(self, call: Call) -> tuple[_Written | None, BaseException | None]:
        """The output of a call, or what it raised: an exception that ends an event loop must not leave its task."""
        try:
            return await self._invoke(call), None
        except BaseException as error:
            return None, error

    async def _invoke(self, call: Call) -> _Written:
        tool = self.tools.get(call.name)
        if tool is None:
            raise ToolError(f"tool {call.name!r} has not been added")
        keywords = _keywords(call.name, call.arguments)
        if tool.check is not None:
            keywords = tool.check(keywords)
        context = (ToolContext(call),) if tool.takes_context else ()
        if is_coroutine_function(tool.handler):
            return _written(await tool.handler(*context, **keywords))

        def run() -> Any:
            result = tool.handler(*context, **keywords)
            return result if inspect.isawaitable(result) else _written(result)

        result = await self.threads.call(run)
        return result if isinstance(result, _Written) else _written(await result)


@dataclass(frozen=True)
class _Written:
    """What a tool returned, written; for a plain function in its thread."""

    output: str
    respond: bool = True


def _written(result: Any) -> _Written:
    if isinstance(result, ToolResult):
        return _Written(text_of_result(result.output), result.respond)
    return _Written(text_of_result(result))


def _keywords(name: str, arguments: str) -> dict[str, Any]:
    try:
        # Not codec.loads(): the same for every installation, and lenient about line breaks within strings.
        keywords = json.loads(arguments, strict=False) if arguments.strip() else {}
    except (ValueError, RecursionError) as error:
        raise ToolError(f"the arguments of tool {name!r} are not JSON: {error}") from None
    if not isinstance(keywords, dict):
        raise ToolError(f"the arguments of tool {name!r} are not an object")
    return keywords


def _text_for_model(failure: BaseException) -> str:
    """The text of an exception, or its type where it has none."""
    try:
        text = str(failure)
    except Exception:
        return describe(failure)
    return text[:10_000] or type(failure).__name__


def _checked_timeout(timeout: float | None) -> float | None:
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
        raise ValueError(f"tool_timeout must be None or a number of seconds above 0, not {timeout!r}")
    return timeout if math.isfinite(timeout) else None
