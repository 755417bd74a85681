"""AgentConsole: the screen of an agent of the user's own: its tools in a pane, and what its code prints as events.

Thread: the event loop's.
"""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import Any

from rich.text import Text
from textual import events

from ..text import one_line
from .keymap import Part
from .lines import Line
from .side import SideConsole, SideDrawing, SidePane

__all__ = ["AgentConsole"]


class ToolsPane(SidePane):
    """Each tool of the agent: how often it was called, and its last call with its result."""

    def __init__(self) -> None:
        super().__init__(id="tools", title="tools")

    def state(self, call: Any) -> Hashable:
        return call.model.transcript.revision, id(call.client), call.model.state

    def draw(self, call: Any) -> None:
        """Show the tools of the client and the calls in the transcript."""
        tools = {} if call.client is None else call.client.tools
        counts: dict[str, int] = dict.fromkeys(tools, 0)
        last: dict[str, tuple[str, str]] = {}
        name = ""
        for row in call.model.transcript:
            if row.role == "function":
                name = row.text.partition("(")[0]
                counts[name] = counts.get(name, 0) + 1
                last[name] = row.text[len(name) + 1 : -1], "…"
            elif row.role == "output" and name in last:
                last[name] = last[name][0], row.text
        lines: list[Line] = []
        for name, count in counts.items():
            called = f"  ×{count}" if count else ""
            lines.append((name, Text(f"{one_line(name, 60)}{called}", style="bold", no_wrap=True)))
            if name in last:
                arguments, result = last[name]
                lines.append((name, Text(f"  {one_line(arguments, 200)}", no_wrap=True)))
                lines.append((name, Text(f"  → {one_line(result, 200)}", no_wrap=True)))
            elif name in tools:
                about = one_line(tools[name].definition.get("description", ""), 200)
                lines.append((name, Text(f"  {about}", style="dim", no_wrap=True)))
        if not lines:
            about = "the agent's tools appear here" if call.client is None else "the agent has no tools"
            lines.append((None, Text(about, style="dim")))
        self.show(lines)


class AgentDrawing(SideDrawing):
    """The widgets of an agent's screen."""

    def footer(self, wide: bool) -> list[Part]:
        """Return the parts of the line of keys, without that of the map."""
        return [part for part in super().footer(wide) if part[1] != "zoom"]


class AgentConsole(SideConsole):
    """The screen of an `AgentCall`."""

    CSS = SideConsole.CSS + "\n#tools { height: 3fr; }"

    def make_drawing(self, call: Any) -> SideDrawing:
        """Return what draws the screen."""
        return AgentDrawing(call, ToolsPane(), ("events", "conversation", "tools", "devices", "waterfall"))

    def on_mount(self) -> None:
        # Printed text would destroy the screen. Textual calls the handlers of the base classes too
        self.begin_capture_print(self)

    def on_print(self, event: events.Print) -> None:
        """Show what the agent's code prints."""
        if event.text.strip():
            source = "stderr" if event.stderr else "stdout"
            self.model.events.add(time.time(), source, {"type": "print", "text": event.text[:10_000]})
