"""EventBook: the protocol events of a session, bounded, as rows to show and as lines to save.

It keeps only the size of audio. Equal neighbours share a row with a count, as in the original inspector; the payload
of a row is that of its last event. Text is cleaned when it is read (`EventRow.label`, `EventRow.payload`).

Thread: the event loop's.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from .event_lines import STREAMED
from .event_log import event_line
from .gists import gist
from .text import clean, one_line

__all__ = ["EventBook", "EventRow"]

MAX_ROWS = 2_000
# Of one row
MAX_PAYLOAD_CHARS = 16_384
MAX_TYPE_CHARS = 200
# An hour of speech fills about half of it
MAX_JOURNAL_CHARS = 16_000_000
_SIZE = re.compile(r"<(\d{1,12}) bytes of audio>")


class EventRow:
    """Neighbouring events of one type and direction.

    Attributes
    ----------
    number : int
        Number of the first event, from 0.
    time : float
        Seconds since the epoch.
    seconds : float
        Seconds since the first event of the session.
    source : str
        "client", "server", or the part of the console that noticed it.
    type : str
        Type of the events.
    count : int
        How many events share the row.
    audio_bytes : int
        Size of their audio.
    error : bool
        One of them tells of an error.
    gist : str
        What the last one says in a few words, see `console.gists`.
    """

    __slots__ = (
        "_line",
        "audio_bytes",
        "count",
        "error",
        "gist",
        "number",
        "seconds",
        "source",
        "time",
        "type",
    )

    def __init__(self, number: int, time: float, seconds: float, source: str, kind: str) -> None:
        self.number = number
        self.time = time
        self.seconds = seconds
        self.source = source
        self.type = kind
        self.count = 0
        self.audio_bytes = 0
        self.error = False
        self.gist = ""
        self._line = ""

    @property
    def arrow(self) -> str:
        """Up for an event to the server, down for one from it, a dot for one of the console itself."""
        return {"client": "↑", "server": "↓"}.get(self.source, "·")

    @property
    def label(self) -> str:
        """One cleaned line. It marks an error with a word, so that colour is not needed."""
        repeated = f" ×{self.count}" if self.count > 1 else ""
        audio = f"  {self.audio_bytes:,} B audio".replace(",", " ") if self.audio_bytes else ""
        failed = "error! " if self.error else ""
        minutes, seconds = divmod(self.seconds, 60)
        when = f"{int(minutes):02}:{seconds:05.2f}"
        return f"{when} {self.arrow} {failed}{self.source} {one_line(self.type, 80)}{repeated}{audio}"

    def has(self, words: list[str]) -> bool:
        """Return True if every lower-case word of *words* is in the type, the direction, the error mark or the gist."""
        text = f"{self.arrow} {'error! ' if self.error else ''}{self.source} {self.type}  {self.gist}".lower()
        return all(word in text for word in words)

    @property
    def payload(self) -> str:
        """The last event as indented, cleaned JSON; audio as its size."""
        try:
            text = json.dumps(json.loads(self._line), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            # Cut at MAX_PAYLOAD_CHARS, so it is no JSON
            text = self._line
        return clean(text)


class EventBook:
    """Rows and journal of a session. Beyond the bounds the oldest are dropped, and counted.

    Attributes
    ----------
    rows : deque of EventRow
        The newest MAX_ROWS rows.
    total : int
        Number of events so far.
    evicted_rows, evicted_lines : int
        Numbers of rows and of journal lines that were dropped.
    revision : int
        Grows with every event, so that a view knows when to draw.
    tap : callable or None
        Gets every event as a line of JSON when it comes, for --json.
    keep : callable or None
        ``keep(time, source, kind, line)`` gets every event when it comes, its JSON as *line*, to be saved.
    """

    def __init__(self) -> None:
        self.rows: deque[EventRow] = deque()
        self.total = 0
        self.evicted_rows = 0
        self.evicted_lines = 0
        self.revision = 0
        self.tap: Callable[[str], None] | None = None
        self.keep: Callable[[float, str, str, str], None] | None = None
        self._journal: deque[str] = deque()
        self._journal_chars = 0
        # Number of streamed events in the last line of the journal
        self._run = 0
        self._start: float | None = None

    def add(self, time: float, source: str, event: Any, repeat: int = 1) -> EventRow:
        """Add an event that came *repeat* times; *time* is in seconds since the epoch. Return its row."""
        if self._start is None:
            self._start = time
        kind = _kind(event)
        line = event_line(event, separators=(",", ":"))
        last = self.rows[-1] if self.rows else None
        if last is None or last.type != kind or last.source != source or kind == "error":
            last = EventRow(self.total, time, time - self._start, source, kind)
            self.rows.append(last)
            if len(self.rows) > MAX_ROWS:
                self.rows.popleft()
                self.evicted_rows += 1
        last.count += repeat
        last.audio_bytes += repeat * _audio_bytes(event)
        last.error = last.error or _is_error(event)
        last.gist = gist(event)
        last._line = line if len(line) <= MAX_PAYLOAD_CHARS else line[:MAX_PAYLOAD_CHARS] + " …"
        self.total += 1
        self.revision += 1
        self._write(time, source, kind, line)
        return last

    def _write(self, time: float, source: str, kind: str, line: str) -> None:
        if self.tap is not None:
            self.tap(f'{{"time":{time:.6f},"source":{json.dumps(source)},"event":{line}}}')
        if self.keep is not None:
            self.keep(time, source, kind, line)
        head = f'{{"time":{time:.6f},"source":{json.dumps(source)}'
        if kind in STREAMED and self._run:
            self._run += 1
            self._journal_chars -= len(self._journal.pop())
        else:
            self._run = 1 if kind in STREAMED else 0
        repeat = f',"repeat":{self._run}' if self._run > 1 else ""
        self._journal.append(f'{head}{repeat},"event":{line}}}')
        self._journal_chars += len(self._journal[-1])
        while self._journal_chars > MAX_JOURNAL_CHARS:
            self._journal_chars -= len(self._journal.popleft())
            self.evicted_lines += 1

    def price(self, dollars: float) -> None:
        """Add the cost of the last response to the gist of its event."""
        row = next((row for row in reversed(self.rows) if row.type == "response.done"), None)
        if row is not None and dollars > 0 and " ct" not in row.gist:
            cents = dollars * 100
            row.gist += f", {cents:.1f} ct" if cents >= 0.1 else f", {cents:.3f} ct"
            self.revision += 1

    def clear(self) -> None:
        """Forget every event, for a replay that goes back."""
        self.rows.clear()
        self._journal.clear()
        self.total = self.evicted_rows = self.evicted_lines = self._journal_chars = self._run = 0
        self._start = None
        self.revision += 1

    def matching(self, pattern: str) -> list[EventRow]:
        """Return the rows whose type, direction, error mark and gist contain every word of *pattern*."""
        words = pattern.lower().split()
        if not words:
            return list(self.rows)
        return [row for row in self.rows if row.has(words)]

    def journal(self) -> Iterator[str]:
        """Return lines of JSON: {"time", "source", "event"}, and "repeat" for a run of microphone chunks."""
        return iter(self._journal)


def _kind(event: Any) -> str:
    """The type of an event, which may be anything, as short text."""
    kind = event.get("type", "?")
    return kind[:MAX_TYPE_CHARS] if isinstance(kind, str) else clean(kind, MAX_TYPE_CHARS)


def _audio_bytes(event: Any) -> int:
    for key in ("audio", "delta"):
        value = event.get(key)
        if isinstance(value, str) and _kind(event).endswith(("audio.delta", "buffer.append")):
            # A saved event has the size in place of its audio
            size = _SIZE.fullmatch(value)
            return int(size[1]) if size else len(value) * 3 // 4
    return 0


def _is_error(event: Any) -> bool:
    kind = _kind(event)
    if kind == "error" or kind.endswith(".failed"):
        return True
    response = event.get("response")
    return isinstance(response, dict) and response.get("status") == "failed"
