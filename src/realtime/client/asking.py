"""Checks a question and makes what sends it.

Thread: the event loop's only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..protocol.ids import generate_id
from ..protocol.outgoing import check_event
from .content import message_parts
from .question import spoken, written
from .session import Session

__all__ = ["sender"]


def sender(session: Session, question: Any, *, manual: bool) -> Callable[[], list[str]]:
    """What sends *question*, which is checked now; it returns the ids of the items that it creates.

    Raises TypeError, ValueError, DecodeError and OSError as `RealtimeClient.ask`.
    """
    if question is None:
        return lambda: _commit(session) if manual else []
    parts = written(question)
    encode = session.conversation.input_format.encode
    samples = None
    if parts is None:
        samples = spoken(question, session.conversation.input_format.sample_rate)
        if manual:
            # A turn like any other: the server may transcribe it, which it does not do with audio inside items.
            pieces = [encode(piece) for piece in session.outbox.pieces(samples)]
            return lambda: _speak(session, pieces)
        parts = [{"type": "input_audio", "audio": encode(samples)}]
    else:
        parts, samples = message_parts(parts, encode)
    item_id = generate_id("item_")
    item = {"id": item_id, "type": "message", "role": "user", "content": parts}
    event = check_event({"type": "conversation.item.create", "item": item})

    def send() -> list[str]:
        if samples is not None:
            session.conversation.stash_audio(item_id, samples)
        session.create_item(event["item"])
        return [item_id]

    return send


def _commit(session: Session) -> list[str]:
    session.commit()
    return []


def _speak(session: Session, pieces: list[str]) -> list[str]:
    for audio in pieces:
        # Events are never dropped, as live audio is.
        session.send({"type": "input_audio_buffer.append", "audio": audio})
    return _commit(session)
