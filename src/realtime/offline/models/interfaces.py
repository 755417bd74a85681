"""The interfaces of the three models: voice activity, speech to text, text to speech.

A model object lives in a worker process and is made there by a *factory*: a picklable callable without
arguments, such as a class of a module or a ``functools.partial`` of one. Calls are plain requests and responses. What
must survive between two calls of one session (the recurrent state of a voice detector) travels with the
call, so any worker can serve any session.

Thread: any; stateless. A model is used by one thread of one worker process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ...protocol.audio_format import Int16Array

__all__ = [
    "SPEECH_RATE_HZ",
    "VAD_FRAME_SAMPLES",
    "VAD_RATE_HZ",
    "Int16Array",
    "ModelError",
    "SpeechToText",
    "TextToSpeech",
    "Voice",
    "VoiceActivity",
]

# Input of a VoiceActivity: frames of 32 ms at 16 kHz, as silero takes them.
VAD_RATE_HZ = 16_000
VAD_FRAME_SAMPLES = 512
# Output of a TextToSpeech: the rate of the protocol's pcm16.
SPEECH_RATE_HZ = 24_000


class ModelError(Exception):
    """A model is missing, damaged or cannot be loaded; the message says what to do."""


class VoiceActivity(Protocol):
    """Detects speech in audio."""

    def probabilities(self, samples: Int16Array, state: Any) -> tuple[list[float], Any]:
        """The probability of speech in each frame.

        Parameters
        ----------
        samples : ndarray
            int16 mono at VAD_RATE_HZ, shape (k * VAD_FRAME_SAMPLES,): the audio after that of the call which
            returned *state*.
        state : object
            None at the start of a stream, else what the previous call returned; picklable.

        Returns
        -------
        tuple
            The k probabilities, 0 to 1, and the state for the next call.
        """
        ...


class SpeechToText(Protocol):
    """Recognises the words in audio."""

    def transcribe(self, samples: Int16Array, sample_rate: int, prompt: str | None = None) -> str:
        """The words in *samples*.

        Parameters
        ----------
        samples : ndarray
            int16 mono, any length.
        sample_rate : int
            Hz, any rate.
        prompt : str, optional
            Text that may help the model; a model may ignore it.

        Returns
        -------
        str
            The words, or "" if there are none.
        """
        ...


class TextToSpeech(Protocol):
    """Speaks text."""

    def synthesise(self, text: str, voice: str, speed: float) -> Int16Array:
        """*text* as speech.

        Parameters
        ----------
        text : str
            One sentence or a part of one.
        voice : str
            Name of the voice; a model that does not have it uses another.
        speed : float
            1.0 is the voice's normal speed; the protocol allows 0.25 to 1.5.

        Returns
        -------
        ndarray
            int16 mono at SPEECH_RATE_HZ.
        """
        ...


@dataclass(frozen=True)
class Voice:
    """The three model factories of one server, each with a name for the log.

    Attributes
    ----------
    activity, hearing, speech : callable
        Factories of a VoiceActivity, a SpeechToText and a TextToSpeech.
    activity_name, hearing_name, speech_name : str
        Names in the log.
    only_says : str, optional
        The one text that a stand-in for speech synthesis can speak: every spoken reply then has this text.
        None: any text.
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
        """The three names, in the order of the factories."""
        return (self.activity_name, self.hearing_name, self.speech_name)
