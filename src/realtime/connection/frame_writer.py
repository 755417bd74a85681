"""Encodes outbox entries as frames, and records what was sent so that a reconnection can replay it.

Thread: the event loop's only.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from ..conversation.reducer import Conversation
from ..protocol import codec
from ..protocol.audio_format import format_of
from ..protocol.bounded_dict import remember
from ..protocol.dialect import SessionKind
from ..protocol.error_codes import HOUSEKEEPING, is_unsupported, may_be_about
from ..protocol.ids import generate_id
from ..protocol.profiles import PROFILES
from ..protocol.reading import Wire, branch, text_of
from .outbox import Commit, Entry, Outbox
from .unconfirmed import Unconfirmed
from .undeliverable import APPEND, Culprit, Undeliverable

__all__ = ["COMMIT_MS", "FrameWriter"]

# The server refuses to commit less.
COMMIT_MS = 100
# An error that names no event may be about one that was sent this many seconds before.
BLAMED_SECONDS = 5.0
# Not sent again to a new session: the input store knows of them, and the new session is configured anew.
_NOT_AGAIN = (
    "input_audio_buffer.append",
    "input_audio_buffer.commit",
    "input_audio_buffer.clear",
    "session.update",
)


class FrameWriter:
    """Frames in the dialect of the connected server.

    Each entry is recorded before it is sent. If the connection is lost then, the records say what the next
    session must be told.

    Attributes
    ----------
    profile : Profile
        What the connected server speaks.
    session_kind : "realtime" or "transcription"
        What the connected server's session is.
    """

    def __init__(self, conversation: Conversation, outbox: Outbox, unconfirmed: Unconfirmed) -> None:
        self.profile = PROFILES["ga"]
        # True from a commit that was sent until the server makes a response.
        self._answer_is_due = False
        self.session_kind: SessionKind = "realtime"
        self._conversation = conversation
        self._outbox = outbox
        self._unconfirmed = unconfirmed
        self._id_prefix = generate_id("evt_", 12)
        self._id_count = 0
        # Events by event_id: an error event names the one that it answers.
        self._sent: dict[str, Wire] = {}
        # Half a sample at the end of audio that the application encoded itself.
        self._carry = b""
        # When those were sent that the client can do without.
        self._housekeeping: dict[str, float] = {}
        self._longest_append = 0
        self._began = time.monotonic()
        self._undeliverable = Undeliverable()

    def next_id(self) -> str:
        """A new event id."""
        self._id_count += 1
        return f"{self._id_prefix}{self._id_count}"

    def begin_session(self) -> None:
        """Forget what was sent to the session before."""
        self._sent.clear()
        self._carry = b""
        self._housekeeping.clear()
        self._answer_is_due = False
        self._longest_append = 0
        self._began = time.monotonic()
        self._outbox.sample_rate = self._conversation.input_format.sample_rate

    def cause_of(self, error: Wire) -> Wire | None:
        """The sent event that an error object answers; it is forgotten then.

        A server that does not know an event may not name it either: then it is the oldest one of the last
        seconds that the client sends by itself and can do without.
        """
        cause = self._sent.pop(text_of(error.get("event_id")) or "", None)
        code = text_of(error.get("code")) or text_of(error.get("type"))
        message = text_of(error.get("message")) or ""
        if cause is None and is_unsupported(code, message):
            recent = time.monotonic() - BLAMED_SECONDS
            for event_id, sent_at in self._housekeeping.items():
                event = self._sent.get(event_id)
                if event is not None and sent_at >= recent and may_be_about(message, event["type"]):
                    return self._sent.pop(event_id)
        return cause

    def response_began(self) -> None:
        """The server makes a response: the answer to the last commit, if one was due."""
        self._answer_is_due = False

    def forget_undeliverable(self) -> None:
        """Try everything again; the connection has ended for good."""
        self._undeliverable.clear()

    def leaves_out(self, event: Wire) -> bool:
        """True if no server takes *event*, see `session_lost`."""
        return self._undeliverable.leaves_out(event)

    def session_lost(self, code: int) -> tuple[Culprit, bool] | None:
        """The session was ended with *code*: the message to blame, if any, and True if the next session can do without.

        Settings cannot be left out. Audio is sent in shorter pieces, as long as there are shorter ones.
        """
        lasted = time.monotonic() - self._began
        found = self._undeliverable.find(
            code, lasted, self._sent.values(), self._longest_append, self._unconfirmed.first
        )
        if found is None:
            return None
        if found.item is not None:
            self._unconfirmed.refused(found.item)
        if found.kind == APPEND:
            return found, self._outbox.shorten_appends()
        return found, not found.kind.endswith("session.update")

    def use_input_format(self, stated: Any) -> None:
        """Encode audio from here on in the format that a session field states."""
        audio_format = format_of(stated)
        if audio_format is not None:
            audio_format = self.profile.format_in_force("input", audio_format)
            self._conversation.set_input_format(audio_format)
            self._outbox.sample_rate = audio_format.sample_rate

    async def next_entry(self) -> Entry:
        """The next entry to send; an empty append where the server wants one in a pause. Cancel-safe."""
        idle = self.profile.keep_alive
        if idle is None:
            return await self._outbox.take()
        try:
            return await asyncio.wait_for(self._outbox.take(), idle)
        except asyncio.TimeoutError:
            return {"type": "input_audio_buffer.append", "audio": ""}

    def encode(self, entry: Entry) -> tuple[str, Wire] | None:
        """The frame of one entry and the event in it; None for what need not be sent.

        That is a commit of too little audio, a request that the commit before it has made already, and what no
        server takes (`session_lost`).
        """
        if isinstance(entry, dict):
            return self._encode_event(entry)
        if isinstance(entry, Commit):
            if self._conversation.input.uncommitted_ms < COMMIT_MS:
                return None
            return self._encode_event({"type": "input_audio_buffer.commit"})
        conversation = self._conversation
        conversation.input.append(entry)
        event_id, audio = self.next_id(), conversation.input_format.encode(entry)
        event: Wire = {"event_id": event_id, "type": APPEND, "audio": audio}
        # Written for every chunk of the microphone: neither text holds a character that JSON escapes.
        text = f'{{"event_id":"{event_id}","type":"{APPEND}","audio":"{audio}"}}'
        if len(text) > self._longest_append:
            self._longest_append = len(text)
        return text, event

    def _encode_event(self, event: Wire) -> tuple[str, Wire] | None:
        if self.leaves_out(event):
            return None
        kind = event["type"]
        if kind == "response.create" and self._answer_is_due:
            self._answer_is_due = False
            return None
        self._record(kind, event)
        event = self.profile.outbound(event, self.session_kind)
        if "event_id" not in event:
            event = {"event_id": self.next_id(), **event}
        remember(self._sent, event["event_id"], event)
        if kind in HOUSEKEEPING:
            remember(self._housekeeping, event["event_id"], time.monotonic())
        return codec.dumps(event), event

    def _record(self, kind: str, event: Wire) -> None:
        conversation = self._conversation
        if kind == "input_audio_buffer.append":
            samples, self._carry = conversation.input_format.decode(event["audio"], self._carry)
            conversation.input.append(samples)
        elif kind == "input_audio_buffer.commit":
            conversation.input.commit_sent()
            self._answer_is_due = self.profile.commit_answers
        elif kind == "input_audio_buffer.clear":
            conversation.input.clear_sent()
            self._carry = b""
        elif kind == "conversation.item.create":
            conversation.stash_audio_of(event["item"])
            self._unconfirmed.sent(event)
        elif kind == "conversation.item.delete":
            conversation.note_deletion(text_of(event.get("item_id")) or "", asked=True)
        elif kind == "session.update":
            self.use_input_format(branch(event["session"], "input").get("format"))

    def put_back(self, entry: Entry) -> None:
        """Queue *entry* again for the next session if that must get it: the connection ended before it left."""
        if isinstance(entry, dict) and entry["type"] not in _NOT_AGAIN:
            self._unconfirmed.not_sent(entry)
            self._outbox.put_first(entry)
