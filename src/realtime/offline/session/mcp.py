"""Tools of MCP servers: the offline server has no network, so every listing of their tools fails, as the vendor reports it.

Thread: the event loop.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...protocol.ids import generate_server_id
from .channel import Channel
from .conversation import Conversation
from .items import Item


class McpListings:
    """The listings of one session; each MCP server is asked once for its tools."""

    def __init__(self, conversation: Conversation, channel: Channel) -> None:
        self._conversation = conversation
        self._channel = channel
        self._asked: set[str] = set()

    def list_tools(self, tools: Iterable[dict[str, Any]]) -> None:
        """Report a listing for each MCP server among *tools* that has not been asked yet."""
        labels = {tool["server_label"] for tool in tools if tool["type"] == "mcp"}
        for label in sorted(labels - self._asked):
            self._asked.add(label)
            item = Item(
                {
                    "id": generate_server_id("mcpl"),
                    "type": "mcp_list_tools",
                    "server_label": label,
                    "tools": [],
                }
            )
            self._channel.announce_item(item, self._conversation.insert(item))
            self._channel.emit("mcp_list_tools.in_progress", item_id=item.id)
            self._channel.emit("mcp_list_tools.failed", item_id=item.id)
