"""Transcript: the conversation as rows, role by role, bounded; text cleaned as it arrives.

A row outlives the connection that it came through, so that an old answer can still be read and heard.

Pure; the event loop's thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .text import Cleaner, clean, one_line

if TYPE_CHECKING:  # NumPy comes with the first audio: the screen is there before
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ItemRow", "Transcript"]

MAX_ROWS = 500
MAX_TEXT_CHARS = 65_536


class ItemRow:
    """One item of the conversation.

    ``role``: "user", "assistant", "system", "function" (a call), "output" (what a tool said) or "session" (a divider).
    ``heard_samples``: where an interrupted answer was cut, None where it was not; ``heard_chars`` is the same place in
    the text, by proportion: servers send no word times.
    """

    def __init__(self, item_id: str, role: str) -> None:
        self.id = item_id
        self.role = role
        self.revision = 0  # grows with every change that can be seen
        self.status = "in_progress"
        self.text = ""
        self.heard_samples: int | None = None
        self.heard_chars = 0
        self.received = (
            0  # samples of the answer that arrived; after a cut ``audio`` holds only what was heard
        )
        self.latency: float | None = None  # seconds, end of the user's turn to the first sample
        self.began: float | None = None  # seconds since the epoch
        self.ended: float | None = None
        self.live = True  # belongs to the session that is connected: the server knows it
        self.sample_rate = 24_000
        self.source: Any = None  # the client's item, whose audio grows
        self.saved_audio: NDArray[np.int16] | None = None
        self._cleaner = Cleaner()
        self._raw_length = 0

    @property
    def audio(self) -> NDArray[np.int16]:
        """int16, mono, at ``sample_rate``; empty where there is none (any more)."""
        if self.saved_audio is not None:
            return self.saved_audio
        if self.source is None:
            import numpy as np

            return np.empty(0, np.int16)
        audio: NDArray[np.int16] = self.source.formatted.audio
        return audio

    @property
    def seconds(self) -> float:
        return len(self.audio) / self.sample_rate

    @property
    def shown(self) -> str:
        """The text, or what stands for it until it comes."""
        if self.text:
            return self.text
        if self.role == "user":
            return "(awaiting transcript)" if len(self.audio) else "(item sent)"
        if self.role == "assistant":
            return "(truncated)" if self.heard_samples is not None else "…"
        return "(empty)"

    def take(self, item: Any, delta: Any = None) -> None:
        """Bring the row up to date with the client's *item*; *delta* is what was added, if only that changed."""
        self.revision += 1
        self.source = item
        self.status = item.status
        self.sample_rate = item.formatted.sample_rate
        self.received = item.received_samples
        raw = _raw_text(item)
        added = None if delta is None else (delta.transcript or delta.text or delta.arguments)
        if added and self.role == "function":
            added = None  # name(arguments): the text ends in a bracket
        if added and len(raw) == self._raw_length + len(added):
            if len(self.text) < MAX_TEXT_CHARS:
                self.text += self._cleaner.feed(added)  # O(delta), however long the answer is
        elif len(raw) != self._raw_length or delta is None:
            self._cleaner = Cleaner()
            self.text = clean(raw.strip() if item.role == "user" else raw, MAX_TEXT_CHARS)
        self._raw_length = len(raw)
        if item.truncated:
            self.heard_chars = min(len(clean(item.heard_transcript)), len(self.text))


def _raw_text(item: Any) -> str:
    formatted = item.formatted
    if item.type == "function_call" and formatted.tool is not None:
        return f"{formatted.tool.name}({formatted.tool.arguments})"
    if item.type == "function_call_output":
        return str(formatted.output or "")
    return str(formatted.transcript or formatted.text)


def role_of(item: Any) -> str:
    """The role that an item is shown under."""
    if item.type == "function_call":
        return "function"
    if item.type == "function_call_output":
        return "output"
    return one_line(item.role or item.type, 12)


class Transcript:
    """Rows in the order of the conversation, the oldest evicted beyond MAX_ROWS."""

    def __init__(self) -> None:
        self._rows: dict[str, ItemRow] = {}
        self.evicted = 0
        self.revision = 0

    def __iter__(self) -> Iterator[ItemRow]:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, item_id: str | None) -> ItemRow | None:
        return None if item_id is None else self._rows.get(item_id)

    def last(self) -> ItemRow | None:
        return next(reversed(self._rows.values()), None)

    def add(self, row: ItemRow) -> ItemRow:
        self._rows[row.id] = row
        while len(self._rows) > MAX_ROWS:
            del self._rows[next(iter(self._rows))]
            self.evicted += 1
        self.revision += 1
        return row

    def take(self, item: Any, now: float, delta: Any = None) -> ItemRow:
        """Add or update the row of a client's *item*."""
        row = self._rows.get(item.id) or self.add(ItemRow(item.id, role_of(item)))
        if row.began is None:
            row.began = now
        row.role = role_of(item)
        row.take(item, delta)
        if row.status != "in_progress":
            row.ended = row.ended or now
        self.revision += 1
        return row

    def remove(self, item_id: str) -> bool:
        self.revision += 1
        return self._rows.pop(item_id, None) is not None

    def divide(self, text: str, now: float) -> None:
        """A new session begins below this line; the rows above are not known to its server."""
        for row in self:
            row.live = False
        if self._rows:
            row = ItemRow(f"session-{now:.6f}", "session")
            row.text, row.live, row.began, row.status = clean(text), False, now, "completed"
            self.add(row)

    def neighbour(self, item_id: str | None, step: int) -> ItemRow | None:
        """The row *step* rows away from *item_id*, dividers left out; the last row when none is given."""
        rows = [row for row in self if row.role != "session"]
        if not rows:
            return None
        ids = [row.id for row in rows]
        if item_id not in ids:
            return rows[-1]
        return rows[min(max(ids.index(item_id) + step, 0), len(rows) - 1)]
