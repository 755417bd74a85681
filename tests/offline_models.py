"""Simple and failing models, and a session on a server in this process, for tests of the offline server."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from realtime.offline import OfflineServer, SessionOptions, choose_voice
from realtime.offline.models.interfaces import VAD_FRAME_SAMPLES, ModelError, Voice
from tests.offline_probe import Probe, open_probe

STANDIN = choose_voice("standin")
TRANSCRIPTION = "conversation.item.input_audio_transcription"


@asynccontextmanager
async def session_with(voice: Voice = STANDIN, **server: Any) -> AsyncGenerator[tuple[Probe, list[str]]]:
    """Yields a client of a server in this process, and the server's log."""
    log: list[str] = []
    server.setdefault("options", SessionOptions(pace=0))
    async with (
        OfflineServer(voice=voice, log=log.append, **server) as offline,
        open_probe(offline.url) as probe,
    ):
        yield probe, log


class HearsSpeech:
    """A voice detector: every frame except digital silence is speech."""

    def probabilities(self, samples: np.ndarray, state: None) -> tuple[list[float], None]:
        return [float(frame.any()) for frame in samples.reshape(-1, VAD_FRAME_SAMPLES)], None


class SlowEars:
    """A speech recognition that takes half a second."""

    def transcribe(self, samples: np.ndarray, sample_rate: int, prompt: str | None = None) -> str:
        time.sleep(0.5)
        return "slowly"


class WishfulEars:
    """A speech recognition that hears the same wish in everything."""

    def transcribe(self, samples: np.ndarray, sample_rate: int, prompt: str | None = None) -> str:
        return "Please call switch lights."


class FailingEars:
    """A speech recognition that always fails."""

    def transcribe(self, samples: np.ndarray, sample_rate: int, prompt: str | None = None) -> str:
        raise ValueError("no idea")


class Missing:
    """A model that is not installed."""

    def __init__(self) -> None:
        raise ModelError("the model is missing")


class Damaged:
    """A model that fails while it is loaded."""

    def __init__(self) -> None:
        raise OSError("bad magic number")


def loud(seconds: float, rate: int = 24_000) -> np.ndarray:
    return np.full(int(seconds * rate), 3000, np.int16)
