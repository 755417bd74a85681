"""The results of applying an event: which item changed, how, and what was added to it.

Thread: the event loop's only; a `Change` and its `Delta` are not modified after they are made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from ..protocol.audio_format import Int16Array
from ..protocol.reading import Wire
from .items import Item

__all__ = ["PASSED_OVER", "Change", "Delta", "Handler", "Kind", "text_delta", "updated"]

Kind = Literal["appended", "updated", "completed", "incomplete", "deleted"]
# Known event types that change nothing in the conversation.
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
    """The piece that one event added to an item: one attribute is set, the others are None.

    ``str(delta)`` is its text or transcript, "" without one.

    Attributes
    ----------
    audio : numpy.ndarray or None
        int16, shape (frames,), mono, at the item's ``formatted.sample_rate``.
    transcript, text, arguments : str or None
    """

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

    def __str__(self) -> str:
        return self.text or self.transcript or ""

    def __repr__(self) -> str:
        if self.audio is not None:
            return f"Delta(audio={len(self.audio)} samples)"
        return f"Delta(transcript={self.transcript!r}, text={self.text!r}, arguments={self.arguments!r})"


class Change:
    """One effect of an event on one item.

    Attributes
    ----------
    kind : "appended", "updated", "completed", "incomplete" or "deleted"
    item : Item
    delta : Delta or None
        The piece that was added, for kind "updated".
    """

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
    """A delta that holds *piece* as "transcript" or as "text", by *name*."""
    return Delta(transcript=piece) if name == "transcript" else Delta(text=piece)


def updated(item: Item, created: bool, delta: Delta | None) -> list[Change]:
    """The changes to report for an updated item: also "appended" if it is new."""
    if created:
        return [Change("updated", item, delta), Change("appended", item)]
    return [Change("updated", item, delta)]
