"""Models that stand for others, and a session on a server in this process, for tests of the offline server."""

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
    """A session on a server in this process, and the server's log."""
    log: list[str] = []
    server.setdefault("options", SessionOptions(pace=0))
    async with (
        OfflineServer(voice=voice, log=log.append, **server) as offline,
        open_probe(offline.url) as probe,
    ):
        yield probe, log


class HearsSpeech:
    """Somebody speaks in every frame that is not digital silence."""

    def probabilities(self, samples: np.ndarray, state: None) -> tuple[list[float], None]:
        return [float(frame.any()) for frame in samples.reshape(-1, VAD_FRAME_SAMPLES)], None


class SlowEars:
    """Takes its time to hear, and says when it began."""

    def transcribe(self, samples: np.ndarray, sample_rate: int, prompt: str | None = None) -> str:
        time.sleep(0.5)
        return "slowly"


class FailingEars:
    """Hears nothing but a fault."""

    def transcribe(self, samples: np.ndarray, sample_rate: int, prompt: str | None = None) -> str:
        raise ValueError("no idea")


class Missing:
    """A model that cannot be had."""

    def __init__(self) -> None:
        raise ModelError("the model is missing")


class Damaged:
    """A model that breaks as it is loaded."""

    def __init__(self) -> None:
        raise OSError("bad magic number")


def loud(seconds: float, rate: int = 24_000) -> np.ndarray:
    return np.full(int(seconds * rate), 3000, np.int16)
