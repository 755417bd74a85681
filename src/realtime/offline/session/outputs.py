"""The output items of a response: each class sends the events of one kind of item, from added to done.

An output sends its added event when it is made. ``close`` is called once and sends the done events of what the
item holds by then, with status "completed" after the last piece and "incomplete" after a cancel. Closing
never waits, so a cancelled response ends at once.

Thread: the event loop.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Any

from ...protocol.audio_format import AudioFormat, Int16Array
from ...protocol.ids import generate_server_id
from ..models.interfaces import SPEECH_RATE_HZ
from ..models.workers import Models
from .budget import Budget
from .channel import ResponseChannel
from .encoder import Encoder
from .items import Item

# 200 ms: a frame of about 13 KB; those of the vendor have tens of KB.
CHUNK_SAMPLES = SPEECH_RATE_HZ // 5
# Characters; a longer sentence is cut at a comma or a space.
LONGEST_SENTENCE = 400
# A function call's arguments are sent in deltas of so many characters.
ARGUMENTS_DELTA_CHARACTERS = 16

_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"”’)\]]*\s+|\n+")
_WORD = re.compile(r"\s*\S+\s*")


class Output(ABC):
    """The common part of all outputs: the item, its index in the response, its added and done events."""

    def __init__(self, channel: ResponseChannel, fields: dict[str, Any]) -> None:
        self.item = Item(
            {"id": generate_server_id("item"), "type": fields["type"], "status": "in_progress", **fields}
        )
        self._channel = channel
        self._index = channel.open_item(self.item)

    @property
    def address(self) -> dict[str, Any]:
        """The fields that address the item in an event."""
        return {"item_id": self.item.id, "output_index": self._index}

    def close(self, status: str = "completed") -> None:
        """Send every done event; call it once."""
        self._close_content()
        self.item.fields["status"] = status
        self._channel.close_item(self.item, self._index)

    @abstractmethod
    def _close_content(self) -> None:
        """Send the done events of the item's content."""


class TextOutput(Output):
    """An assistant message of text."""

    def __init__(self, channel: ResponseChannel, budget: Budget) -> None:
        super().__init__(channel, {"type": "message", "role": "assistant", "content": []})
        self._budget = budget
        self._text = ""
        self._part: dict[str, Any] = {"type": "output_text", "text": ""}
        self.item.fields["content"].append(self._part)
        channel.emit("response.content_part.added", **self._part_address, part={"type": "text", "text": ""})

    @property
    def _part_address(self) -> dict[str, Any]:
        return {**self.address, "content_index": 0}

    async def add(self, text: str) -> None:
        """Send *text* word by word."""
        for word in _WORD.findall(text) or [text]:
            word = self._budget.spend_text(word)
            self._text += word
            self._part["text"] = self._text
            self._channel.emit_delta("response.output_text.delta", **self._part_address, delta=word)
            await self._budget.pace_text()

    async def add_spoken(self, text: str, samples: Int16Array) -> None:
        """Send the words of a recorded message."""
        await self.add(text)

    async def finish(self) -> None:
        """Does nothing: all text has been sent."""

    def _close_content(self) -> None:
        self._channel.emit("response.output_text.done", **self._part_address, text=self._text)
        part = {"type": "text", "text": self._text}
        self._channel.emit("response.content_part.done", **self._part_address, part=part)


