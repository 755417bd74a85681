"""One connection: takes client events one after another, and keeps what they change.

Owns the configuration, the conversation, the responses in progress and the outgoing events; listening.py
owns the input audio. Every event is handled to its end before the next one is read, so a client that sends
faster than we hear is slowed by its own socket.

Thread: the event loop; models run in worker processes (workers.py).
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...protocol import codec
from ..beta import BetaDialect
from ..checks.client_events import check_event
from ..checks.schema import RequestError
from ..checks.session_object import SESSION_SECONDS, SessionConfig
from ..faults import CONTROL_EVENT, Faults, FaultyStream
from ..models.interfaces import Int16Array, ModelError
from ..models.workers import Models
from ..replies.rules import Replier
from .conversation import Conversation, Item, new_id
from .listening import Listening
from .outbox import Outbox
from .response import Response, ResponseOptions

APPEND_BYTES = 15 << 20
TOKENS_PER_MINUTE = 40_000  # what rate_limits.updated pretends
PARALLEL_RESPONSES = 16  # out-of-band ones; each is a task with a share of the models
ITEMS = 2_000
TEXT_CHARACTERS = 8 << 20


@dataclass(frozen=True)
class SessionOptions:
    """Choices of the server that concern every session."""

    pace: float = 8.0  # audio is sent at most this many times faster than real time; 0: no limit
    seconds: float = SESSION_SECONDS
    faults: Faults = field(default_factory=Faults)


class Session:
    """State of one connection. ``start``, then ``handle`` each frame, then ``close``."""

    def __init__(
        self,
        config: SessionConfig,
        outbox: Outbox,
        models: Models,
        replier: Replier,
        options: SessionOptions,
        log: Callable[[str], None],
        beta: BetaDialect | None = None,
    ) -> None:
        self.config = config
        self.models = models
        self.replier = replier
        self.options = options
        self.log = log
        self.conversation = Conversation()
        self.active: Response | None = None  # the one that writes to the conversation
        self._others: dict[str, Response] = {}  # out-of-band ones
        self._turn_waits = False  # a spoken turn ended while a response was active
        self._outbox = outbox
        self._beta = beta
        self._stream = FaultyStream(options.faults)
        self._expiry: asyncio.TimerHandle | None = None
        self._voice_is_fixed = False
        self._last_input = (0, 0)  # text and audio tokens of the last response's input
        self._used_tokens = 0
        self.listening = Listening(self)
        self._handlers: dict[str, Callable[[dict[str, Any]], Any]] = {
            "session.update": self._update_session,
            "input_audio_buffer.append": self._append_audio,
            "input_audio_buffer.commit": self._commit_audio,
            "input_audio_buffer.clear": self._clear_audio,
            "conversation.item.create": self._create_item,
            "conversation.item.retrieve": self._retrieve_item,
            "conversation.item.truncate": self._truncate_item,
            "conversation.item.delete": self._delete_item,
            "response.create": self._create_response,
            "response.cancel": self._cancel_response,
            "output_audio_buffer.clear": self._clear_output,
            CONTROL_EVENT: self._set_faults,
        }

    # --- the connection -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Send session.created; from here on the session's time runs."""
        self.emit("session.created", session=self.config.as_dict())
        if self._beta is not None and self.config.kind == "realtime":
            conversation = {"id": self.conversation.id, "object": "realtime.conversation"}
            self.emit("conversation.created", conversation=conversation)
        self._expire_in(self.options.seconds)
        if self.faults.session_seconds is not None:
            self._expire_in(self.faults.session_seconds)

    async def handle(self, frame: str | bytes) -> None:
        """Carry out one client frame; whatever is wrong with it becomes an error event."""
        event: Any = None
        if self.faults.slow_reader_s:
            await asyncio.sleep(self.faults.slow_reader_s)
        try:
            event = parse_frame(frame)
            if self._beta is not None:
                event = self._beta.to_ga(event)
            await self._handlers[check_event(event)](event)
        except RequestError as error:
            self.emit_error(error, event)
        except ModelError as error:
            self.log(str(error))
            self.emit_error(RequestError("server_error", str(error), kind="server_error"), event)
        except Exception as error:  # a mistake of ours must not cost the client its session
            self.emit_error(self.internal_error(error), event)
        await self.drain()

    async def close(self) -> None:
        """Stop all tasks of the session. The connection is gone or will be."""
        assert self._expiry is not None  # since start
        self._expiry.cancel()
        for response in [*self._others.values(), *([self.active] if self.active else [])]:
            response.abandon()
        await self.listening.close()

    def emit(self, event_type: str, **fields: Any) -> None:
        """Queue a server event."""
        events = self._stream.apply({"type": event_type, "event_id": new_id("event"), **fields})
        if events is None:
            self._outbox.cut()
            return
        for event in events:
            for spoken in [event] if self._beta is None else self._beta.from_ga(event):
                self._outbox.put(codec.dumps(spoken))

    def emit_error(self, error: RequestError, event: Any = None) -> None:
        """Queue an error event that answers the client's *event*."""
        event_id = event.get("event_id") if isinstance(event, dict) else None
        self.emit("error", error=error.body(event_id if isinstance(event_id, str) else None))

    def internal_error(self, error: Exception) -> RequestError:
        """Log an unforeseen exception; what to tell the client about it."""
        where = traceback.extract_tb(error.__traceback__)[-1]
        self.log(f"internal error: {error!r} at {where.filename}:{where.lineno}")
        return RequestError("internal_error", "The server had an error.", kind="server_error")

    async def drain(self) -> None:
        """Wait while the client is slow to read."""
        await self._outbox.drain()

    @property
    def faults(self) -> Faults:
        """Faults that are on in this session."""
        return self._stream.faults

    async def _set_faults(self, event: dict[str, Any]) -> None:
        faults = Faults.of(event["faults"])
        self._stream = FaultyStream(faults)
        if faults.session_seconds is not None:
            self._expire_in(faults.session_seconds)
        self._outbox.put(codec.dumps({"type": CONTROL_EVENT, "faults": faults.as_dict()}))

    def _expire_in(self, seconds: float) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
        self._expiry = asyncio.get_running_loop().call_later(seconds, self._expire, seconds)

    def _expire(self, seconds: float) -> None:
        message = f"Your session hit the maximum duration of {seconds / 60:g} minutes."
        self.emit_error(RequestError("session_expired", message))
        self._outbox.close(1001, message)

    @property
    def now_ms(self) -> int:
        """The session's clock: milliseconds of audio appended so far."""
        return self.listening.now_ms

    # --- session and audio --------------------------------------------------------------------------------

    async def _update_session(self, event: dict[str, Any]) -> None:
        before = dict(self.config.input)
        self.config.update(event["session"], self._voice_is_fixed)
        after = self.config.input
        if before["format"] != after["format"] or before["turn_detection"] != after["turn_detection"]:
            self.listening.reconfigure()
        self.emit("session.updated", session=self.config.as_dict())

    async def _append_audio(self, event: dict[str, Any]) -> None:
        data = decode_base64(event["audio"], "audio")
        if len(data) > APPEND_BYTES:
            raise RequestError(
                "string_above_max_length",
                f"Invalid 'audio': {len(data)} bytes of audio, the most in one event is {APPEND_BYTES}.",
                "audio",
            )
        await self.listening.append(self._samples(data, "audio"))

    async def _commit_audio(self, event: dict[str, Any]) -> None:
        self.listening.commit()

    async def _clear_audio(self, event: dict[str, Any]) -> None:
        self.listening.clear()
        self.emit("input_audio_buffer.cleared")

    async def _clear_output(self, event: dict[str, Any]) -> None:
        raise RequestError(
            "invalid_value", "output_audio_buffer.clear is only for WebRTC and SIP connections.", "type"
        )

    def _samples(self, data: bytes, path: str) -> Int16Array:
        try:
            return self.config.input_format.decode(data)
        except ValueError as error:
            raise RequestError("invalid_value", f"Invalid '{path}': {error}.", path) from None

    # --- items --------------------------------------------------------------------------------------------

    async def _create_item(self, event: dict[str, Any]) -> None:
        if len(self.conversation.items) >= ITEMS:
            raise RequestError("invalid_value", f"A conversation holds at most {ITEMS} items.", "item")
        item = self._item(event["item"], "item")
        if self.conversation.characters + item.characters > TEXT_CHARACTERS:
            raise RequestError(
                "string_above_max_length",
                f"A conversation holds at most {TEXT_CHARACTERS} characters.",
                "item",
            )
        if item.kind == "function_call_output" and not self.conversation.tool_name(item.fields["call_id"]):
            raise RequestError(
                "invalid_tool_call_id",
                f"Tool call ID '{item.fields['call_id']}' not found in conversation.",
                "item.call_id",
            )
        self.add_item(item, event.get("previous_item_id"))
        if item.audio is not None:
            self.listening.recognise(item)

    def add_item(self, item: Item, previous_item_id: str | None = None) -> None:
        """Insert a finished item and announce it. RequestError: nothing happened."""
        previous = self.conversation.insert(item, previous_item_id)
        for name in ("conversation.item.added", "conversation.item.done"):
            self.emit(name, previous_item_id=previous, item=item.as_dict())

    def _item(self, fields: dict[str, Any], path: str) -> Item:
        """An Item from a client's (checked) fields; the bytes of its audio parts become samples."""
        fields = {"id": new_id("item"), **{key: v for key, v in fields.items() if key != "object"}}
        fields["status"] = "completed"
        if fields["type"] == "function_call":
            fields.setdefault("call_id", new_id("call"))
        audio = b""
        parts = []
        for i, part in enumerate(fields.get("content", ())):
            if "audio" in part and part["type"] == "output_audio":
                raise RequestError(
                    "unsupported_content_type",
                    "Assistant messages cannot be created with audio content; use output_text.",
                    f"{path}.content[{i}].audio",
                )
            audio += decode_base64(part.get("audio", ""), f"{path}.content[{i}].audio")
            parts.append({key: value for key, value in part.items() if key != "audio"})
        if "content" in fields:
            fields["content"] = parts
        if not audio:
            return Item(fields)
        return Item(fields, self._samples(audio, f"{path}.content"), self.config.input_format)

    async def _retrieve_item(self, event: dict[str, Any]) -> None:
        item = self.conversation.retrieve(event["item_id"])
        fields = item.as_dict()
        if item.audio is not None and item.audio_format is not None:
            audio = codec.b64encode(item.audio_format.encode(item.audio))
            for part in fields["content"]:
                if part["type"] == "input_audio":
                    part["audio"] = audio
        self.emit("conversation.item.retrieved", item=fields)

    async def _truncate_item(self, event: dict[str, Any]) -> None:
        self.conversation.truncate(event["item_id"], event["audio_end_ms"])
        self.listening.idle_since(self.now_ms)  # the client stopped its playback
        self.emit(
            "conversation.item.truncated",
            item_id=event["item_id"],
            content_index=event["content_index"],
            audio_end_ms=event["audio_end_ms"],
        )

    async def _delete_item(self, event: dict[str, Any]) -> None:
        self.conversation.delete(event["item_id"])
        self.emit("conversation.item.deleted", item_id=event["item_id"])

    # --- responses ----------------------------------------------------------------------------------------

    async def _create_response(self, event: dict[str, Any]) -> None:
        if self.config.kind != "realtime":
            raise RequestError("invalid_value", "A transcription session makes no responses.", "type")
        options = ResponseOptions.of(self.config, event.get("response"))
        for i, fields in enumerate(options.input or ()):
            if fields["type"] == "item_reference" and self.conversation.get(fields["id"]) is None:
                raise RequestError(
                    "invalid_value",
                    f"Item with id '{fields['id']}' not found in the conversation.",
                    f"response.input[{i}].id",
                )
        if options.in_conversation and self.active is not None:
            raise RequestError(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {self.active.id}. "
                "Wait until the response is finished before creating a new one.",
            )
        if len(self._others) >= PARALLEL_RESPONSES:
            raise RequestError(
                "rate_limit_exceeded", f"At most {PARALLEL_RESPONSES} out-of-band responses at a time."
            )
        self._start_response(options)

    def respond_to_turn(self) -> None:
        """Answer a spoken turn: now, or as soon as the active response is done."""
        if self.active is not None:
            self._turn_waits = True
        else:
            self._start_response(ResponseOptions.of(self.config, None))

    def _start_response(self, options: ResponseOptions) -> None:
        response = Response(self, options)
        if options.in_conversation:
            self.active = response
        else:
            self._others[response.id] = response

    async def response_items(self, options: ResponseOptions) -> list[Item]:
        """What a response is given, with the speech in it recognised."""
        if options.input is None:
            items = list(self.conversation.items)
        else:
            items = []
            for i, fields in enumerate(options.input):
                if fields["type"] == "item_reference":
                    items.append(self.conversation.retrieve(fields["id"]))
                else:
                    items.append(self._item(fields, f"response.input[{i}]"))
        for item in items:
            if item.audio is not None and item.heard is None:
                self.listening.recognise(item)
            if item.heard is not None:
                await asyncio.wait([item.heard])
        return items

    async def _cancel_response(self, event: dict[str, Any]) -> None:
        wanted = event.get("response_id")
        response = self._others.get(wanted) if wanted else self.active
        if response is None and self.active is not None and self.active.id == wanted:
            response = self.active
        if response is None:
            raise RequestError("response_cancel_not_active", "Cancellation failed: no active response found")
        await response.cancel("client_cancelled")

    def response_done(self, response: Response) -> None:
        """Called by a response after its response.done."""
        self._others.pop(response.id, None)
        self._voice_is_fixed = self._voice_is_fixed or response.audio_seconds > 0
        self.emit("rate_limits.updated", rate_limits=self._rate_limits())
        if response is self.active:
            self.active = None
            self.listening.idle_since(response.playback_from_ms + int(response.audio_seconds * 1000))
            if self._turn_waits:
                self._turn_waits = False
                self.respond_to_turn()

    def cached_tokens(self, text: int, audio: int) -> tuple[int, int]:
        """How many input tokens the response before had too, in blocks of 64; remembers these."""
        last_text, last_audio = self._last_input
        self._last_input = (text, audio)
        self._used_tokens += text + audio
        return min(text, last_text) // 64 * 64, min(audio, last_audio) // 64 * 64

    def _rate_limits(self) -> list[dict[str, Any]]:
        remaining = max(0, TOKENS_PER_MINUTE - self._used_tokens % TOKENS_PER_MINUTE)
        reset = round((TOKENS_PER_MINUTE - remaining) / TOKENS_PER_MINUTE * 60, 3)
        tokens = {
            "name": "tokens",
            "limit": TOKENS_PER_MINUTE,
            "remaining": remaining,
            "reset_seconds": reset,
        }
        return [tokens]


def parse_frame(frame: str | bytes) -> Any:
    """The JSON value in a text frame. RequestError for a binary frame or anything else."""
    if isinstance(frame, bytes):
        raise RequestError("invalid_event", "Binary frames are not accepted; send JSON in text frames.")
    try:
        return codec.loads(frame)
    except ValueError as error:
        raise RequestError("invalid_json", f"Invalid JSON: {error}.") from None


def decode_base64(data: str, path: str) -> bytes:
    """Bytes of strict base64, or RequestError."""
    try:
        return codec.b64decode(data)
    except ValueError:
        raise RequestError(
            "invalid_value", f"Invalid '{path}'. Expected base64-encoded audio bytes.", path
        ) from None
