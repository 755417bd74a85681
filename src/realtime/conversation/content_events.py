"""Applies events about content parts: announcements, text and transcripts.

Thread: the event loop's only.
"""

from __future__ import annotations

from typing import Any, Literal

from ..protocol.reading import Wire, list_of
from .change import Change, Handler, text_delta, updated
from .item_finder import ItemFinder, Malformed, part_of
from .items import MAX_PARTS
from .text_cut import join_text

__all__ = ["ContentEvents"]

# Event type -> field of the content part, type of the part, role of the item.
TEXT_EVENTS: dict[str, tuple[Literal["text", "transcript"], str, str]] = {
    "conversation.item.input_audio_transcription.delta": ("transcript", "input_audio", "user"),
    "conversation.item.input_audio_transcription.updated": ("transcript", "input_audio", "user"),
    "conversation.item.input_audio_transcription.completed": ("transcript", "input_audio", "user"),
    "response.output_text.delta": ("text", "output_text", "assistant"),
    "response.output_text.done": ("text", "output_text", "assistant"),
    "response.output_audio_transcript.delta": ("transcript", "output_audio", "assistant"),
    "response.output_audio_transcript.done": ("transcript", "output_audio", "assistant"),
}


class ContentEvents:
    """Handlers of the events about content parts, by event type in ``handlers``."""

    def __init__(self, finder: ItemFinder) -> None:
        self._finder = finder
        self.handlers: dict[str, Handler] = {
            "response.content_part.added": self._part_added,
            "response.content_part.done": self._part_done,
            "conversation.item.input_audio_transcription.segment": self._transcription_note,
            "conversation.item.input_audio_transcription.failed": self._transcription_note,
        }
        for kind in TEXT_EVENTS:
            self.handlers[kind] = self._text_delta if kind.endswith(".delta") else self._text_done

    def _part_added(self, event: Wire) -> list[Change]:
        return self._take_part(event, final=False)

    def _part_done(self, event: Wire) -> list[Change]:
        return self._take_part(event, final=True)

    def _take_part(self, event: Wire, *, final: bool) -> list[Change]:
        raw = event.get("part")
        if not isinstance(raw, dict):
            raise Malformed
        kind = _part_type(raw.get("type"))
        item, created = self._finder.about(event, "assistant")
        if item is None:
            return []
        part = part_of(item, event, kind)
        part["type"] = kind
        item.merge_part(part, raw, final=final)
        return updated(item, created, None)

    def _text_delta(self, event: Wire) -> list[Change]:
        name, kind, role = TEXT_EVENTS[event["type"]]
        piece = event.get("delta")
        if not isinstance(piece, str):
            raise Malformed
        item, created = self._finder.about(event, role)
        if item is None or item.interrupted:
            return []
        part = part_of(item, event, kind)
        had = part.get(name)
        item.put_text(part, name, join_text(had, piece) if isinstance(had, str) else piece)
        return updated(item, created, text_delta(name, piece))

    def _text_done(self, event: Wire) -> list[Change]:
        """Set the final text; its delta is the rest that no earlier delta has brought."""
        name, kind, role = TEXT_EVENTS[event["type"]]
        value = event.get(name)
        if not isinstance(value, str):
            raise Malformed
        item, created = self._finder.about(event, role)
        if item is None:
            return []
        part = part_of(item, event, kind)
        had = part.get(name)
        item.put_text(part, name, value)
        rest = value[len(had) :] if isinstance(had, str) and value.startswith(had) else "" if had else value
        return updated(item, created, text_delta(name, rest) if rest and not item.interrupted else None)

    def _transcription_note(self, event: Wire) -> list[Change]:
        """Keep a speaker's segment, or the reason for a missing transcript, with the content part."""
        item, created = self._finder.about(event, "user")
        if item is None:
            return []
        part = part_of(item, event, "input_audio")
        if "error" in event:
            part["transcription_error"] = event["error"]
        else:
            segment = {key: event.get(key) for key in ("id", "text", "speaker", "start", "end")}
            part["segments"] = [*list_of(part.get("segments"))[-MAX_PARTS:], segment]
        return updated(item, created, None)


def _part_type(name: Any) -> str:
    """A part's type as items name it: part events say "text" and "audio", items "output_text" and "output_audio"."""
    if not isinstance(name, str):
        return "output_text"
    return f"output_{name}" if name in ("text", "audio") else name
