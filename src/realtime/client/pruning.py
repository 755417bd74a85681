"""Deletes old tool calls and their outputs from the conversation, once an answer has used them.

Each response is billed for all items of the conversation, and outputs of tools can be long.

Thread: the event loop's only.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..conversation.items import Item
from ..protocol.bounded_dict import remember
from .session import Session

__all__ = ["Pruner", "answered_calls"]

# Items that one answer deletes at most; the next answer deletes more.
MAX_AT_ONCE = 64


def answered_calls(items: Sequence[Item]) -> list[Item]:
    """The tool calls and outputs after which the assistant has answered, oldest first.

    A call whose output is missing stays, and an output whose call is missing.
    """
    last = max((place for place, item in enumerate(items) if _is_answer(item)), default=0)
    before = items[:last]
    outputs = {item.call_id for item in before if item.type == "function_call_output"}
    calls = {item.call_id for item in before if item.type == "function_call"}
    paired = (outputs & calls) - {None}
    return [
        item
        for item in before
        if item.call_id in paired and item.type in ("function_call", "function_call_output")
    ]


def _is_answer(item: Item) -> bool:
    return item.type == "message" and item.role == "assistant" and item.status == "completed"


class Pruner:
    """Deletes what `answered_calls` finds, whenever the model rests."""

    def __init__(self, session: Session) -> None:
        self._session = session
        # Ids of items whose deletion was requested.
        self._asked: dict[str, None] = {}
        session.turns.when_idle = self.prune

    def prune(self) -> None:
        """Request the deletions that are due."""
        due = [
            item
            for item in answered_calls(self._session.conversation.get_items())
            if item.id not in self._asked
        ]
        for item in due[:MAX_AT_ONCE]:
            remember(self._asked, item.id, None)
            self._session.send({"type": "conversation.item.delete", "item_id": item.id})
