"""TalkBar: shows whether the microphone is open, and is a button to hold with the mouse.

It captures the pointer while it is held, so a release anywhere counts. In the original console the microphone stayed
open when the pointer had left the button.

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
        """The mouse was pressed on the bar."""

    class Released(Message):
        """The mouse was released, anywhere."""

    def on_mouse_down(self, event: MouseDown) -> None:
        self.capture_mouse()
        self.post_message(self.Pressed())

    def on_mouse_up(self, event: MouseUp) -> None:
        self.release_mouse()
        self.post_message(self.Released())
