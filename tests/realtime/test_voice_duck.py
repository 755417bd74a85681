"""Coughs and real interruptions under duck: twenty of each by the same audio, and some against the offline server."""

from __future__ import annotations

import asyncio
import time
from importlib.resources import files

import numpy as np
import pytest

from realtime import RealtimeClient, VoiceSession
from realtime.offline import OfflineServer, choose_voice
from realtime.offline.models.interfaces import VAD_FRAME_SAMPLES, VAD_RATE_HZ
from realtime.offline.models.standin import EnergyActivity
from realtime.offline.session.turns import Started, TurnDetector
from realtime.voice.speech import SpeechWatch
from tests.canary import KEY
from wavtools import OfflineDevice, WavRecorder, WavStreamPlayer, read_wav
from wavtools.resample import Resampler

RATE = 24_000
STEP = RATE // 100
SEEDS = range(20)
# Samples on the way from the microphone to the server's detector and back
LATE = RATE // 100


def noise(seconds: float, level: float, seed: int) -> np.ndarray:
    samples = np.random.default_rng(seed).normal(size=int(seconds * RATE)) * level
    return samples.clip(-32_768, 32_767).astype(np.int16)


def cough(seed: int) -> np.ndarray:
    """0.2 s of noise that begins at once, and dies away in one half of the cases."""
    burst = noise(0.2, 6_000, seed).astype(float)
    if seed % 2:
        burst *= np.exp(-np.arange(len(burst)) / (0.06 * RATE))
    return burst.astype(np.int16)


def speech(name: str) -> np.ndarray:
    wav = read_wav((files("realtime.offline.models") / f"{name}.wav").read_bytes())
    return wav.pcm.reshape(-1)


def microphone(sound: np.ndarray, seed: int) -> np.ndarray:
    """*sound* in a quiet room, after a second and a bit."""
    lead = RATE + int(np.random.default_rng(seed).integers(0, RATE // 10))
    heard = noise(2.0 + lead / RATE, 8, seed + 1_000)
    sound = sound[: len(heard) - lead]
    heard[lead : lead + len(sound)] += sound
    return heard


def moments(heard: np.ndarray) -> tuple[int | None, int | None]:
    """The samples at which plain cut and duck would stop the answer; None for never."""
    resampler, gate, state = Resampler(RATE, VAD_RATE_HZ), EnergyActivity(), None
    detector, rest = TurnDetector(0.5, 300, 200), np.zeros(0, np.int16)
    found: list[str] = []
    watch = SpeechWatch(RATE, found.append)
    plain = duck = None
    for start in range(0, len(heard), STEP):
        chunk = heard[start : start + STEP]
        watch.hear(chunk)
        if plain is not None and start + STEP == plain and watch.arm():
            found.append("lasts")
        if duck is None and "lasts" in found:
            duck = start + STEP
        rest = np.concatenate((rest, resampler.process(chunk)))
        whole = len(rest) // VAD_FRAME_SAMPLES * VAD_FRAME_SAMPLES
        likely, state = gate.probabilities(rest[:whole], state)
        rest = rest[whole:]
        for event in detector.push(likely):
            if plain is None and isinstance(event, Started):
                plain = start + STEP + LATE
    return plain, duck


def test_a_cough_lowers_the_answer_and_never_cuts_it_twenty_of_twenty():
    for seed in SEEDS:
        plain, duck = moments(microphone(cough(seed), seed))
        assert plain is not None and duck is None, seed


@pytest.mark.parametrize("name", ["hello", "weather", "answer"])
def test_speech_cuts_at_most_150_ms_after_plain_cut_would_twenty_of_twenty(name):
    for seed in SEEDS:
        plain, duck = moments(microphone(speech(name), seed))
        assert plain is not None and duck is not None
        assert 0 <= duck - plain <= 0.15 * RATE, (seed, (duck - plain) / RATE)


class Talk:
    """A voice session with the offline server, whose devices run in real time."""

    def __init__(self, url: str) -> None:
        device = self.device = OfflineDevice(RATE, duplex=True)
        self.client = RealtimeClient(api_key=KEY, url=url)
        self.events: list[tuple[str, object]] = []
        for name in ("voice.cut", "interruption.false", "response.ended", "error", "server.response.done"):
            self.client.on(name, lambda event, name=name: self.events.append((name, event)))
        self.player = WavStreamPlayer(RATE, device=device)
        recorder = WavRecorder(RATE, device=device)
        self.voice = VoiceSession(
            self.client, recorder, self.player, mode="vad", echo="off", interrupt="duck"
        )
        self.said = np.zeros(0, np.int16)
        self.volumes: list[float] = []

    def of(self, name: str) -> list:
        return [event for known, event in self.events if known == name]

    async def run(self, until, seconds: float = 60.0) -> None:
        began = time.monotonic()
        for step in range(int(seconds * 100)):
            if until():
                return
            said, self.said = self.said[:STEP], self.said[STEP:]
            heard = noise(0.01, 8, step)
            heard[: len(said)] += said
            self.device.exchange(heard)
            self.volumes.append(self.player.volume)
            await asyncio.sleep(max(0.0, began + (step + 1) / 100 - time.monotonic()))
        raise AssertionError(f"it did not come true: {[name for name, _ in self.events]}")

    def heard(self) -> int:
        receipt = self.player.get_track_sample_offset()
        return 0 if receipt is None else receipt.offset


async def test_with_the_offline_server_coughs_cost_no_answer_and_speech_cuts_it_exactly():
    async with OfflineServer(voice=choose_voice("standin")) as server:
        talk = Talk(server.url)
        async with talk.voice:
            # An answer and a turn before it: the server's models load meanwhile.
            talk.said = np.concatenate((noise(0.5, 8, 1), speech("hello"), noise(0.5, 8, 2)))
            await talk.run(lambda: talk.heard() > RATE // 2)
            for number in range(2):
                talk.said = cough(number)
                await talk.run(lambda number=number: len(talk.of("interruption.false")) > number)
            assert not talk.of("voice.cut") and talk.player.volume == 1.0
            assert min(talk.volumes) == pytest.approx(0.1)
            talk.said = speech("weather")
            await talk.run(lambda: talk.of("voice.cut"))
            cut = talk.of("voice.cut")[0]
            item = cut.item
            await talk.run(lambda: item.audio_end_ms == cut.receipt.offset * 1000 // RATE)
            # The turn gets its answer; the coughs got none and are no turns.
            await talk.run(
                lambda: talk.heard() > 0 and talk.player.get_track_sample_offset().track_id != item.id
            )
            users = [one for one in talk.client.conversation.get_items() if one.role == "user"]
            assert len(users) == 2 and not talk.of("error")
