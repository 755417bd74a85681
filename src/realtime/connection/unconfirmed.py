"""Items that were sent and that the server has not confirmed: a lost connection must not lose them.

Thread: the event loop's only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..protocol.bounded_dict import remember
from ..protocol.reading import Wire

__all__ = ["Pending"]


class Pending:
    """``conversation.item.create`` events without their echo, and tool calls whose output has none."""

    def __init__(self) -> None:
        self._creations: dict[str, Wire] = {}  # by item id, in the order sent
        self.calls: dict[str, None] = {}  # call ids from the start of the tool to the echo of its output

    def __bool__(self) -> bool:
        return bool(self._creations)

    def clear(self) -> None:
        self._creations.clear()
        self.calls.clear()

    def sent(self, event: Wire) -> None:
        self._creations[event["item"]["id"]] = event

    def not_sent(self, event: Wire) -> None:
        self._creations.pop((event.get("item") or {}).get("id", ""), None)

    def refused(self, event: Wire) -> None:
        """The server said no: there is no use in sending it again."""
        self._creations.pop(event["item"]["id"], None)
        self.calls.pop(event["item"].get("call_id", ""), None)

    def call_started(self, call_id: str) -> None:
        remember(self.calls, call_id, None)

    def take_missing(self, known: Iterable[str]) -> list[Wire]:
        """Everything not confirmed, but the items in *known*; to be sent again."""
        creations, self._creations = self._creations, {}
        known = set(known)
        return [event for item_id, event in creations.items() if item_id not in known]

    def confirm(self, item: Any, is_known: Callable[[str], bool], rename: Callable[[str, str], None]) -> None:
        """The server announces *item*: perhaps one of ours, perhaps under an id of its own."""
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
            self.calls.pop(event["item"]["call_id"], None)


def _alike(ours: Wire, theirs: Wire) -> bool:
    return all(ours.get(key) == theirs.get(key) for key in ("type", "role", "call_id")) and _texts(
        ours
    ) == _texts(theirs)


def _texts(item: Wire) -> list[Any]:
    content = item.get("content")
    return (
        [part.get("text") for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    )
