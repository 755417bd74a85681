"""What the application configures, settings and tools: told to the connected server, and to every later session.

Thread: the event loop's only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ..protocol.reading import Wire
from ..tools import Tool, Toolbox
from .settings import Settings

__all__ = ["Configuration"]


class Configuration:
    """Changes of settings and tools, as ``session.update`` events.

    Parameters
    ----------
    send : callable
        ``send(event)`` queues a client event. It calls `send_tools` first, so that an event that relies on new
        tools comes after them.
    settings : Settings
        The settings to change.
    toolbox : Toolbox
        The tools to change.
    """

    def __init__(self, send: Callable[[Wire], object], settings: Settings, toolbox: Toolbox) -> None:
        self._send = send
        self._settings = settings
        self._toolbox = toolbox
        self._connected = False
        self._tools_changed = False

    def session_began(self) -> None:
        """A session was opened and was told everything."""
        self._connected = True
        self._tools_changed = False

    def session_ended(self) -> None:
        """Without a session changes wait for the next one, which is told everything."""
        self._connected = self._tools_changed = False

    def reset(self) -> None:
        """Forget settings and tools; the session must have ended."""
        self._toolbox.tools.clear()
        self._settings.reset()

    def update(self, changes: Wire) -> None:
        """Change session fields, in GA names.

        Raises ValueError for a tool in ``tools`` whose name `add_tool` has taken.
        """
        if "tools" in changes:
            changes = dict(changes)
            self._set_tools([dict(tool) for tool in changes.pop("tools") or ()])
        self._settings.change(changes)
        if changes and self._connected:
            if self._tools_changed:
                self._tools_changed = False
                changes = {**changes, "tools": self.tools()}
            self._send({"type": "session.update", "session": changes})

    def _set_tools(self, tools: list[Wire]) -> None:
        for tool in tools:
            if tool.get("name") in self._toolbox.tools:
                raise ValueError(f"tool {tool['name']!r} was added with add_tool(); remove_tool() it first")
        self._settings.given_tools = tools
        self._note_changed_tools()

    def add_tool(self, definition: Wire, handler: Callable[..., Any]) -> Tool:
        """Register a tool. Raises ValueError for a name that is missing or taken."""
        name = definition.get("name")
        if any(tool.get("name") == name for tool in self._settings.given_tools):
            raise ValueError(f"tool {name!r} is already in the session's tools")
        tool = self._toolbox.add(definition, handler)
        self._note_changed_tools()
        return tool

    def remove_tool(self, name: str) -> None:
        """Unregister a tool. Raises ValueError for one that was not added."""
        self._toolbox.remove(name)
        self._note_changed_tools()

    def tools(self) -> list[Wire]:
        """Definitions of all tools: those of ``update(tools=...)`` and those of `add_tool`."""
        return self._settings.given_tools + [tool.definition for tool in self._toolbox.tools.values()]

    def everything(self) -> Wire:
        """The session object for a session that knows nothing yet; empty if nothing was set."""
        tools, config = self.tools(), self._settings.config
        return {**config, "tools": tools} if tools else config

    def _note_changed_tools(self) -> None:
        """Send the tools once, however many are changed now, and before the next event."""
        if self._connected and not self._tools_changed:
            self._tools_changed = True
            asyncio.get_running_loop().call_soon(self.send_tools)

    def send_tools(self) -> None:
        """Send the tools if they have changed."""
        if self._tools_changed:
            self._tools_changed = False
            self._send({"type": "session.update", "session": {"tools": self.tools()}})
