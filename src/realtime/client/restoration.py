"""Tells a new session of the one before it: history, what was not confirmed, and audio that made no turn yet.

Thread: the event loop's only.
"""

from __future__ import annotations

from ..connection.frame_writer import FrameWriter
from ..connection.outbox import Entry, Outbox
from ..connection.unconfirmed import Unconfirmed
from ..conversation.history import note, placed_anew, replay
from ..conversation.reducer import Conversation
from ..protocol.ids import generate_id
from .settings import Settings
from .turn_taking import TurnTaking

__all__ = ["Restoration"]

# Audio before the end of the old session that a new one under VAD gets again: the old one may not have
# reported the speech in it yet.
VAD_KEEP_MS = 1000


class Restoration:
    """What every later session is told.

    Attributes
    ----------
    note_id : str
        Id of the item in the current session that tells the model of the restored history; "" without one.
    """

    def __init__(
        self,
        conversation: Conversation,
        unconfirmed: Unconfirmed,
        turns: TurnTaking,
        settings: Settings,
        writer: FrameWriter,
        outbox: Outbox,
        resume_note: str | None,
    ) -> None:
        self._conversation = conversation
        self._unconfirmed = unconfirmed
        self._turns = turns
        self._settings = settings
        self._writer = writer
        self._outbox = outbox
        self._resume_note = resume_note
        self.note_id = ""

    def entries(self) -> list[Entry]:
        """The entries to send first in the new session, after its configuration."""
        items = self._conversation.get_items()
        missing = self._unconfirmed.take_missing([self.note_id, *(item.id for item in items)])
        entries: list[Entry] = []
        # A transcription session makes no answers and takes no items.
        if self._writer.session_kind == "realtime":
            entries += replay(items, self._turns.restorable_calls())
        if entries and self._resume_note:
            self.note_id = generate_id("item_")
            self._conversation.hide_item(self.note_id)
            entries.append(note(self.note_id, self._resume_note))
        entries += placed_anew(missing, entries, [item.id for item in items])
        keep_ms = VAD_KEEP_MS if self._settings.turn_detection() else None
        for audio in self._conversation.input.unfinished(keep_ms):
            if audio is None:
                entries.append({"type": "input_audio_buffer.commit"})
            else:
                entries += self._outbox.pieces(audio)
        return entries
