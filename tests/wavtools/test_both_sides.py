"""WavRecorder(on_both=): a recording of both sides on the microphone's clock, pauses and cuts included."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.waiting import until_blocking
from wavtools import BothSides, OfflineDevice, WavRecorder, WavStreamPlayer

RATE = 24_000
Samples = NDArray[np.int16]


class Rig:
    """Two devices at 48 kHz that keep what they captured and rendered, and a recorder of both sides."""

    def __init__(self, echo_canceller: str | None = None, rate: int = RATE) -> None:
        self.speaker, self.microphone = OfflineDevice(rate), OfflineDevice(rate)
        self.player = WavStreamPlayer(RATE, device=self.speaker)
        self.player.connect()
        self.blocks: list[BothSides] = []
        self.recorder = WavRecorder(
            RATE,
            device=self.microphone,
            keep_seconds=0,
            reference=self.player,
            echo_canceller=echo_canceller,  # type: ignore[arg-type]
            on_both=self.blocks.append,
        )
        self.recorder.begin()
        self.spoken = (np.arange(rate * 700) % 9973).astype(np.int16)
        self.frames = 0
        self.rendered: list[Samples] = []

    def run(self, seconds: float) -> None:
        period = self.speaker.sample_rate // 100
        for _ in range(round(seconds * 100)):
            self.rendered.append(self.speaker.render(period))
            self.microphone.capture(self.spoken[self.frames : self.frames + period])
            self.frames += period

    def end(self) -> None:
        self.recorder.quit()
        self.player.disconnect()

    def laid(self) -> tuple[Samples, Samples, NDArray[np.bool_]]:
        """Left, right and where it was recorded, each block at its frame."""
        length = max(block.frame + len(block.played) for block in self.blocks)
        left, right = np.zeros(length, np.int16), np.zeros(length, np.int16)
        recorded = np.zeros(length, bool)
        for block in self.blocks:
            part = slice(block.frame, block.frame + len(block.played))
            left[part], right[part], recorded[part] = block.captured, block.played, block.recorded
        return left, right, recorded


def music(seconds: float) -> Samples:
    return np.random.default_rng(1).integers(-9000, 9000, round(RATE * seconds)).astype(np.int16)


@pytest.mark.parametrize("echo_canceller", [None, "native"])
def test_both_sides_are_aligned_to_the_sample_through_pauses_and_cuts(echo_canceller: str | None) -> None:
    rig = Rig(echo_canceller)
    rig.run(0.5)
    for turn in range(6):
        rig.recorder.record(lambda chunk: None, 240)
        rig.run(0.7)
        rig.recorder.pause()
        rig.player.add_16bit_pcm(music(1.0), f"answer {turn}")
        rig.run(0.4)
        rig.player.interrupt(10)
        rig.run(0.1)
    rig.recorder.record(lambda chunk: None, 240)
    rig.run(0.1)
    rig.end()
    left, right, recorded = rig.laid()
    assert len(left) == rig.frames
    assert np.array_equal(left, rig.spoken[: rig.frames])
    assert np.array_equal(right, np.concatenate(rig.rendered))
    assert abs(int(recorded.sum()) - round(RATE * (6 * 0.7 + 0.1))) <= 2


def test_blocks_come_without_a_gap_or_an_overlap() -> None:
    rig = Rig()
    for _ in range(3):
        rig.recorder.record(lambda chunk: None, 240)
        rig.run(0.33)
        rig.recorder.pause()
        rig.run(0.21)
    rig.recorder.record()
    rig.end()
    ends = [block.frame + len(block.played) for block in rig.blocks]
    assert [block.frame for block in rig.blocks] == [0, *ends[:-1]]


def test_ten_minutes_with_twenty_cuts_stay_aligned_at_another_device_rate() -> None:
    rig = Rig(rate=48_000)
    rig.recorder.record(lambda chunk: None, 240)
    for turn in range(20):
        rig.player.add_16bit_pcm(music(20.0), f"answer {turn}")
        rig.run(15.0)
        rig.player.interrupt(10)
        rig.run(15.0)
    rig.end()
    left, right, recorded = rig.laid()
    assert recorded.all()
    assert abs(len(left) - RATE * 600) <= 2
    heard = np.concatenate(rig.rendered)[::2].astype(np.float64)
    # The place of each cut, and every tenth of a second of what was played, by the best match within 5 ms.
    for start in range(RATE, RATE * 599, 37 * RATE // 2):
        part = right[start : start + 2400].astype(np.float64)
        if not part.any():
            assert not heard[start + 48 : start + 2352].any()
            continue
        scores = [float(part @ heard[start + shift : start + shift + 2400]) for shift in range(-120, 121)]
        assert abs(int(np.argmax(scores)) - 120) <= 24


def test_on_both_that_raises_is_counted_and_recording_goes_on() -> None:
    rig = Rig()
    chunks = []

    def fail(block: BothSides) -> None:
        raise RuntimeError("on purpose")

    device = OfflineDevice(RATE)
    other = WavRecorder(RATE, device=device, reference=rig.player, on_both=fail)
    rig.end()
    other.begin()
    other.record(chunks.append, 240)
    device.capture(np.zeros(RATE, np.int16))
    until_blocking(lambda: len(chunks) >= 90)
    other.quit()
    assert other.stats.callback_errors > 0


def test_on_both_needs_a_reference() -> None:
    with pytest.raises(ValueError, match="pass reference=player"):
        WavRecorder(RATE, on_both=lambda block: None)
    with pytest.raises(TypeError, match="on_both"):
        WavRecorder(RATE, on_both=3, reference=WavStreamPlayer(RATE))  # type: ignore[arg-type]
