"""TalkBar: says whether the microphone is open, and is a button to hold.

The pointer is captured while it is held, so a release anywhere counts: the original's microphone stayed open when the
pointer had left the button.

Thread: the event loop's.
"""

from __future__ import annotations

from textual.events import MouseDown, MouseUp
from textual.message import Message
from textual.widgets import Static

__all__ = ["TalkBar"]


class TalkBar(Static):
    """Posts Pressed and Released."""

    class Pressed(Message):
        pass

    class Released(Message):
        pass

    def on_mouse_down(self, event: MouseDown) -> None:
        self.capture_mouse()
        self.post_message(self.Pressed())

    def on_mouse_up(self, event: MouseUp) -> None:
        self.release_mouse()
        self.post_message(self.Released())
