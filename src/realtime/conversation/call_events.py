"""Applies events about function calls and MCP calls.

Thread: the event loop's only.
"""

from __future__ import annotations

from ..protocol.reading import Wire, text_of
from .change import Change, Delta, Handler, updated
from .item_finder import ItemFinder, Malformed
from .items import MAX_TEXT, Item
from .text_cut import join_text

__all__ = ["CallEvents"]


class CallEvents:
    """Handlers of the events about calls, by event type in ``handlers``."""

    def __init__(self, finder: ItemFinder) -> None:
        self._finder = finder
        self.handlers: dict[str, Handler] = {
            "response.function_call_arguments.delta": self._arguments_delta,
            "response.function_call_arguments.done": self._arguments_done,
            "response.mcp_call_arguments.delta": self._arguments_delta,
            "response.mcp_call_arguments.done": self._arguments_done,
            "response.mcp_call.in_progress": self._mcp_call,
            "response.mcp_call.completed": self._mcp_call,
            "response.mcp_call.failed": self._mcp_call,
        }

    def _arguments_delta(self, event: Wire) -> list[Change]:
        piece = event.get("delta")
        if not isinstance(piece, str):
            raise Malformed
        item, created = self._about(event)
        if item is None:
            return []
        item.arguments = join_text(item.arguments or "", piece)[:MAX_TEXT]
        item.refresh()
        return updated(item, created, Delta(arguments=piece))

    def _arguments_done(self, event: Wire) -> list[Change]:
        """Set the final arguments; their delta is the rest that no earlier delta has brought."""
        item, created = self._about(event)
        if item is None:
            return []
        had, value = item.arguments or "", event.get("arguments")
        if isinstance(value, str):
            item.arguments = value[:MAX_TEXT]
        item.name = text_of(event.get("name")) or item.name
        item.refresh()
        rest = item.arguments[len(had) :] if item.arguments and item.arguments.startswith(had) else ""
        return updated(item, created, Delta(arguments=rest) if rest else None)

    def _mcp_call(self, event: Wire) -> list[Change]:
        item, created = self._about(event)
        if item is None:
            return []
        item.fields["call_status"] = event["type"].rpartition(".")[2]
        return updated(item, created, None)

    def _about(self, event: Wire) -> tuple[Item | None, bool]:
        mcp = event["type"].startswith("response.mcp_")
        item, created = self._finder.about(event, None, "mcp_call" if mcp else "function_call")
        if item is not None:
            item.call_id = text_of(event.get("call_id")) or item.call_id
        return item, created
