"""The items of one conversation, in order, and the rules of inserting, truncating and deleting them.

Thread: the event loop; pure state, no I/O.
"""

from __future__ import annotations

import asyncio
import copy
import secrets
from dataclasses import dataclass, field
from typing import Any

from ..audio_format import AudioFormat
from ..checks.schema import RequestError
from ..models.interfaces import Int16Array

ROOT = "root"
AUDIO_SAMPLES_KEPT = 24_000 * 600  # ten minutes of user audio for item.retrieve; the oldest goes first


def new_id(prefix: str) -> str:
    """A fresh identifier such as ``item_4f9c...``."""
    return f"{prefix}_{secrets.token_hex(10)}"


@dataclass
class Item:
    """One item. ``fields`` is its wire form without audio bytes."""

    fields: dict[str, Any]
    audio: Int16Array | None = None  # what the user said, in the input format's rate
    audio_format: AudioFormat | None = None
    heard: asyncio.Future[str] | None = None  # the words in it, known some time after the commit
    spoken_samples: int = 0  # assistant audio sent so far, in audio_format's rate
    truncated: bool = field(default=False)

    @property
    def id(self) -> str:
        return str(self.fields["id"])

    @property
    def kind(self) -> str:
        return str(self.fields["type"])

    @property
    def characters(self) -> int:
        """How much text the item holds."""
        parts = self.fields.get("content", ())
        return sum(
            len(value) for part in (self.fields, *parts) for value in part.values() if isinstance(value, str)
        )

    def as_dict(self) -> dict[str, Any]:
        """A copy of the wire form."""
        return copy.deepcopy(self.fields)

    def text(self) -> str:
        """All words of a message: its texts and transcripts."""
        heard = ""
        if self.heard is not None and self.heard.done() and not self.heard.cancelled():
            heard = self.heard.result()
        words = []
        for part in self.fields.get("content", ()):
            # What we heard ourselves comes before a transcript that the client sent along.
            spoken = heard if part["type"] == "input_audio" and heard else part.get("transcript")
            words.append(part.get("text") or spoken or "")
        return " ".join(word for word in words if word)


class Conversation:
    """Ordered items with unique ids."""

    def __init__(self) -> None:
        self.id = new_id("conv")
        self.items: list[Item] = []
        self._by_id: dict[str, Item] = {}
        self._audio_samples = 0

    def insert(self, item: Item, previous_item_id: str | None = None) -> str | None:
        """Put *item* after the named one (None: at the end, "root": first); returns its predecessor's id.

        RequestError for an unknown predecessor or an id that is taken: nothing is inserted.
        """
        if item.id in self._by_id:
            raise RequestError(
                "item_create_invalid_item_id",
                f"Error adding item: an item with ID '{item.id}' already exists in the conversation.",
                "item.id",
            )
        if previous_item_id is None:
            position = len(self.items)
        elif previous_item_id == ROOT:
            position = 0
        else:
            previous = self._find(
                previous_item_id,
                "item_create_invalid_previous_item_id",
                "Error adding item: the previous item",
            )
            position = self.items.index(previous) + 1
        self.items.insert(position, item)
        self._by_id[item.id] = item
        if item.audio is not None:
            self._keep_audio(position)
        return self.items[position - 1].id if position else None

    @property
    def characters(self) -> int:
        """How much text all items hold."""
        return sum(item.characters for item in self.items)

    def get(self, item_id: str) -> Item | None:
        return self._by_id.get(item_id)

    def previous_id(self, item: Item) -> str | None:
        """Id of the item before *item*, which must be in the conversation."""
        position = self.items.index(item)
        return self.items[position - 1].id if position else None

    @property
    def last_id(self) -> str | None:
        return self.items[-1].id if self.items else None

    def retrieve(self, item_id: str) -> Item:
        """The item. RequestError if there is none of that id."""
        return self._find(item_id, "item_retrieve_invalid_item_id", "Error retrieving item: the item")

    def delete(self, item_id: str) -> None:
        """Remove the item. RequestError if there is none of that id."""
        item = self._find(item_id, "item_delete_invalid_item_id", "Error deleting item: the item")
        self.items.remove(item)
        del self._by_id[item_id]
        if item.audio is not None:
            self._audio_samples -= len(item.audio)

    def truncate(self, item_id: str, audio_end_ms: int) -> None:
        """Cut assistant audio at *audio_end_ms* and forget its transcript, or raise RequestError."""
        item = self._find(item_id, "item_truncate_invalid_item_id", "Error truncating item: the item")
        if item.audio_format is None or not item.spoken_samples:
            raise RequestError(
                "unsupported_content_type", "Only model output audio messages can be truncated.", "item_id"
            )
        duration_ms = item.audio_format.milliseconds(item.spoken_samples)
        if audio_end_ms > duration_ms:
            raise RequestError(
                "invalid_value",
                f"Audio content of {duration_ms}ms is already shorter than {audio_end_ms}ms",
                "audio_end_ms",
            )
        item.spoken_samples = min(item.spoken_samples, audio_end_ms * item.audio_format.rate // 1000)
        item.truncated = True
        for part in item.fields["content"]:
            part["transcript"] = None

    def tool_name(self, call_id: str) -> str | None:
        """Name of the tool that the call asked for, None if no such call is in the conversation."""
        for item in reversed(self.items):
            if item.kind == "function_call" and item.fields["call_id"] == call_id:
                return str(item.fields["name"])
        return None

    def _find(self, item_id: str, code: str, what: str) -> Item:
        item = self._by_id.get(item_id)
        if item is None:
            raise RequestError(code, f"{what} with id '{item_id}' does not exist.", None)
        return item

    def _keep_audio(self, position: int) -> None:
        """Count the audio of the item at *position*; where that is too much, what comes before it loses its own."""
        newest = self.items[position]
        assert newest.audio is not None
        self._audio_samples += len(newest.audio)
        for item in self.items[:position]:
            if self._audio_samples <= AUDIO_SAMPLES_KEPT:
                break
            if item.audio is not None:
                self._audio_samples -= len(item.audio)
                item.audio = None
