"""Transcripts of what the user said: which are due, which came, which will not come.

Thread: the event loop's only.
"""

from __future__ import annotations

from typing import Literal

from ..conversation.items import Item
from ..conversation.reducer import Conversation
from ..events import ErrorEvent, Event, UserTranscriptEvent, UserTranscriptFailedEvent
from ..protocol.bounded_dict import remember
from ..protocol.error_codes import error_of
from ..protocol.reading import Wire, dict_of, text_of
from .emitter import EventEmitter
from .reports import Reports
from .settings import Settings

__all__ = ["Transcripts"]


class Transcripts:
    """Sets `Item.transcription`, and emits ``user.transcript`` and ``user.transcript.failed``."""

    def __init__(
        self,
        emitter: EventEmitter,
        conversation: Conversation,
        settings: Settings,
        reports: Reports,
    ) -> None:
        self._emitter = emitter
        self._conversation = conversation
        self._settings = settings
        self._reports = reports
        # Ids of the items whose words are due.
        self._due: dict[str, None] = {}

    def committed(self, event: Event) -> None:
        """``input_audio_buffer.committed``: the user's turn becomes an item."""
        item_id = text_of(event.get("item_id"))
        if item_id is not None and self._settings.server_transcribes():
            remember(self._due, item_id, None)
            self.added(item_id)

    def on_added(self, event: Wire) -> None:
        """``conversation.item.added``, before its handlers."""
        if self._due:
            self.added(text_of(dict_of(event.get("item")).get("id")) or "")

    def added(self, item_id: str) -> None:
        """Note with the item that its words are due."""
        item = self._conversation.get_item(item_id)
        if item is not None and item_id in self._due and item.transcription is None:
            item.transcription = "pending"

    def completed(self, event: Event) -> None:
        """``conversation.item.input_audio_transcription.completed``"""
        item_id = text_of(event.get("item_id")) or ""
        item = self._settle(item_id, "completed")
        usage = event.get("usage")
        usage = Event(usage) if isinstance(usage, dict) else None
        transcript = text_of(event.get("transcript"))
        if transcript is not None:
            self._emitter.emit("user.transcript", UserTranscriptEvent(transcript, item_id, item, usage))
        if usage is not None:
            self._reports.transcription_usage(usage, self._settings.transcription_model, item_id or None)

    def failed(self, event: Event) -> None:
        """``conversation.item.input_audio_transcription.failed``"""
        error = error_of(event)
        code = text_of(error.get("code"))
        reason = text_of(error.get("message")) or code
        message = f"the user's speech was not transcribed: {reason}"
        self._will_not_come(text_of(event.get("item_id")) or "", message, code)
        self._reports.error(ErrorEvent(message, type=text_of(error.get("type")), code=code, event=event))

    def lost(self) -> None:
        """The connection has ended: what is due will not come."""
        for item_id in tuple(self._due):
            message = "the connection was lost before the user's speech was transcribed"
            self._will_not_come(item_id, message, "connection_lost")

    def _will_not_come(self, item_id: str, message: str, code: str | None) -> None:
        item = self._settle(item_id, "failed")
        event = UserTranscriptFailedEvent(message, item_id, item, code)
        self._emitter.emit("user.transcript.failed", event)

    def _settle(self, item_id: str, state: Literal["completed", "failed"]) -> Item | None:
        self._due.pop(item_id, None)
        item = self._conversation.get_item(item_id)
        if item is not None:
            item.transcription = state
        return item
