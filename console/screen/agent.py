"""AgentConsole: the screen of an agent of the user's own; what its code prints is an event.

Thread: the event loop's.
"""

from __future__ import annotations

import time

from textual import events

from .app import RealtimeConsole

__all__ = ["AgentConsole"]


class AgentConsole(RealtimeConsole):
    """The screen of an `AgentCall`."""

    def on_mount(self) -> None:
        # Printed text would destroy the screen. Textual calls the handler of the base class too
        self.begin_capture_print(self)

    def on_print(self, event: events.Print) -> None:
        """Show what the agent's code prints."""
        if event.text.strip():
            source = "stderr" if event.stderr else "stdout"
            self.model.events.add(time.time(), source, {"type": "print", "text": event.text[:10_000]})
