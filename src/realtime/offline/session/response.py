"""One response from created to done: what goes into it, the task that produces it, and how it ends.

Thread: the event loop. ``cancel`` may be called at any moment: the done events go out before it returns.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import string
import time
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..audio_format import AudioFormat
from ..checks.session_object import complete_format
from ..models.interfaces import SPEECH_RATE_HZ, Int16Array, ModelError
from ..replies.rules import Call, Context, Message, ToolCall, ToolOutput
from .conversation import Item, new_id
from .outputs import CallOutput, Output, SpeechOutput, TextOutput

if TYPE_CHECKING:
    from .session import Session

TEXT_CHARACTERS_PER_TOKEN = 4
AUDIO_IN_TOKENS_PER_SECOND = 10
AUDIO_OUT_TOKENS_PER_SECOND = 20
AUDIO_HEAD_START_S = 2.0  # sent at once; from there on the pace applies
WORDS_PER_SECOND = 25  # times the pace: how fast text is written


@dataclass(frozen=True)
class ResponseOptions:
    """A response's parameters: the session's, overridden by those of response.create."""

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
    def of(cls, config: Any, patch: dict[str, Any] | None) -> ResponseOptions:
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
        return self.conversation != "none"


class IncompleteError(Exception):
    """The response ends here; the message is the reason: max_output_tokens or content_filter."""


class FailedError(Exception):
    """The response fails with an error ``code``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Response:
    """A response: constructed, it sends ``response.created`` and begins its work in a task; maybe ``cancel`` it."""

    def __init__(self, session: Session, options: ResponseOptions) -> None:
        self.session = session
        self.options = options
        self.id = new_id("resp")
        self.outputs: list[Item] = []
        self._output: Output | None = None
        self._status = "in_progress"
        self._details: dict[str, Any] | None = None
        self._usage: dict[str, Any] | None = None
        self._text_tokens = 0.0
        self._audio_tokens = 0.0
        limit = options.max_output_tokens
        self._tokens_left = math.inf if limit == "inf" else float(limit)
        self._started = 0.0
        self.audio_seconds = 0.0  # of speech sent so far
        self.playback_from_ms = session.now_ms  # on the session's input clock, when the first of it was sent
        session.emit("response.created", response=self.as_dict())
        self._task = asyncio.create_task(self._run(), name=self.id)

    async def cancel(self, reason: str) -> None:
        """End it with status cancelled, *reason* client_cancelled or turn_detected, unless it has ended."""
        self._task.cancel()
        await asyncio.wait([self._task])
        self._finish("cancelled", {"type": "cancelled", "reason": reason})

    def abandon(self) -> None:
        """Stop producing; nobody is listening any more."""
        self._task.cancel()

    @property
    def done(self) -> bool:
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
            self.session.log(str(error))
            failure = {"type": "server_error", "code": "server_error", "message": str(error)}
            status, details = "failed", {"type": "failed", "error": failure}
        except Exception as error:  # a mistake of ours: the response fails, the session goes on
            body = self.session.internal_error(error)
            failure = {"type": body.kind, "code": body.code, "message": body.message}
            status, details = "failed", {"type": "failed", "error": failure}
        self._finish(status, details)

    async def _produce(self) -> None:
        context = await self._context()
        self._started = time.monotonic()
        faults = self.session.faults
        if faults.failed is not None:
            raise FailedError(faults.failed, "A failure on request.")
        only_says = self.session.models.voice.only_says if self.options.modality == "audio" else None
        async with aclosing(self.session.replier.reply(context)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Call):
                    await self._close_output()
                    self._output = call = CallOutput(self, piece.name)
                    call.add(piece.arguments)
                    await self._close_output()
                elif only_says is None:
                    await self._message().add(piece.text)
                elif not self.outputs:
                    await self._message().add(only_says)
                await self.drain()
                if faults.incomplete is not None:
                    raise IncompleteError(faults.incomplete)
        await self._close_output()

    def _message(self) -> TextOutput | SpeechOutput:
        if not isinstance(self._output, (TextOutput, SpeechOutput)):
            options = self.options
            if options.modality == "text":
                self._output = TextOutput(self)
            else:
                voice = options.voice if isinstance(options.voice, str) else options.voice["id"]
                self._output = SpeechOutput(self, AudioFormat.of(options.audio_format), voice, options.speed)
        return self._output

    async def _close_output(self) -> None:
        if isinstance(self._output, (TextOutput, SpeechOutput)):
            await self._output.finish()
        if self._output is not None:
            self._output.close()
        self._output = None

    async def _context(self) -> Context:
        """The history as words; waits until the newest speech in it has been recognised."""
        items = await self.session.response_items(self.options)
        self._input_tokens = self._count_input(items)
        history: list[Message | ToolCall | ToolOutput] = []
        names: dict[str, str] = {}
        for item in items:
            fields = item.fields
            if item.kind == "message":
                history.append(Message(fields["role"], item.text()))
            elif item.kind == "function_call":
                names[fields["call_id"]] = fields["name"]
                history.append(ToolCall(fields["call_id"], fields["name"], fields["arguments"]))
            elif item.kind == "function_call_output":
                call_id = fields["call_id"]
                name = names.get(call_id) or self.session.conversation.tool_name(call_id) or "tool"
                history.append(ToolOutput(call_id, name, fields["output"]))
        options = self.options
        return Context(
            instructions=options.instructions,
            history=history,
            tools=options.tools,
            tool_choice=options.tool_choice,
            own_instructions=options.own_instructions,
            metadata=options.metadata or {},
        )

    async def synthesise(self, text: str, voice: str, speed: float) -> Int16Array:
        """*text* as speech, int16 at 24 kHz."""
        return await self.session.models.synthesise(text.strip(), voice, speed)

    # --- what outputs ask for -----------------------------------------------------------------------------

    def emit(self, event_type: str, **fields: Any) -> None:
        """Send an event of this response."""
        self.session.emit(event_type, response_id=self.id, **fields)

    def emit_delta(self, event_type: str, **fields: Any) -> None:
        """The same, padded at random as the vendor pads deltas of text."""
        self.emit(event_type, **fields, obfuscation=_padding())

    def add_to_conversation(self, item: Item) -> None:
        if self.options.in_conversation:
            previous = self.session.conversation.insert(item)
            self.session.emit("conversation.item.added", previous_item_id=previous, item=item.as_dict())

    def done_in_conversation(self, item: Item) -> None:
        conversation = self.session.conversation
        if self.options.in_conversation and conversation.get(item.id) is item:
            previous = conversation.previous_id(item)
            self.session.emit("conversation.item.done", previous_item_id=previous, item=item.as_dict())

    def spend_text(self, text: str) -> str:
        """Count *text* against max_output_tokens; IncompleteError if nothing of it fits."""
        cost = len(text) / TEXT_CHARACTERS_PER_TOKEN
        if self._tokens_left < cost:
            raise IncompleteError("max_output_tokens")
        self._tokens_left -= cost
        self._text_tokens += cost
        return text

    def spend_audio(self, samples: Int16Array) -> Int16Array:
        """The part of *samples* (24 kHz) that max_output_tokens allows; IncompleteError if none."""
        samples_per_token = SPEECH_RATE_HZ // AUDIO_OUT_TOKENS_PER_SECOND
        if self._tokens_left * samples_per_token < len(samples):
            samples = samples[: int(self._tokens_left) * samples_per_token]
            if not len(samples):
                raise IncompleteError("max_output_tokens")
        cost = len(samples) / samples_per_token
        self._tokens_left -= cost
        self._audio_tokens += cost
        return samples

    async def pace_audio(self, seconds: float) -> None:
        """Wait while more audio has been sent than the pace allows; a real model is not at once done."""
        if not self.audio_seconds:
            self.playback_from_ms = self.session.now_ms
        self.audio_seconds += seconds
        pace = self.session.options.pace
        ahead = self.audio_seconds - AUDIO_HEAD_START_S - pace * (time.monotonic() - self._started)
        await asyncio.sleep(ahead / pace if pace > 0 and ahead > 0 else 0)

    async def pace_text(self, word: str) -> None:
        """Wait as long as it takes to write *word*."""
        pace = self.session.options.pace
        await asyncio.sleep(1.0 / (pace * WORDS_PER_SECOND) if pace > 0 else 0)

    async def drain(self) -> None:
        """Wait while the client is slow to read."""
        await self.session.drain()

    # --- the end ------------------------------------------------------------------------------------------

    def _finish(self, status: str, details: dict[str, Any] | None) -> None:
        if self.done:
            return
        if self._output is not None:
            self._output.close("incomplete")
        self._status, self._details = status, details
        self._usage = self._count_usage()
        self.session.emit("response.done", response=self.as_dict())
        self.session.response_done(self)

    def as_dict(self) -> dict[str, Any]:
        """The response object of response.created and response.done."""
        options = self.options
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": self._status,
            "status_details": self._details,
            "output": [item.as_dict() for item in self.outputs],
            "conversation_id": self.session.conversation.id if options.in_conversation else None,
            "output_modalities": [options.modality],
            "max_output_tokens": options.max_output_tokens,
            "audio": {"output": {"format": options.audio_format, "voice": options.voice}},
            "usage": self._usage,
            "metadata": options.metadata,
        }

    _input_tokens: tuple[int, int] = (0, 0)  # text, audio

    def _count_input(self, items: list[Item]) -> tuple[int, int]:
        text = len(self.options.instructions)
        audio = 0.0
        for item in items:
            if item.audio_format is None:
                text += len(item.text()) + len(item.fields.get("arguments", item.fields.get("output", "")))
            elif item.audio is not None:
                audio += len(item.audio) / item.audio_format.rate * AUDIO_IN_TOKENS_PER_SECOND
            else:
                audio += item.spoken_samples / item.audio_format.rate * AUDIO_OUT_TOKENS_PER_SECOND
        return math.ceil(text / TEXT_CHARACTERS_PER_TOKEN), math.ceil(audio)

    def _count_usage(self) -> dict[str, Any]:
        text_in, audio_in = self._input_tokens
        # The cache holds whole blocks of 64 tokens of what the response before this one was given.
        cached_text, cached_audio = self.session.cached_tokens(text_in, audio_in)
        text_out, audio_out = math.ceil(self._text_tokens), math.ceil(self._audio_tokens)
        return {
            "total_tokens": text_in + audio_in + text_out + audio_out,
            "input_tokens": text_in + audio_in,
            "output_tokens": text_out + audio_out,
            "input_token_details": {
                "text_tokens": text_in,
                "audio_tokens": audio_in,
                "image_tokens": 0,
                "cached_tokens": cached_text + cached_audio,
                "cached_tokens_details": {
                    "text_tokens": cached_text,
                    "audio_tokens": cached_audio,
                    "image_tokens": 0,
                },
            },
            "output_token_details": {"text_tokens": text_out, "audio_tokens": audio_out},
        }


def _padding() -> str:
    return "".join(secrets.choice(string.ascii_letters) for _ in range(secrets.randbelow(16)))
