"""LinePane: a bordered pane of many styled lines, which makes only visible lines and draws only changed ones.

It keeps the end in view until the user scrolls up; then the visible lines stay in place when older ones are dropped. A
cursor moves over entries, each of one or more lines. The pane does its own scrolling, because Textual's ScrollView lays
the whole screen out again each time its length changes, which a stream of events does twenty times a second.

Thread: the event loop's.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import Click, MouseScrollDown, MouseScrollUp, Resize
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

__all__ = ["Line", "LinePane"]

WHEEL_LINES = 3
CACHED_SCREENS = 4
# The scroll bar is the last column
BAR_CELLS = 1

# The entry that a line belongs to, and its content: a Text, or an object from which text() makes one
Line = tuple[Hashable, Any]


class LinePane(Widget, can_focus=True):
    """Subclasses call `show` with all of their lines; the user moves the cursor with arrows, j and k, or a click.

    Attributes
    ----------
    cursor : Hashable
        The entry under the cursor, or None.
    follows : bool
        The end is kept in view.
    drawn_lines : int
        Number of lines drawn so far, for the tests that unchanged lines are not drawn.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"line-pane--cursor", "line-pane--mark", "line-pane--bar"}
    # True if the pane keeps the end in view
    FOLLOWS: ClassVar[bool] = False
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
        """The cursor has moved to another entry."""

        def __init__(self, pane: LinePane, entry: Hashable) -> None:
            super().__init__()
            self.pane = pane
            self.entry = entry

    class Chosen(Message):
        """The entry under the cursor was chosen with Enter or a click."""

        def __init__(self, pane: LinePane, entry: Hashable) -> None:
            super().__init__()
            self.pane = pane
            self.entry = entry

    def __init__(self, *, id: str, title: str) -> None:
        super().__init__(id=id, classes="pane")
        self.border_title = title
        self.cursor: Hashable = None
        self.follows = self.FOLLOWS
        self.drawn_lines = 0
        self._lines: list[Line] = []
        self._top = 0
        # For each row of the pane, a key of its content
        self._visible: list[Hashable] = []
        # Lines that were drawn already: in a stream they only move up
        self._strips: dict[Hashable, Strip] = {}
        # Of a line, of the line under the cursor, of the scroll bar
        self._styles_of: tuple[Style, Style, Style] | None = None

    @property
    def text_width(self) -> int:
        """Columns for text, without the scroll bar."""
        return max(int(self.content_size.width) - BAR_CELLS, 1)

    @property
    def _max_top(self) -> int:
        return max(len(self._lines) - int(self.content_size.height), 0)

    def forget(self) -> None:
        """Forget what is drawn: the lines of something else come next, whose keys may be the same."""
        self._visible = []
        self._strips.clear()
        self.follows = self.FOLLOWS

    def show(self, lines: list[Line]) -> None:
        """Replace all lines."""
        if not self.follows and self._top < len(self._lines):
            self._top = self._find_again(lines)
        self._lines = lines
        self._top = self._max_top if self.follows else min(self._top, self._max_top)
        self._draw_changes()

    def _find_again(self, lines: list[Line]) -> int:
        """Return the place in *lines* of the line that is now at the top."""
        entry, top = self._lines[self._top][0], self._top
        if entry is None or (top < len(lines) and lines[top][0] == entry):
            return top
        first = next(at for at, (owner, _) in enumerate(self._lines) if owner == entry)
        return next((at + top - first for at, (owner, _) in enumerate(lines) if owner == entry), top)

    def text(self, content: Any) -> Text:
        """Return a line as it is drawn; called for visible lines only."""
        assert isinstance(content, Text)
        return content

    def key(self, content: Any) -> Hashable:
        """Return a key that is equal for lines that look equal."""
        return content.plain, str(content.style), tuple(content.spans)

    def _go_to(self, top: int) -> None:
        self._top = min(max(top, 0), self._max_top)
        self.follows = self.FOLLOWS and self._top == self._max_top
        self._draw_changes()

    def _draw_changes(self) -> None:
        height, lines = int(self.content_size.height), self._lines
        bar_from, bar_to = self._bar(height)
        visible: list[Hashable] = []
        for y in range(height):
            at, bar = y + self._top, bar_from <= y < bar_to
            if at < len(lines):
                entry, content = lines[at]
                visible.append((self.key(content), entry is not None and entry == self.cursor, bar))
            else:
                visible.append(bar)
        if len(visible) != len(self._visible):
            self.refresh()
        else:
            changed = [y for y in range(height) if visible[y] != self._visible[y]]
            if changed:
                first, last = changed[0], changed[-1]
                self.refresh(Region(0, first, self.content_size.width, last - first + 1))
        self._visible = visible

    def _bar(self, height: int) -> tuple[int, int]:
        """Return the first row of the scroll bar and the row below it; both 0 if every line is in view."""
        total = len(self._lines)
        if total <= height:
            return 0, 0
        size = max(1, height * height // total)
        start = round((height - size) * self._top / self._max_top)
        return start, start + size

    def render_lines(self, crop: Region) -> list[Strip]:
        # Once for all lines: each of these walks through the whole style sheet
        base = self.rich_style
        self._styles_of = (
            base,
            base
            + self.get_component_rich_style("line-pane--cursor" if self.has_focus else "line-pane--mark"),
            base + self.get_component_rich_style("line-pane--bar"),
        )
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        # The pane has grown; its Resize event comes next
        if y >= len(self._visible):
            return Strip.blank(int(self.content_size.width), self.rich_style)
        strip = self._strips.get(self._visible[y])
        if strip is None:
            strip = self._strips[self._visible[y]] = self._make_strip(y)
        return strip

    def _make_strip(self, y: int) -> Strip:
        assert self._styles_of is not None
        base, marked, bar_style = self._styles_of
        self.drawn_lines += 1
        at, width = y + self._top, self.text_width
        start, end = self._bar(int(self.content_size.height))
        bar = Segment("┃", bar_style) if start <= y < end else Segment(" ", base)
        if at >= len(self._lines):
            return Strip([Segment(" " * width, base), bar], width + BAR_CELLS)
        entry, content = self._lines[at]
        text = self.text(content)
        style = marked if entry is not None and entry == self.cursor else base
        # Text.render ignores this style if the text has no spans
        if text.style:
            style += self.app.console.get_style(text.style)
        strip = Strip(text.render(self.app.console)).adjust_cell_length(width).apply_style(style)
        return Strip([*strip, bar], width + BAR_CELLS)

    def action_move(self, step: int) -> None:
        entries = list(dict.fromkeys(entry for entry, _ in self._lines if entry is not None))
        if not entries:
            self._go_to(self._top + step)
            return
        if self.cursor in entries:
            at = entries.index(self.cursor) + step
        else:
            # The first step goes to the last entry, where the user looks
            at = len(entries) - 1 + (step if abs(step) > 1 else 0)
        self.put_cursor(entries[min(max(at, 0), len(entries) - 1)])
        self.post_message(self.Moved(self, self.cursor))

    def put_cursor(self, entry: Hashable) -> None:
        """Move the cursor without a Moved message, and bring its entry into view."""
        if entry == self.cursor:
            return
        self.cursor = entry
        rows = [at for at, (owner, _) in enumerate(self._lines) if owner == entry]
        height = int(self.content_size.height)
        if rows and height:
            if rows[0] < self._top:
                self._go_to(rows[0])
            elif rows[-1] >= self._top + height:
                self._go_to(min(rows[0], rows[-1] - height + 1))
        self._draw_changes()

    def reveal(self, entry: Hashable) -> None:
        """Bring all lines of *entry* into view, or its first lines if it is longer than the pane."""
        rows = [at for at, (owner, _) in enumerate(self._lines) if owner == entry]
        height = int(self.content_size.height)
        if rows and height:
            highest = max(rows[-1] - height + 1, 0)
            self._go_to(rows[0] if len(rows) > height else min(max(self._top, highest), rows[0]))

    def action_choose(self) -> None:
        if self.cursor is not None:
            self.post_message(self.Chosen(self, self.cursor))

    def on_click(self, event: Click) -> None:
        at = event.get_content_offset(self)
        if at is None or at.y + self._top >= len(self._lines):
            return
        entry = self._lines[at.y + self._top][0]
        if entry is None:
            return
        if entry == self.cursor:
            self.action_choose()
        else:
            self.put_cursor(entry)
            self.post_message(self.Moved(self, entry))

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        event.stop()
        self._go_to(self._top - WHEEL_LINES)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        event.stop()
        self._go_to(self._top + WHEEL_LINES)

    def on_resize(self, event: Resize) -> None:
        self._visible = []
        self._strips.clear()
        self.show(self._lines)

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()
