"""One connection: carries out the client's events, one after another.

Each event is handled to its end before the next one is read, so a client that sends faster than the server
can process is slowed down by its own socket.

Thread: the event loop; the models run in worker processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...protocol import codec
from ...protocol.ids import generate_server_id
from ...protocol.schema import RequestError
from ..beta import BetaDialect
from ..checks.client_events import CONTROL_EVENT, check_event
from ..checks.json_text import parse_json
from ..checks.session_object import SESSION_SECONDS, SessionConfig
from ..faults import Faults
from ..models.interfaces import ModelError
from ..models.workers import Models
from ..replies.rules import Replier
from .budget import SessionTokens
from .call_audio import CallAudio
from .channel import Channel
from .conversation import Conversation
from .items import decode_base64, decode_samples, item_from_client
from .listening import Listening
from .mcp import McpListings
from .outbox import FrameSink
from .recognition import Recogniser
from .response import Response, ResponseOptions, SessionParts

# Audio in one input_audio_buffer.append.
APPEND_BYTES = 15 << 20
# Out-of-band responses at a time; each is a task that uses the models.
PARALLEL_RESPONSES = 16
# Items in a conversation, and characters in all of them and in all of their images.
ITEMS = 2_000
TEXT_CHARACTERS = 8 << 20
IMAGE_CHARACTERS = 64 << 20


@dataclass(frozen=True)
class SessionOptions:
    """Settings of the server that apply to every session.

    Attributes
    ----------
    pace : float
        Audio is sent at most this many times faster than real time; 0: no limit.
    seconds : float
        A session ends after this time.
    faults : Faults
        Deliberate faults.
    recorded : sequence of str
        The words of the first spoken items, which are then not recognised; "" for one that is.
    """

    pace: float = 8.0
    seconds: float = SESSION_SECONDS
    faults: Faults = field(default_factory=Faults)
    recorded: Sequence[str] = ()


class Session:
    """One connection. Call ``start``, then ``handle`` for each frame, then ``close``.

    Parameters
    ----------
    config : SessionConfig
        The session object.
    outbox : Outbox
        Takes the outgoing frames.
    models : Models
        The three models.
    replier : Replier
        Makes the content of responses.
    options : SessionOptions
        Settings of the server.
    log : callable taking a str
        The server's log.
    beta : BetaDialect, optional
        Translates for a client of the beta dialect.
    in_call : bool
        True for the session of a call: its connections send and receive no audio.
    """

    def __init__(
        self,
        config: SessionConfig,
        outbox: FrameSink,
        models: Models,
        replier: Replier,
        options: SessionOptions,
        log: Callable[[str], None],
        beta: BetaDialect | None = None,
        in_call: bool = False,
    ) -> None:
        self._config = config
        self._beta = beta
        self._seconds = options.seconds
        self._expiry: asyncio.TimerHandle | None = None
        self._conversation = Conversation()
        self._channel = Channel(outbox, options.faults, log, beta)
        if in_call:
            self._channel.call_audio = CallAudio(self._channel.emit)
        self._recogniser = Recogniser(models, self._channel, options.recorded)
        self._listening = Listening(
            config,
            self._conversation,
            self._channel,
            models,
            self._recogniser,
            on_speech=self._interrupt,
            on_turn=self._respond_to_turn,
        )
        self._tokens = SessionTokens()
        self._parts = SessionParts(
            config,
            self._conversation,
            self._channel,
            models,
            self._recogniser,
            replier,
            self._tokens,
            options.pace,
            lambda: self._listening.now_ms,
        )
        # The response that writes to the conversation, and the out-of-band ones by id.
        self._active: Response | None = None
        self._others: dict[str, Response] = {}
        # True if a turn ended while a response was active: it is answered afterwards.
        self._turn_waits = False
        # True once audio has been spoken: the voice cannot be changed any more.
        self._voice_is_fixed = False
        self._mcp = McpListings(self._conversation, self._channel)
        self._handlers = self._handlers_by_type()

    def _handlers_by_type(self) -> dict[str, Callable[[dict[str, Any]], Any]]:
        return {
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
        """Send session.created and start the session's time limit."""
        self._channel.emit("session.created", session=self._config.as_dict())
        if self._beta is not None and self._config.kind == "realtime":
            conversation = {"id": self._conversation.id, "object": "realtime.conversation"}
            self._channel.emit("conversation.created", conversation=conversation)
        faults = self._channel.faults
        self._expire_in(self._seconds if faults.session_seconds is None else faults.session_seconds)

    def greet(self, outbox: FrameSink) -> None:
        """Send session.created to a further connection of a call."""
        event = {"type": "session.created", "event_id": generate_server_id("event")}
        outbox.put(codec.dumps({**event, "session": self._config.as_dict()}))

    async def handle(self, frame: str | bytes) -> None:
        """Carry out one client frame; every problem with it becomes an error event."""
        channel = self._channel
        event: Any = None
        if channel.faults.slow_reader_s:
            await asyncio.sleep(channel.faults.slow_reader_s)
        try:
            event = parse_frame(frame)
            if self._beta is not None:
                event = self._beta.to_ga(event)
            await self._handlers[check_event(event)](event)
        except RequestError as error:
            channel.emit_error(error, event)
        except ModelError as error:
            channel.log(str(error))
            channel.emit_error(RequestError("server_error", str(error), kind="server_error"), event)
        # A mistake in the server must not end the client's session.
        except Exception as error:
            channel.emit_error(channel.internal_error(error), event)
        await channel.drain()

    def close(self) -> None:
        """Stop all tasks of the session, after the connection has ended."""
        # Set by start.
        assert self._expiry is not None
        self._expiry.cancel()
        for response in [*self._others.values(), *([self._active] if self._active else [])]:
            response.abandon()
        self._listening.close()
        self._recogniser.close()
        if self._channel.call_audio is not None:
            self._channel.call_audio.close()

    async def _set_faults(self, event: dict[str, Any]) -> None:
        faults = Faults.of(event["faults"])
        if faults.session_seconds is not None:
            self._expire_in(faults.session_seconds)
        self._channel.set_faults(faults)

    def _expire_in(self, seconds: float) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
        self._expiry = asyncio.get_running_loop().call_later(seconds, self._expire, seconds)

    def _expire(self, seconds: float) -> None:
        message = f"Your session hit the maximum duration of {seconds / 60:g} minutes."
        self._channel.emit_error(RequestError("session_expired", message))
        self._channel.close(1001, message)

    # --- session and audio --------------------------------------------------------------------------------

    async def _update_session(self, event: dict[str, Any]) -> None:
        before = dict(self._config.input)
        self._config.update(event["session"], self._voice_is_fixed)
        after = self._config.input
        if before["format"] != after["format"] or before["turn_detection"] != after["turn_detection"]:
            self._listening.reconfigure()
        self._channel.emit("session.updated", session=self._config.as_dict())
        self._mcp.list_tools(self._config["tools"] or ())

    async def _append_audio(self, event: dict[str, Any]) -> None:
        if self._channel.call_audio is not None:
            raise RequestError(
                "invalid_value", "A sideband connection sends no audio: the call has its own.", "type"
            )
        data = decode_base64(event["audio"], "audio")
        if len(data) > APPEND_BYTES:
            raise RequestError(
                "string_above_max_length",
                f"Invalid 'audio': {len(data)} bytes of audio, the most in one event is {APPEND_BYTES}.",
                "audio",
            )
        await self._listening.append(decode_samples(data, self._config.input_format, "audio"))

    async def _commit_audio(self, event: dict[str, Any]) -> None:
        self._listening.commit()

    async def _clear_audio(self, event: dict[str, Any]) -> None:
        self._listening.clear()
        self._channel.emit("input_audio_buffer.cleared")

    async def _clear_output(self, event: dict[str, Any]) -> None:
        if self._channel.call_audio is None:
            raise RequestError(
                "invalid_value", "output_audio_buffer.clear is only for WebRTC and SIP connections.", "type"
            )
        self._channel.call_audio.clear()

    # --- items --------------------------------------------------------------------------------------------

    async def _create_item(self, event: dict[str, Any]) -> None:
        if len(self._conversation.items) >= ITEMS:
            raise RequestError("invalid_value", f"A conversation holds at most {ITEMS} items.", "item")
        item = item_from_client(event["item"], "item", self._config.input_format)
        if self._conversation.characters + item.characters > TEXT_CHARACTERS:
            raise RequestError(
                "string_above_max_length",
                f"A conversation holds at most {TEXT_CHARACTERS} characters.",
                "item",
            )
        if self._conversation.image_characters + item.image_characters > IMAGE_CHARACTERS:
            raise RequestError(
                "string_above_max_length",
                f"A conversation holds images of at most {IMAGE_CHARACTERS} characters: delete older ones.",
                "item",
            )
        if item.kind == "function_call_output" and not self._conversation.tool_name(item.fields["call_id"]):
            raise RequestError(
                "invalid_tool_call_id",
                f"Tool call ID '{item.fields['call_id']}' not found in conversation.",
                "item.call_id",
            )
        previous = self._conversation.insert(item, event.get("previous_item_id"))
        self._channel.announce_item(item, previous)
        if item.audio is not None:
            self._recogniser.recognise(item)

    async def _retrieve_item(self, event: dict[str, Any]) -> None:
        item = self._conversation.retrieve(event["item_id"])
        fields = item.as_dict()
        if item.audio is not None and item.audio_format is not None:
            audio = item.audio_format.encode(item.audio)
            for part in fields["content"]:
                if part["type"] == "input_audio":
                    part["audio"] = audio
        self._channel.emit("conversation.item.retrieved", item=fields)

    async def _truncate_item(self, event: dict[str, Any]) -> None:
        self._conversation.truncate(event["item_id"], event["audio_end_ms"])
        if self._active is None:
            # The client has stopped its playback.
            self._listening.idle_since(self._listening.now_ms)
        self._channel.emit(
            "conversation.item.truncated",
            item_id=event["item_id"],
            content_index=event["content_index"],
            audio_end_ms=event["audio_end_ms"],
        )

    async def _delete_item(self, event: dict[str, Any]) -> None:
        self._conversation.delete(event["item_id"])
        self._channel.emit("conversation.item.deleted", item_id=event["item_id"])

    # --- responses ----------------------------------------------------------------------------------------

    async def _create_response(self, event: dict[str, Any]) -> None:
        if self._config.kind != "realtime":
            raise RequestError("invalid_value", "A transcription session makes no responses.", "type")
        options = ResponseOptions.of(self._config, event.get("response"))
        for i, fields in enumerate(options.input or ()):
            if fields["type"] == "item_reference" and self._conversation.get(fields["id"]) is None:
                raise RequestError(
                    "invalid_value",
                    f"Item with id '{fields['id']}' not found in the conversation.",
                    f"response.input[{i}].id",
                )
        if options.in_conversation and self._active is not None:
            raise RequestError(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {self._active.id}. "
                "Wait until the response is finished before creating a new one.",
            )
        if len(self._others) >= PARALLEL_RESPONSES:
            raise RequestError(
                "rate_limit_exceeded", f"At most {PARALLEL_RESPONSES} out-of-band responses at a time."
            )
        self._start_response(options)

    async def _interrupt(self) -> None:
        """Cancel the active response because the user speaks, if the session says so."""
        detection = self._config.turn_detection
        if self._active is not None and detection is not None and detection["interrupt_response"]:
            await self._active.cancel("turn_detected")

    def _respond_to_turn(self) -> None:
        """Answer a spoken turn if the session says so: now, or as soon as the active response is done."""
        detection = self._config.turn_detection
        if self._config.kind != "realtime" or detection is None or not detection["create_response"]:
            return
        if self._active is not None:
            self._turn_waits = True
        else:
            self._start_response(ResponseOptions.of(self._config, None))

    def _start_response(self, options: ResponseOptions) -> None:
        response = Response(self._parts, options, self._response_done)
        if options.in_conversation:
            self._active = response
            self._listening.idle_since(None)
        else:
            self._others[response.id] = response

    async def _cancel_response(self, event: dict[str, Any]) -> None:
        wanted = event.get("response_id")
        response = self._others.get(wanted) if wanted else self._active
        if response is None and self._active is not None and self._active.id == wanted:
            response = self._active
        if response is None:
            raise RequestError("response_cancel_not_active", "Cancellation failed: no active response found")
        await response.cancel("client_cancelled")

    def _response_done(self, response: Response) -> None:
        budget = response.budget
        self._others.pop(response.id, None)
        self._voice_is_fixed = self._voice_is_fixed or budget.audio_seconds > 0
        self._channel.emit("rate_limits.updated", rate_limits=self._tokens.rate_limits())
        if response is self._active:
            self._active = None
            self._listening.idle_since(budget.playback_from_ms + int(budget.audio_seconds * 1000))
            if self._turn_waits:
                self._turn_waits = False
                self._start_response(ResponseOptions.of(self._config, None))


def parse_frame(frame: str | bytes) -> Any:
    """The JSON value in a text frame. Raises RequestError for a binary frame and for what parse_json refuses."""
    if isinstance(frame, bytes):
        raise RequestError("invalid_event", "Binary frames are not accepted; send JSON in text frames.")
    return parse_json(frame)
