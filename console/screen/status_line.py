"""StatusLine: the newest message, which wraps if it is an error; Enter or a click opens the whole text.

Thread: the event loop's.
"""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import Static

from .words import status_height

__all__ = ["StatusLine"]

# Cells of its padding
PADDING = 2


class StatusLine(Static, can_focus=True):
    """One to three lines below the talk bar."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "app.messages", "Open", show=False)]

    def fit(self, text: Text) -> None:
        """Make room for *text*. Only another height lays the screen out again."""
        height = status_height(text, self.size.width - PADDING)
        if self.styles.height is None or self.styles.height.value != height:
            self.styles.height = height
