"""Payloads of events as lines to read: JSON in colours, wrapped to the width of a pane.

Names of fields are bold as well, so that they stand out without colour too.

Thread: the event loop's.
"""

from __future__ import annotations

import re

from rich.console import Console
from rich.text import Text

from ..event_book import EventRow

__all__ = ["Payloads", "coloured"]

PAYLOAD_LINES = 200
KEPT_ROWS = 50
INDENT = 4
_TOKEN = re.compile(
    r'(?P<name>"(?:[^"\\]|\\.)*"(?=\s*:\s))|(?P<string>"(?:[^"\\]|\\.)*"?)'
    r"|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<constant>\b(?:true|false|null)\b)"
)
STYLES = {"name": "bold cyan", "string": "green", "number": "cyan", "constant": "italic cyan"}


def coloured(line: str) -> Text:
    """Return one line of indented JSON in colours."""
    text = Text(line)
    for token in _TOKEN.finditer(line):
        text.stylize(STYLES[str(token.lastgroup)], token.start(), token.end())
    return text


class Payloads:
    """Makes the lines of payloads, and keeps those of the last KEPT_ROWS rows until they change."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[tuple[int, int, int], list[Text]]] = {}

    def lines(self, row: EventRow, width: int, indent: int, console: Console) -> list[Text]:
        """Return the payload of *row* as lines of at most *width* cells, each after *indent* spaces.

        A line that is too long goes on below, two cells further right. Beyond PAYLOAD_LINES a line tells how many are
        left out.
        """
        state = (row.count, width, indent)
        kept = self._kept.pop(row.number, None)
        if kept is None or kept[0] != state:
            kept = (state, self._make(row, width, indent, console))
        self._kept[row.number] = kept
        if len(self._kept) > KEPT_ROWS:
            del self._kept[next(iter(self._kept))]
        return kept[1]

    def _make(self, row: EventRow, width: int, indent: int, console: Console) -> list[Text]:
        payload = row.payload.expandtabs(2).split("\n")
        lines: list[Text] = []
        for line in payload[:PAYLOAD_LINES]:
            body = line.lstrip(" ")
            # Deep JSON keeps room for its text
            before = min(indent + len(line) - len(body), max(width - 20, 0))
            parts = coloured(body).wrap(console, max(width - before - 2, 10), tab_size=2)
            for number, part in enumerate(parts or [Text("")]):
                lines.append(Text.assemble(" " * (before + (2 if number else 0)), part, no_wrap=True))
        if len(payload) > PAYLOAD_LINES:
            lines.append(Text(f"{' ' * indent}… {len(payload) - PAYLOAD_LINES} more lines", style="dim"))
        return lines
