"""Interruptions: lowers the answer when the server hears speech, and stops it only if somebody really speaks.

The server then neither cancels nor answers by itself (``interrupt_response`` and ``create_response`` are false): this
module does both once it knows what the sound was. Speech that lasts, by the microphone or by the server's times, and
words in the transcript are an interruption: the answer is cut, and the turn is answered. Anything else, such as a
cough, is none: the answer returns to its volume, and the item that the server made of the sound is deleted. A turn that
begins while no answer is made or heard is always a turn.

Thread: the event loop's, except the calls of `SpeechWatch`, which are passed to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable
from typing import Any

from ..client.client import RealtimeClient
from ..errors import StateError
from ..events import Event, InterruptedEvent, UserTranscriptEvent, UserTranscriptFailedEvent
from ..protocol.bounded_dict import remember
from ..protocol.reading import branch, dict_of, ms_of, text_of
from ..voice_events import FalseInterruptionEvent
from .detection import TurnDetection
from .handlers import Handlers
from .microphone import Microphone
from .speech import SURE_SECONDS, Finding, SpeechWatch
from .volume import Loudness

__all__ = ["Interruptions", "has_words"]

# Defaults of server_vad
PREFIX_MS = 300
SILENCE_MS = 500
# A server that has reported no end of the speech so long after the silence that ends a turn hears speech that lasts.
UNHEARD_SECONDS = 0.8
# Seconds for which the words of a short turn may take
TRANSCRIPT_PATIENCE = 5.0
TRANSCRIPTION = "server.conversation.item.input_audio_transcription"
# What stands in brackets or asterisks is a description, such as "[cough]".
_DESCRIPTION = re.compile(r"\[[^\]]*\]?|\([^)]*\)?|\*[^*]*\*?|<[^>]*>?")


class _Turn:
    """Speech that the server has heard, up to its answer or its deletion."""

    __slots__ = ("began", "item_id", "real", "seconds", "start_ms", "timer")

    def __init__(self, item_id: str | None, start_ms: int | None, *, real: bool) -> None:
        self.item_id = item_id
        self.start_ms = start_ms
        # True once it is known to be speech
        self.real = real
        # When the answer was lowered, and for how long it was
        self.began = time.monotonic()
        self.seconds = 0.0
        self.timer: asyncio.TimerHandle | None = None

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Interruptions:
    """Decides about the turns of one voice session.

    Parameters
    ----------
    client : RealtimeClient
    detection : TurnDetection
        Says whether the answers are requested here.
    microphone : Microphone
    loudness : Loudness
        Says whether an answer is heard, and lowers it.
    cut : callable
        Stops the answer, and tells the server what was heard.
    before_answer : callable
        Called before an answer is requested.
    """

    def __init__(
        self,
        client: RealtimeClient,
        detection: TurnDetection,
        microphone: Microphone,
        loudness: Loudness,
        cut: Callable[[], object],
        before_answer: Callable[[], object],
    ) -> None:
        self._client = client
        self._detection = detection
        self._microphone = microphone
        self._loudness = loudness
        self._cut = cut
        self._before_answer = before_answer
        self._watch: SpeechWatch
        # The speech that goes on, turns that have ended and are not committed, and short ones whose words are awaited
        self._turn: _Turn | None = None
        self._ended: list[_Turn] = []
        self._doubtful: dict[str, _Turn] = {}
        handlers: dict[str, Callable[[Any], object]] = {
            "server.session.created": self._on_session,
            "server.input_audio_buffer.speech_stopped": self._on_stopped,
            "server.input_audio_buffer.timeout_triggered": self._on_timeout,
            "server.input_audio_buffer.committed": self._on_committed,
            f"{TRANSCRIPTION}.delta": self._on_words,
            "user.transcript": self._on_transcript,
            "user.transcript.failed": self._on_no_transcript,
        }
        self._handlers = Handlers(client, handlers)

    # Opening and closing

    def open(self, sample_rate: int) -> None:
        """The session begins, with a microphone of *sample_rate* Hz."""
        loop = asyncio.get_running_loop()

        def found(finding: Finding) -> None:
            # The loop may have ended.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._found, finding)

        self._watch = SpeechWatch(sample_rate, found)
        self._microphone.listener = self._watch.hear
        self._handlers.add()

    def close(self) -> None:
        """The session ends."""
        self.reset()
        self._microphone.listener = None
        self._handlers.remove()

    def reset(self) -> None:
        """Forget the turns: the mode has changed, or the session ends."""
        for turn in (self._turn, *self._ended, *self._doubtful.values()):
            if turn is not None:
                turn.stop_timer()
        self._turn = None
        self._ended.clear()
        self._doubtful.clear()
        self._watch.disarm()
        self._loudness.restore()

    # What the server hears

    def _on_session(self, event: Event) -> None:
        """``session.created``: a new session knows nothing of speech that the one before heard."""
        self.reset()

    def speech_started(self, event: InterruptedEvent) -> None:
        """The user began to speak, and the server does not cancel the answer by itself."""
        if self._turn is not None:
            self._turn.stop_timer()
        heard = event.response_active or self._loudness.playing
        turn = self._turn = _Turn(event.item_id, event.audio_start_ms, real=not heard)
        if not heard:
            return
        if self._watch.arm():
            self._is_real(turn)
            return
        self._loudness.lower()
        silence = self._times().get("silence_duration_ms")
        if silence is not None:
            turn.timer = asyncio.get_running_loop().call_later(
                silence / 1000 + UNHEARD_SECONDS, self._is_real, turn
            )

    def _found(self, finding: Finding) -> None:
        """What the microphone hears of the speech."""
        turn = self._turn
        if turn is None or turn.real:
            return
        if finding == "lasts":
            self._is_real(turn)
        else:
            turn.seconds = time.monotonic() - turn.began
            self._loudness.restore()

    def _on_stopped(self, event: Event) -> None:
        """``speech_stopped``: the turn will be committed."""
        turn, self._turn = self._turn, None
        if turn is None:
            # The session began in the middle of it.
            turn = _Turn(text_of(event.get("item_id")), None, real=True)
        turn.stop_timer()
        self._watch.disarm()
        if not turn.real:
            turn.seconds = turn.seconds or time.monotonic() - turn.began
            self._loudness.restore()
            if self._lasted(turn, event):
                self._is_real(turn)
        self._ended.append(turn)

    def _lasted(self, turn: _Turn, event: Event) -> bool:
        """True if the speech was no cough by the server's times."""
        end_ms, times = ms_of(event.get("audio_end_ms")), self._times()
        if turn.start_ms is None or end_ms is None or not times:
            return False
        return end_ms - turn.start_ms - sum(times.values()) >= SURE_SECONDS * 1000

    def _on_timeout(self, event: Event) -> None:
        """``timeout_triggered``: the server wants an answer to the silence."""
        self._ended.append(_Turn(text_of(event.get("item_id")), None, real=True))

    def _on_committed(self, event: Event) -> None:
        """``committed``: the turn is an item. Commits of the application's own have no ended turn."""
        if not self._ended:
            return
        turn = self._ended.pop(0)
        turn.item_id = text_of(event.get("item_id"))
        if turn.real:
            self._answer()
        elif branch(self._client.session, "input").get("transcription") and turn.item_id is not None:
            remember(self._doubtful, turn.item_id, turn)
            turn.timer = asyncio.get_running_loop().call_later(TRANSCRIPT_PATIENCE, self._is_false, turn)
        else:
            self._is_false(turn)

    # What the words say

    def _on_words(self, event: Event) -> None:
        self._said(text_of(event.get("item_id")), text_of(event.get("delta")) or "")

    def _on_transcript(self, event: UserTranscriptEvent) -> None:
        self._said(event.item_id, event.transcript)
        self._no_words_of(event.item_id)

    def _on_no_transcript(self, event: UserTranscriptFailedEvent) -> None:
        self._no_words_of(event.item_id)

    def _said(self, item_id: str | None, text: str) -> None:
        """Words of a turn came: it is real."""
        if item_id is None or not has_words(text):
            return
        turn = self._doubtful.pop(item_id, None)
        if turn is not None:
            turn.stop_timer()
            self._is_real(turn)
            self._answer()
            return
        for turn in (self._turn, *self._ended):
            if turn is not None and turn.item_id == item_id and not turn.real:
                self._is_real(turn)

    def _no_words_of(self, item_id: str) -> None:
        turn = self._doubtful.get(item_id)
        if turn is not None:
            self._is_false(turn)

    # Decisions

    def _is_real(self, turn: _Turn) -> None:
        """Stop the answer: somebody speaks."""
        turn.real = True
        turn.stop_timer()
        self._watch.disarm()
        self._cut()

    def _is_false(self, turn: _Turn) -> None:
        """Nobody spoke: the model is not to hear of it."""
        turn.stop_timer()
        if turn.item_id is not None:
            self._doubtful.pop(turn.item_id, None)
            # The connection may have ended.
            with contextlib.suppress(StateError):
                self._client.delete_item(turn.item_id)
        self._client.emit("interruption.false", FalseInterruptionEvent(turn.item_id, turn.seconds))

    def _answer(self) -> None:
        """Request the answer to a turn, as the server would have done."""
        if self._detection.answers:
            self._before_answer()
            self._client.create_response()

    def _times(self) -> dict[str, int]:
        """Milliseconds that server_vad adds to the speech; empty for another turn detection."""
        stated = dict_of(branch(self._client.session, "input").get("turn_detection"))
        detection = {**stated, **(self._client.get_turn_detection() or {})}
        if detection.get("type") != "server_vad":
            return {}
        times = {"silence_duration_ms": SILENCE_MS, "prefix_padding_ms": PREFIX_MS}
        for key in times:
            value = ms_of(detection.get(key))
            if value is not None:
                times[key] = int(value)
        return times


def has_words(text: str) -> bool:
    """True if a transcript holds a word, and not just the description of a sound."""
    return any(character.isalnum() for character in _DESCRIPTION.sub(" ", text))
