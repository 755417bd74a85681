"""What an interruption says to the server. Pure.

The player tells which answer was audible and how many samples of it were heard. The rules:

* heard less than arrived, or the answer is not finished: truncate at what was heard, rounded down to whole
  milliseconds and never beyond what arrived;
* a finished answer that was heard to its end stays whole;
* nothing of it has arrived: it cannot be truncated; unless it is text it is deleted, or the model would go on
  believing that it had said it;
* once is enough.

Thread: any; pure.
"""

from __future__ import annotations

from typing import Any

from .change import Change
from .items import Item
from .reducer import Conversation

__all__ = ["interrupt"]


def interrupt(
    conversation: Conversation, item: Item, heard_samples: int
) -> tuple[list[Change], list[dict[str, Any]]]:
    """Mark *item* as interrupted; returns what that changed, and the events to send."""
    received, finished = item.received_samples, item.stream.closed
    if finished and heard_samples >= received:
        return [], []
    before = item.audio_end_ms
    again = item.interrupted
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
    if again or item.formatted.text:
        return changes, []
    return changes, [{"type": "conversation.item.delete", "item_id": item.id}]
