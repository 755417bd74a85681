"""LinePane: a bordered pane of many styled lines, of which only the visible ones are drawn.

Keeps the end in view until the user scrolls up; a cursor moves over entries (an entry is one or more lines).

Thread: the event loop's.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

__all__ = ["Line", "LinePane"]

Line = tuple[Hashable, Any]  # the entry it belongs to, and what it says: a Text, or what text() makes one of


class LinePane(ScrollView, can_focus=True):
    """Subclasses call show() with all their lines; entries are chosen with the arrows, j and k, or a click."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"line-pane--cursor", "line-pane--mark"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "move(-10)", "Page up", show=False),
        Binding("pagedown", "move(10)", "Page down", show=False),
        Binding("home,g", "move(-1000000)", "First", show=False),
        Binding("end,G", "move(1000000)", "Last", show=False),
        Binding("enter", "choose", "Choose", show=False),
    ]

    class Moved(Message):
        """The cursor is on another entry."""

        def __init__(self, pane: LinePane, entry: Hashable) -> None:
            super().__init__()
            self.pane = pane
            self.entry = entry

    class Chosen(Message):
        """Enter, or a click on the entry under the cursor."""

        def __init__(self, pane: LinePane, entry: Hashable) -> None:
            super().__init__()
            self.pane = pane
            self.entry = entry

    def __init__(self, *, id: str, title: str) -> None:
        super().__init__(id=id, classes="pane")
        self.border_title = title
        self.cursor: Hashable = None
        self.follows = True
        self._lines: list[Line] = []

    def show(self, lines: list[Line]) -> None:
        """Replace what is shown."""
        self._lines = lines
        self.virtual_size = Size(self.content_size.width, len(lines))
        if self.follows:
            self.scroll_end(animate=False, immediate=True)
        self.refresh()

    def text(self, said: Any) -> Text:
        """The line as it is drawn; only visible lines are asked for."""
        assert isinstance(said, Text)
        return said

    def watch_scroll_y(self, old: float, new: float) -> None:
        super().watch_scroll_y(old, new)
        self.follows = new >= self.max_scroll_y - 0.5

    def render(self) -> str:
        return ""

    def render_line(self, y: int) -> Strip:
        width = self.content_size.width
        base = self.rich_style
        at = y + round(self.scroll_y)
        if at >= len(self._lines):
            return Strip.blank(width, base)
        entry, said = self._lines[at]
        text = self.text(said)
        strip = Strip(text.render(self.app.console)).adjust_cell_length(width)
        if text.style:  # Text.render leaves it out where there are no spans
            base += self.app.console.get_style(text.style)
        if entry is not None and entry == self.cursor:
            base += self.get_component_rich_style(
                "line-pane--cursor" if self.has_focus else "line-pane--mark"
            )
        return strip.apply_style(base)

    def action_move(self, step: int) -> None:
        entries = list(dict.fromkeys(entry for entry, _ in self._lines if entry is not None))
        if not entries:
            return
        at = entries.index(self.cursor) + step if self.cursor in entries else len(entries) - 1
        self.put_cursor(entries[min(max(at, 0), len(entries) - 1)])
        self.post_message(self.Moved(self, self.cursor))

    def put_cursor(self, entry: Hashable) -> None:
        """Move the cursor without telling anybody, and bring its entry into view."""
        if entry == self.cursor:
            return
        self.cursor = entry
        rows = [at for at, (owner, _) in enumerate(self._lines) if owner == entry]
        if rows and self.content_size.height:
            top, height = round(self.scroll_y), self.content_size.height
            if rows[0] < top:
                self.scroll_to(y=rows[0], animate=False, immediate=True)
            elif rows[-1] >= top + height:
                self.scroll_to(y=min(rows[0], rows[-1] - height + 1), animate=False, immediate=True)
        self.refresh()

    def action_choose(self) -> None:
        if self.cursor is not None:
            self.post_message(self.Chosen(self, self.cursor))

    def on_click(self, event: Click) -> None:
        at = event.get_content_offset(self)
        if at is None or at.y + round(self.scroll_y) >= len(self._lines):
            return
        entry = self._lines[at.y + round(self.scroll_y)][0]
        if entry is None:
            return
        if entry == self.cursor:
            self.action_choose()
        else:
            self.put_cursor(entry)
            self.post_message(self.Moved(self, entry))

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()
