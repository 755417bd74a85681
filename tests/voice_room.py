"""A voice session in a room: one clock for both directions, and a microphone that hears the loudspeaker."""

from __future__ import annotations

import asyncio
from importlib.resources import files

import numpy as np

from realtime import VoiceSession
from realtime.protocol.audio_format import Int16Array
from tests import wire_turns as turns
from tests.voice_rig import Rig
from tests.waiting import until
from wavtools import OfflineDevice, WavRecorder, WavStreamPlayer, read_wav

__all__ = ["RATE", "Room", "speech"]

RATE = 24_000
STEP = RATE // 50


def speech(name: str, seconds: float) -> Int16Array:
    """Speech out of the offline server's recordings, again and again."""
    wav = read_wav((files("realtime.offline.models") / f"{name}.wav").read_bytes())
    return np.resize(wav.pcm.reshape(-1), int(seconds * RATE))


class Room(Rig):
    """A voice session whose microphone hears the loudspeaker after `delay` samples, times `gain`."""

    def __init__(self, server, *, gain: float = 0.3, recorder: type[WavRecorder] = WavRecorder) -> None:
        super().__init__(server)
        self.device = OfflineDevice(RATE, duplex=True)
        self.recorder = recorder(RATE, device=self.device)
        self.player = WavStreamPlayer(RATE, device=self.device)
        self.gain = gain
        self.client.on("voice.echo", lambda event: self.events.append(("voice.echo", event)))
        self._air = np.zeros(2_400, np.int16)

    def session(self, **options: object) -> VoiceSession:
        return VoiceSession(self.client, self.recorder, self.player, **{"mode": "vad", **options})

    async def answer(self, peer, samples: Int16Array, number: int = 1) -> None:
        """Let the server send an answer."""
        item = f"item_{number}"
        await peer.say(*turns.audio_begin(item, f"resp_{number}"))
        for start in range(0, len(samples), RATE):
            await peer.say(turns.audio_delta(samples[start : start + RATE], item, f"resp_{number}"))
        await until(
            lambda: (
                (found := self.client.conversation.get_item(item)) is not None
                and found.received_samples == len(samples)
            )
        )

    async def run(self, seconds: float, near: Int16Array | None = None) -> None:
        """Let the devices run, and the looks beside them."""
        for start in range(0, int(seconds * RATE), STEP):
            said = np.zeros(STEP, np.int16)
            if near is not None:
                part = near[start : start + STEP]
                said[: len(part)] = part
            heard = (self._air[:STEP] * self.gain).astype(np.int16)
            noise = np.random.default_rng(start).normal(size=STEP) * 10
            out = self.device.exchange((heard + said + noise).astype(np.int16))
            self._air = np.concatenate((self._air[STEP:], out))
            await asyncio.sleep(0.002)
