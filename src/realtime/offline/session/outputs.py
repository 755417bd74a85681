"""The output items of a response: each class owns the event sequence of one kind, from added to done.

Every output is opened by its constructor, fed, and closed once, with what it holds by then: "completed"
after the last piece, "incomplete" after a cancel. Closing never waits: a cancelled response ends at once.

Thread: the event loop.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from ...protocol import codec
from ..audio_format import AudioFormat, Encoder
from ..models.interfaces import SPEECH_RATE_HZ
from .conversation import Item, new_id

if TYPE_CHECKING:
    from .response import Response

CHUNK_SAMPLES = SPEECH_RATE_HZ // 5  # 200 ms: a frame of some 13 KB, as the vendor's are tens of KB
LONGEST_SENTENCE = 400  # characters; longer ones are cut at a comma or a space

_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"”’)\]]*\s+|\n+")
_WORD = re.compile(r"\s*\S+\s*")


class Output(ABC):
    """Common part: the item, its place in the response, its added and done events."""

    def __init__(self, response: Response, fields: dict[str, Any]) -> None:
        self.response = response
        self.index = len(response.outputs)
        self.item = Item({"id": new_id("item"), "type": fields["type"], "status": "in_progress", **fields})
        response.outputs.append(self.item)
        response.emit("response.output_item.added", output_index=self.index, item=self.item.as_dict())
        response.add_to_conversation(self.item)

    @property
    def address(self) -> dict[str, Any]:
        return {"item_id": self.item.id, "output_index": self.index}

    def close(self, status: str = "completed") -> None:
        """Send every done event; call it once."""
        self._close_content()
        self.item.fields["status"] = status
        self.response.done_in_conversation(self.item)
        self.response.emit("response.output_item.done", output_index=self.index, item=self.item.as_dict())

    @abstractmethod
    def _close_content(self) -> None:
        """Send the done events of what the item holds."""


class TextOutput(Output):
    """An assistant message of text."""

    def __init__(self, response: Response) -> None:
        super().__init__(response, {"type": "message", "role": "assistant", "content": []})
        self._text = ""
        self._part: dict[str, Any] = {"type": "output_text", "text": ""}
        self.item.fields["content"].append(self._part)
        response.emit("response.content_part.added", **self._at, part={"type": "text", "text": ""})

    @property
    def _at(self) -> dict[str, Any]:
        return {**self.address, "content_index": 0}

    async def add(self, text: str) -> None:
        """Send *text* word by word."""
        for word in _WORD.findall(text) or [text]:
            word = self.response.spend_text(word)
            self._text += word
            self._part["text"] = self._text
            self.response.emit_delta("response.output_text.delta", **self._at, delta=word)
            await self.response.pace_text(word)

    async def finish(self) -> None:
        """Nothing is held back."""

    def _close_content(self) -> None:
        self.response.emit("response.output_text.done", **self._at, text=self._text)
        self.response.emit(
            "response.content_part.done", **self._at, part={"type": "text", "text": self._text}
        )


class SpeechOutput(Output):
    """An assistant message of speech: each sentence's transcript, then its audio."""

    def __init__(self, response: Response, audio_format: AudioFormat, voice: str, speed: float) -> None:
        super().__init__(response, {"type": "message", "role": "assistant", "content": []})
        self.item.audio_format = audio_format
        self._voice, self._speed = voice, speed
        self._encoder = Encoder(audio_format)
        self._pending = ""  # text that does not yet end a sentence
        self._transcript = ""
        self._part: dict[str, Any] = {"type": "output_audio", "transcript": ""}
        self.item.fields["content"].append(self._part)
        response.emit("response.content_part.added", **self._at, part={"type": "audio", "transcript": ""})

    @property
    def _at(self) -> dict[str, Any]:
        return {**self.address, "content_index": 0}

    async def add(self, text: str) -> None:
        """Speak every sentence that is complete with *text*; the rest waits for more."""
        self._pending += text
        sentences, self._pending = split_sentences(self._pending)
        for sentence in sentences:
            await self._say(sentence)

    async def finish(self) -> None:
        """Speak what is left."""
        rest, self._pending = self._pending, ""
        if rest.strip():
            await self._say(rest)
        await self._send(self._encoder.finish())

    async def _say(self, sentence: str) -> None:
        for word in _WORD.findall(sentence):
            word = self.response.spend_text(word)
            self._transcript += word
            if not self.item.truncated:
                self._part["transcript"] = self._transcript
            self.response.emit_delta("response.output_audio_transcript.delta", **self._at, delta=word)
        samples = await self.response.synthesise(sentence, self._voice, self._speed)
        for start in range(0, len(samples), CHUNK_SAMPLES):
            chunk = self.response.spend_audio(samples[start : start + CHUNK_SAMPLES])
            await self._send(self._encoder.encode(chunk))
            await self.response.pace_audio(len(chunk) / SPEECH_RATE_HZ)

    async def _send(self, data: bytes) -> None:
        if data:
            self.item.spoken_samples += len(data) // self._encoder.format.sample_bytes
            delta = codec.b64encode(data)
            self.response.emit("response.output_audio.delta", **self._at, delta=delta)
            await self.response.drain()

    def _close_content(self) -> None:
        response = self.response
        response.emit("response.output_audio.done", **self._at)
        response.emit("response.output_audio_transcript.done", **self._at, transcript=self._transcript)
        part = {"type": "audio", "transcript": self._transcript}
        response.emit("response.content_part.done", **self._at, part=part)


class CallOutput(Output):
    """A function call; it has no content parts."""

    def __init__(self, response: Response, name: str) -> None:
        fields = {"type": "function_call", "name": name, "call_id": new_id("call"), "arguments": ""}
        super().__init__(response, fields)

    def add(self, arguments: str) -> None:
        """Send *arguments* (JSON) in a few deltas."""
        for start in range(0, len(arguments), 16):
            delta = self.response.spend_text(arguments[start : start + 16])
            self.item.fields["arguments"] += delta
            self.response.emit_delta(
                "response.function_call_arguments.delta", **self.address, **self._call, delta=delta
            )

    @property
    def _call(self) -> dict[str, Any]:
        return {"call_id": self.item.fields["call_id"]}

    def _close_content(self) -> None:
        self.response.emit(
            "response.function_call_arguments.done",
            **self.address,
            **self._call,
            name=self.item.fields["name"],
            arguments=self.item.fields["arguments"],
        )


def split_sentences(text: str) -> tuple[list[str], str]:
    """Complete sentences in *text*, trailing space included, and the rest: joined they are *text*."""
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