class SpeechOutput(Output):
    """An assistant message of speech: the transcript of each sentence, then its audio."""

    def __init__(
        self,
        channel: ResponseChannel,
        budget: Budget,
        models: Models,
        audio_format: AudioFormat,
        voice: str,
        speed: float,
    ) -> None:
        super().__init__(channel, {"type": "message", "role": "assistant", "content": []})
        self.item.audio_format = audio_format
        self._budget = budget
        self._models = models
        self._voice, self._speed = voice, speed
        self._encoder = Encoder(audio_format)
        # Text after the last complete sentence.
        self._pending = ""
        self._transcript = ""
        self._part: dict[str, Any] = {"type": "output_audio", "transcript": ""}
        self.item.fields["content"].append(self._part)
        part = {"type": "audio", "transcript": ""}
        channel.emit("response.content_part.added", **self._part_address, part=part)

    @property
    def _part_address(self) -> dict[str, Any]:
        return {**self.address, "content_index": 0}

    async def add(self, text: str) -> None:
        """Speak every sentence that *text* completes; the rest waits for more."""
        self._pending += text
        sentences, self._pending = split_sentences(self._pending)
        for sentence in sentences:
            await self._say(sentence)

    async def add_spoken(self, text: str, samples: Int16Array) -> None:
        """Send a recorded message: its words, then *samples*, int16 at SPEECH_RATE_HZ."""
        self._spell(text)
        await self._play(samples)

    async def finish(self) -> None:
        """Speak the rest."""
        rest, self._pending = self._pending, ""
        if rest.strip():
            await self._say(rest)
        await self._send(self._encoder.finish())

    async def _say(self, sentence: str) -> None:
        self._spell(sentence)
        await self._play(await self._models.synthesise(sentence.strip(), self._voice, self._speed))

    def _spell(self, text: str) -> None:
        """Send the words of *text*."""
        for word in _WORD.findall(text):
            word = self._budget.spend_text(word)
            self._transcript += word
            if not self.item.truncated:
                self._part["transcript"] = self._transcript
            self._channel.emit_delta(
                "response.output_audio_transcript.delta", **self._part_address, delta=word
            )

    async def _play(self, samples: Int16Array) -> None:
        """Send audio, at the pace of the session."""
        for start in range(0, len(samples), CHUNK_SAMPLES):
            chunk = self._budget.spend_audio(samples[start : start + CHUNK_SAMPLES])
            await self._send(self._encoder.encode(chunk))
            await self._budget.pace_audio(len(chunk) / SPEECH_RATE_HZ)

    async def _send(self, data: bytes) -> None:
        if data:
            audio_format = self._encoder.format
            samples = len(data) // audio_format.sample_bytes
            self.item.spoken_samples += samples
            self._channel.emit_audio(data, samples / audio_format.sample_rate, self._part_address)
            await self._channel.drain()

    def _close_content(self) -> None:
        emit, address, transcript = self._channel.emit, self._part_address, self._transcript
        emit("response.output_audio.done", **address)
        emit("response.output_audio_transcript.done", **address, transcript=transcript)
        part = {"type": "audio", "transcript": transcript}
        emit("response.content_part.done", **address, part=part)


class CallOutput(Output):
    """A function call; it has no content parts."""

    def __init__(self, channel: ResponseChannel, budget: Budget, name: str) -> None:
        call_id = generate_server_id("call")
        super().__init__(
            channel, {"type": "function_call", "name": name, "call_id": call_id, "arguments": ""}
        )
        self._budget = budget
        self._call = {"call_id": call_id}

    def add(self, arguments: str) -> None:
        """Send *arguments* (JSON) in a few deltas."""
        for start in range(0, len(arguments), ARGUMENTS_DELTA_CHARACTERS):
            delta = self._budget.spend_text(arguments[start : start + ARGUMENTS_DELTA_CHARACTERS])
            self.item.fields["arguments"] += delta
            self._channel.emit_delta(
                "response.function_call_arguments.delta", **self.address, **self._call, delta=delta
            )

    def _close_content(self) -> None:
        self._channel.emit(
            "response.function_call_arguments.done",
            **self.address,
            **self._call,
            name=self.item.fields["name"],
            arguments=self.item.fields["arguments"],
        )


def split_sentences(text: str) -> tuple[list[str], str]:
    """Complete sentences in *text*, trailing space included, and the rest; joined they are *text*."""
    sentences = []
    start = 0
    for match in _SENTENCE_END.finditer(text):
        sentences.append(text[start : match.end()])
        start = match.end()
    rest = text[start:]
    while len(rest) > LONGEST_SENTENCE:
        cut = max(
            rest.rfind(", ", 0, LONGEST_SENTENCE), rest.rfind(" ", LONGEST_SENTENCE // 2, LONGEST_SENTENCE)
        )
        cut = LONGEST_SENTENCE if cut < 0 else cut + 1
        sentences.append(rest[:cut])
        rest = rest[cut:]
    return sentences, rest
