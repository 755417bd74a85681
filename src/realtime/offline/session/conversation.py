"""The items of one conversation, in order, and the rules of inserting, truncating and deleting them.

Thread: the event loop; pure state, no I/O.
"""

from __future__ import annotations

from ...protocol.ids import generate_server_id
from ..checks.schema import RequestError
from .items import Item

# The previous_item_id that means "before all items".
ROOT = "root"
# Ten minutes of the user's audio, for conversation.item.retrieve; the oldest is dropped first.
AUDIO_SAMPLES_KEPT = 24_000 * 600


class Conversation:
    """The items of one conversation, in order, with unique ids."""

    def __init__(self) -> None:
        self.id = generate_server_id("conv")
        self.items: list[Item] = []
        self._by_id: dict[str, Item] = {}
        self._audio_samples = 0

    def insert(self, item: Item, previous_item_id: str | None = None) -> str | None:
        """Put *item* after the named one (None: at the end, "root": first); returns the id of the item before it.

        Raises RequestError, and inserts nothing, for an unknown *previous_item_id* or an id that exists already.
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
        """Characters in the strings of all items."""
        return sum(item.characters for item in self.items)

    @property
    def image_characters(self) -> int:
        """Characters of the URLs of all images."""
        return sum(item.image_characters for item in self.items)

    def get(self, item_id: str) -> Item | None:
        """The item of that id, or None."""
        return self._by_id.get(item_id)

    def previous_id(self, item: Item) -> str | None:
        """Id of the item before *item*, which must be in the conversation."""
        position = self.items.index(item)
        return self.items[position - 1].id if position else None

    @property
    def last_id(self) -> str | None:
        """Id of the last item; None if there is none."""
        return self.items[-1].id if self.items else None

    def retrieve(self, item_id: str) -> Item:
        """The item of that id. Raises RequestError if there is none."""
        return self._find(item_id, "item_retrieve_invalid_item_id", "Error retrieving item: the item")

    def delete(self, item_id: str) -> None:
        """Remove the item of that id. Raises RequestError if there is none."""
        item = self._find(item_id, "item_delete_invalid_item_id", "Error deleting item: the item")
        self.items.remove(item)
        del self._by_id[item_id]
        if item.audio is not None:
            self._audio_samples -= len(item.audio)

    def truncate(self, item_id: str, audio_end_ms: int) -> None:
        """Cut assistant audio at *audio_end_ms* and clear its transcript.

        Raises RequestError for an unknown item, an item without assistant audio, and an end beyond its audio.
        """
        item = self._find(item_id, "item_truncate_invalid_item_id", "Error truncating item: the item")
        if item.audio_format is None or not item.spoken_samples:
            raise RequestError(
                "unsupported_content_type", "Only model output audio messages can be truncated.", "item_id"
            )
        duration_ms = item.audio_format.ms_of_samples(item.spoken_samples)
        if audio_end_ms > duration_ms:
            raise RequestError(
                "invalid_value",
                f"Audio content of {duration_ms}ms is already shorter than {audio_end_ms}ms",
                "audio_end_ms",
            )
        item.spoken_samples = min(item.spoken_samples, audio_end_ms * item.audio_format.sample_rate // 1000)
        item.truncated = True
        for part in item.fields["content"]:
            part["transcript"] = None

    def tool_name(self, call_id: str) -> str | None:
        """Name of the tool that a function call asked for; None if the conversation has no such call."""
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
        """Count the audio of the item at *position*; above the limit, items before it lose theirs, oldest first."""
        newest = self.items[position]
        assert newest.audio is not None
        self._audio_samples += len(newest.audio)
        for item in self.items[:position]:
            if self._audio_samples <= AUDIO_SAMPLES_KEPT:
                break
            if item.audio is not None:
                self._audio_samples -= len(item.audio)
                item.audio = None
