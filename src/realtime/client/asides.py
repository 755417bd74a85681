"""Asides: short spoken answers outside the conversation, such as "one moment" while a tool runs.

An aside is a response with ``conversation: "none"``. Its items stay out of the conversation; their audio and words come
as ``conversation.updated``, so that whatever plays answers plays them too. The answer to a tool's output comes after.

Thread: the event loop's only.
"""

from __future__ import annotations

import asyncio

from ..conversation.reducer import Conversation
from ..events import Event, ItemUpdatedEvent
from ..protocol.ids import generate_id
from ..protocol.reading import dict_of, text_of
from .session import Session

__all__ = ["Asides"]

# Name of the metadata by which an aside's response is known
MARK = "aside"
# Seconds after which an aside holds up no answer of a tool any more
PATIENCE = 10.0
EVENTS = "server.response.*"


class Asides:
    """The asides of one client. It listens to events only while there are some."""

    def __init__(self, session: Session) -> None:
        self._session = session
        # Event ids of asides without a response, and the responses of the others.
        self._requested: set[str] = set()
        self._responses: dict[str, str] = {}
        self._said = Conversation(max_items=20)

    def say(self, text: str) -> None:
        """Ask the model to say *text* now. Raises TypeError or ValueError for what is no text, or empty."""
        if not isinstance(text, str):
            raise TypeError(f"say() takes a text, not {type(text).__name__}")
        text = text.strip().replace('"', "”").replace("'", "’")
        if not text:
            raise ValueError("say() needs a text that is not empty")
        session, event_id = self._session, generate_id("say_")
        if not (self._requested or self._responses):
            session.emitter.on(EVENTS, self._take)
        self._requested.add(event_id)
        session.turns.asides.add(event_id)
        asyncio.get_running_loop().call_later(PATIENCE, self._ended, event_id)
        session.turns.request_response(
            {
                "conversation": "none",
                "input": [],
                "instructions": f'Say exactly "{text}" and nothing else.',
                "tool_choice": "none",
                "metadata": {MARK: event_id},
            },
            event_id,
        )

    def _take(self, event: Event) -> None:
        kind, response = event["type"], dict_of(event.get("response"))
        if kind == "response.created":
            event_id = text_of(dict_of(response.get("metadata")).get(MARK))
            if event_id in self._requested and event_id is not None:
                self._requested.discard(event_id)
                self._responses[text_of(response.get("id")) or ""] = event_id
                stated = {"type": "session.updated", "session": self._session.settings.server_session}
                self._said.apply(stated)
                self._said.apply(event)
            return
        response_id = text_of(response.get("id")) or text_of(event.get("response_id")) or ""
        if response_id not in self._responses:
            return
        for change in self._said.apply(event):
            if change.kind == "updated":
                update = ItemUpdatedEvent(change.item, change.delta)
                self._session.emitter.emit("conversation.updated", update)
        if kind == "response.done":
            self._ended(self._responses[response_id])

    def _ended(self, event_id: str) -> None:
        """The aside is over, or has taken too long: an answer of a tool may follow."""
        if event_id not in self._requested and event_id not in self._responses.values():
            return
        self._requested.discard(event_id)
        self._responses = {key: value for key, value in self._responses.items() if value != event_id}
        if not (self._requested or self._responses):
            try:
                self._session.emitter.off(EVENTS, self._take)
            except ValueError:
                # client.reset() has removed it.
                pass
        self._session.turns.aside_ended(event_id)
