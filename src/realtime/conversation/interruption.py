"""Decides which events tell the server about an interruption.

The player reports which answer was audible and how many of its samples were heard. The rules:

* fewer samples were heard than arrived, or the answer is unfinished: truncate it at the heard position, rounded
  down to whole milliseconds and never beyond the audio that arrived;
* a finished answer that was heard to its end stays unchanged;
* an answer of which no audio has arrived cannot be truncated: delete it, unless it has text. Otherwise the model
  would believe that it had said it;
* the same truncation is not sent twice;
* items of a cancelled response that began after the cancellation were not heard at all.

Thread: the event loop's only.
"""

from __future__ import annotations

from typing import Any

from ..protocol.numbers import whole_number
from .change import Change
from .items import Item
from .reducer import Conversation

__all__ = ["interrupt", "settle"]


def interrupt(
    conversation: Conversation, item: Item, heard_samples: int
) -> tuple[list[Change], list[dict[str, Any]]]:
    """Mark *item* as interrupted by the listener.

    Parameters
    ----------
    conversation : Conversation
    item : Item
        The answer that was audible.
    heard_samples : int
        Samples of the answer that were heard, at its ``formatted.sample_rate``.

    Returns
    -------
    tuple of (list of Change, list of dict)
        the changes to report, and the client events to send

    Raises
    ------
    ValueError
        *heard_samples* is no integer; nothing has changed then
    """
    heard_samples = whole_number(heard_samples, "heard_samples")
    received, finished = item.received_samples, item.stream.closed
    if finished and heard_samples >= received and not item.stream.unheard:
        return [], []
    before = item.audio_end_ms
    changes = conversation.interrupt(item.id, heard_samples)
    if received:
        end = item.audio_end_ms
        if end is None or (before is not None and end >= before):
            return changes, []
        part = next((i for i, part in enumerate(item.content) if part.get("type") == "output_audio"), 0)
        return changes, [
            {
                "type": "conversation.item.truncate",
                "item_id": item.id,
                "content_index": part,
                "audio_end_ms": end,
            }
        ]
    if item.stream.deleting or item.formatted.text:
        return changes, []
    item.stream.deleting = True
    return changes, [{"type": "conversation.item.delete", "item_id": item.id}]


def settle(conversation: Conversation, response_id: str) -> tuple[list[Change], list[dict[str, Any]]]:
    """The cancelled response *response_id* has ended: its items that began after the cancellation were not heard.

    Returns the changes to report, and the client events to send.
    """
    changes: list[Change] = []
    events: list[dict[str, Any]] = []
    for item in conversation.get_items():
        if item.response_id == response_id and item.stream.unheard and item.type == "message":
            item_changes, item_events = interrupt(conversation, item, 0)
            item.stream.unheard = False
            changes += item_changes
            events += item_events
    return changes, events
