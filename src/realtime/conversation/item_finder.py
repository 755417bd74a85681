"""Finds the item and the content part that an event is about; makes placeholders, and keeps hidden items away.

Thread: the event loop's only.
"""

from __future__ import annotations

from ..protocol.bounded_dict import remember
from ..protocol.reading import Wire, text_of
from .item_list import ItemList
from .items import MAX_PARTS, Item

__all__ = ["ItemFinder", "Malformed", "part_of", "required_text"]


class Malformed(Exception):
    """An event lacks a field that it needs; `Conversation.apply` catches and counts it."""


class ItemFinder:
    """Looks up items for events.

    Hidden items were deleted, are internal, or belong to a response left out. Items of a dropped response are
    interrupted from their beginning.
    """

    def __init__(self, items: ItemList) -> None:
        self._items = items
        self._hidden: dict[str, None] = {}
        self._deleted: dict[str, None] = {}
        # Ids of items that were complete when the session began.
        self._earlier: set[str] = set()
        self._left_out: dict[str, None] = {}
        # Response ids; "" for the events that name no response while a dropped one is being made.
        self._dropped: dict[str, None] = {}

    def clear(self) -> None:
        """Forget all hidden items, responses left out and dropped responses."""
        self._hidden.clear()
        self.begin_session()

    def begin_session(self) -> None:
        """A new session: it knows no deleted items and no earlier responses, and may use their ids again."""
        self._earlier = {item.id for item in self._items.in_order() if item.stream.closed}
        self._deleted.clear()
        self._left_out.clear()
        self._dropped.clear()

    def hide(self, item_id: str) -> None:
        """Make no placeholder for this item when a later event names it."""
        remember(self._hidden, item_id, None)

    def delete(self, item_id: str) -> None:
        """As `hide`, for this session."""
        remember(self._deleted, item_id, None)

    def leave_out(self, response_id: str) -> None:
        """Hide the items of this response."""
        remember(self._left_out, response_id, None)

    def drop(self, response_id: str) -> None:
        """Interrupt the items of this response, also those that are still to come."""
        remember(self._dropped, response_id, None)
        for item in self._items.in_order():
            if item.response_id == response_id:
                item.drop()

    def response_done(self) -> None:
        """A response has ended: events that name none belong to another one."""
        self._dropped.pop("", None)

    def rename(self, item_id: str, new_id: str) -> None:
        """Hide *new_id* too if *item_id* is hidden."""
        if item_id in self._hidden:
            self.hide(new_id)

    def find(self, item_id: str, response_id: str | None) -> tuple[Item | None, bool]:
        """The item *item_id*, made if there was none, and True if it is new; None for a hidden item."""
        item = self._items.get(item_id)
        created = item is None
        if item is None:
            if response_id in self._left_out:
                # Later events may name the item without its response.
                self.hide(item_id)
            if item_id in self._hidden or item_id in self._deleted:
                return None, False
            item = self._items.append(item_id)
        if response_id is not None:
            item.response_id = response_id
            if response_id in self._dropped:
                item.drop()
        return item, created

    def set_aside(self, item_id: str, response_id: str) -> None:
        """A response begins the item *item_id*: a complete item of another response gives its id up."""
        item = self._items.get(item_id)
        if item is None or not item.stream.closed:
            return
        if item_id in self._earlier or item.response_id not in (None, response_id):
            self._earlier.discard(item_id)
            number = 2
            while self._items.get(f"{item_id}~{number}") is not None:
                number += 1
            self._items.rename(item_id, f"{item_id}~{number}")

    def about(self, event: Wire, role: str | None, kind: str = "message") -> tuple[Item | None, bool]:
        """The item that *event* names, and True if it is new; None for a hidden item.

        An item that was never announced is made with *role* and type *kind*. Raises Malformed for an event that
        names no item.
        """
        item_id = event.get("item_id")
        if not isinstance(item_id, str) or not item_id:
            raise Malformed
        item = self._items.get(item_id)
        if item is not None and item.response_id is not None:
            if not (item.stream.closed and role == "assistant" and item_id in self._earlier):
                return item, False
            self.set_aside(item_id, "")
        item, created = self.find(item_id, text_of(event.get("response_id")))
        if item is not None:
            if created:
                item.type, item.role = kind, role
            if item.response_id is None and "" in self._dropped and role == "assistant":
                item.drop()
        return item, created


def part_of(item: Item, event: Wire, kind: str) -> Wire:
    """The content part of *item* that *event* names, made with type *kind* if it was never announced.

    Raises Malformed for an index that is no integer or out of range.
    """
    index = event.get("content_index")
    if index is None:
        index = 0
    if not isinstance(index, int) or not 0 <= index < MAX_PARTS:
        raise Malformed
    return item.part(index, kind)


def required_text(event: Wire, name: str) -> str:
    """The text of a field that may not be missing or empty. Raises Malformed."""
    value = event.get(name)
    if not isinstance(value, str) or not value:
        raise Malformed
    return value
