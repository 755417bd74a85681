"""What the reducer says of an event, and how it reads what may be malformed.

Thread: any; stateless.
"""

from __future__ import annotations

from typing import Any, Literal

from ..events import Delta
from ..protocol.audio_format import AudioFormat, format_of
from .items import Item

__all__ = ["PASSED_OVER", "Change", "Kind", "ms_of", "output_format_of", "text_delta", "text_of", "updated"]

Kind = Literal["appended", "updated", "completed", "incomplete", "deleted"]
Wire = dict[str, Any]
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


class Change:
    """One thing that an event did to one item."""

    __slots__ = ("delta", "item", "kind")

    def __init__(self, kind: Kind, item: Item, delta: Delta | None = None) -> None:
        self.kind = kind
        self.item = item
        self.delta = delta

    def __repr__(self) -> str:
        return f"Change({self.kind!r}, {self.item.id!r}, {self.delta!r})"


def text_of(value: Any) -> str | None:
    """A text, or None for anything else."""
    return value if isinstance(value, str) else None


def ms_of(value: Any) -> float | None:
    """A number of milliseconds that makes sense."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e12:
        return None
    return value


def output_format_of(holder: Wire) -> AudioFormat | None:
    """The format of answers that a session or a response states; None if it states none."""
    audio = holder.get("audio")
    output = audio.get("output") if isinstance(audio, dict) else None
    return format_of(output.get("format")) if isinstance(output, dict) else None


def text_delta(name: str, piece: str) -> Delta:
    """A piece of text as a delta of its kind."""
    return Delta(transcript=piece) if name == "transcript" else Delta(text=piece)


def updated(item: Item, created: bool, delta: Delta | None) -> list[Change]:
    """What to report of an item that changed: also that it is new, if it is."""
    if created:
        return [Change("updated", item, delta), Change("appended", item)]
    return [Change("updated", item, delta)]
