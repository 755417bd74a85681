"""Runs tools in the relay: the model calls them, and the client sees nothing of it.

`ServerRules` hides the items. This module runs the calls, sends the outputs, and requests the next response once
the response that called is over and all its calls are answered.

Thread: the event loop only; plain functions run in threads (`Toolbox`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import ConfigurationError, RealtimeError
from ..tools import Call, Toolbox
from .functions import import_function
from .policy import ToolPolicy

__all__ = ["ServerTools", "import_handlers"]

# Calls that may run at once in one session, so that a model in a loop does not exhaust the machine
MAX_CALLS = 16

Handlers = Mapping[str, tuple[ToolPolicy, Callable[..., Any]]]


def import_handlers(tools: Sequence[ToolPolicy]) -> Handlers:
    """The handlers by tool name. Raises ConfigurationError if one cannot be imported or cannot be a tool."""
    handlers = {str(tool.definition["name"]): (tool, import_function(tool.handler)) for tool in tools}
    for name, (tool, handler) in handlers.items():
        try:
            Toolbox(tool.timeout_seconds, lambda *ended: None).add(dict(tool.definition), handler)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"tools.{name}: {error}") from None
    return handlers


class ServerTools:
    """The tool calls of one session.

    Parameters
    ----------
    handlers : mapping
        From `import_handlers`.
    send : callable
        ``send(event)`` sends one of the relay's own events upstream.
    finished : callable
        ``finished(name, error)`` is called after each call, for logs and counters.
    """

    def __init__(
        self,
        handlers: Handlers,
        send: Callable[[dict[str, Any]], object],
        finished: Callable[[str, BaseException | None], None],
    ) -> None:
        self._handlers = handlers
        self._send = send
        self._finished = finished
        # Keys of the running calls: item ids, because a server may use a call id again
        self._running: set[str] = set()
        self._responses = 0
        self._boxes: dict[float, Toolbox] = {}
        for tool, handler in handlers.values():
            box = self._boxes.get(tool.timeout_seconds)
            if box is None:
                box = self._boxes[tool.timeout_seconds] = Toolbox(tool.timeout_seconds, self._answered)
            box.add(dict(tool.definition), handler)
        self._answer_due = False

    def server_said(self, kind: str, event: Mapping[str, Any]) -> None:
        """Follow a server event, whether or not the client sees it."""
        if kind == "response.created":
            self._responses += 1
        elif kind == "response.done":
            self._responses = max(0, self._responses - 1)
            self._go_on()
        elif kind == "response.output_item.done":
            item = event.get("item")
            # Only a completed call has all its arguments.
            if (
                isinstance(item, dict)
                and item.get("type") == "function_call"
                and item.get("status") == "completed"
            ):
                self._call(item)

    def close(self) -> None:
        """Stop the calls."""
        for box in self._boxes.values():
            box.cancel()

    def _call(self, item: Mapping[str, Any]) -> None:
        name, call_id = item.get("name"), item.get("call_id")
        entry = self._handlers.get(name) if isinstance(name, str) else None
        # Without a call id no output could be sent.
        if entry is None or not isinstance(name, str) or not isinstance(call_id, str):
            return
        item_id, arguments = item.get("id"), item.get("arguments")
        call = Call(
            item_id if isinstance(item_id, str) else call_id,
            call_id,
            name,
            arguments if isinstance(arguments, str) else "",
        )
        if call.key in self._running:
            return
        self._running.add(call.key)
        if len(self._running) > MAX_CALLS:
            self._answered(
                call, '{"error": "too many calls at once"}', RealtimeError("too many calls at once"), True
            )
        elif not self._boxes[entry[0].timeout_seconds].call(call_id, name, call.arguments, call.key):
            # It was answered before.
            self._running.discard(call.key)

    def _answered(self, call: Call, output: str, error: BaseException | None, respond: bool) -> None:
        self._running.discard(call.key)
        self._finished(call.name, error)
        item = {"type": "function_call_output", "call_id": call.call_id, "output": output}
        self._send({"type": "conversation.item.create", "item": item})
        self._answer_due = self._answer_due or respond
        self._go_on()

    def _go_on(self) -> None:
        if self._answer_due and not self._running and not self._responses:
            self._answer_due = False
            self._send({"type": "response.create"})
