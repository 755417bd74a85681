"""Rebuilds a conversation from the events that passed: items with their text and audio, times, tokens and costs.

The state is that of `realtime.Conversation`, fed with what both sides sent, as a client of our own feeds it. What a tap
cannot know is when the client's speaker played a sample: the times of answers are those of their arrival.

Thread: the console's event loop.
"""

from __future__ import annotations

from typing import Any

from realtime import Conversation, ErrorEvent, Event, ItemEvent, ItemUpdatedEvent, TimingsEvent, UsageEvent
from realtime.client.meter import Meter
from realtime.protocol.audio_format import format_of
from realtime.protocol.bounded_dict import remember
from realtime.protocol.dialect import ga_session, inbound
from realtime.protocol.reading import Wire, branch, dict_of, text_of

from ..session import SessionModel
from .levels import Levels

__all__ = ["Rebuild"]

# Of audio kept for one connection: 14 MB and 3 MB
KEEP_AUDIO_SECONDS = 300.0
KEEP_INPUT_SECONDS = 60.0
MAX_ITEMS = 500


class Rebuild:
    """Turns the events of one connection into the items, turns and numbers of a session model.

    Attributes
    ----------
    conversation : Conversation
    levels : dict
        For "client" and "server": the `Levels` of the audio that passes.
    """

    def __init__(self, model: SessionModel) -> None:
        self.conversation = Conversation(
            max_items=MAX_ITEMS,
            keep_audio_seconds=KEEP_AUDIO_SECONDS,
            keep_input_seconds=KEEP_INPUT_SECONDS,
        )
        self.levels = {"client": Levels(), "server": Levels()}
        self._model = model
        self._meter = Meter()
        # End of the user's turn; responses under way
        self._speech_end: float | None = None
        self._timings: dict[str, TimingsEvent] = {}
        # Ids of commits and clears that were sent, for errors that refuse them
        self._sent: dict[str, str] = {}

    # What the client sends

    def client(self, event: Wire, now: float) -> None:
        """Take an event of the client."""
        kind, conversation = event.get("type"), self.conversation
        if kind == "input_audio_buffer.append":
            self._append(text_of(event.get("audio")) or "")
        elif kind == "input_audio_buffer.commit":
            conversation.input.commit_sent()
            self._speech_end = now
            self._remember(event, "commit")
        elif kind == "input_audio_buffer.clear":
            conversation.input.clear_sent()
            self._remember(event, "clear")
        elif kind == "conversation.item.create":
            item = dict_of(event.get("item"))
            conversation.stash_audio_of(item)
            if item.get("role") == "user":
                self._speech_end = now
        elif kind in ("session.update", "transcription_session.update"):
            self._input_format(event.get("session"))

    def _append(self, audio: str) -> None:
        try:
            samples, _ = self.conversation.input_format.decode(audio)
        except ValueError:
            # The server says so too
            return
        self.conversation.input.append(samples)
        self.levels["client"].push(samples, self.conversation.input_format.sample_rate)

    def _remember(self, event: Wire, what: str) -> None:
        event_id = text_of(event.get("event_id"))
        if event_id:
            remember(self._sent, event_id, what)

    def _input_format(self, session: Any) -> None:
        found = format_of(branch(ga_session(session), "input").get("format"))
        if found is not None:
            self.conversation.set_input_format(found)

    # What the server sends

    def server(self, event: Wire, now: float) -> None:
        """Take an event of the server, in either dialect."""
        for one in inbound(event):
            for change in self.conversation.apply(one):
                if change.delta is not None and change.delta.audio is not None:
                    self.levels["server"].push(change.delta.audio, change.item.formatted.sample_rate)
                if change.kind == "deleted":
                    self._model.on_deleted(ItemEvent(change.item))
                elif change.kind == "updated" or change.delta is None:
                    self._model.on_updated(ItemUpdatedEvent(change.item, change.delta))
            self._note(one, now)

    def _note(self, event: Wire, now: float) -> None:
        """Note what the event says beside the items."""
        kind, model = event.get("type"), self._model
        item_id = text_of(event.get("item_id"))
        if isinstance(kind, str) and kind.endswith(".delta") and item_id:
            self._delta(event, item_id, now)
        elif kind in ("session.created", "session.updated"):
            self._session(dict_of(event.get("session")))
        elif kind == "input_audio_buffer.speech_stopped":
            self._speech_end = now
        elif kind == "response.created":
            self._created(text_of(dict_of(event.get("response")).get("id")) or "", now)
        elif kind == "response.done":
            self._response_done(event)
        elif kind == "conversation.item.truncated" and item_id:
            self._truncated(item_id)
        elif kind == "conversation.item.input_audio_transcription.completed":
            usage = UsageEvent(Event(dict_of(event.get("usage"))), self._meter.total, "transcription")
            model.on_usage(usage)
        elif kind == "error":
            self._error(dict_of(event.get("error")))

    def _delta(self, event: Wire, item_id: str, now: float) -> None:
        """A piece of an answer has arrived; with the first piece of audio its turn is complete."""
        timings = self._timings.get(text_of(event.get("response_id")) or "")
        if timings is None:
            return
        kind = event["type"]
        timings.first_delta = timings.first_delta or now
        timings.answered = timings.answered or kind != "response.function_call_arguments.delta"
        if kind == "response.output_audio.delta" and timings.first_audio is None:
            timings.first_audio = timings.first_sample = now
            timings.item_id = item_id
            # One clock: seconds since the epoch
            self._model.on_timings(timings, now, now)

    def _created(self, response_id: str, now: float) -> None:
        timings = TimingsEvent(response_id=response_id, speech_end=self._speech_end, created=now)
        self._speech_end = None
        remember(self._timings, response_id, timings)
        self._answering(True)

    def _session(self, session: Wire) -> None:
        self._input_format(session)
        self._model.on_session(session)
        detection = branch(session, "input").get("turn_detection", session.get("turn_detection"))
        self._model.talk.mode = "vad" if isinstance(detection, dict) else "manual"

    def _answering(self, answering: bool) -> None:
        self._model.answering = answering
        self._model.revision += 1

    def _response_done(self, event: Wire) -> None:
        response = dict_of(event.get("response"))
        timings = self._timings.pop(text_of(response.get("id")) or "", None)
        if timings is not None and not timings.answered and self._speech_end is None:
            # It only called a tool: the user waits for the next response
            self._speech_end = timings.speech_end
        usage = dict_of(response.get("usage"))
        if usage:
            self._meter.add_usage(usage)
            model = text_of(response.get("model")) or self._model.server.model
            self._model.on_usage(UsageEvent(Event(usage), dict(self._meter.total), model=model or None))
        self._answering(False)
        self._model.on_response_done(event)

    def _truncated(self, item_id: str) -> None:
        """The client said how much of an answer was heard."""
        item, row = self.conversation.get_item(item_id), self._model.transcript.get(item_id)
        if item is not None and row is not None:
            row.heard_samples = len(item.formatted.store)
            row.take(item)
            self._model.transcript.revision += 1

    def _error(self, error: Wire) -> None:
        refused = self._sent.pop(text_of(error.get("event_id")) or "", None)
        if refused == "commit":
            self.conversation.input.commit_refused()
        elif refused == "clear":
            self.conversation.input.clear_refused()
        message = text_of(error.get("message")) or "an error without a message"
        self._model.on_error(ErrorEvent(message, "server", code=text_of(error.get("code"))))
