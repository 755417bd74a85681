"""EventBook: the protocol events of a session, bounded, as rows to look at and as lines to save.

Audio is kept as its size only. Equal neighbours share a row with a count, as in the original inspector; the row
unfolds to the last of them. All text is cleaned when it is taken out (`EventRow.label`, `EventRow.payload`).

Pure; the event loop's thread.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from .event_log import without_audio
from .text import clean, one_line

__all__ = ["EventBook", "EventRow"]

MAX_ROWS = 2_000
MAX_PAYLOAD_CHARS = 16_384  # of one row
MAX_JOURNAL_CHARS = 16_000_000  # an hour of speech makes about half of it
_SIZE = re.compile(r"<(\d{1,12}) bytes of audio>")
STREAMED = ("input_audio_buffer.append",)  # 50 a second, all alike: one line of the journal for a run of them


class EventRow:
    """Neighbouring events of one type and direction."""

    __slots__ = ("_line", "audio_bytes", "count", "error", "number", "seconds", "source", "time", "type")

    def __init__(self, number: int, time: float, seconds: float, source: str, kind: str) -> None:
        self.number = number
        self.time = time
        self.seconds = seconds  # since the session began
        self.source = source
        self.type = kind
        self.count = 0
        self.audio_bytes = 0
        self.error = False
        self._line = ""

    @property
    def arrow(self) -> str:
        """Up to the server, down from it, a dot for what happened here."""
        return {"client": "↑", "server": "↓"}.get(self.source, "·")

    @property
    def label(self) -> str:
        """One cleaned line; errors carry the word, not only a colour."""
        repeated = f" ×{self.count}" if self.count > 1 else ""
        audio = f"  {self.audio_bytes:,} B audio".replace(",", " ") if self.audio_bytes else ""
        failed = "error! " if self.error else ""
        minutes, seconds = divmod(self.seconds, 60)
        when = f"{int(minutes):02}:{seconds:05.2f}"
        return f"{when} {self.arrow} {failed}{self.source} {one_line(self.type, 80)}{repeated}{audio}"

    def has(self, words: list[str]) -> bool:
        """Whether all of the lower-case *words* are in its type, direction or error mark."""
        text = f"{self.arrow} {'error! ' if self.error else ''}{self.source} {self.type}".lower()
        return all(word in text for word in words)

    @property
    def payload(self) -> str:
        """The last event, pretty-printed and cleaned; audio as its size."""
        try:
            text = json.dumps(json.loads(self._line), indent=2, ensure_ascii=False)
        except ValueError:  # it was cut at MAX_PAYLOAD_CHARS
            text = self._line
        return clean(text)


class EventBook:
    """Rows and journal of a session; the oldest of each go when the bounds are reached, and are counted."""

    def __init__(self) -> None:
        self.rows: deque[EventRow] = deque()
        self.total = 0
        self.evicted_rows = 0
        self.evicted_lines = 0
        self.revision = 0  # grows with every change: a view that has seen it need not draw
        self.tap: Callable[[str], None] | None = None  # gets every line as it comes, for --json
        self._journal: deque[str] = deque()
        self._journal_chars = 0
        self._run = 0  # streamed events that the last line of the journal stands for
        self._start: float | None = None

    def add(self, time: float, source: str, event: Any, repeat: int = 1) -> EventRow:
        """Note an event of the wire (or of the player), *time* in seconds since the epoch, that came *repeat* times."""
        if self._start is None:
            self._start = time
        kind = str(event.get("type", "?"))
        small = without_audio(dict(event))
        line = json.dumps(small, ensure_ascii=False, default=str, separators=(",", ":"))
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
        last._line = line if len(line) <= MAX_PAYLOAD_CHARS else line[:MAX_PAYLOAD_CHARS] + " …"
        self.total += 1
        self.revision += 1
        self._write(time, source, kind, line)
        return last

    def _write(self, time: float, source: str, kind: str, line: str) -> None:
        if self.tap is not None:
            self.tap(f'{{"time":{time:.6f},"source":{json.dumps(source)},"event":{line}}}')
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

    def matching(self, pattern: str) -> list[EventRow]:
        """Rows whose type, direction or error mark contains every word of *pattern*."""
        words = pattern.lower().split()
        if not words:
            return list(self.rows)
        return [row for row in self.rows if row.has(words)]

    def journal(self) -> Iterator[str]:
        """Lines of JSON: {"time", "source", "event"}, and "repeat" for a run of microphone chunks."""
        return iter(self._journal)


def _audio_bytes(event: Any) -> int:
    for key in ("audio", "delta"):
        value = event.get(key)
        if isinstance(value, str) and str(event.get("type", "")).endswith(("audio.delta", "buffer.append")):
            size = _SIZE.fullmatch(value)  # a saved event has its size in place of its audio
            return int(size[1]) if size else len(value) * 3 // 4
    return 0


def _is_error(event: Any) -> bool:
    if event.get("type") == "error" or str(event.get("type", "")).endswith(".failed"):
        return True
    response = event.get("response")
    return isinstance(response, dict) and response.get("status") == "failed"
