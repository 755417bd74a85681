"""Transcript: the items of the conversation as rows; their number is bounded and their text is clean.

Rows stay when their connection closes, so that an old answer can still be read and heard.

Thread: the event loop's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .heard_words import HeardWords
from .text import Cleaner, clean, one_line

# NumPy is imported with the first audio, so that the screen comes first
if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ItemRow", "Transcript"]

MAX_ROWS = 500
MAX_TEXT_CHARS = 65_536


class ItemRow:
    """One item of the conversation.

    Attributes
    ----------
    role : str
        "user", "assistant", "system", "function" (a call), "output" (the result of a tool) or "session" (a divider).
    revision : int
        Grows with every change that can be seen.
    heard_samples : int or None
        Where an interrupted answer was cut; None if it was not interrupted.
    heard_chars : int
        The same place in the text, at the end of the word before; see `HeardWords`.
    received : int
        Samples of the answer that arrived; after a cut, ``audio`` holds only those that were heard.
    spoken : bool
        An answer that is heard, and not only read.
    played : bool
        Nothing more of the answer will be heard.
    lit : tuple of int or None
        Where the word that is heard begins and ends in ``text`` while the answer is heard; (0, 0) before its first sample.
        None: all of the text is shown alike.
    words : HeardWords
        Which word is heard after how many samples.
    latency : float or None
        Seconds from the end of the user's turn to the first sample.
    began, ended : float or None
        Seconds since the epoch.
    live : bool
        The item belongs to the connected session, so the server knows it.
    source : Item or None
        The client's item, whose audio grows.
    saved_audio : ndarray or None
        The audio of a row that was loaded from a file.
    """

    # More than 20 attributes: one record of all that is shown and saved of an item
    def __init__(self, item_id: str, role: str) -> None:
        self.id = item_id
        self.role = role
        self.revision = 0
        self.status = "in_progress"
        self.text = ""
        self.heard_samples: int | None = None
        self.heard_chars = 0
        self.received = 0
        self.spoken = False
        self.played = False
        self.lit: tuple[int, int] | None = None
        self.words = HeardWords()
        self.latency: float | None = None
        self.began: float | None = None
        self.ended: float | None = None
        self.live = True
        self.sample_rate = 24_000
        self.source: Any = None
        self.saved_audio: NDArray[np.int16] | None = None
        self._cleaner = Cleaner()
        self._raw_length = 0

    @property
    def audio(self) -> NDArray[np.int16]:
        """Mono samples at ``sample_rate``; empty if the item has no audio, or no longer has it."""
        if self.saved_audio is not None:
            return self.saved_audio
        if self.source is None:
            import numpy as np

            return np.empty(0, np.int16)
        audio: NDArray[np.int16] = self.source.formatted.audio
        return audio

    @property
    def seconds(self) -> float:
        """Length of the audio."""
        return len(self.audio) / self.sample_rate

    @property
    def shown(self) -> str:
        """The text, or a placeholder until it comes."""
        if self.text:
            return self.text
        if self.role == "user":
            return "(awaiting transcript)" if len(self.audio) else "(item sent)"
        if self.role == "assistant":
            return "(truncated)" if self.heard_samples is not None else "…"
        return "(empty)"

    def take(self, item: Any, delta: Any = None) -> None:
        """Bring the row up to date with the client's *item*; *delta* is the added part, if nothing else changed."""
        self.revision += 1
        self.source = item
        self.status = item.status
        self.sample_rate = item.formatted.sample_rate
        # An item that came back after its deletion has no samples at the client
        self.received = max(self.received, item.received_samples)
        raw = _raw_text(item)
        added = None if delta is None else (delta.transcript or delta.text or delta.arguments)
        if added and self.role == "function":
            # The text is name(arguments): a delta belongs before its last bracket
            added = None
        if added and len(raw) == self._raw_length + len(added):
            if len(self.text) < MAX_TEXT_CHARS:
                # The cost is that of the delta, however long the answer is
                self.text += self._cleaner.feed(added)
        elif len(raw) != self._raw_length or delta is None:
            self._cleaner = Cleaner()
            self.text = clean(raw.strip() if item.role == "user" else raw, MAX_TEXT_CHARS)
        self._raw_length = len(raw)
        if item.role == "assistant" and (self.received or item.formatted.transcript):
            self.spoken = True
            if delta is not None and delta.audio is not None:
                self.words.add_audio(delta.audio)
            self.words.grow(self.received, self.text, self.status != "in_progress", self.sample_rate)
        if item.truncated:
            self.heard_chars = min(self._heard_chars(item), len(self.text))

    def _heard_chars(self, item: Any) -> int:
        if self.heard_samples is None:
            return len(clean(item.heard_transcript))
        if self.heard_samples == 0:
            return 0
        from realtime.conversation.text_cut import cut_text

        return len(cut_text(self.text, self.words.index(self.heard_samples, self.text)))

    def inherit(self, deleted: ItemRow) -> None:
        """Take the audio, the place of the cut and the latency of the row that this one brings back."""
        self.saved_audio, self.sample_rate = deleted.saved_audio, deleted.sample_rate
        self.heard_samples, self.heard_chars = deleted.heard_samples, min(deleted.heard_chars, len(self.text))
        self.received, self.latency = deleted.received, deleted.latency
        self.revision += 1


