"""The ears of a session: input audio on the sample clock, turns found in it, and what was said.

All ``*_ms`` are on the session's clock: milliseconds since the first sample that was ever appended.

Thread: the event loop; voice detection and speech recognition run in worker processes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np

from wavtools.resample import Resampler

from ..checks.schema import RequestError
from ..models.interfaces import VAD_FRAME_SAMPLES, VAD_RATE_HZ, Int16Array, ModelError
from .conversation import Item, new_id
from .interim import STREAMING_MODELS, InterimTranscript
from .turns import InputBuffer, Started, TurnDetector

if TYPE_CHECKING:
    from .session import Session

TRANSCRIPTION = "conversation.item.input_audio_transcription"
LEAST_COMMIT_MS = 100
EARLY_MS = 96  # of silence after which recognition begins, in the hope that the turn is over
INTERIM_MS = 600  # of new audio between two recognitions of an utterance in progress
SLICE_SECONDS = 1  # of a long append at a time, so that its events come out along the way
KEPT_BEFORE_SPEECH_S = 10  # under VAD, of audio in which nobody speaks
LONGEST_TURN_MS = 300_000  # a detector that hears speech in a fan must not fill the memory
BUFFER_SECONDS = 600  # in manual mode; 29 MB


class Listening:
    """Input audio of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._recognitions: set[asyncio.Task[None]] = set()
        self._offset_ms = 0  # of position 0 of the buffer: grows when the sample rate changes
        self._format = session.config.input_format
        self._buffer = InputBuffer()
        self._idle_from_ms: int | None = None  # the assistant's last words have been heard by then
        self._interim: InterimTranscript | None = None  # of the speech in progress
        self._interim_task: asyncio.Task[None] | None = None
        self._interim_end = 0  # position up to which it has been recognised
        self._early: asyncio.Task[str] | None = None  # recognition of the speech up to the present pause
        self._early_speech_end_ms = -1  # where that pause begins
        self._speech_item_id = ""
        self._speech_start = 0  # position
        self._detector: TurnDetector | None = None
        self._restart_detector()

    @property
    def now_ms(self) -> int:
        return self._ms(self._buffer.end)

    def _ms(self, position: int) -> int:
        return self._offset_ms + self._format.milliseconds(position)

    def _position(self, ms: int) -> int:
        return (ms - self._offset_ms) * self._format.rate // 1000

    def reconfigure(self) -> None:
        """Follow a change of the input format or of turn_detection."""
        new_format = self._session.config.input_format
        if new_format != self._format:
            self._offset_ms = self.now_ms
            self._format = new_format
            self._buffer = InputBuffer()
        self._restart_detector()

    def _restart_detector(self) -> None:
        self._drop_early()
        self._interim = None
        detection = self._session.config.turn_detection
        self._detector = None if detection is None else TurnDetector.of(detection)
        self._detector_from = self._buffer.end  # position of its first frame
        self._resampler = Resampler(self._format.rate, VAD_RATE_HZ)
        self._unseen = np.zeros(0, np.int16)  # resampled, less than a frame
        self._vad_state: Any = None

    # --- audio in -----------------------------------------------------------------------------------------

    async def append(self, samples: Int16Array) -> None:
        """Take audio; under VAD, find the turns in it."""
        limit = BUFFER_SECONDS * self._format.rate
        if self._detector is None and len(self._buffer) + len(samples) > limit:
            raise RequestError(
                "input_audio_buffer_full",
                f"The input audio buffer holds at most {BUFFER_SECONDS} s; commit or clear it.",
                "audio",
            )
        step = SLICE_SECONDS * self._format.rate
        for start in range(0, len(samples), step):
            piece = samples[start : start + step]
            self._buffer.append(piece)
            if self._detector is not None:
                await self._detect(self._detector, piece)

    async def _detect(self, detector: TurnDetector, samples: Int16Array) -> None:
        pending = np.concatenate([self._unseen, self._resampler.process(samples)])
        whole = len(pending) // VAD_FRAME_SAMPLES * VAD_FRAME_SAMPLES
        self._unseen = pending[whole:]
        if whole:
            probabilities, self._vad_state = await self._session.models.probabilities(
                pending[:whole], self._vad_state
            )
            for event in detector.push(probabilities):
                position = self._detector_from + event.at_ms * self._format.rate // 1000
                if isinstance(event, Started):
                    await self._speech_started(max(position, self._buffer.start))
                else:
                    self._speech_stopped(position, event.speech_end_ms)
        if detector.speaking and self._buffer.end - self._speech_start > self._position_span(LONGEST_TURN_MS):
            detector.reset()
            self._speech_stopped(self._buffer.end, detector.speech_end_ms)
        if detector.speaking:
            self._recognise_early(detector)
            self._recognise_interim()
        else:
            self._check_idle()
            kept = KEPT_BEFORE_SPEECH_S * self._format.rate + self._position_span(detector.prefix_ms)
            self._buffer.drop_before(self._buffer.end - kept)

    def _position_span(self, ms: int) -> int:
        return ms * self._format.rate // 1000

    # --- turns --------------------------------------------------------------------------------------------

    async def _speech_started(self, start: int) -> None:
        session = self._session
        self._speech_item_id = new_id("item")
        self._speech_start = start
        self._idle_from_ms = None
        transcription = session.config.input["transcription"]
        streaming = transcription is not None and transcription["model"] in STREAMING_MODELS
        self._interim = InterimTranscript() if streaming else None
        self._interim_end = start
        session.emit(
            "input_audio_buffer.speech_started", item_id=self._speech_item_id, audio_start_ms=self._ms(start)
        )
        detection = session.config.turn_detection
        if session.active is not None and detection is not None and detection["interrupt_response"]:
            await session.active.cancel("turn_detected")

    def _speech_stopped(self, end: int, speech_end_ms: int) -> None:
        session = self._session
        if speech_end_ms != self._early_speech_end_ms:
            self._drop_early()  # it stems from a pause after which more was said
        session.emit(
            "input_audio_buffer.speech_stopped", item_id=self._speech_item_id, audio_end_ms=self._ms(end)
        )
        self._commit_span(self._speech_item_id, self._speech_start, end)
        self._respond()

    def _respond(self) -> None:
        session = self._session
        detection = session.config.turn_detection
        if session.config.kind == "realtime" and detection is not None and detection["create_response"]:
            session.respond_to_turn()

    def idle_since(self, ms: int) -> None:
        """The assistant is silent from *ms* on: the idle timeout counts from there."""
        self._idle_from_ms = ms

    def _check_idle(self) -> None:
        session = self._session
        timeout = (session.config.turn_detection or {}).get("idle_timeout_ms")
        if timeout is None or self._idle_from_ms is None or session.active is not None:
            return
        if self.now_ms - self._idle_from_ms >= timeout:
            item_id = new_id("item")
            start = max(self._buffer.start, self._position(self._idle_from_ms))
            end = self._buffer.end
            self._idle_from_ms = None
            session.emit(
                "input_audio_buffer.timeout_triggered",
                item_id=item_id,
                audio_start_ms=self._ms(start),
                audio_end_ms=self._ms(end),
            )
            self._commit_span(item_id, start, end)
            self._respond()

    def commit(self) -> None:
        """The client's commit: all that is in the buffer. RequestError if that is under 100 ms."""
        length_ms = self._format.milliseconds(len(self._buffer))
        if length_ms < LEAST_COMMIT_MS:
            raise RequestError(
                "input_audio_buffer_commit_empty",
                f"Error committing input audio buffer: buffer too small. Expected at least "
                f"{LEAST_COMMIT_MS}ms of audio, but buffer only has {length_ms:.2f}ms of audio.",
            )
        speaking = self._detector is not None and self._detector.speaking
        item_id = self._speech_item_id if speaking else new_id("item")
        start = self._speech_start if speaking else self._buffer.start
        self._drop_early()
        self._commit_span(item_id, start, self._buffer.end)
        self._forget_speech()

    def clear(self) -> None:
        """Drop all audio that is not committed; speech in progress is forgotten."""
        self._buffer.drop_before(self._buffer.end)
        self._forget_speech()

    def _forget_speech(self) -> None:
        if self._detector is not None:
            self._detector.reset()
        self._drop_early()
        self._interim = None

    def _commit_span(self, item_id: str, start: int, end: int) -> None:
        session = self._session
        samples = self._buffer.read(start, end)
        self._buffer.drop_before(end)
        part = {"type": "input_audio", "transcript": None}
        fields = {
            "id": item_id,
            "type": "message",
            "role": "user",
            "status": "completed",
            "content": [part],
        }
        item = Item(fields, samples, self._format)
        session.emit(
            "input_audio_buffer.committed", item_id=item_id, previous_item_id=session.conversation.last_id
        )
        session.add_item(item)
        self.recognise(item, session.config.input["transcription"], self._interim, self._early)
        self._interim = self._early = None

    # --- words --------------------------------------------------------------------------------------------

    def _recognise_early(self, detector: TurnDetector) -> None:
        """Use the silence that ends a turn: the words are known that much sooner if it does end."""
        if detector.speech_end_ms != self._early_speech_end_ms:
            self._drop_early()  # it was only a pause
        if self._early is None and detector.silent_ms >= EARLY_MS and self._session.models.can_hear_at_once:
            samples = self._buffer.read(self._speech_start, self._buffer.end)
            self._early = asyncio.create_task(self._session.models.transcribe(samples, self._format.rate))
            self._early.add_done_callback(_ignore_failure)
            self._early_speech_end_ms = detector.speech_end_ms

    def _drop_early(self) -> None:
        if self._early is not None:
            self._early.cancel()
            self._early = None

    def _recognise_interim(self) -> None:
        interim, end = self._interim, self._buffer.end
        if interim is None or end - self._interim_end < self._position_span(INTERIM_MS):
            return
        if self._interim_task is None or self._interim_task.done():  # at most one; a busy machine has fewer
            self._interim_end = end
            samples = self._buffer.read(self._speech_start, end)
            self._interim_task = asyncio.create_task(
                self._report_interim(interim, self._speech_item_id, samples, self._format.rate)
            )
            self._recognitions.add(self._interim_task)
            self._interim_task.add_done_callback(self._recognitions.discard)

    async def _report_interim(
        self, interim: InterimTranscript, item_id: str, samples: Int16Array, rate: int
    ) -> None:
        try:
            text = await self._session.models.transcribe(samples, rate)
        except Exception:
            return  # the final recognition will report it
        if interim is self._interim and (delta := interim.push(text)):
            address = {"item_id": item_id, "content_index": 0}
            self._session.emit(f"{TRANSCRIPTION}.delta", **address, delta=delta)

    def recognise(
        self,
        item: Item,
        announce: dict[str, Any] | None = None,
        interim: InterimTranscript | None = None,
        early: asyncio.Task[str] | None = None,
    ) -> None:
        """Begin to recognise the speech in *item*; *announce*: report it by this transcription setting."""
        item.heard = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(
            self._recognise(item, item.heard, announce, interim or InterimTranscript(), early)
        )
        self._recognitions.add(task)
        task.add_done_callback(self._recognitions.discard)

    async def _recognise(
        self,
        item: Item,
        heard: asyncio.Future[str],
        announce: dict[str, Any] | None,
        interim: InterimTranscript,
        early: asyncio.Task[str] | None,
    ) -> None:
        assert item.audio is not None and item.audio_format is not None
        session = self._session
        samples, rate = item.audio, item.audio_format.rate
        address = {"item_id": item.id, "content_index": 0}
        text, failure = "", ""
        try:
            text = await (early or session.models.transcribe(samples, rate))
        except ModelError as error:
            failure = str(error)
            session.log(failure)
        except Exception as error:  # a model of the user's own may raise anything
            failure = session.internal_error(error).message
        heard.set_result(text)
        if announce is None:
            return
        if session.faults.transcription_delay_s:
            await asyncio.sleep(session.faults.transcription_delay_s)
        if failure:
            body = {"type": "server_error", "code": "server_error", "message": failure, "param": None}
            session.emit(f"{TRANSCRIPTION}.failed", **address, error=body)
            return
        [part] = item.fields["content"]  # of what is announced: _commit_span made it
        part["transcript"] = text
        for word in interim.finish(text):
            session.emit(f"{TRANSCRIPTION}.delta", **address, delta=word)
        usage = transcription_usage(str(announce["model"]), text, len(samples) / rate)
        session.emit(f"{TRANSCRIPTION}.completed", **address, transcript=text, usage=usage)

    async def close(self) -> None:
        """Abandon recognitions under way."""
        for task in (*self._recognitions, *([self._early] if self._early else [])):
            task.cancel()


def _ignore_failure(task: asyncio.Task[str]) -> None:
    """Retrieve an exception that nobody waits for, so that asyncio does not print it."""
    if not task.cancelled():
        task.exception()


def transcription_usage(model: str, text: str, seconds: float) -> dict[str, Any]:
    """The usage of a transcription: seconds for whisper-1, tokens for the others."""
    if model.startswith("whisper"):
        return {"type": "duration", "seconds": round(seconds, 2)}
    audio_tokens, text_tokens = max(1, round(seconds * 10)), len(text) // 4 + 1
    return {
        "type": "tokens",
        "total_tokens": audio_tokens + text_tokens,
        "input_tokens": audio_tokens,
        "output_tokens": text_tokens,
        "input_token_details": {"text_tokens": 0, "audio_tokens": audio_tokens},
    }
