"""KeptItems: the items and turns of a session for its document, also those that the model no longer holds.

Thread: the event loop's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .state import Turn
from .transcript import ItemRow

__all__ = ["KeptItems", "item_entry"]

MAX_ITEMS = 5_000


def item_entry(row: ItemRow) -> dict[str, Any]:
    """Return what is saved of a row, without its audio."""
    entry: dict[str, Any] = {
        "id": row.id,
        "role": row.role,
        "status": row.status,
        "text": row.text,
        "began": row.began,
        "ended": row.ended,
        "latency": row.latency,
        "heard_samples": row.heard_samples,
        "heard_chars": row.heard_chars,
        "received": row.received,
        "words": row.words.as_json() if row.spoken else [],
    }
    item = row.source
    if item is not None:
        tool = item.formatted.tool
        entry["response"] = item.response_id
        entry["call_id"] = item.call_id if tool is None else tool.call_id
        if tool is not None:
            entry["name"], entry["arguments"] = tool.name, tool.arguments
    return entry


class KeptItems:
    """Entries by id, in their order; each has a file name for its audio that stays the same.

    Attributes
    ----------
    evicted : int
        How many entries were dropped, the oldest first, beyond MAX_ITEMS.
    """

    def __init__(self) -> None:
        self.evicted = 0
        self._entries: dict[str, dict[str, Any]] = {}
        self._names: dict[str, str] = {}
        self._turns: dict[tuple[str, float], Turn] = {}
        self._times: dict[int, dict[str, Any]] = {}
        self._count = 0

    def take(
        self, rows: Iterable[ItemRow]
    ) -> tuple[list[dict[str, Any]], list[tuple[str, ItemRow]], list[str]]:
        """Take the rows that the model holds now.

        Returns
        -------
        tuple
            All entries in order; (file name, row) of those rows with complete audio; names of files whose item is gone.
        """
        held = {row.id: row for row in rows}
        first = next((item_id for item_id in self._entries if item_id in held), None)
        gone = []
        # Rows before the first one that is held were evicted, and stay here. Others that are missing were deleted
        passed = False
        for item_id in list(self._entries):
            passed = passed or item_id == first
            if passed and item_id not in held:
                gone.append(item_id)
        audio = []
        for item_id, row in held.items():
            entry = item_entry(row)
            if item_id not in self._names:
                self._names[item_id] = f"{self._count:03}-{row.role if row.role.isalpha() else 'item'}.wav"
                self._count += 1
            if row.status != "in_progress" and len(row.audio):
                entry["audio"] = self._names[item_id]
                audio.append((entry["audio"], row))
            elif "audio" in self._entries.get(item_id, {}):
                # The client no longer holds the audio; the file does
                entry["audio"] = self._entries[item_id]["audio"]
            self._entries[item_id] = entry
        while len(self._entries) > MAX_ITEMS:
            gone.append(next(iter(self._entries)))
            self._drop(gone[-1:])
            self.evicted += 1
        names = [self._names[item_id] for item_id in gone if item_id in self._names]
        self._drop(gone)
        for item_id in gone:
            self._names.pop(item_id, None)
        return list(self._entries.values()), audio, names

    def take_turns(self, turns: Iterable[Turn]) -> list[dict[str, Any]]:
        """Take the turns that the model holds now; return all."""
        for turn in turns:
            self._turns[turn.item_id, turn.first_sample] = turn
        while len(self._turns) > MAX_ITEMS:
            del self._turns[next(iter(self._turns))]
        return [vars(turn) for turn in self._turns.values()]

    def take_waterfall(self, turns: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Take the times of the turns that the model holds now, as JSON; return those of all turns."""
        for turn in turns:
            self._times[turn["number"]] = turn
        while len(self._times) > MAX_ITEMS:
            del self._times[next(iter(self._times))]
        return list(self._times.values())

    def _drop(self, ids: list[str]) -> None:
        for item_id in ids:
            self._entries.pop(item_id, None)
