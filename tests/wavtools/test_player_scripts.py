"""Random scripts of everything a player can be told: receipts and samples, compared with a slow model.

``WAVTOOLS_SOAK=1`` plays 2000 scripts in mono and 2000 in stereo.
"""

from __future__ import annotations

import dataclasses
import os
import random

import numpy as np
import pytest

from wavtools import OfflineDevice, WavStreamPlayer

RATE = 24_000
SCRIPTS = 2000 if os.environ.get("WAVTOOLS_SOAK") else 150
DEVICE_RATES = [24_000, 24_000, 48_000, 44_100, 16_000]


@dataclasses.dataclass
class Fade:
    """Frames that fade, as they were queued and as they are played."""

    cut: int
    device_frames: int
    values: np.ndarray
    playing: bool = False
    ended: bool = False


class Model:
    """A simple, slow player: one device frame at a time, in units of 1/device_rate of a queued frame."""

    def __init__(self, channels: int, device_rate: int, outputs: int) -> None:
        self.channels = channels
        # Of the next device frame, in queued frames x device_rate.
        self.time = 0
        # Every frame ever queued: (track, number within it, values).
        self.frames: list[tuple[str, int, np.ndarray]] = []
        self.totals: dict[str, int] = {}
        self.interrupted: set[str] = set()
        self.heard: tuple[str, int] | None = None
        self.unheard: str | None = None
        self.dropped = 0
        self.fade: Fade | None = None
        self.gain = self.volume = 1.0
        self.device(device_rate, outputs)

    @property
    def position(self) -> int:
        return min(self.time // self.device_rate, len(self.frames))

    def device(self, device_rate: int, outputs: int) -> None:
        position = self.position if self.frames else 0
        self.device_rate, self.outputs = device_rate, outputs
        self.time = position * device_rate
        self.fade = None
        # Where the device's last period ended; None before its first.
        self.rendered_to: int | None = None

    def add(self, track: str, values: np.ndarray) -> bool:
        if track in self.interrupted:
            return False
        if len(values) and self.position == len(self.frames):
            self.unheard = track
        start = self.totals.get(track, 0)
        self.frames += [(track, start + i + 1, frame) for i, frame in enumerate(values)]
        self.totals[track] = start + len(values)
        return True

    def render(self, count: int) -> np.ndarray:
        """Frames as at equal rates, with the device's channels."""
        period = self.device_rate // 100
        parts = [self._period(min(period, count - start)) for start in range(0, count, period)]
        return np.concatenate(parts)

    def _period(self, count: int) -> np.ndarray:
        fade = self.fade
        if fade is not None and not fade.playing and not fade.ended:
            if fade.cut == self.rendered_to:
                fade.playing = True
            else:
                fade = self.fade = None
        out, done = np.zeros((count, self.channels)), 0
        if fade is not None and fade.playing:
            done = min(count, fade.device_frames)
            fade.device_frames -= done
            shown = fade.values[:done]
            out[: len(shown)] = shown
            fade.values = fade.values[done:]
        for i in range(done, count):
            if self.time >= len(self.frames) * self.device_rate:
                self.time = len(self.frames) * self.device_rate
                continue
            before = self.position
            out[i] = self.frames[before][2]
            done = i + 1
            self.time += RATE
            if self.position > before:
                self.heard = self.frames[self.position - 1][:2]
        if fade is not None and (fade.ended or fade.device_frames == 0):
            self.fade = None
        self.rendered_to = self.position
        return self._amplified(self._mapped(out), done)

    def _mapped(self, out: np.ndarray) -> np.ndarray:
        if self.channels > self.outputs:
            mean = out.sum(axis=1) / self.channels
            return np.repeat((np.sign(mean) * np.floor(np.abs(mean) + 0.5))[:, None], self.outputs, axis=1)
        if self.channels == 1:
            return np.repeat(out, self.outputs, axis=1)
        return np.pad(out, ((0, 0), (0, self.outputs - self.channels)))

    def _amplified(self, out: np.ndarray, done: int) -> np.ndarray:
        if done:
            gains = self.gain + (self.volume - self.gain) * np.arange(1, done + 1) / done
            out[:done] *= gains[:, None]
            self.gain = self.volume
        return out

    def receipt(self) -> tuple[str, int] | None:
        if self.heard is not None:
            return self.heard
        if self.position < len(self.frames):
            return self.frames[self.position][0], 0
        return None if self.unheard is None else (self.unheard, 0)

    def interrupt(self, fade_frames: int) -> dict[str, int]:
        receipt = self.receipt()
        if receipt:
            self.interrupted.add(receipt[0])
        cut = self.position
        dropped: dict[str, int] = {}
        for track, *_ in self.frames[cut:]:
            dropped[track] = dropped.get(track, 0) + 1
            self.interrupted.add(track)
        if self.fade is not None:
            # An earlier fade ends with the next period, and this cut is a hard one.
            self.fade.playing, self.fade.ended = False, True
        elif dropped and fade_frames:
            count = min(fade_frames, len(self.frames) - cut)
            values = np.array([frame[2] for frame in self.frames[cut : cut + count]], float)
            values = np.trunc(values * (np.arange(count, 0, -1) / (count + 1))[:, None])
            left = count * self.device_rate - self.time % self.device_rate
            self.fade = Fade(cut, -(-left // RATE), values)
        if dropped:
            self.time = len(self.frames) * self.device_rate
        self.dropped += sum(dropped.values())
        return dropped


class Script:
    """One random script, played by a player and by the model."""

    def __init__(self, seed: int, channels: int) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.values = np.random.default_rng(seed)
        self.channels = channels
        self.offline = self.device()
        self.model = Model(channels, self.offline.sample_rate, self.offline.channels)
        self.player = WavStreamPlayer(RATE, channels=channels, device=self.offline, queue_seconds=5)

    def device(self) -> OfflineDevice:
        outputs = self.random.choice([1, 1, 2] if self.channels == 1 else [1, 2, 2, 2, 3])
        return OfflineDevice(self.random.choice(DEVICE_RATES), channels=outputs)

    def play(self) -> None:
        actions = [self.add, self.render, self.interrupt, self.change_volume, self.move]
        with self.player:
            for _ in range(self.random.randint(1, 25)):
                self.random.choices(actions, [45, 40, 10, 4, 4])[0]()
                receipt = self.player.get_track_sample_offset()
                got = None if receipt is None else (receipt.track_id, receipt.offset)
                assert got == self.model.receipt(), self.seed
                assert self.player.stats.frames_played == self.model.position - self.model.dropped, self.seed

    def add(self) -> None:
        track = self.random.choice("abcdefgh")
        count = self.random.choice([0, 1, 2, 7, 127, 128, 129, 480, 1000])
        frames = self.values.integers(-32768, 32768, (count, self.channels)).astype(np.int16)
        given = self.random.choice([frames, frames.tobytes(), frames.reshape(-1)])
        queued = self.player.add_16bit_pcm(given, track)
        assert (queued is not None) == self.model.add(track, frames.astype(int)), self.seed

    def render(self) -> None:
        count = self.random.choice([1, 2, 3, 64, 127, 128, 441, 480, 2000])
        out = self.offline.render(count).reshape(count, -1).astype(int)
        # At full volume each sample is the one that was queued; else it may be rounded otherwise.
        full = self.model.gain == self.model.volume == 1.0
        faded = self.model.fade is not None
        expected = self.model.render(count)
        if self.offline.sample_rate == RATE:
            assert np.abs(out - expected).max() <= (0 if full and not faded else 1), self.seed

    def interrupt(self) -> None:
        fade_ms = self.random.choice([0, 0, 1, 5, 20])
        receipt, expected = self.player.interrupt(fade_ms), self.model.receipt()
        dropped = self.model.interrupt(fade_ms * RATE // 1000)
        assert (None if receipt is None else (receipt.track_id, receipt.offset)) == expected, self.seed
        if receipt:
            assert receipt.dropped == dropped, self.seed
            assert receipt.queued == dropped.get(receipt.track_id, 0), self.seed

    def change_volume(self) -> None:
        self.player.volume = self.model.volume = self.random.choice([0.0, 0.3, 1.0, 1.0])

    def move(self) -> None:
        self.offline = self.device()
        self.player.use_device(self.offline)
        self.model.device(self.offline.sample_rate, self.offline.channels)


@pytest.mark.parametrize("channels", [1, 2], ids=["mono", "stereo"])
def test_offsets_and_samples_are_exact_over_random_scripts(channels):
    for seed in range(SCRIPTS):
        Script(seed, channels).play()
