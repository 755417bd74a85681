"""The items in the order of the conversation, with a limited number of items and seconds of audio.

The server states the order (``previous_item_id``). It differs from the order of arrival: a user's turn may be
announced late, and an item may name a predecessor that is not known yet.

Thread: the event loop's only.
"""

from __future__ import annotations

from collections import deque

from ..protocol.audio_format import Int16Array
from ..protocol.bounded_dict import remember
from ..protocol.numbers import not_negative, whole_number
from .items import MAX_PARTS, Item

__all__ = ["ItemList"]


class ItemList:
    """The items by id and in order.

    Parameters
    ----------
    max_items : int
        The oldest items beyond this number are dropped and counted in ``evicted_items``.
    keep_audio_seconds : float
        Seconds of audio kept over all items; beyond it the oldest items lose their audio, counted in
        ``evicted_seconds``.

    Attributes
    ----------
    evicted_items : int
    evicted_seconds : float
    audio_seconds : float
        Seconds of audio kept now.
    """

    def __init__(self, max_items: int, keep_audio_seconds: float) -> None:
        self.max_items = whole_number(max_items, "max_items", least=1)
        self.keep_audio_seconds = not_negative(keep_audio_seconds, "keep_audio_seconds")
        self.evicted_items = 0
        self.evicted_seconds = 0.0
        self.clear()

    def clear(self) -> None:
        """Remove all items; counters stay."""
        self._items: dict[str, Item] = {}
        self._order: list[str] = []
        # Id of an unknown predecessor -> ids of the items that name it.
        self._waiting: dict[str, list[str]] = {}
        # Ids of items with audio, oldest first.
        self._heavy: deque[str] = deque()
        self.audio_seconds = 0.0

    def __len__(self) -> int:
        return len(self._order)

    def get(self, item_id: str) -> Item | None:
        """The item with this id, or None."""
        return self._items.get(item_id)

    def in_order(self) -> list[Item]:
        """A new list of the items in the order of the conversation."""
        return [self._items[item_id] for item_id in self._order]

    # Order

    def append(self, item_id: str) -> Item:
        """Make a new item at the end; drops the oldest item where there are too many."""
        item = self._items[item_id] = Item(item_id)
        self._order.append(item_id)
        for follower in self._waiting.pop(item_id, ()):
            if follower in self._items:
                self._move(follower, item_id)
        if len(self._order) > self.max_items:
            # The new item stays even if it was moved to the front.
            oldest = next(one for one in self._order if one != item_id)
            self.drop_audio(self._items[oldest], evicted=True)
            self._forget(oldest)
            self.evicted_items += 1
        return item

    def place(self, item: Item, previous: str) -> None:
        """Move *item* to its place after *previous*; it stays where it is until *previous* is known."""
        item.previous_item_id = previous
        if previous == "root":
            self._move(item.id, None)
        elif previous in self._items:
            self._move(item.id, previous)
        else:
            remember(self._waiting, previous, [*self._waiting.get(previous, ())[-MAX_PARTS:], item.id])

    def _move(self, item_id: str, previous: str | None) -> None:
        """Move *item_id* right after *previous*, together with the items that name it, directly or in a chain.

        None stands for the beginning of the conversation.
        """
        if self._order[-2:] == [previous, item_id]:
            return
        start = self._order.index(item_id)
        block = [item_id]
        for one in self._order[start + 1 :]:
            if self._items[one].previous_item_id in block:
                block.append(one)
        if previous in block:
            # The server's statements contradict each other.
            return
        rest = [one for one in self._order if one not in block]
        place = rest.index(previous) + 1 if previous is not None else 0
        self._order = [*rest[:place], *block, *rest[place:]]

    def remove(self, item: Item) -> None:
        """Remove *item* and its audio."""
        self.drop_audio(item, evicted=False)
        self._forget(item.id)

    def _forget(self, item_id: str) -> None:
        del self._items[item_id]
        self._order.remove(item_id)

    def rename(self, item_id: str, new_id: str) -> None:
        """Change the id of an item to the id that the server gave it."""
        item = self._items.get(item_id)
        if item is None or new_id in self._items:
            return
        del self._items[item_id]
        item.id = new_id
        self._items[new_id] = item
        self._order[self._order.index(item_id)] = new_id
        for follower in self._items.values():
            if follower.previous_item_id == item_id:
                follower.previous_item_id = new_id
        self._heavy = deque(new_id if one == item_id else one for one in self._heavy)

    # Audio

    def add_audio(self, item: Item, samples: Int16Array) -> None:
        """Append to the item's audio. Amortised O(len(samples))."""
        store = item.formatted.store
        seconds = len(samples) / item.formatted.sample_rate
        while (
            self.audio_seconds + seconds > self.keep_audio_seconds
            and self._heavy
            and self._heavy[0] != item.id
        ):
            self.drop_audio(self._items[self._heavy[0]], evicted=True)
        if self.audio_seconds + seconds > self.keep_audio_seconds:
            # This item alone fills the store: its first part stays.
            self.evicted_seconds += seconds
            return
        if not len(store):
            self._heavy.append(item.id)
        store.append(samples)
        self.audio_seconds += seconds

    def cut_audio(self, item: Item, samples: int) -> None:
        """Keep the first *samples* of the item's audio: the part that was heard."""
        store = item.formatted.store
        self.audio_seconds -= max(len(store) - samples, 0) / item.formatted.sample_rate
        store.truncate(samples)
        if not len(store) and item.id in self._heavy:
            self._heavy.remove(item.id)

    def drop_audio(self, item: Item, *, evicted: bool) -> None:
        """Drop the item's audio, counted in ``evicted_seconds`` if *evicted*."""
        if item.id in self._heavy:
            seconds = len(item.formatted.store) / item.formatted.sample_rate
            self.audio_seconds -= seconds
            self.evicted_seconds += seconds if evicted else 0.0
            item.formatted.store.clear()
            self._heavy.remove(item.id)
