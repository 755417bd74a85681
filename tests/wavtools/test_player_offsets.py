"""The offset of each receipt, compared with a slow model of the player over random scripts."""

from __future__ import annotations

import random

import numpy as np
import pytest

from wavtools import OfflineDevice, TrackOffset, WavStreamPlayer

RATE = 24_000


class Model:
    """A simple, slow player: one device frame at a time, in units of 1/device_rate of a sample."""

    def __init__(self, device_rate: int) -> None:
        self.device_rate = device_rate
        # Of the next frame, in samples x device_rate.
        self.time = 0
        # Every sample ever queued: (track, number within it).
        self.samples: list[tuple[str, int]] = []
        self.totals: dict[str, int] = {}
        self.interrupted: set[str] = set()
        self.heard: tuple[str, int] | None = None
        self.unheard: str | None = None

    @property
    def position(self) -> int:
        return min(self.time // self.device_rate, len(self.samples))

    def add(self, track: str, count: int) -> bool:
        if track in self.interrupted:
            return False
        if count and self.position == len(self.samples):
            self.unheard = track
        start = self.totals.get(track, 0)
        self.samples += [(track, start + i + 1) for i in range(count)]
        self.totals[track] = start + count
        return True

    def render(self, frames: int) -> None:
        for _ in range(frames):
            if self.time < len(self.samples) * self.device_rate:
                before = self.position
                self.time += RATE
                if self.position > before:
                    self.heard = self.samples[self.position - 1]
            else:
                self.time = len(self.samples) * self.device_rate

    def receipt(self) -> tuple[str, int] | None:
        if self.heard is not None:
            return self.heard
        if self.position < len(self.samples):
            return self.samples[self.position][0], 0
        return None if self.unheard is None else (self.unheard, 0)

    def interrupt(self) -> dict[str, int]:
        receipt = self.receipt()
        if receipt:
            self.interrupted.add(receipt[0])
        dropped: dict[str, int] = {}
        for track, _ in self.samples[self.position :]:
            dropped[track] = dropped.get(track, 0) + 1
            self.interrupted.add(track)
        # With nothing to drop, the time of the next frame does not change.
        if dropped:
            self.time = len(self.samples) * self.device_rate
        return dropped


def play_script(seed: int, device_rate: int) -> None:
    """A random script of adds, renders and interrupts, each receipt compared with the model's."""
    random_ = random.Random(seed)
    device = OfflineDevice(device_rate)
    player = WavStreamPlayer(RATE, device=device)
    player.connect()
    model = Model(device_rate)
    total = 0
    for _ in range(random_.randint(1, 25)):
        action = random_.random()
        if action < 0.45:
            track = random_.choice("abcdef")
            count = random_.choice([0, 1, 2, 7, 127, 128, 129, 480, 1000])
            queued = player.add_16bit_pcm(np.ones(count, np.int16), track)
            assert (queued is not None) == model.add(track, count)
        elif action < 0.9:
            frames = random_.choice([1, 2, 3, 64, 127, 128, 441, 480, 2000])
            device.render(frames)
            model.render(frames)
            total += frames
        else:
            receipt = player.interrupt()
            expected = model.receipt()
            dropped = model.interrupt()
            check(receipt, expected, seed)
            if receipt:
                assert receipt.dropped == dropped
                assert receipt.queued == dropped.get(receipt.track_id, 0)
        check(player.get_track_sample_offset(), model.receipt(), seed)
    player.disconnect()


def check(receipt: TrackOffset | None, expected: tuple[str, int] | None, seed: int) -> None:
    got = None if receipt is None else (receipt.track_id, receipt.offset)
    assert got == expected, f"script {seed}"


@pytest.mark.parametrize("device_rate", [24_000, 48_000, 44_100, 16_000])
def test_offsets_are_exact_over_random_scripts(device_rate):
    # Each script makes a player: most of the time went into the memory of queues of 10 minutes.
    for seed in range(500):
        play_script(seed, device_rate)


@pytest.mark.parametrize("device_rate", [24_000, 48_000, 44_100, 16_000])
def test_the_offset_of_2500_random_interrupts_is_exact(device_rate):
    """10 000 in all: each cuts a track of its own at a random frame, with random period sizes."""
    random_ = random.Random(device_rate)
    device = OfflineDevice(device_rate)
    with WavStreamPlayer(RATE, device=device, queue_seconds=30) as player:
        # Samples in all, and the time of the next frame, in samples x device_rate as in Model.
        queued = time = 0
        for i in range(2_500):
            count = random_.randint(1, 2_000)
            player.add_16bit_pcm(np.ones(count, np.int16), f"t{i}")
            start, queued = queued, queued + count
            for frames in random_.choices(range(1, 700), k=random_.randint(0, 6)):
                device.render(frames)
                until_dry = -(-(queued * device_rate - time) // RATE)
                time = time + frames * RATE if frames <= until_dry else queued * device_rate
            position = min(time // device_rate, queued)
            receipt = player.interrupt()
            assert receipt.dropped.get(f"t{i}", 0) == queued - position, i
            if position > start:
                assert (receipt.track_id, receipt.offset) == (f"t{i}", position - start)
            if position < queued:
                time = queued * device_rate
