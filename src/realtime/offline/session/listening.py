"""Input audio of a session: the buffer, voice detection, turns and commits.

All ``*_ms`` are on the session's clock: milliseconds of audio appended since the session began. Positions are samples
in the input buffer.

Thread: the event loop; voice detection and speech recognition run in worker processes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np

from wavtools.resample import Resampler

from ...protocol.audio_format import Int16Array
from ...protocol.ids import generate_server_id
from ...protocol.schema import RequestError
from ..checks.session_object import STREAMING_MODELS, SessionConfig
from ..models.interfaces import VAD_FRAME_SAMPLES, VAD_RATE_HZ
from ..models.workers import Models
from .channel import Channel
from .conversation import Conversation
from .interim import InterimTranscript
from .items import Item
from .recognition import Recogniser, Speech
from .turns import InputBuffer, Started, TurnDetector

LEAST_COMMIT_MS = 100
# A long append is processed in slices of this length, so that its events are sent along the way.
SLICE_SECONDS = 1
# Audio without speech that is kept under VAD.
KEPT_BEFORE_SPEECH_S = 10
# A longer turn is cut: a detector that takes a fan for speech must not fill the memory.
LONGEST_TURN_MS = 300_000
# Capacity of the buffer without VAD: 29 MB.
BUFFER_SECONDS = 600


class Listening:
    """Input audio of one session.

    Parameters
    ----------
    config : SessionConfig
        The session object: input format, turn detection and transcription.
    conversation : Conversation
        Receives the committed audio as items.
    channel : Channel
        Sends the events.
    models : Models
        The voice detector.
    recogniser : Recogniser
        Speech recognition.
    on_speech : coroutine function
        Awaited after speech_started.
    on_turn : callable
        Called when the user's turn has been committed by the turn detection or the idle timeout.
    """

    def __init__(
        self,
        config: SessionConfig,
        conversation: Conversation,
        channel: Channel,
        models: Models,
        recogniser: Recogniser,
        *,
        on_speech: Callable[[], Awaitable[None]],
        on_turn: Callable[[], None],
    ) -> None:
        self._config = config
        self._conversation = conversation
        self._channel = channel
        self._models = models
        self._recogniser = recogniser
        self._on_speech = on_speech
        self._on_turn = on_turn
        self._format = config.input_format
        self._buffer = InputBuffer()
        # Time of the buffer's position 0; grows when the sample rate changes.
        self._offset_ms = 0
        # End of the assistant's last words; None while somebody speaks or a response is in progress.
        self._idle_from_ms: int | None = None
        self._speech: Speech | None = None
        self._restart_detector()

    @property
    def now_ms(self) -> int:
        """The session's clock: milliseconds of audio appended so far."""
        return self._ms(self._buffer.end)

    def _ms(self, position: int) -> int:
        return self._offset_ms + self._format.ms_of_samples(position)

    def _position(self, ms: int) -> int:
        return self._samples(ms - self._offset_ms)

    def _samples(self, ms: int) -> int:
        return ms * self._format.sample_rate // 1000

    def reconfigure(self) -> None:
        """Follow a change of the input format or of turn_detection."""
        new_format = self._config.input_format
        if new_format != self._format:
            self._offset_ms = self.now_ms
            self._format = new_format
            self._buffer = InputBuffer()
        self._restart_detector()

    def _restart_detector(self) -> None:
        self._drop_speech()
        detection = self._config.turn_detection
        self._detector = None if detection is None else TurnDetector.of(detection)
        # Position of the detector's first frame.
        self._detector_from = self._buffer.end
        self._resampler = Resampler(self._format.sample_rate, VAD_RATE_HZ)
        # Resampled audio that does not fill a frame yet.
        self._partial_frame = np.zeros(0, np.int16)
        self._vad_state: Any = None

    # --- audio in -----------------------------------------------------------------------------------------

    async def append(self, samples: Int16Array) -> None:
        """Take audio; under VAD, find the turns in it."""
        rate = self._format.sample_rate
        if self._detector is None and len(self._buffer) + len(samples) > BUFFER_SECONDS * rate:
            raise RequestError(
                "input_audio_buffer_full",
                f"The input audio buffer holds at most {BUFFER_SECONDS} s; commit or clear it.",
                "audio",
            )
        step = SLICE_SECONDS * rate
        for start in range(0, len(samples), step):
            piece = samples[start : start + step]
            self._buffer.append(piece)
            if self._detector is not None:
                await self._detect(self._detector, piece)
            else:
                self._follow_dictation()

    async def _detect(self, detector: TurnDetector, samples: Int16Array) -> None:
        pending = np.concatenate([self._partial_frame, self._resampler.process(samples)])
        whole = len(pending) // VAD_FRAME_SAMPLES * VAD_FRAME_SAMPLES
        self._partial_frame = pending[whole:]
        if whole:
            probabilities, self._vad_state = await self._models.probabilities(
                pending[:whole], self._vad_state
            )
            for event in detector.push(probabilities):
                position = self._detector_from + self._samples(event.at_ms)
                if isinstance(event, Started):
                    await self._speech_started(max(position, self._buffer.start))
                else:
                    self._speech_stopped(position, event.speech_end_ms)
        speech = self._speech
        if speech is not None and self._buffer.end - speech.start > self._samples(LONGEST_TURN_MS):
            detector.reset()
            self._speech_stopped(self._buffer.end, detector.speech_end_ms)
        if self._speech is not None:
            self._recogniser.follow(self._speech, self._buffer, self._format, detector)
        else:
            self._check_idle()
            kept = KEPT_BEFORE_SPEECH_S * self._format.sample_rate + self._samples(detector.prefix_ms)
            self._buffer.drop_before(self._buffer.end - kept)

    def _follow_dictation(self) -> None:
        """Without turn detection, report the words of the buffer as they come if the transcription model streams."""
        transcription = self._config.input["transcription"]
        if transcription is None or transcription["model"] not in STREAMING_MODELS:
            return
        if self._speech is None:
            start = self._buffer.start
            self._speech = Speech(generate_server_id("item"), start, InterimTranscript(), interim_end=start)
        self._recogniser.follow(self._speech, self._buffer, self._format)

    # --- turns --------------------------------------------------------------------------------------------

    async def _speech_started(self, start: int) -> None:
        self._speech = speech = Speech(generate_server_id("item"), start)
        self._idle_from_ms = None
        self._channel.emit(
            "input_audio_buffer.speech_started", item_id=speech.item_id, audio_start_ms=self._ms(start)
        )
        await self._on_speech()

    def _speech_stopped(self, end: int, speech_end_ms: int) -> None:
        speech, self._speech = self._speech, None
        # Only _speech_started makes the detector report a stop.
        assert speech is not None
        if speech_end_ms != speech.early_speech_end_ms:
            # It was made in a pause after which the user went on.
            speech.drop_early()
        self._channel.emit(
            "input_audio_buffer.speech_stopped", item_id=speech.item_id, audio_end_ms=self._ms(end)
        )
        self._commit_span(speech.item_id, speech.start, end, speech)
        self._on_turn()

    def idle_since(self, ms: int | None) -> None:
        """The assistant is silent from *ms* on: start of the idle timeout. None while a response is in progress."""
        self._idle_from_ms = ms

    def _check_idle(self) -> None:
        timeout = (self._config.turn_detection or {}).get("idle_timeout_ms")
        if timeout is None or self._idle_from_ms is None:
            return
        if self.now_ms - self._idle_from_ms >= timeout:
            item_id = generate_server_id("item")
            start = max(self._buffer.start, self._position(self._idle_from_ms))
            end = self._buffer.end
            self._idle_from_ms = None
            self._channel.emit(
                "input_audio_buffer.timeout_triggered",
                item_id=item_id,
                audio_start_ms=self._ms(start),
                audio_end_ms=self._ms(end),
            )
            self._commit_span(item_id, start, end)
            self._on_turn()

    def commit(self) -> None:
        """Commit all audio in the buffer for the client; raises RequestError if it is shorter than 100 ms."""
        length_ms = self._format.ms_of_samples(len(self._buffer))
        if length_ms < LEAST_COMMIT_MS:
            raise RequestError(
                "input_audio_buffer_commit_empty",
                f"Error committing input audio buffer: buffer too small. Expected at least "
                f"{LEAST_COMMIT_MS}ms of audio, but buffer only has {length_ms:.2f}ms of audio.",
            )
        speech = self._speech
        if speech is None:
            self._commit_span(generate_server_id("item"), self._buffer.start, self._buffer.end)
        else:
            speech.drop_early()
            self._commit_span(speech.item_id, speech.start, self._buffer.end, speech)
        self._forget_speech()

    def clear(self) -> None:
        """Drop all audio that is not committed; forget speech in progress."""
        self._buffer.drop_before(self._buffer.end)
        self._forget_speech()

    def _forget_speech(self) -> None:
        if self._detector is not None:
            self._detector.reset()
        self._drop_speech()

    def _drop_speech(self) -> None:
        if self._speech is not None:
            self._speech.drop()
            self._speech = None

    def _commit_span(self, item_id: str, start: int, end: int, speech: Speech | None = None) -> None:
        """Make an item of the audio from *start* to *end*, announce it and begin to recognise it."""
        samples = self._buffer.read(start, end)
        self._buffer.drop_before(end)
        fields = {
            "id": item_id,
            "type": "message",
            "role": "user",
            "status": "completed",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        item = Item(fields, samples, self._format)
        self._channel.emit(
            "input_audio_buffer.committed", item_id=item_id, previous_item_id=self._conversation.last_id
        )
        self._channel.announce_item(item, self._conversation.insert(item))
        # Where no responses are made, the transcription fails in their place.
        fault = self._channel.faults.failed if self._config.kind == "transcription" else None
        self._recogniser.recognise(item, self._config.input["transcription"], speech, fault)

    def close(self) -> None:
        """Forget speech in progress."""
        self._drop_speech()
