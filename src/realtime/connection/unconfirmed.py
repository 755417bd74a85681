"""Items that were sent and that the server has not confirmed yet, so that a lost connection does not lose them.

Thread: the event loop's only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..protocol.bounded_dict import remember
from ..protocol.reading import Wire, dict_of, list_of, text_of

__all__ = ["Unconfirmed"]


class Unconfirmed:
    """``conversation.item.create`` events and tool calls whose echo has not come.

    Attributes
    ----------
    calls : dict
        Call ids as keys, from the start of the tool to the echo of its output.
    """

    def __init__(self) -> None:
        # By item id, in the order sent.
        self._creations: dict[str, Wire] = {}
        self.calls: dict[str, None] = {}

    def __bool__(self) -> bool:
        return bool(self._creations)

    @property
    def first(self) -> Wire | None:
        """The event of the first item that was sent and not confirmed."""
        return next(iter(self._creations.values()), None)

    def clear(self) -> None:
        """Forget everything."""
        self._creations.clear()
        self.calls.clear()

    def sent(self, event: Wire) -> None:
        """Note that an item was sent."""
        self._creations[event["item"]["id"]] = event

    def not_sent(self, event: Wire) -> None:
        """Forget an item that did not leave after all."""
        self._creations.pop((event.get("item") or {}).get("id", ""), None)

    def refused(self, event: Wire) -> None:
        """Forget an item that the server refused, or for which it ended the session: it would do so again."""
        self._creations.pop(event["item"]["id"], None)
        self._end_call(event["item"])

    def call_started(self, call_id: str) -> None:
        """Note that a tool runs, whose output will be sent."""
        remember(self.calls, call_id, None)

    def take_missing(self, known: Iterable[str]) -> list[Wire]:
        """Forget every item; returns the events of those that are not in *known*, to be sent again."""
        creations, self._creations = self._creations, {}
        known = set(known)
        return [event for item_id, event in creations.items() if item_id not in known]

    def confirm(self, item: Any, is_known: Callable[[str], bool], rename: Callable[[str, str], None]) -> None:
        """The server announced *item*. Forget it if it was sent by us, perhaps under another id.

        Parameters
        ----------
        item : Any
            As the server stated it.
        is_known : callable
            True for the id of an item that is in the conversation already.
        rename : callable
            Called with our id and the server's if they differ.
        """
        item_id = item.get("id") if isinstance(item, dict) else None
        if not self._creations or not isinstance(item_id, str):
            return
        event = self._creations.pop(item_id, None)
        if event is None and not is_known(item_id):
            for ours, sent in self._creations.items():
                if _alike(sent["item"], item):
                    event = self._creations.pop(ours)
                    rename(ours, item_id)
                    break
        if event is not None and event["item"].get("type") == "function_call_output":
            self._end_call(event["item"])

    def _end_call(self, item: Wire) -> None:
        self.calls.pop(text_of(item.get("call_id")) or "", None)


def _alike(ours: Wire, theirs: Wire) -> bool:
    """True if two items differ in their ids alone."""
    same = all(ours.get(key) == theirs.get(key) for key in ("type", "role", "call_id"))
    return same and _texts(ours) == _texts(theirs)


def _texts(item: Wire) -> list[Any]:
    return [dict_of(part).get("text") for part in list_of(item.get("content"))]
