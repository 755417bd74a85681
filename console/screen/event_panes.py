"""EventsPane and DetailPane: every protocol event as a folded or unfolded row, and the whole event under the cursor.

Thread: the event loop's.
"""

from __future__ import annotations

import time
from collections.abc import Hashable
from typing import Any

from rich.text import Text

from ..event_book import EventRow
from ..session import SessionModel
from ..text import one_line
from .lines import Line, LinePane
from .payload import Payloads

__all__ = ["DetailPane", "EventsPane"]

COUNT_SECONDS = 0.25
INDENT = 4
# Legible without colour
MATCH_STYLE = "reverse"


class EventsPane(LinePane):
    """Every protocol event, folded, with its gist; the end stays in view until the user scrolls up."""

    FOLLOWS = True

    def __init__(self) -> None:
        super().__init__(id="events", title="events")
        self._left_at = 0
        self._counted_at = 0.0
        self._unfolded: set[int] = set()
        self._words: tuple[str, ...] = ()
        # Events in the rows that match the filter
        self._matches = 0
        self._payloads = Payloads()

    def draw(self, model: SessionModel) -> None:
        """Show the events that match the filter."""
        lines: list[Line] = []
        rows = model.events.matching(model.filter)
        width = self.text_width
        for row in rows:
            lines.append((row.number, row))
            if row.number in model.unfolded:
                payload = self._payloads.lines(row, width, INDENT, self.app.console)
                lines += [(row.number, line) for line in payload]
        if not lines:
            empty = (
                "no event matches the filter (esc clears it)"
                if model.filter
                else "events of the connection appear here"
            )
            lines.append((None, Text(empty, style="dim")))
        self._unfolded = model.unfolded
        self._words = tuple(model.filter.lower().split())
        self._matches = sum(row.count for row in rows) if self._words else 0
        self.show(lines)

    def count(self, model: SessionModel) -> None:
        """Show the number of events in the border; not often, because a new border draws the whole pane again."""
        now = time.monotonic()
        if now - self._counted_at < COUNT_SECONDS:
            return
        total = model.events.total
        if self.follows:
            self._left_at = total
        if not total:
            return
        new = f" · {total - self._left_at} new ↓" if total > self._left_at else ""
        dropped = f" · {model.events.evicted_rows} older dropped" if model.events.evicted_rows else ""
        shown = f"{total} events"
        if self._words:
            shown = f"filter: {one_line(model.filter, 20)} · {self._matches} of {total} events · esc clears"
        subtitle = Text(f"{shown}{dropped}{new}").markup
        if subtitle != self.border_subtitle:
            self.border_subtitle = subtitle
            self._counted_at = now

    def key(self, content: Any) -> Hashable:
        if not isinstance(content, EventRow):
            return super().key(content)
        return (
            content.number,
            content.count,
            content.audio_bytes,
            content.error,
            content.gist,
            content.number in self._unfolded,
            self._words,
        )

    def text(self, content: Any) -> Text:
        """Return the label and the gist of an event. They are made only for the thirty visible rows of two thousand."""
        if not isinstance(content, EventRow):
            return super().text(content)
        mark = "▾" if content.number in self._unfolded else "▸"
        style = (
            "bold red"
            if content.error
            else {"client": "cyan", "server": "default"}.get(content.source, "yellow")
        )
        text = Text(f"{mark}{content.label}", style=style, no_wrap=True)
        if content.gist:
            text.append(f"  {content.gist}", style="bold" if content.error else "not bold dim")
        if self._words:
            text.highlight_words(self._words, MATCH_STYLE, case_sensitive=False)
        return text


class DetailPane(LinePane):
    """The whole event under the cursor of the events, or the newest one; wide terminals have room for it."""

    def __init__(self) -> None:
        super().__init__(id="detail", title="event")
        self._payloads = Payloads()
        self._shown: int | None = None

    def draw(self, model: SessionModel, number: Hashable) -> None:
        """Show the event of row *number*, or the newest one that matches the filter."""
        if not self.display or not self.content_size.width:
            return
        rows = model.events.matching(model.filter)
        row = next((row for row in rows if row.number == number), rows[-1] if rows else None)
        if row is None:
            self.show([(None, Text("the selected event appears here", style="dim"))])
            return
        title = Text(f"{row.arrow} {one_line(row.type, 60)}").markup
        if title != self.border_title:
            self.border_title = title
        if row.number != self._shown:
            self._shown, self._top = row.number, 0
        lines = self._payloads.lines(row, self.text_width, 0, self.app.console)
        self.show([(None, line) for line in lines])
