"""Joins the parts of a client: server events go to conversation, turn taking and handlers; client events go out.

Inside, everything is in the GA dialect; `dialect` translates at both edges. Nothing that a server sends, a
handler raises or a tool does ends the reading of events: what cannot be used is dropped and reported.

Thread: the event loop's only.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from ..connection.frame_writer import COMMIT_MS, FrameWriter
from ..connection.link import LinkDelegate
from ..connection.outbox import Commit, Entry, Outbox
from ..connection.unconfirmed import Unconfirmed
from ..conversation.change import Change
from ..conversation.history import awaits_transcript
from ..conversation.reducer import Conversation
from ..errors import AnswerError, ConnectionLostError
from ..events import (
    CloseEvent,
    ConnectionEvent,
    ErrorEvent,
    Event,
    InterruptedEvent,
    ItemEvent,
    ItemUpdatedEvent,
    RealtimeEvent,
)
from ..protocol.audio_frames import read_event, with_text
from ..protocol.endpoint import Endpoint
from ..protocol.error_codes import ANOTHER_IS_ACTIVE, error_of
from ..protocol.ids import generate_id
from ..protocol.localai import is_localai, localai_session
from ..protocol.reading import Wire, dict_of, ms_of, text_of
from .agreement import Agreement
from .allowed_fields import allowed_part, left_out_error
from .configuration import Configuration
from .emitter import EventEmitter
from .mcp import Mcp
from .meter import Meter
from .opening import choose_profile, first_update
from .refusals import UPDATES, Refusals
from .reports import Reports, refusal
from .response_events import ResponseEvents
from .restoration import Restoration
from .settings import Settings
from .transcripts import Transcripts
from .turn_taking import TurnTaking

__all__ = ["Session"]

# Characters of a server's names in messages.
MAX_NAME = 80


class Session(LinkDelegate):
    """Everything one client holds besides its link, whose delegate it is.

    Parameters
    ----------
    emitter : EventEmitter
        Emits the client's events.
    make_endpoint : callable
        Coroutine function that returns where to connect; called for each socket.
    conversation : Conversation
        The state of the conversation.
    outbox : Outbox
        What waits to be sent.
    tool_timeout : float or None
        Seconds that one tool call may take.
    resume_note : str or None
        Told to the model after a restored history.
    at_rest : callable
        Called when a response has ended: a good moment for a new session.

    Attributes
    ----------
    created : asyncio.Event or None
        Set when ``session.created`` has arrived; None without `RealtimeClient.connect`.
    configuration : Configuration
        Changes settings and tools.
    turns : TurnTaking
        Requests responses and calls tools.
    """

    def __init__(
        self,
        emitter: EventEmitter,
        make_endpoint: Callable[[], Awaitable[Endpoint]],
        conversation: Conversation,
        outbox: Outbox,
        tool_timeout: float | None,
        resume_note: str | None,
        at_rest: Callable[[], object],
    ) -> None:
        self.emitter = emitter
        self.conversation = conversation
        self.outbox = outbox
        self.settings = Settings()
        self.meter = Meter()
        self.reports = Reports(emitter, self.meter)
        self.created: asyncio.Event | None = None
        self._make_endpoint = make_endpoint
        self._endpoint: Endpoint | None = None
        self._agreement = Agreement()
        self._unconfirmed = Unconfirmed()
        self.turns = TurnTaking(
            self.send, self.reports.error, conversation, self.settings, self._unconfirmed, tool_timeout
        )
        self.configuration = Configuration(self.send, self.settings, self.turns.toolbox)
        self._writer = FrameWriter(conversation, outbox, self._unconfirmed)
        self._refusals = Refusals(
            conversation,
            self._unconfirmed,
            self.turns,
            self.configuration,
            self.settings,
            self._agreement,
            self._writer,
        )
        self._restoration = Restoration(
            conversation, self._unconfirmed, self.turns, self.settings, self._writer, outbox, resume_note
        )
        self._transcripts = Transcripts(emitter, conversation, self.settings, self.reports)
        self._responses = ResponseEvents(
            emitter,
            conversation,
            self.turns,
            self.meter,
            self.reports,
            self.settings,
            self._writer,
            self.send,
            self.announce,
            at_rest,
        )
        self._hooks = self._make_hooks()

    def _make_hooks(self) -> dict[str, Callable[[Event], None]]:
        """What a server event causes beside the change of the conversation."""
        return {
            "session.created": self._on_session,
            "session.updated": self._on_session,
            "error": self._on_error,
            "conversation.item.input_audio_transcription.completed": self._transcripts.completed,
            "conversation.item.input_audio_transcription.failed": self._transcripts.failed,
            "input_audio_buffer.committed": self._transcripts.committed,
            "input_audio_buffer.speech_started": self._on_speech_started,
            "input_audio_buffer.speech_stopped": self._on_speech_stopped,
            "response.created": self._responses.created,
            "response.done": self._responses.done,
            "rate_limits.updated": self.reports.on_rate_limits,
            **Mcp(self.emitter, self.conversation, self.reports).hooks,
        }

    def reset(self) -> None:
        """Forget items, tools and settings; the connection must have ended."""
        self.configuration.reset()
        self.conversation.clear()

    # For the client: sending

    def send(self, event: Wire) -> str:
        """Queue *event*; returns its event_id."""
        self.configuration.send_tools()
        event_id = str(event.get("event_id") or self._writer.next_id())
        self.outbox.put({**event, "event_id": event_id})
        return event_id

    def create_item(self, item: Wire, previous_item_id: str | None = None) -> str:
        """Queue a new item; returns its id, which is made here so that its echo can be matched."""
        item_id = item.get("id") or generate_id("item_")
        event: Wire = {"type": "conversation.item.create", "item": {**item, "id": item_id}}
        if previous_item_id is not None:
            event["previous_item_id"] = previous_item_id
        self.send(event)
        return str(item_id)

    def commit(self) -> None:
        """Queue a commit, which is sent if there is enough audio when its turn comes."""
        self.configuration.send_tools()
        self.outbox.put(Commit())

    def request_response(self, parameters: Wire, event_id: str | None = None) -> None:
        """Request a response, now or after the one that is being made."""
        self.turns.request_response(parameters, event_id)
        self.meter.turn_ended(time.monotonic())

    def announce(self, changes: list[Change]) -> None:
        """Emit the events of *changes*."""
        for change in changes:
            self._announce(change)

    # For the link, see LinkDelegate: opening

    async def endpoint(self) -> Endpoint:
        endpoint = await self._make_endpoint()
        # The session before may still echo the key before.
        self.reports.redactor = endpoint.redactor.joined(self.reports.redactor)
        self._endpoint = endpoint
        return endpoint

    def begin(self, created: Wire, *, resumed: bool) -> list[Entry]:
        conversation, writer = self.conversation, self._writer
        choose_profile(created, self._endpoint, self.settings, writer)
        call = self._endpoint is not None and self._endpoint.call_id is not None
        update = first_update(self.configuration, self.settings, writer, self._endpoint, resumed=resumed)
        allowed = allowed_part(update, created)
        left_out = left_out_error(self.configuration.everything(), allowed)
        if left_out is not None and not resumed and not call:
            self.reports.error(left_out)
        first: Wire = {"event_id": writer.next_id(), "type": "session.update", "session": allowed}
        self.configuration.opening(first["event_id"], allowed)
        prelude: list[Entry] = [first] if allowed else []
        if resumed and call:
            # A call goes on without us: it knows everything that was confirmed.
            prelude += self._unconfirmed.take_missing([item.id for item in conversation.get_items()])
        elif resumed:
            self.announce(conversation.complete_deletions())
            prelude += self._restoration.entries()
        conversation.input_format = self.settings.audio_format("input")
        conversation.begin_session()
        writer.begin_session()
        self._agreement.session_began()
        self.configuration.session_began()
        self.turns.session_began()
        return prelude

    # For the link, see LinkDelegate: writing

    async def next_entry(self) -> Entry:
        return await self._writer.next_entry()

    def encode(self, entry: Entry) -> tuple[str, Wire] | None:
        try:
            encoded = self._writer.encode(entry)
        except Exception as error:
            self._drop(entry, error)
            return None
        if encoded is None and isinstance(entry, dict):
            self._refusals.left_out(entry)
        return encoded

    def _drop(self, entry: Entry, error: Exception) -> None:
        """Report an entry that cannot be encoded, and undo what was recorded of it."""
        event: Wire = entry if isinstance(entry, dict) else {"type": "input_audio_buffer.append"}
        kind = event["type"]
        self.failed(f"a {kind} event could not be sent and was dropped", error)
        self._refusals.dropped(event)

    def send_started(self) -> None:
        self.outbox.send_started()

    def send_finished(self) -> None:
        self.outbox.send_finished()

    def put_back(self, entry: Entry) -> None:
        self._writer.put_back(entry)

    def sent(self, event: Wire) -> None:
        if event["type"] == "response.create":
            self.turns.request_sent(event["event_id"])
        elif event["type"] in UPDATES:
            self._agreement.update_sent()
        emitter = self.emitter
        name = f"client.{event['type']}"
        if emitter.wants("realtime.event") or emitter.wants(name):
            shown = Event(event)
            emitter.emit("realtime.event", RealtimeEvent("client", shown, time.time()))
            emitter.emit(name, shown)

    # For the link, see LinkDelegate: reading

    def receive(self, frame: bytes | str) -> None:
        batch = self.emitter.begin_batch()
        try:
            self._receive(frame)
        finally:
            self.emitter.end_batch(batch)

    def _receive(self, frame: bytes | str) -> None:
        try:
            raw = read_event(frame)
        except ValueError as error:
            self.conversation.malformed += 1
            self.reports.error(ErrorEvent(f"a frame of {len(frame)} bytes is not JSON: {error}", "wire"))
            return
        if not isinstance(raw, dict) or not isinstance(raw.get("type"), str):
            self.conversation.malformed += 1
            self.reports.error(ErrorEvent("a frame holds no event", "wire"))
            return
        raw = self.reports.redactor.event(raw)
        if self.emitter.wants("realtime.event"):
            self.emitter.emit("realtime.event", RealtimeEvent("server", Event(with_text(raw)), time.time()))
        try:
            events = self._writer.profile.inbound(raw)
        except Exception as error:
            self._unusable(raw, error)
            return
        for event in events:
            self._take(event)

    def _take(self, event: Wire) -> None:
        """Give an event to the conversation, to the client's own parts and to the handlers, whatever one of them does."""
        kind: str = event["type"]
        try:
            self._apply(kind, event)
        except Exception as error:
            self._unusable(event, error)
        hook = self._hooks.get(kind)
        if hook is not None:
            try:
                hook(Event(event))
            except Exception as error:
                self._unusable(event, error)
        name = f"server.{kind}"
        if self.emitter.wants(name):
            self.emitter.emit(name, Event(with_text(event)))

    def _unusable(self, event: Wire, error: Exception) -> None:
        self.conversation.malformed += 1
        self.reports.failed(
            f"a {event['type'][:MAX_NAME]!r} event could not be used", "wire", error, Event(with_text(event))
        )

    def _apply(self, kind: str, event: Wire) -> None:
        item = event.get("item")
        placed = event
        if item is not None:
            previous = self._unconfirmed.confirm(item, self._knows, self.conversation.rename)
            if previous is not None and not event.get("previous_item_id"):
                # Servers state no predecessor for the first item, and some for none.
                placed = {**event, "previous_item_id": previous}
        before = self.conversation.malformed
        changes = self.conversation.apply(placed)
        if self.conversation.malformed != before:
            message = f"a malformed {kind[:MAX_NAME]!r} event was ignored"
            self.reports.error(ErrorEvent(message, "wire", event=Event(with_text(event))))
        if kind.startswith("response."):
            now = time.monotonic()
            self.turns.response_event(now)
            delta = changes[0].delta if changes else None
            if delta is not None:
                self.meter.delta(
                    text_of(event.get("response_id")),
                    changes[0].item.id,
                    now,
                    audio=delta.audio is not None,
                    call=delta.arguments is not None,
                )
        elif not self._writer.profile.commit_answers and is_localai(event):
            self._writer.profile = localai_session(self._writer.profile)
        if kind == "conversation.item.added":
            # Handlers of the item read whether its words are due.
            self._transcripts.on_added(event)
        for change in changes:
            self._announce(change)

    def _knows(self, item_id: str) -> bool:
        return self.conversation.get_item(item_id) is not None

    def _announce(self, change: Change) -> None:
        emitter, item, kind = self.emitter, change.item, change.kind
        if kind == "updated":
            emitter.emit("conversation.updated", ItemUpdatedEvent(item, change.delta))
            if self.turns.follower is not None and change.delta is not None:
                self.turns.follower.grew(item, change.delta)
            return
        event = ItemEvent(item)
        emitter.emit(f"conversation.item.{kind}", event)
        if kind in ("completed", "incomplete"):
            emitter.emit("conversation.item.ended", event)
        if kind == "completed" and item.type == "function_call":
            self.turns.call_completed(item)

    # For the link, see LinkDelegate: changes of the connection

    def at_boundary(self, *, forced: bool) -> bool:
        if not self.turns.idle:
            return False
        heard = self.conversation.input
        manual = self.settings.turn_detection() is None
        in_a_turn = heard.speaking or (manual and heard.uncommitted_ms >= COMMIT_MS)
        return forced or not (in_a_turn or self._unconfirmed or self._transcript_is_due())

    def _transcript_is_due(self) -> bool:
        """True if the last turn's transcript is still to come: history is restored as text."""
        return self.settings.server_transcribes() and awaits_transcript(self.conversation.get_items())

    def disconnected(self) -> None:
        self.outbox.disconnected()

    def final_error(self) -> str | None:
        return self.reports.final_error(time.monotonic())

    def renewal_refused(self, error: Exception, seconds_left: float) -> None:
        self.reports.renewal_refused(error, seconds_left)

    def lost(self, code: int, reason: str, by_server: bool) -> bool:
        self.configuration.session_ended()
        self._responses.lost(code, _why(code, reason))
        self._transcripts.lost()
        blamed = self._writer.session_lost(code if by_server else 1006)
        if blamed is None:
            return True
        culprit, may_go_on = blamed
        self.reports.undeliverable(culprit, code, may_go_on=may_go_on)
        return may_go_on

    def failed(self, what: str, error: BaseException) -> None:
        self.reports.failed(what, "connection", error)

    def changed(self, event: ConnectionEvent) -> None:
        self.emitter.emit("connection.changed", event)

    def closed(self, event: CloseEvent) -> None:
        self.configuration.session_ended()
        self.turns.stop()
        if self.turns.follower is not None:
            why = (
                f"the connection was closed ({_why(event.code, event.reason)}) before the answer was complete"
            )
            lost = AnswerError("failed", "connection_lost", str(event.code), why)
            self.turns.follower.lost(lost, closed=True)
        self.outbox.clear()
        self._unconfirmed.clear()
        self._writer.forget_undeliverable()
        self.created = None
        self.announce(self.conversation.abandon())
        self._transcripts.lost()
        if event.error:
            what = f"the connection was closed ({_why(event.code, event.reason)})"
            self.reports.error(ErrorEvent(what, "connection", code=str(event.code)))
        self.emitter.emit("close", event)
        self.emitter.fail_waiters(
            ConnectionLostError(
                f"the connection was closed (code {event.code}) while waiting",
                code=event.code,
                reason=event.reason,
            )
        )

    # Single events

    def _on_session(self, event: Event) -> None:
        settings = self.settings
        if settings.take_server_session(event.get("session")) and not settings.sets_input_format():
            self._writer.use_input_format(settings.server_input_format())
        if event["type"] == "session.updated":
            self.configuration.confirmed()
        self._agreement.review(event, settings, self.reports)
        if event["type"] == "session.created" and self.created is not None:
            self.created.set()

    def _on_speech_started(self, event: Event) -> None:
        active = self.turns.response_active
        self.turns.turn_began()
        start_ms = ms_of(event.get("audio_start_ms"))
        self.emitter.emit(
            "conversation.interrupted",
            InterruptedEvent(
                text_of(event.get("item_id")),
                None if start_ms is None else int(start_ms),
                active,
                active and self.settings.server_interrupts(),
            ),
        )

    def _on_speech_stopped(self, event: Event) -> None:
        self.meter.turn_ended(time.monotonic())
        self.turns.turn_ended()

    def _on_error(self, event: Event) -> None:
        error = error_of(event)
        cause = self._writer.cause_of(error)
        if cause is not None and self.turns.follower is not None:
            again = text_of(error.get("code")) == ANOTHER_IS_ACTIVE
            self.turns.follower.refused(cause, refusal(error), again=again)
        self._refusals.undo(cause, text_of(error.get("code")), text_of(error.get("param")))
        if cause is not None and cause["type"] == "response.create":
            self.reports.request_refused(error)
        # Some servers and relays take no system items, such as the note.
        about_note = dict_of(dict_of(cause).get("item")).get("id") == self._restoration.note_id != ""
        self.reports.server_error(event, cause, harmless=about_note)


def _why(code: int, reason: str) -> str:
    return f"code {code}: {reason}" if reason else f"code {code}"
