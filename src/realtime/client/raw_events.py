"""Client events that the application writes itself: checked, recorded as the methods record theirs, and sent.

Thread: the event loop's only.
"""

from __future__ import annotations

from collections.abc import Callable

from ..protocol import codec
from ..protocol.ids import generate_id
from ..protocol.numbers import whole_number
from ..protocol.reading import Wire, text_of
from .session import Session

__all__ = ["RawEvents"]


class RawEvents:
    """Sends any client event; those that the client keeps records of have a method here.

    Parameters
    ----------
    session : Session
        What sends and records.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._senders: dict[str, Callable[[Wire], str]] = {
            "session.update": self._update_session,
            "input_audio_buffer.append": self._append,
            "conversation.item.create": self._create_item,
            "conversation.item.truncate": self._truncate,
            "response.create": self._create_response,
            "response.cancel": self._cancel_response,
        }

    def send(self, event: Wire) -> str:
        """Send *event*, in GA and out of `check_event`, as the method for the same purpose would; returns its event id.

        The id is "" for a ``response.create``, which may have to wait, and for a ``session.update`` that the next
        session is told. Raises TypeError or ValueError for a field that no server takes; nothing has changed then.
        """
        return self._senders.get(event["type"], self._session.send)(event)

    def _update_session(self, event: Wire) -> str:
        # The type of the session cannot be changed; it is added to every update.
        changes = {key: value for key, value in event["session"].items() if key != "type"}
        if not changes:
            return self._session.send(event)
        return self._session.configuration.update(changes, text_of(event.get("event_id")))

    def _append(self, event: Wire) -> str:
        try:
            codec.b64decode(event["audio"])
        except ValueError as error:
            raise ValueError(f"audio of input_audio_buffer.append is not base64: {error}") from None
        return self._session.send(event)

    def _create_item(self, event: Wire) -> str:
        item = event["item"]
        return self._session.send({**event, "item": {**item, "id": item.get("id") or generate_id("item_")}})

    def _truncate(self, event: Wire) -> str:
        session, conversation = self._session, self._session.conversation
        for name in ("audio_end_ms", "content_index"):
            if name in event:
                event = {**event, name: whole_number(event[name], name, least=0)}
        event_id = session.send(event)
        item = conversation.get_item(event.get("item_id", ""))
        if (
            item is not None
            and item.received_samples
            and item.role == "assistant"
            and "audio_end_ms" in event
        ):
            heard = item.stream.format.samples_of_ms(event["audio_end_ms"])
            session.announce(conversation.interrupt(item.id, heard))
        return event_id

    def _create_response(self, event: Wire) -> str:
        self._session.request_response(event.get("response") or {}, text_of(event.get("event_id")))
        return ""

    def _cancel_response(self, event: Wire) -> str:
        self._session.turns.note_cancellation(event.get("response_id"))
        return self._session.send(event)
