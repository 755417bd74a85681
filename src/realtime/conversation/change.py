"""What the reducer says of an event: which item changed, and how.

Thread: any; stateless.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from ..protocol.audio_format import Int16Array
from ..protocol.reading import Wire
from .items import Item

__all__ = ["PASSED_OVER", "Change", "Delta", "Handler", "Kind", "text_delta", "updated"]

Kind = Literal["appended", "updated", "completed", "incomplete", "deleted"]
# Known, and no part of the conversation.
PASSED_OVER = frozenset(
    (
        "conversation.created",
        "error",
        "input_audio_buffer.cleared",
        "input_audio_buffer.dtmf_event_received",
        "mcp_list_tools.completed",
        "mcp_list_tools.failed",
        "mcp_list_tools.in_progress",
        "output_audio_buffer.cleared",
        "output_audio_buffer.started",
        "output_audio_buffer.stopped",
        "rate_limits.updated",
        "response.output_audio.done",
    )
)


class Delta:
    """What one event added to an item; one of the four is set, the others are None."""

    __slots__ = ("arguments", "audio", "text", "transcript")

    def __init__(
        self,
        audio: Int16Array | None = None,
        transcript: str | None = None,
        text: str | None = None,
        arguments: str | None = None,
    ) -> None:
        self.audio = audio
        self.transcript = transcript
        self.text = text
        self.arguments = arguments

    def __repr__(self) -> str:
        if self.audio is not None:
            return f"Delta(audio={len(self.audio)} samples)"
        return f"Delta(transcript={self.transcript!r}, text={self.text!r}, arguments={self.arguments!r})"


class Change:
    """One thing that an event did to one item."""

    __slots__ = ("delta", "item", "kind")

    def __init__(self, kind: Kind, item: Item, delta: Delta | None = None) -> None:
        self.kind = kind
        self.item = item
        self.delta = delta

    def __repr__(self) -> str:
        return f"Change({self.kind!r}, {self.item.id!r}, {self.delta!r})"


# Applies one event and returns its changes.
Handler = Callable[[Wire], list[Change]]


def text_delta(name: str, piece: str) -> Delta:
    """A piece of text as a delta of its kind."""
    return Delta(transcript=piece) if name == "transcript" else Delta(text=piece)


def updated(item: Item, created: bool, delta: Delta | None) -> list[Change]:
    """What to report of an item that changed: also that it is new, if it is."""
    if created:
        return [Change("updated", item, delta), Change("appended", item)]
    return [Change("updated", item, delta)]
