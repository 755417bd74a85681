"""Tools of MCP servers: asks the application to approve a call, and tells it of a list that failed.

The vendor's server calls these tools itself. What it wants approved it adds as an item ``mcp_approval_request``.

Thread: the event loop's only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..conversation.reducer import Conversation
from ..errors import StateError
from ..events import ErrorEvent, Event, McpApprovalEvent
from ..protocol.bounded_dict import remember
from ..protocol.ids import generate_id
from ..protocol.reading import Wire, dict_of, text_of
from .emitter import EventEmitter
from .reports import Reports

__all__ = ["Mcp", "approval_response"]


class Mcp:
    """Requests of approval, and failures, of one client's MCP servers.

    Attributes
    ----------
    hooks : dict
        What to do for a server event, by its type.
    """

    def __init__(self, emitter: EventEmitter, conversation: Conversation, reports: Reports) -> None:
        self._emitter = emitter
        self._conversation = conversation
        self._reports = reports
        # Ids of requests that were told, and of those that were answered
        self._told: dict[str, None] = {}
        self._answered: dict[str, None] = {}
        self.hooks: dict[str, Callable[[Event], None]] = {
            "conversation.item.done": self._item_done,
            "response.output_item.done": self._item_done,
            "mcp_list_tools.failed": self._list_failed,
        }

    def note_answer(self, item: Wire) -> None:
        """An answer to a request is sent. Raises StateError if that request was answered before."""
        request_id = item["approval_request_id"]
        if request_id in self._answered:
            raise StateError(f"the request {request_id!r} was answered already")
        remember(self._answered, request_id, None)

    def _item_done(self, event: Event) -> None:
        raw = dict_of(event.get("item"))
        request_id = text_of(raw.get("id"))
        if raw.get("type") != "mcp_approval_request" or not request_id or request_id in self._told:
            return
        remember(self._told, request_id, None)
        request = McpApprovalEvent(
            request_id,
            text_of(raw.get("server_label")) or "",
            text_of(raw.get("name")) or "",
            text_of(raw.get("arguments")) or "",
            self._conversation.get_item(request_id),
        )
        if self._emitter.wants("mcp.approval"):
            self._emitter.emit("mcp.approval", request)
            return
        self._reports.error(
            ErrorEvent(
                f"the MCP server {request.server_label!r} waits until its call of {request.name!r} is approved: handle "
                "mcp.approval and call client.approve(event, True), or set require_approval to 'never'",
                "tool",
                code="mcp_approval_needed",
                event=event,
            )
        )

    def _list_failed(self, event: Event) -> None:
        item = self._conversation.get_item(text_of(event.get("item_id")) or "")
        label = text_of(item.fields.get("server_label")) if item is not None else None
        which = f"MCP server {label!r}" if label else "an MCP server"
        error = dict_of(event.get("error")) or dict_of(item.fields.get("error") if item is not None else None)
        why = text_of(error.get("message"))
        self._reports.error(
            ErrorEvent(
                f"the tools of {which} could not be listed, so the model cannot call them: "
                + (why or "check its server_url and its authorization"),
                "server",
                code="mcp_list_tools_failed",
                event=event,
            )
        )


def approval_response(request: Any, approve: bool, reason: str | None) -> Wire:
    """The item that answers *request*, an `McpApprovalEvent` or its id. Raises TypeError or ValueError."""
    request_id = request.request_id if isinstance(request, McpApprovalEvent) else request
    if not isinstance(request_id, str):
        raise TypeError(f"approve() takes the event of mcp.approval or its request_id, not {request!r:.80}")
    if not request_id:
        raise ValueError("the id of the request is empty")
    if not isinstance(approve, bool):
        raise TypeError(f"approve() takes True or False as its second argument, not {approve!r:.80}")
    if reason is not None and not isinstance(reason, str):
        raise TypeError(f"reason is a text, not {type(reason).__name__}")
    item: Wire = {
        "id": generate_id("item_"),
        "type": "mcp_approval_response",
        "approval_request_id": request_id,
        "approve": approve,
    }
    return item if reason is None else {**item, "reason": reason}
