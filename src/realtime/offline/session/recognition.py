"""Speech recognition of a session: words of committed audio, and of speech that is still in progress.

Two recognitions begin before the commit. Without turn detection, the interim one reports words while audio arrives,
for the transcription models that stream. With it, the early one starts in a pause: if the pause ends the turn, the
words are known that much sooner.

Thread: the event loop; the model runs in worker processes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from ...protocol.audio_format import AudioFormat, Int16Array
from ...protocol.ids import generate_server_id
from ..checks.session_object import STREAMING_MODELS
from ..models.interfaces import ModelError
from ..models.workers import Models
from .channel import Channel
from .interim import InterimTranscript
from .items import Item
from .turns import InputBuffer, TurnDetector

TRANSCRIPTION = "conversation.item.input_audio_transcription"
# Silence after which the early recognition begins.
EARLY_MS = 96
# New audio between two recognitions of speech in progress: this much, and a part of the speech so far, so that the
# work grows with the length of the speech, and not with its square.
INTERIM_MS = 600
INTERIM_PART = 1 / 16


@dataclass(eq=False)
class Speech:
    """Speech in progress: from speech_started, or without turn detection from its first audio, to its commit.

    Attributes
    ----------
    item_id : str
        Id of the item that it will become.
    start : int
        Position of its first sample in the input buffer.
    interim : InterimTranscript, optional
        The words reported so far; None under turn detection, if the transcription model does not stream, and after
        the speech.
    interim_end : int
        Position up to which it has been recognised for the interim transcript.
    early : Task of str, optional
        Recognition of the speech up to the present pause.
    early_speech_end_ms : int
        Where that pause begins, on the detector's clock.
    """

    item_id: str
    start: int
    interim: InterimTranscript | None = None
    interim_end: int = 0
    early: asyncio.Task[str] | None = None
    early_speech_end_ms: int = -1

    def drop_early(self) -> None:
        """Cancel the early recognition."""
        if self.early is not None:
            self.early.cancel()
            self.early = None

    def drop(self) -> None:
        """Cancel the early recognition and report no more words."""
        self.drop_early()
        self.interim = None


class Recogniser:
    """Recognises speech by the server's model and reports it to the client.

    Parameters
    ----------
    models : Models
        Recognise it.
    channel : Channel
        To the client.
    recorded : iterable of str
        The words of the first items with audio, in their order; "" for an item that must be recognised.
    """

    def __init__(self, models: Models, channel: Channel, recorded: Iterable[str] = ()) -> None:
        self._recorded = deque(recorded)
        self._models = models
        self._channel = channel
        self._tasks: set[asyncio.Task[None]] = set()
        # At most one interim recognition at a time: a busy machine reports less often.
        self._interim_task: asyncio.Task[None] | None = None

    def follow(
        self,
        speech: Speech,
        buffer: InputBuffer,
        audio_format: AudioFormat,
        detector: TurnDetector | None = None,
    ) -> None:
        """Begin the recognitions that are due while *speech* goes on; *detector* is None without turn detection."""
        if self._recorded:
            return
        rate = audio_format.sample_rate
        if detector is not None:
            self._follow_pauses(speech, buffer, rate, detector)
        if speech.interim is None:
            return
        new, known = buffer.end - speech.interim_end, speech.interim_end - speech.start
        if new < max(INTERIM_MS * rate // 1000, known * INTERIM_PART):
            return
        if self._interim_task is None or self._interim_task.done():
            speech.interim_end = buffer.end
            samples = buffer.read(speech.start, buffer.end)
            self._interim_task = self._start(self._report_interim(speech, speech.interim, samples, rate))

    def _follow_pauses(self, speech: Speech, buffer: InputBuffer, rate: int, detector: TurnDetector) -> None:
        if detector.speech_end_ms != speech.early_speech_end_ms:
            # The user went on speaking after the pause.
            speech.drop_early()
        if speech.early is None and detector.silent_ms >= EARLY_MS and self._models.can_hear_at_once:
            samples = buffer.read(speech.start, buffer.end)
            speech.early = asyncio.create_task(self._models.transcribe(samples, rate))
            speech.early.add_done_callback(_ignore_failure)
            speech.early_speech_end_ms = detector.speech_end_ms

    async def _report_interim(
        self, speech: Speech, interim: InterimTranscript, samples: Int16Array, rate: int
    ) -> None:
        try:
            text = await self._models.transcribe(samples, rate)
        except Exception:
            # The recognition after the commit reports the failure.
            return
        # None once the speech has been committed or forgotten.
        if speech.interim is not None and (delta := interim.push(text)):
            address = {"item_id": speech.item_id, "content_index": 0}
            self._channel.emit(f"{TRANSCRIPTION}.delta", **address, delta=delta)

    def recognise(
        self,
        item: Item,
        transcription: dict[str, Any] | None = None,
        speech: Speech | None = None,
        fault: str | None = None,
    ) -> None:
        """Begin to recognise the audio of *item*; ``item.heard`` becomes the words.

        Parameters
        ----------
        item : Item
            An item with audio.
        transcription : dict, optional
            The session's transcription setting; given, the words are also reported to the client.
        speech : Speech, optional
            The speech that became the item; its interim words and early recognition are used.
        fault : str, optional
            The error code with which the client is told that it failed, on request.
        """
        item.heard = asyncio.get_running_loop().create_future()
        interim = early = None
        if speech is not None:
            interim, early = speech.interim, speech.early
            speech.interim = speech.early = None
        recorded = self._recorded.popleft() if self._recorded else ""
        interim = interim or InterimTranscript()
        self._start(self._recognise(item, item.heard, transcription, interim, early, fault, recorded))

    async def _recognise(
        self,
        item: Item,
        heard: asyncio.Future[str],
        transcription: dict[str, Any] | None,
        interim: InterimTranscript,
        early: asyncio.Task[str] | None,
        fault: str | None,
        recorded: str,
    ) -> None:
        assert item.audio is not None and item.audio_format is not None
        samples, rate = item.audio, item.audio_format.sample_rate
        channel = self._channel
        text, failure = "", ""
        try:
            text = recorded or await (early or self._models.transcribe(samples, rate))
        except ModelError as error:
            failure = str(error)
            channel.log(failure)
        # A model of the application may raise anything.
        except Exception as error:
            failure = channel.internal_error(error).message
        finally:
            # Responses wait for it, even if this task is cancelled.
            heard.set_result(text)
        if transcription is None:
            return
        if channel.faults.transcription_delay_s:
            await asyncio.sleep(channel.faults.transcription_delay_s)
        address = {"item_id": item.id, "content_index": 0}
        if fault is not None:
            failure = "A failure on request."
        if failure:
            code = fault or "server_error"
            body = {"type": code, "code": code, "message": failure, "param": None}
            channel.emit(f"{TRANSCRIPTION}.failed", **address, error=body)
            return
        # Only committed audio is reported, and its item has exactly one part.
        [part] = item.fields["content"]
        part["transcript"] = text
        for word in interim.finish(text):
            channel.emit(f"{TRANSCRIPTION}.delta", **address, delta=word)
        if "diarize" in str(transcription["model"]):
            # One speaker: the model of the offline server does not tell voices apart.
            span = {"speaker": "A", "start": 0.0, "end": round(len(samples) / rate, 2)}
            channel.emit(
                f"{TRANSCRIPTION}.segment", **address, id=generate_server_id("seg"), text=text, **span
            )
        usage = transcription_usage(str(transcription["model"]), text, len(samples) / rate)
        channel.emit(f"{TRANSCRIPTION}.completed", **address, transcript=text, usage=usage)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(self._channel.end_of_task)
        return task

    def close(self) -> None:
        """Cancel all recognitions."""
        for task in self._tasks:
            task.cancel()


def _ignore_failure(task: asyncio.Task[str]) -> None:
    """Retrieve the exception of a task that may never be awaited, so that asyncio does not log it."""
    if not task.cancelled():
        task.exception()


def transcription_usage(model: str, text: str, seconds: float) -> dict[str, Any]:
    """The usage of a transcription: seconds for whisper-1 and the models that stream, tokens for the others."""
    if model.startswith("whisper") or model in STREAMING_MODELS:
        return {"type": "duration", "seconds": round(seconds, 2)}
    audio_tokens, text_tokens = max(1, round(seconds * 10)), len(text) // 4 + 1
    return {
        "type": "tokens",
        "total_tokens": audio_tokens + text_tokens,
        "input_tokens": audio_tokens,
        "output_tokens": text_tokens,
        "input_token_details": {"text_tokens": 0, "audio_tokens": audio_tokens},
    }
