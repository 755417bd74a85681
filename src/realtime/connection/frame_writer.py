"""Makes frames of what waits in the outbox, and keeps the books: audio sent, commits, items, causes of
errors.

Thread: the event loop's only.
"""

from __future__ import annotations

from typing import Any

from ..conversation.reducer import Conversation
from ..protocol import codec
from ..protocol import dialect as dialects
from ..protocol.audio_format import Int16Array, format_of
from ..protocol.bounded_dict import remember
from ..protocol.ids import generate_id
from ..protocol.reading import Wire, branch
from .outbox import Outbox
from .unconfirmed import Pending

__all__ = ["COMMIT_MS", "IF_ENOUGH", "FrameWriter"]

COMMIT_MS = 100  # the server refuses to commit less
IF_ENOUGH = "if_enough"  # marks a commit of ours: sent only if there is enough to commit
# The input store knows of these, and a new session is told of them from there.
_NOT_AGAIN = ("input_audio_buffer.commit", "input_audio_buffer.clear", "session.update")


class FrameWriter:
    """Frames in the dialect of the server at hand.

    Everything is booked before it is sent: what then fails to leave is lost with the connection, and the
    books are what the next session is told from.
    """

    def __init__(self, conversation: Conversation, outbox: Outbox, pending: Pending) -> None:
        self.dialect: dialects.Dialect = "ga"
        self.session_kind: dialects.SessionKind = "realtime"
        self._conversation = conversation
        self._outbox = outbox
        self._pending = pending
        self._id_prefix = generate_id("evt_", 12)
        self._id_count = 0
        self._sent: dict[str, Wire] = {}  # by event_id: what an error may answer

    def next_id(self) -> str:
        self._id_count += 1
        return f"{self._id_prefix}{self._id_count}"

    def begin_session(self) -> None:
        self._sent.clear()
        self._outbox.sample_rate = self._conversation.input_format.sample_rate

    def cause_of(self, event_id: str | None) -> Wire | None:
        """The event that the server refused under this id, once."""
        return self._sent.pop(event_id, None) if event_id else None

    def use_input_format(self, stated: Any) -> None:
        """Audio that is written from here on has the format that a session field states."""
        audio_format = format_of(stated)
        if audio_format is not None:
            self._conversation.set_input_format(audio_format)
            self._outbox.sample_rate = audio_format.sample_rate

    def encode(self, entry: Int16Array | Wire) -> tuple[str, Wire] | None:
        """The frame of one entry, and the event in it; None for one that came to nothing."""
        if not isinstance(entry, dict):
            self._conversation.input.append(entry)
            event: Wire = {
                "event_id": self.next_id(),
                "type": "input_audio_buffer.append",
                "audio": self._conversation.input_format.encode(entry),
            }
            return codec.dumps(event), event
        kind = entry["type"]
        if kind == "input_audio_buffer.commit":
            if entry.get(IF_ENOUGH) and self._conversation.input.uncommitted_ms < COMMIT_MS:
                return None
            entry = {key: value for key, value in entry.items() if key != IF_ENOUGH}
            self._conversation.input.commit_sent()
        elif kind == "input_audio_buffer.clear":
            self._conversation.input.clear_sent()
        elif kind == "conversation.item.create":
            self._pending.sent(entry)
        elif kind == "session.update":
            self.use_input_format(branch(entry["session"], "input").get("format"))
        event = dialects.outbound(entry, self.dialect, self.session_kind)
        if "event_id" not in event:
            event = {"event_id": self.next_id(), **event}
        remember(self._sent, event["event_id"], event)
        return codec.dumps(event), event

    def put_back(self, entry: Int16Array | Wire) -> None:
        """The connection ended before *entry* could leave."""
        if isinstance(entry, dict) and entry["type"] not in _NOT_AGAIN:
            self._pending.not_sent(entry)
            self._outbox.put_first(entry)
