"""The three model interfaces of the offline server.

A model object lives in a worker process (workers.py) and is made there by a *factory*: a picklable callable
without arguments, so that a user can pass a module-level class or a ``functools.partial`` of one. Calls are
plain request and response; whatever must survive between two calls of one session (the recurrent state of
a voice detector) travels with the call, so any worker can serve any session.

Thread: this module holds no state. Implementations are used by one thread of one worker process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Int16Array = npt.NDArray[np.int16]

VAD_RATE_HZ = 16_000
VAD_FRAME_SAMPLES = 512  # silero's frame: 32 ms at 16 kHz
SPEECH_RATE_HZ = 24_000  # what a TextToSpeech returns: the protocol's pcm16 rate


class ModelError(Exception):
    """A model is missing, damaged or refused to load; the message says what to do."""


class VoiceActivity(Protocol):
    """Is somebody speaking?"""

    def probabilities(self, samples: Int16Array, state: Any) -> tuple[list[float], Any]:
        """Speech probability, 0 to 1, of each frame.

        Parameters
        ----------
        samples : int16, shape (k * VAD_FRAME_SAMPLES,)
            Mono at VAD_RATE_HZ, following the samples of the call that returned *state*.
        state : anything picklable
            None at the start of a stream, else what the previous call returned.
        """
        ...


class SpeechToText(Protocol):
    """What was said?"""

    def transcribe(self, samples: Int16Array, sample_rate: int, prompt: str | None = None) -> str:
        """The words in mono *samples*, or "" where there are none. Any length, any *sample_rate* in Hz."""
        ...


class TextToSpeech(Protocol):
    """Say it."""

    def synthesise(self, text: str, voice: str, speed: float) -> Int16Array:
        """*text* spoken, mono at SPEECH_RATE_HZ. A voice it does not have is spoken in the one it has."""
        ...


@dataclass(frozen=True)
class Voice:
    """The three factories of one server, each with a name for the log.

    ``only_says`` is the one text that a text to speech stand-in can say (None: it can say anything);
    spoken replies then consist of exactly that text.
    """

    activity: Callable[[], VoiceActivity]
    hearing: Callable[[], SpeechToText]
    speech: Callable[[], TextToSpeech]
    activity_name: str = "own voice detector"
    hearing_name: str = "own speech recognition"
    speech_name: str = "own speech synthesis"
    only_says: str | None = None

    @property
    def names(self) -> tuple[str, str, str]:
        return (self.activity_name, self.hearing_name, self.speech_name)
