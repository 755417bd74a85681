"""A voice session for tests: the real recorder and player on a device without hardware."""

from __future__ import annotations

import asyncio

import numpy as np

from realtime import RealtimeClient, VoiceSession
from tests.canary import KEY
from tests.wire_server import ScriptedServer
from wavtools import OfflineDevice, WavRecorder, WavStreamPlayer

__all__ = ["Rig"]


class Rig:
    """A voice session whose microphone and loudspeaker are an OfflineDevice at the session's rate."""

    def __init__(self, server: ScriptedServer, **session: object) -> None:
        self.device = OfflineDevice(sample_rate=24_000)
        self.recorder = WavRecorder(device=self.device)
        self.player = WavStreamPlayer(device=self.device)
        self.client = RealtimeClient(api_key=KEY, url=server.url, **session)
        self.events: list[tuple[str, object]] = []
        for name in ("voice.cut", "timings", "error", "close", "conversation.updated"):
            self.client.on(name, lambda event, name=name: self.events.append((name, event)))

    def session(self, **options: object) -> VoiceSession:
        return VoiceSession(self.client, self.recorder, self.player, **options)

    def of(self, name: str) -> list:
        return [event for known, event in self.events if known == name]

    async def speak(self, samples: np.ndarray) -> None:
        for start in range(0, len(samples), 480):
            self.device.capture(samples[start : start + 480])
            await asyncio.sleep(0)
