"""Joins the parts of a client: the link's frames go to reducer, sequencer, tools and handlers; theirs go out.

One path inside, in GA; `dialect` translates at both edges. Nothing that a server sends, a handler raises
or a tool does ends the reading of events.

Thread: the event loop's only.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from ..connection.frame_writer import COMMIT_MS, IF_ENOUGH, FrameWriter
from ..connection.outbox import Outbox
from ..connection.unconfirmed import Pending
from ..conversation.change import Change
from ..conversation.history import awaits_transcript, note, replay
from ..conversation.items import Item
from ..conversation.reducer import Conversation
from ..errors import ConnectionLostError
from ..events import (
    CloseEvent,
    ConnectionEvent,
    ErrorEvent,
    Event,
    InterruptedEvent,
    ItemEvent,
    ItemUpdatedEvent,
    RealtimeEvent,
    ResponseFailedEvent,
)
from ..protocol import codec
from ..protocol import dialect as dialects
from ..protocol.bounded_dict import remember
from ..protocol.endpoint import Endpoint
from ..protocol.error_codes import ANOTHER_IS_ACTIVE, COMMIT_EMPTY, is_benign
from ..protocol.ids import generate_id
from ..protocol.reading import Wire, branch, text_of
from ..tools import Toolbox
from .emitter import EventEmitter
from .meter import Meter
from .reports import Reports
from .response_sequencer import Sequencer
from .settings import Settings

__all__ = ["Session"]

log = logging.getLogger("realtime")

VAD_KEEP_MS = 1000  # sent again to a new session: speech that the old one had not told of yet
RESPONSE_STALL = 10.0  # seconds without an event of a response, after which its end counts as lost


class Session(Settings):
    """What one client holds. See the module; `RealtimeClient` documents the behaviour."""

    def __init__(
        self,
        emitter: EventEmitter,
        make_endpoint: Callable[[], Endpoint],
        dialect: str,
        conversation: Conversation,
        outbox: Outbox,
        tool_timeout: float | None,
        resume_note: str | None,
    ) -> None:
        super().__init__()
        self.emitter = emitter
        self.conversation = conversation
        self.outbox = outbox
        self.sequencer = Sequencer()
        self.toolbox = Toolbox(tool_timeout, self._tool_answered)
        self.meter = Meter()
        self.reports = Reports(emitter, self.meter)
        self.created: asyncio.Event | None = None
        self.at_rest: Callable[[], object] = lambda: None  # called when a response is over
        self.connected = False
        self._fixed_dialect = dialect
        self._make_endpoint = make_endpoint
        self._pending = Pending()
        self.writer = FrameWriter(conversation, outbox, self._pending)
        self._resume_note = resume_note
        self._note_id = ""  # of the note in this session
        self._muted_calls: dict[str, None] = {}  # of cancelled responses: answered, but nothing is asked for
        self._tools_changed = False
        self._last_response_event = 0.0
        self._stall_timer: asyncio.TimerHandle | None = None
        self._hooks: dict[str, Callable[[Event], None]] = {
            "session.created": self._on_session,
            "session.updated": self._on_session,
            "error": self._on_error,
            "conversation.item.input_audio_transcription.completed": self.reports.on_transcribed,
            "conversation.item.input_audio_transcription.failed": self.reports.on_transcription_failed,
            "input_audio_buffer.speech_started": self._on_speech_started,
            "input_audio_buffer.speech_stopped": self._on_speech_stopped,
            "response.created": self._on_response_created,
            "response.done": self._on_response_done,
            "rate_limits.updated": self.reports.on_rate_limits,
        }

    # Sending

    def send(self, event: Wire) -> str:
        """Queue *event*; returns its event_id."""
        if self._tools_changed:
            self.flush_tools()
        event_id = event.get("event_id") or self.writer.next_id()
        self.outbox.put({**event, "event_id": event_id})
        return str(event_id)

    def send_all(self, events: list[Wire]) -> None:
        for event in events:
            self.send(event)

    def create_item(self, item: Wire, previous_item_id: str | None = None) -> str:
        """Queue a new item; returns its id, which is ours so that its echo is known again."""
        item_id = item.get("id") or generate_id("item_")
        event: Wire = {"type": "conversation.item.create", "item": {"id": item_id, **item}}
        if previous_item_id is not None:
            event["previous_item_id"] = previous_item_id
        self.send(event)
        return str(item_id)

    def commit(self) -> None:
        """Queue a commit, which goes out if there is enough to commit when its turn comes."""
        self.send({"type": "input_audio_buffer.commit", IF_ENOUGH: True})

    def request_response(self, parameters: Wire) -> None:
        self.meter.turn_ended(time.monotonic())
        self.send_all(self.sequencer.request(parameters))
        self._watch_for_stall()

    def tools_in_session(self) -> list[Wire]:
        return self.given_tools + [tool.definition for tool in self.toolbox.tools.values()]

    def tools_changed(self) -> None:
        """Tools were added or removed: told to the server once, before whatever is sent next."""
        if self.connected and not self._tools_changed:
            self._tools_changed = True
            asyncio.get_running_loop().call_soon(self.flush_tools)

    def flush_tools(self) -> None:
        if self._tools_changed:
            self._tools_changed = False
            self.send({"type": "session.update", "session": {"tools": self.tools_in_session()}})

    def full_update(self) -> list[Wire]:
        """Everything the application set, for a session that knows nothing of it."""
        tools = self.tools_in_session()
        config = {**self.config, "tools": tools} if tools else self.config
        return [{"type": "session.update", "session": config}] if config else []

    # LinkDelegate: opening

    def endpoint(self) -> Endpoint:
        endpoint = self._make_endpoint()
        self.reports.redactor = endpoint.redactor
        return endpoint

    def begin(self, created: Wire, *, resumed: bool) -> list[Any]:
        """A session was opened: the first things to send to it. See LinkDelegate."""
        conversation = self.conversation
        stated = dialects.inbound(created)[0].get("session")
        self.server_session = stated if isinstance(stated, dict) else {}
        found = dialects.detect(created.get("session"))
        self.writer.dialect = (
            "beta"
            if self._fixed_dialect == "beta" or (self._fixed_dialect == "auto" and found == "beta")
            else "ga"
        )
        transcribes = self.server_session.get("type") == "transcription"
        self.writer.session_kind = "transcription" if transcribes else "realtime"
        prelude: list[Any] = [{**event, "event_id": self.writer.next_id()} for event in self.full_update()]
        if resumed:
            prelude += self._restored()
        self._tools_changed = False
        conversation.input_format = self.audio_format("input")
        conversation.begin_session()
        self.writer.begin_session()
        self.connected = True
        return prelude

    def _restored(self) -> list[Any]:
        """What a new session must be told of the one before it."""
        items = self.conversation.get_items()
        missing = self._pending.take_missing([self._note_id, *(item.id for item in items)])
        told: list[Any] = []
        if self.writer.session_kind == "realtime":  # the other kind makes no answers, and takes no items
            told = replay(items, self.toolbox.running | self._pending.calls.keys())
        if told and self._resume_note:
            self._note_id = generate_id("item_")
            self.conversation.hide_item(self._note_id)
            told.append(note(self._note_id, self._resume_note))
        told += missing
        for piece in self.conversation.input.unfinished(VAD_KEEP_MS if self.turn_detection() else None):
            told.append({"type": "input_audio_buffer.commit"} if piece is None else piece)
        return told

    # LinkDelegate: writing

    async def next_entry(self) -> Any:
        return await self.outbox.take()

    def put_back(self, entry: Any) -> None:
        self.writer.put_back(entry)

    def sending(self, since: float | None) -> None:
        self.outbox.blocked_since = since

    def encode(self, entry: Any) -> tuple[str, Wire] | None:
        return self.writer.encode(entry)

    def sent(self, event: Wire) -> None:
        if event["type"] == "response.create":
            self.sequencer.sent()
        emitter = self.emitter
        name = f"client.{event['type']}"
        if emitter.wants("realtime.event") or emitter.wants(name):
            shown = Event(event)
            emitter.emit("realtime.event", RealtimeEvent("client", shown, time.time()))
            emitter.emit(name, shown)

    # LinkDelegate: reading

    def receive(self, frame: bytes | str) -> bool:
        """Take one frame. Nothing that is in it raises. Returns whether somebody waited for it."""
        self.emitter.woke = False
        self._receive(frame)
        return self.emitter.woke

    def _receive(self, frame: bytes | str) -> None:
        try:
            raw = codec.loads(frame)
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
            self.emitter.emit("realtime.event", RealtimeEvent("server", Event(raw), time.time()))
        for event in dialects.inbound(raw):
            self._take(event)

    def _take(self, event: Wire) -> None:
        kind: str = event["type"]
        item = event.get("item")
        if item is not None:
            self._pending.confirm(item, self._knows, self.conversation.rename)
        before = self.conversation.malformed
        changes = self.conversation.apply(event)
        if self.conversation.malformed != before:
            self.reports.error(
                ErrorEvent(f"a malformed {kind!r} event was passed over", "wire", event=Event(event))
            )
        if kind.startswith("response."):
            self._last_response_event = now = time.monotonic()
            delta = changes[0].delta if changes else None
            if delta is not None:
                self.meter.delta(
                    text_of(event.get("response_id")),
                    changes[0].item.id,
                    now,
                    audio=delta.audio is not None,
                    call=delta.arguments is not None,
                )
        for change in changes:
            self._announce(change)
        hook = self._hooks.get(kind)
        if hook is not None:
            hook(Event(event))
        name = f"server.{kind}"
        if self.emitter.wants(name):
            self.emitter.emit(name, Event(event))

    def _knows(self, item_id: str) -> bool:
        return self.conversation.get_item(item_id) is not None

    def announce(self, changes: list[Change]) -> None:
        for change in changes:
            self._announce(change)

    def _announce(self, change: Change) -> None:
        emitter, item, kind = self.emitter, change.item, change.kind
        if kind == "updated":
            emitter.emit("conversation.updated", ItemUpdatedEvent(item, change.delta))
            return
        event = ItemEvent(item)
        emitter.emit(f"conversation.item.{kind}", event)
        if kind in ("completed", "incomplete"):
            emitter.emit("conversation.item.ended", event)
        if kind == "completed" and item.type == "function_call":
            self._call_tool(item)

    # LinkDelegate: turning points

    def at_boundary(self, *, forced: bool) -> bool:
        """Whether nothing is under way that a new session would not know of."""
        if self.sequencer.busy or self.sequencer.waiting or self.toolbox.running:
            return False
        heard = self.conversation.input
        in_a_turn = heard.speaking or (self.turn_detection() is None and heard.uncommitted_ms >= COMMIT_MS)
        return forced or not (in_a_turn or self._pending or self._words_are_due())

    def _words_are_due(self) -> bool:
        """Whether the last turn's words are still being written down: history is restored as text."""
        transcribed = branch(self.server_session, "input").get("transcription")
        return bool(transcribed) and awaits_transcript(self.conversation.get_items())

    def lost(self, code: int, reason: str) -> None:
        self.connected = False
        response_lost, response_id = self.sequencer.lost()
        self.announce(self.conversation.abandon())
        if response_lost:
            message = f"the connection was lost while the answer was made ({_why(code, reason)})"
            self.emitter.emit(
                "response.failed", ResponseFailedEvent(response_id, message, "connection_lost", str(code))
            )

    def changed(self, event: ConnectionEvent) -> None:
        self.emitter.emit("connection.changed", event)

    def closed(self, event: CloseEvent) -> None:
        """The end. Emits ``close`` once and lets nobody wait for what cannot come."""
        self.connected = False
        self._tools_changed = False
        self.toolbox.cancel()
        self.sequencer.forget()
        self.outbox.clear()
        self._pending.clear()
        self.created = None
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
        self.announce(self.conversation.abandon())
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

    # What single events mean

    def _on_session(self, event: Event) -> None:
        session = event.get("session")
        if isinstance(session, dict):
            self.server_session = session
            if "format" not in branch(self.config, "input"):
                self.writer.use_input_format(branch(session, "input").get("format"))
        if event["type"] == "session.created" and self.created is not None:
            self.created.set()

    def _on_speech_started(self, event: Event) -> None:
        active = self.sequencer.busy
        self.sequencer.speech_started()
        self.emitter.emit(
            "conversation.interrupted",
            InterruptedEvent(
                event.get("item_id"), event.get("audio_start_ms"), active, active and self.server_interrupts()
            ),
        )

    def _on_speech_stopped(self, event: Event) -> None:
        self.meter.turn_ended(time.monotonic())

    def _on_response_created(self, event: Event) -> None:
        response = event.get("response")
        response_id = response.get("id") if isinstance(response, dict) else None
        inside = self.sequencer.created(response, tools_running=bool(self.toolbox.running))
        if isinstance(response_id, str):
            if inside:
                self.meter.created(response_id, time.monotonic())
            else:
                self.conversation.leave_out(response_id)

    def _on_response_done(self, event: Event) -> None:
        response = event.get("response")
        self.sequencer.done(response)
        if isinstance(response, dict):
            response_id = text_of(response.get("id"))
            status = response.get("status")
            if status == "cancelled":
                self._mute_calls_of(response_id)
            self.reports.usage(response.get("usage"), response_id)
            if status == "failed":
                self.reports.response_failed(response_id, response, event)
            if response_id is not None:
                timings = self.meter.done(response_id, time.monotonic())
                if timings is not None:
                    self.emitter.emit("timings", timings)
        self._ask_next()
        self.at_rest()

    def _on_error(self, event: Event) -> None:
        error = event.get("error")
        if not isinstance(error, dict):
            error = {"message": str(error)}
        code, event_id = text_of(error.get("code")), text_of(error.get("event_id"))
        message = str(error.get("message") or code or "the server gave no reason")
        cause = self.writer.cause_of(event_id)
        caused_by = cause["type"] if cause is not None else None
        if code == ANOTHER_IS_ACTIVE:
            self.sequencer.refused(another_is_active=True)
            self._watch_for_stall()
        elif caused_by == "response.create":
            self.sequencer.refused(another_is_active=False)
            self._ask_next()
        elif code == COMMIT_EMPTY or caused_by == "input_audio_buffer.commit":
            self.conversation.input.commit_refused()
        elif cause is not None and caused_by == "conversation.item.create":
            self._pending.refused(cause)
        elif caused_by in ("session.update", "transcription_session.update"):
            # Refused as a whole. What is sent must go on in the format that the server has.
            self.writer.use_input_format(
                ((self.server_session.get("audio") or {}).get("input") or {}).get("format")
            )
        report = ErrorEvent(
            message,
            "server",
            text_of(error.get("type")),
            code,
            text_of(error.get("param")),
            event_id,
            caused_by,
            event=event,
        )
        item = cause.get("item") if cause is not None else None
        about_note = isinstance(item, dict) and item.get("id") == self._note_id != ""
        if about_note or is_benign(code, message, caused_by):  # some servers and relays take no system items
            log.debug("passed over: %s (%s)", message, code)
            self.emitter.emit("error.benign", report)
        else:
            self.reports.error(report)

    # Tools

    def _call_tool(self, item: Item) -> None:
        given = {tool.get("name") for tool in self.given_tools}
        if not item.call_id or not item.name:
            return
        if item.name in given and item.name not in self.toolbox.tools:
            return  # the application set the tool itself, and answers itself
        if self.toolbox.call(item.call_id, item.name, item.arguments or ""):
            self._pending.call_started(item.call_id)

    def _tool_answered(self, call_id: str, output: str, failure: BaseException | None) -> None:
        if failure is not None:
            self.reports.error(ErrorEvent(f"tool call failed: {failure}", "tool", exception=failure))
        self.create_item({"type": "function_call_output", "call_id": call_id, "output": output})
        if call_id not in self._muted_calls:
            self.sequencer.tools_answered()
        self._ask_next()

    def _mute_calls_of(self, response_id: str | None) -> None:
        """A cancelled answer: its calls are answered for the record, but nobody waits for more."""
        for item in self.conversation.get_items():
            if item.call_id and item.type == "function_call" and item.response_id == response_id:
                remember(self._muted_calls, item.call_id, None)

    def _ask_next(self) -> None:
        # While the user speaks to a server that answers by itself, that answer will know the outputs.
        held = bool(self.toolbox.running) or (self.conversation.input.speaking and self.server_answers())
        self.send_all(self.sequencer.next_request(tools_running=held))
        self._watch_for_stall()

    def _watch_for_stall(self) -> None:
        """A request waits for the end of a response. If that end was lost, ask after all."""
        if self.sequencer.busy and self.sequencer.waiting and self._stall_timer is None and self.connected:
            self._last_response_event = max(self._last_response_event, time.monotonic() - RESPONSE_STALL)
            self._stall_timer = asyncio.get_running_loop().call_later(RESPONSE_STALL, self._check_stall)

    def _check_stall(self) -> None:
        self._stall_timer = None
        if self.connected and time.monotonic() - self._last_response_event >= RESPONSE_STALL:
            self.sequencer.stalled()
            self._ask_next()
        else:
            self._watch_for_stall()


def _why(code: int, reason: str) -> str:
    return f"code {code}: {reason}" if reason else f"code {code}"
