"""One response, from response.created to response.done: its input, the task that produces it, and its end.

Thread: the event loop. ``cancel`` may be called at any moment: the done events go out before it returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from ...protocol.audio_format import FORMATS
from ...protocol.ids import generate_server_id
from ..checks.session_object import SessionConfig, complete_format
from ..models.interfaces import ModelError
from ..models.workers import Models
from ..replies.rules import Call, Context, Message, Replier, Spoken, ToolCall, ToolOutput
from .budget import Budget, IncompleteError, SessionTokens
from .channel import Channel, ResponseChannel
from .conversation import Conversation
from .items import Item, item_from_client
from .outputs import CallOutput, Output, SpeechOutput, TextOutput
from .recognition import Recogniser


@dataclass(frozen=True)
class ResponseOptions:
    """Parameters of a response: those of the session, overridden by those of response.create."""

    modality: str
    instructions: str
    own_instructions: bool
    tools: list[dict[str, Any]]
    tool_choice: Any
    max_output_tokens: int | str
    audio_format: dict[str, Any]
    voice: Any
    speed: float
    conversation: str = "auto"
    input: list[dict[str, Any]] | None = None
    metadata: dict[str, str] | None = None

    @classmethod
    def of(cls, config: SessionConfig, patch: dict[str, Any] | None) -> ResponseOptions:
        """From a SessionConfig and the (checked) ``response`` of a response.create."""
        base = cls(
            modality=config["output_modalities"][0],
            instructions=config["instructions"],
            own_instructions=False,
            tools=config["tools"],
            tool_choice=config["tool_choice"],
            max_output_tokens=config["max_output_tokens"],
            audio_format=config.output["format"],
            voice=config.voice,
            speed=config.output["speed"],
        )
        patch = dict(patch or {})
        output = patch.pop("audio", {}).get("output", {})
        if "output_modalities" in patch:
            patch["modality"] = patch.pop("output_modalities")[0]
        if "format" in output:
            patch["audio_format"] = complete_format(output["format"])
        patch["voice"] = output.get("voice", base.voice)
        patch["own_instructions"] = "instructions" in patch
        known = cls.__dataclass_fields__
        return replace(base, **{key: value for key, value in patch.items() if key in known})

    @property
    def in_conversation(self) -> bool:
        """True unless the response is out-of-band."""
        return self.conversation != "none"


@dataclass(frozen=True)
class SessionParts:
    """The parts of a session that its responses use.

    Attributes
    ----------
    config : SessionConfig
    conversation : Conversation
    channel : Channel
    models : Models
    recogniser : Recogniser
    replier : Replier
        Makes the content.
    tokens : SessionTokens
    pace : float
        Audio is sent at most this many times faster than real time; 0: no limit.
    now_ms : callable
        The session's input clock in milliseconds.
    """

    config: SessionConfig
    conversation: Conversation
    channel: Channel
    models: Models
    recogniser: Recogniser
    replier: Replier
    tokens: SessionTokens
    pace: float
    now_ms: Callable[[], int]


class FailedError(Exception):
    """The response fails with an error ``code``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Response:
    """A response: the constructor sends ``response.created`` and starts a task that produces the rest.

    Parameters
    ----------
    session : SessionParts
        What it shares with the session.
    options : ResponseOptions
        Its parameters.
    on_done : callable
        Called with the response after its response.done.
    """

    def __init__(
        self, session: SessionParts, options: ResponseOptions, on_done: Callable[[Response], None]
    ) -> None:
        self.options = options
        self.id = generate_server_id("resp")
        self.budget = Budget(options.max_output_tokens, session.pace, session.now_ms)
        self._session = session
        self._on_done = on_done
        conversation = session.conversation if options.in_conversation else None
        self._channel = ResponseChannel(session.channel, self.id, conversation)
        self._output: Output | None = None
        self._status = "in_progress"
        self._details: dict[str, Any] | None = None
        self._usage: dict[str, Any] | None = None
        session.channel.emit("response.created", response=self.as_dict())
        # True once the task has been cancelled on purpose.
        self._stopped = False
        self._task = asyncio.create_task(self._run(), name=self.id)
        self._task.add_done_callback(session.channel.end_of_task)

    async def cancel(self, reason: str) -> None:
        """End it with status cancelled, unless it has ended; *reason* is client_cancelled or turn_detected."""
        self._stop()
        await asyncio.wait([self._task])
        self._finish("cancelled", {"type": "cancelled", "reason": reason})

    def abandon(self) -> None:
        """Stop producing without an event: the connection is gone."""
        self._stop()

    def _stop(self) -> None:
        self._stopped = True
        self._task.cancel()

    @property
    def done(self) -> bool:
        """True after response.done."""
        return self._status != "in_progress"

    # --- production ---------------------------------------------------------------------------------------

    async def _run(self) -> None:
        status = "completed"
        details: dict[str, Any] | None = None
        try:
            await self._produce()
        except IncompleteError as error:
            status, details = "incomplete", {"type": "incomplete", "reason": str(error)}
        except FailedError as error:
            failure: dict[str, Any] = {"type": error.code, "code": error.code, "message": str(error)}
            status, details = "failed", {"type": "failed", "error": failure}
        except ModelError as error:
            self._session.channel.log(str(error))
            failure = {"type": "server_error", "code": "server_error", "message": str(error)}
            status, details = "failed", {"type": "failed", "error": failure}
        # A mistake in the server fails the response; the session goes on. A CancelledError that nobody asked for is one.
        except (Exception, asyncio.CancelledError) as error:
            if self._stopped and isinstance(error, asyncio.CancelledError):
                raise
            body = self._session.channel.internal_error(error)
            failure = {"type": body.kind, "code": body.code, "message": body.message}
            status, details = "failed", {"type": "failed", "error": failure}
        self._finish(status, details)

    async def _produce(self) -> None:
        session = self._session
        context = await self._context()
        self.budget.start()
        faults = session.channel.faults
        if faults.failed is not None:
            raise FailedError(faults.failed, "A failure on request.")
        only_says = session.models.voice.only_says if self.options.modality == "audio" else None
        async with aclosing(session.replier.reply(context)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Call):
                    await self._close_output()
                    self._output = call = CallOutput(self._channel, self.budget, piece.name)
                    call.add(piece.arguments)
                    await self._close_output()
                elif isinstance(piece, Spoken):
                    await self._close_output()
                    await self._message().add_spoken(piece.text, piece.samples)
                    await self._close_output()
                elif only_says is None:
                    await self._message().add(piece.text)
                elif not self._channel.items:
                    await self._message().add(only_says)
                await self._channel.drain()
                if faults.incomplete is not None:
                    raise IncompleteError(faults.incomplete)
        await self._close_output()

    def _message(self) -> TextOutput | SpeechOutput:
        if not isinstance(self._output, (TextOutput, SpeechOutput)):
            options = self.options
            if options.modality == "text":
                self._output = TextOutput(self._channel, self.budget)
            else:
                voice = options.voice if isinstance(options.voice, str) else options.voice["id"]
                audio_format = FORMATS[options.audio_format["type"]]
                self._output = SpeechOutput(
                    self._channel, self.budget, self._session.models, audio_format, voice, options.speed
                )
        return self._output

    async def _close_output(self) -> None:
        if isinstance(self._output, (TextOutput, SpeechOutput)):
            await self._output.finish()
        if self._output is not None:
            self._output.close()
        self._output = None

    # --- input --------------------------------------------------------------------------------------------

    async def _context(self) -> Context:
        """The history as words; waits until the speech in it has been recognised."""
        items = await self._input_items()
        options = self.options
        self.budget.count_input(options.instructions, items)
        history: list[Message | ToolCall | ToolOutput] = []
        names: dict[str, str] = {}
        for item in items:
            fields = item.fields
            if item.kind == "message":
                history.append(Message(fields["role"], item.text(), item.images))
            elif item.kind == "function_call":
                names[fields["call_id"]] = fields["name"]
                history.append(ToolCall(fields["call_id"], fields["name"], fields["arguments"]))
            elif item.kind == "function_call_output":
                call_id = fields["call_id"]
                name = names.get(call_id) or self._session.conversation.tool_name(call_id) or "tool"
                history.append(ToolOutput(call_id, name, fields["output"]))
        return Context(
            instructions=options.instructions,
            history=history,
            tools=options.tools,
            tool_choice=options.tool_choice,
            own_instructions=options.own_instructions,
            metadata=options.metadata or {},
        )

    async def _input_items(self) -> list[Item]:
        """The items that the response is given, with the speech in them recognised."""
        session = self._session
        if self.options.input is None:
            items = list(session.conversation.items)
        else:
            items = []
            for i, fields in enumerate(self.options.input):
                if fields["type"] == "item_reference":
                    items.append(session.conversation.retrieve(fields["id"]))
                else:
                    audio_format = session.config.input_format
                    items.append(item_from_client(fields, f"response.input[{i}]", audio_format))
        for item in items:
            if item.audio is not None and item.heard is None:
                session.recogniser.recognise(item)
            if item.heard is not None:
                await asyncio.wait([item.heard])
        return items

    # --- the end ------------------------------------------------------------------------------------------

    def _finish(self, status: str, details: dict[str, Any] | None) -> None:
        if self.done:
            return
        if self._output is not None:
            self._output.close("incomplete")
        self._status, self._details = status, details
        self._usage = self.budget.usage(self._session.tokens)
        self._session.channel.emit("response.done", response=self.as_dict())
        self._on_done(self)

    def as_dict(self) -> dict[str, Any]:
        """The response object of response.created and response.done."""
        options = self.options
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": self._status,
            "status_details": self._details,
            "output": [item.as_dict() for item in self._channel.items],
            "conversation_id": self._session.conversation.id if options.in_conversation else None,
            "output_modalities": [options.modality],
            "max_output_tokens": options.max_output_tokens,
            "audio": {"output": {"format": options.audio_format, "voice": options.voice}},
            "usage": self._usage,
            "metadata": options.metadata,
        }
