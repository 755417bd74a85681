"""Transcriber: captions of live speech and of recordings, over a transcription session.

Thread: the event loop's; `Transcriber.append` any.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from wavtools.pcm import as_int16

from ..client.client import RealtimeClient
from ..client.question import spoken
from ..errors import ConnectionLostError, StateError, TranscriptionError
from ..events import (
    CloseEvent,
    ConnectionEvent,
    ErrorEvent,
    Event,
    UserTranscriptEvent,
    UserTranscriptFailedEvent,
)
from ..protocol.audio_format import Int16Array
from ..protocol.numbers import not_negative
from ..protocol.reading import dict_of, text_of
from .pauses import SpeechPauses
from .transcript import TranscriptionUsage, Words
from .utterances import Utterances

__all__ = ["Transcriber"]

log = logging.getLogger("realtime")
TRANSCRIPTION = "server.conversation.item.input_audio_transcription"
# Models that report words while audio arrives, and leave it to the client where an utterance ends.
STREAMING_MODELS = ("gpt-live-transcribe", "gpt-realtime-whisper")
DELAYS = ("minimal", "low", "medium", "high", "xhigh")
CLEAR = "input_audio_buffer.clear"
# Seconds that a server may take to confirm the session's settings; one that confirms nothing may work all the same.
CONFIRMATION_SECONDS = 10.0
# Of a recording: one append, and what may wait for the socket.
BLOCK_SECONDS, QUEUE_SECONDS = 0.5, 5.0


class Transcriber:
    """Captions: ``async with Transcriber() as captions`` opens a session, ``async for words in captions`` reads it.

    Interim words come while audio arrives where the model reports them, final ones when an utterance has ended. A
    failure is raised by the iteration; iterating again goes on with the next utterance. A lost connection is
    restored as `RealtimeClient` does it: an utterance in progress is heard anew, under another id.

    Thread: the event loop's; `append`, `commit` and `end` may be called from any thread.

    Parameters
    ----------
    model : str
        Of the transcription.
    language, prompt : str, optional
        A hint of the spoken language (ISO 639-1), and of the words to expect.
    languages, keywords : list of str, optional
        Several languages; names and terms.
    delay : "minimal", "low", "medium", "high" or "xhigh", optional
        How long the model may wait for more speech before it reports words.
    turn_detection : str, mapping or None
        Who ends utterances: "auto" leaves it to the server's voice detection ("server_vad") where the model allows
        it, else to *pause*. None: *pause* and `commit`.
    pause : float or None
        Without turn detection: seconds of silence after speech that end an utterance. None: `commit` alone ends it.
    longest : float
        Without turn detection: seconds after which an utterance ends without a pause.
    query : mapping of str, optional
        Added to the address, beside ``intent=transcription``.
    **options
        Of `RealtimeClient`: ``url``, ``api_key``, ``headers``, ``link``, ``input_audio_format``, ``include``,
        ``input_audio_noise_reduction``, ...

    Attributes
    ----------
    client : RealtimeClient
        For handlers, settings and counters.

    Raises
    ------
    TypeError
        an option that does not exist
    ValueError
        a value that no server would take, a time below 0

    Examples
    --------
    >>> async with Transcriber(language="en") as captions:     # doctest: +SKIP
    ...     async for words in captions.read(question_path()):
    ...         print(words, end="\\n" if words.final else "\\r")
    """

    def __init__(
        self,
        model: str = STREAMING_MODELS[0],
        *,
        language: str | None = None,
        languages: Iterable[str] | None = None,
        prompt: str | None = None,
        keywords: Iterable[str] | None = None,
        delay: str | None = None,
        turn_detection: str | dict[str, Any] | None = "auto",
        pause: float | None = 0.8,
        longest: float = 30.0,
        query: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        if delay is not None and delay not in DELAYS:
            raise ValueError(f"delay must be one of {', '.join(DELAYS)}, not {delay!r}")
        if turn_detection == "auto":
            turn_detection = None if model in STREAMING_MODELS else "server_vad"
        transcription = {
            "model": model,
            "language": language,
            "languages": _texts(languages, "languages"),
            "prompt": prompt,
            "keywords": _texts(keywords, "keywords"),
            "delay": delay,
        }
        self.client = RealtimeClient(
            model=None,
            query={"intent": "transcription", **(query or {})},
            **{"keep_audio_seconds": 0, "max_items": 64, **options},
            type="transcription",
            input_audio_transcription={key: one for key, one in transcription.items() if one is not None},
            turn_detection=turn_detection,
        )
        self._pause = None if pause is None else not_negative(pause, "pause")
        self._longest = not_negative(longest, "longest")
        self._pauses: SpeechPauses | None = None
        self._sent_seconds = 0.0
        # Append, and what it does to the two before, by one thread at a time.
        self._appending = threading.Lock()
        self._utterances = Utterances()
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        # Done once the server has confirmed or refused the settings of the first session.
        self._confirmed: asyncio.Future[None] | None = None
        # True from end() on, until everything was read; clears are answered when all commits before are known.
        self._ending = False
        self._clears = 0
        self._open = False
        # Id of the last utterance whose beginning the server's voice detection heard.
        self._speech_id: str | None = None
        self._listen()

    def _listen(self) -> None:
        on = self.client.on
        on("server.session.updated", self._on_confirmed)
        on("server.input_audio_buffer.speech_started", self._on_speech)
        on("server.input_audio_buffer.committed", self._on_committed)
        on("server.input_audio_buffer.cleared", lambda event: self._on_cleared())
        on(f"{TRANSCRIPTION}.delta")(self._on_delta)
        on(f"{TRANSCRIPTION}.segment")(self._utterances.segment)
        on("user.transcript", self._on_transcript)
        on("user.transcript.failed", self._on_failed)
        on("connection.changed", self._on_connection)
        on("error", self._on_error)
        on("error.benign", self._on_benign)
        on("close", self._on_close)

    def __repr__(self) -> str:
        return f"<Transcriber {self.client.state}, {self._sent_seconds:.1f} s sent>"

    # Connection

    async def connect(self) -> None:
        """Open the session: returns when the server has confirmed its settings.

        Raises
        ------
        ConnectError, ConfigurationError, StateError
            as `RealtimeClient.connect`
        TranscriptionError
            the server refused the settings: a model that does not exist, a voice detection that the model does not
            allow
        """
        self._loop = asyncio.get_running_loop()
        self._confirmed = self._loop.create_future()
        self._ending, self._clears = False, 0
        self._utterances.due.clear()
        self._utterances.interrupted()
        await self.client.connect()
        self._open = True
        try:
            await asyncio.wait_for(self._confirmed, CONFIRMATION_SECONDS)
        except asyncio.TimeoutError:
            log.info("the server has not confirmed the settings of the transcription")
        except BaseException:
            await self.disconnect()
            raise
        manual = self.client.get_turn_detection() is None and self._pause is not None
        if manual and self._pause is not None:
            self._pauses = SpeechPauses(self.sample_rate, self._pause, self._longest)

    async def disconnect(self) -> None:
        """Close the session; words that are not final yet are lost. Idempotent."""
        self._open = False
        await self.client.disconnect()
        self._wake.set()

    async def __aenter__(self) -> Transcriber:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.disconnect()

    # Audio

    @property
    def sample_rate(self) -> int:
        """Sample rate of bare samples in Hz: 24000, or 8000 if G.711 was negotiated."""
        return self.client.input_sample_rate

    def append(self, audio: Any) -> bool:
        """Transcribe audio; does not wait. Thread: any, ``recorder.record(captions.append)`` for example.

        Parameters
        ----------
        audio : int16 samples of shape (frames,), AudioChunk, recording or os.PathLike
            Bare samples and chunks are mono at `sample_rate`; recordings (`wavtools.Sound`, `WavFile`) and files
            are resampled. More than a few minutes at once: see `read`.

        Returns
        -------
        bool
            False without a connection.

        Raises
        ------
        TypeError, ValueError
            other audio
        """
        samples = self._samples_of(audio)
        block = int(BLOCK_SECONDS * self.sample_rate)
        sent = True
        with self._appending:
            for start in range(0, len(samples), block):
                sent = self._append(samples[start : start + block]) and sent
        return sent

    def _append(self, samples: Int16Array) -> bool:
        if not self.client.append_input_audio(samples):
            return False
        self._sent_seconds += len(samples) / self.sample_rate
        ended = self._pauses.push(samples) if self._pauses is not None else None
        if ended is not None:
            self._in_loop(self._end_utterance, ended)
        return True

    def _samples_of(self, audio: Any) -> Int16Array:
        audio = getattr(audio, "mono", audio)
        if isinstance(audio, (str, os.PathLike)) or hasattr(audio, "pcm"):
            return spoken(Path(audio) if isinstance(audio, str) else audio, self.sample_rate)
        return as_int16(audio, "audio")

    def _in_loop(self, function: Any, *arguments: Any) -> None:
        """Run *function* in the event loop: at once if this is its thread, so that the order of events stays."""
        if self.client.home.is_here:
            function(*arguments)
        else:
            assert self._loop is not None
            self._loop.call_soon_threadsafe(function, *arguments)

    def _end_utterance(self, kind: str) -> None:
        """Commit speech; drop silence, in which a model would only imagine words."""
        try:
            if kind == "speech":
                self.client.commit_input_audio()
            else:
                self._clear()
        except StateError:
            # The connection has ended meanwhile.
            return

    def _clear(self) -> None:
        self._clears += 1
        self.client.clear_input_audio()

    def commit(self) -> None:
        """End the utterance here; less than 100 ms of audio is kept for the next one.

        Raises StateError if not connected.
        """
        with self._appending:
            if self._pauses is not None:
                self._pauses.restart()
        self.client.commit_input_audio()

    def end(self) -> None:
        """No more audio: the iteration ends after the last final words. `append` begins anew after that.

        Raises StateError if not connected.
        """
        if self._pauses is None or not self._pauses.is_silent:
            self.commit()
        self._in_loop(self._begin_ending)

    def _begin_ending(self) -> None:
        self._ending = True
        self._clear()

    # Words

    def __aiter__(self) -> Transcriber:
        return self

    async def __anext__(self) -> Words:
        """The next words. Cancel-safe.

        Raises
        ------
        TranscriptionError
            an utterance or the session failed
        ConnectionLostError
            the connection has ended and could not be restored
        """
        while True:
            found = self._utterances.take()
            if isinstance(found, Exception):
                raise found
            if found is not None:
                return found
            if not self._open:
                raise StopAsyncIteration
            if self._ending and self._clears <= 0 and not self._utterances.due:
                self._ending = False
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()

    async def read(self, recording: Any) -> AsyncIterator[Words]:
        """Transcribe a recording of any length: ``async for words in captions.read("talk.wav")``.

        Sends as fast as the server takes it, and ends after the last final words.

        Parameters
        ----------
        recording : str, os.PathLike, recording or int16 samples
            As for `append`; a text is the path of a file.

        Raises
        ------
        TranscriptionError, ConnectionLostError
            as the iteration
        """
        samples = self._samples_of(recording)
        feeding = asyncio.ensure_future(self._feed(samples))
        try:
            async for words in self:
                yield words
        finally:
            feeding.cancel()

    async def _feed(self, samples: Int16Array) -> None:
        block, most = int(BLOCK_SECONDS * self.sample_rate), int(QUEUE_SECONDS * self.sample_rate)
        try:
            for start in range(0, len(samples), block):
                # The outbox has no event for it, and a file may take minutes.
                while self.client.stats.input_samples_queued > most:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
                if not self.append(samples[start : start + block]):
                    return
            self.end()
        except StateError as error:
            self._fail(error)

    @property
    def usage(self) -> TranscriptionUsage:
        """What was sent, and what the server billed for it."""
        return self._utterances.usage(self._sent_seconds)

    # What the client says

    def _on_confirmed(self, event: Event) -> None:
        if self._confirmed is not None and not self._confirmed.done():
            self._confirmed.set_result(None)

    def _on_speech(self, event: Event) -> None:
        self._speech_id = text_of(event.get("item_id"))

    def _on_committed(self, event: Event) -> None:
        item_id = text_of(event.get("item_id")) or ""
        # Where the server hears speech begin, the rest that end() commits may be silence.
        silent = self.client.get_turn_detection() is not None and item_id != self._speech_id
        self._utterances.committed(item_id, silent=silent)

    def _on_cleared(self) -> None:
        self._clears -= 1
        self._wake.set()

    def _on_delta(self, event: Event) -> None:
        self._utterances.grew(event)
        self._wake.set()

    def _on_transcript(self, event: UserTranscriptEvent) -> None:
        self._utterances.completed(event)
        self._wake.set()

    def _on_failed(self, event: UserTranscriptFailedEvent) -> None:
        if self._open:
            status = "lost" if event.code == "connection_lost" else "failed"
            error = TranscriptionError(status, None, event.code, event.message, event.item_id)
            self._utterances.failed(event.item_id, error)
            self._wake.set()

    def _on_connection(self, event: ConnectionEvent) -> None:
        if event.state != "connected":
            return
        # The session before has answered what it has answered.
        self._utterances.interrupted()
        self._clears = 0
        if self._ending:
            self.client.commit_input_audio()
            self._clear()

    def _on_error(self, event: ErrorEvent) -> None:
        if event.source not in ("server", "connection"):
            log.warning("%s", event.message)
        if event.source != "server" or dict_of(event.event).get("type") == f"{TRANSCRIPTION[7:]}.failed":
            return
        if event.caused_by == CLEAR:
            self._on_cleared()
            return
        status = "refused" if event.caused_by == "session.update" else "failed"
        error = TranscriptionError(status, event.type, event.code, event.message)
        if self._confirmed is not None and not self._confirmed.done():
            self._confirmed.set_exception(error)
        else:
            self._fail(error)

    def _on_benign(self, event: ErrorEvent) -> None:
        if event.caused_by == CLEAR:
            # A server that has no such event.
            self._on_cleared()

    def _on_close(self, event: CloseEvent) -> None:
        if self._open and event.error:
            message = f"the connection was closed (code {event.code}: {event.reason})"
            self._fail(ConnectionLostError(message, code=event.code, reason=event.reason))
        self._open = False
        if self._confirmed is not None and not self._confirmed.done():
            self._confirmed.set_result(None)
        self._wake.set()

    def _fail(self, error: Exception) -> None:
        self._utterances.fail(error)
        self._wake.set()


def _texts(given: Iterable[str] | None, what: str) -> list[str] | None:
    if isinstance(given, str):
        raise TypeError(f"{what} must be a list of texts, not one text")
    return None if given is None else list(given)
