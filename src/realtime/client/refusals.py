"""Undoes what was recorded of an event that the server refused.

Thread: the event loop's only.
"""

from __future__ import annotations

from ..connection.frame_writer import FrameWriter
from ..connection.unconfirmed import Unconfirmed
from ..conversation.reducer import Conversation
from ..protocol.error_codes import ANOTHER_IS_ACTIVE, CANCEL_NOT_ACTIVE, COMMIT_EMPTY
from ..protocol.reading import Wire, text_of
from .agreement import Agreement
from .configuration import Configuration
from .settings import Settings
from .turn_taking import TurnTaking

__all__ = ["UPDATES", "Refusals"]

# In either dialect.
UPDATES = ("session.update", "transcription_session.update")


class Refusals:
    """The parts of a session that keep records of what is sent."""

    def __init__(
        self,
        conversation: Conversation,
        unconfirmed: Unconfirmed,
        turns: TurnTaking,
        configuration: Configuration,
        settings: Settings,
        agreement: Agreement,
        writer: FrameWriter,
    ) -> None:
        self._conversation = conversation
        self._unconfirmed = unconfirmed
        self._turns = turns
        self._configuration = configuration
        self._settings = settings
        self._agreement = agreement
        self._writer = writer

    def undo(self, cause: Wire | None, code: str | None, param: str | None) -> None:
        """The server refused *cause*, or an event that it does not name."""
        caused_by = cause["type"] if cause is not None else None
        event_id = cause["event_id"] if cause is not None else None
        conversation = self._conversation
        if caused_by == "response.create" or (code == ANOTHER_IS_ACTIVE and cause is None):
            self._turns.request_refused(event_id, another_is_active=code == ANOTHER_IS_ACTIVE)
        elif caused_by == "response.cancel" or code == CANCEL_NOT_ACTIVE:
            self._turns.cancel_refused()
        elif code == COMMIT_EMPTY or caused_by == "input_audio_buffer.commit":
            conversation.input.commit_refused()
        elif caused_by == "input_audio_buffer.clear":
            conversation.input.clear_refused()
        elif cause is not None and caused_by == "conversation.item.create":
            self._unconfirmed.refused(cause)
            conversation.forget_audio_of(cause["item"]["id"])
        elif cause is not None and caused_by == "conversation.item.delete":
            conversation.note_deletion(text_of(cause.get("item_id")) or "", asked=False)
        if caused_by in UPDATES:
            self._agreement.update_answered()
        if self._configuration.refused(event_id, param):
            # Refused as a whole: audio goes on in the format that the server has.
            stated = self._settings.server_input_format()
            self._writer.use_input_format(stated or self._settings.audio_format("input").as_ga())

    def left_out(self, event: Wire) -> None:
        """*event* is not written: no server takes it, or it requests a response that the commit before has requested."""
        if self._writer.leaves_out(event):
            self.dropped(event)
        else:
            self._turns.request_sent(event["event_id"])

    def dropped(self, event: Wire) -> None:
        """*event* could not be written, so the server will never see it."""
        if event["type"] == "response.create":
            self._turns.request_refused(event.get("event_id"), another_is_active=False)
        elif event["type"] == "conversation.item.create":
            self._unconfirmed.not_sent(event)