def _raw_text(item: Any) -> str:
    formatted = item.formatted
    if item.type == "function_call" and formatted.tool is not None:
        return f"{formatted.tool.name}({formatted.tool.arguments})"
    if item.type == "function_call_output":
        return str(formatted.output or "")
    return str(formatted.transcript or formatted.text)


def role_of(item: Any) -> str:
    """Return the role under which an item is shown."""
    if item.type == "function_call":
        return "function"
    if item.type == "function_call_output":
        return "output"
    return one_line(item.role or item.type, 12)


class Transcript:
    """Rows in the order of the conversation. Beyond MAX_ROWS the oldest are dropped, and counted in ``evicted``."""

    def __init__(self) -> None:
        self._rows: dict[str, ItemRow] = {}
        self.evicted = 0
        self.revision = 0

    def __iter__(self) -> Iterator[ItemRow]:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, item_id: str | None) -> ItemRow | None:
        """Return the row of an item, or None."""
        return None if item_id is None else self._rows.get(item_id)

    def last(self) -> ItemRow | None:
        """Return the newest row, or None."""
        return next(reversed(self._rows.values()), None)

    def add(self, row: ItemRow) -> ItemRow:
        """Append a row and return it."""
        self._rows[row.id] = row
        while len(self._rows) > MAX_ROWS:
            del self._rows[next(iter(self._rows))]
            self.evicted += 1
        self.revision += 1
        return row

    def insert(self, row: ItemRow, previous: str | None) -> ItemRow:
        """Add a row below the row *previous*, or below all rows if there is no such row; return it.

        "root" is the beginning of the session: the row comes below the last divider.
        """
        last = self.last()
        self.add(row)
        if last is None or previous == last.id or (previous != "root" and previous not in self._rows):
            return row
        ids = [one for one in self._rows if one != row.id]
        if previous == "root":
            dividers = [at for at, one in enumerate(ids) if self._rows[one].role == "session"]
            place = dividers[-1] + 1 if dividers else 0
        else:
            place = ids.index(str(previous)) + 1
        self._rows = {one: self._rows[one] for one in [*ids[:place], row.id, *ids[place:]]}
        return row

    def take(self, item: Any, now: float, delta: Any = None) -> ItemRow:
        """Add or update the row of a client's *item*; return it."""
        row = self._rows.get(item.id)
        if row is None:
            row = self.insert(ItemRow(item.id, role_of(item)), item.previous_item_id)
        if row.began is None:
            row.began = now
        row.role = role_of(item)
        row.take(item, delta)
        if row.status != "in_progress":
            row.ended = row.ended or now
        self.revision += 1
        return row

    def clear(self) -> None:
        """Forget every row, for a replay that goes back."""
        self._rows.clear()
        self.evicted = 0
        self.revision += 1

    def remove(self, item_id: str) -> bool:
        """Remove a row; True if there was one."""
        self.revision += 1
        return self._rows.pop(item_id, None) is not None

    def divide(self, text: str, now: float) -> None:
        """Add a divider: a new session begins below it, and its server does not know the rows above."""
        for row in self:
            row.live = False
        if self._rows:
            row = ItemRow(f"session-{now:.6f}", "session")
            row.text, row.live, row.began, row.status = clean(text), False, now, "completed"
            self.add(row)

    def neighbour(self, item_id: str | None, step: int) -> ItemRow | None:
        """Return the row *step* rows away from *item_id*, not counting dividers; the last row if there is no such item."""
        rows = [row for row in self if row.role != "session"]
        if not rows:
            return None
        ids = [row.id for row in rows]
        if item_id not in ids:
            return rows[-1]
        return rows[min(max(ids.index(item_id) + step, 0), len(rows) - 1)]
