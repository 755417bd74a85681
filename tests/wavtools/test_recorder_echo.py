"""WavRecorder(echo_canceller=, reference=): clean, raw and played sound, aligned to the sample, on an OfflineDevice."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.waiting import until_blocking
from wavtools import AudioChunk, OfflineDevice, StateError, WavRecorder, WavStreamPlayer, read_wav

RATE = 24_000
Samples = NDArray[np.int16]


class Subtractor:
    """A canceller for an echo that is the played sound itself, late by a delay of its own."""

    name = "subtractor"
    erle_db = 0.0
    path_delay_seconds = None

    def __init__(self, sample_rate: int = RATE, delay: int = 150) -> None:
        self.sample_rate, self.frame, self.delay_frames = sample_rate, sample_rate // 100, delay
        self.resets = 0
        self.lengths: list[int] = []
        self.fail = False
        self.line = np.zeros(delay, np.int16)

    def process(self, near: Samples, played: Samples) -> Samples:
        self.lengths.append(len(near))
        if self.fail:
            raise RuntimeError("on purpose")
        line = np.concatenate([self.line, near - played])
        self.line = line[len(near) :]
        return line[: len(near)]

    def reset(self) -> None:
        self.resets += 1


class Room:
    """A speaker, and a microphone that hears it and somebody who counts: each captured frame is another number."""

    def __init__(self, rate: int = RATE, channels: int = 1) -> None:
        self.speaker, self.microphone = OfflineDevice(rate), OfflineDevice(rate, channels)
        self.player = WavStreamPlayer(RATE, device=self.speaker)
        self.player.connect()
        self.spoken = np.arange(1_000_000) % 9973
        self.heard = 0

    def run(self, frames: int) -> None:
        period = self.speaker.sample_rate // 100
        while frames > 0:
            count = min(period, frames)
            near = self.spoken[self.heard : self.heard + count] + self.speaker.render(count)
            self.microphone.capture(near.astype(np.int16))
            self.heard += count
            frames -= count


def music(frames: int) -> Samples:
    return np.random.default_rng(1).integers(-9000, 9000, frames).astype(np.int16)


def joined(chunks: list[AudioChunk], name: str) -> Samples:
    return np.concatenate([getattr(chunk, name) for chunk in chunks])


def test_mono_is_clean_and_aligned_with_raw_and_played_to_the_sample() -> None:
    room, chunks = Room(), list[AudioChunk]()
    recorder = WavRecorder(RATE, device=room.microphone, reference=room.player, echo_canceller=Subtractor())
    recorder.begin()
    sound = music(RATE)
    room.player.add_16bit_pcm(sound)
    recorder.record(chunks.append, 1000)
    room.run(12_345)
    recorder.pause()
    assert [len(chunk.mono) for chunk in chunks] == [1000] * 12 + [345]
    assert [chunk.frame for chunk in chunks] == [1000 * k for k in range(13)]
    assert np.array_equal(joined(chunks, "played"), sound[:12_345])
    assert np.array_equal(joined(chunks, "mono"), room.spoken[:12_345])
    assert np.array_equal(joined(chunks, "raw"), (room.spoken[:12_345] + sound[:12_345]).astype(np.int16))
    # Whole frames of 10 ms, whatever the device's periods and the chunks are.
    canceller: Any = recorder._echo_canceller
    assert all(length % canceller.frame == 0 for length in canceller.lengths)
    stored = np.rint(recorder.read().mean_values * 32768)
    assert np.array_equal(stored, room.spoken[:12_345])
    recorder.end()


@pytest.mark.parametrize("rate", [RATE, 48_000, 44_100])
def test_every_captured_frame_comes_once_across_pauses(rate: int) -> None:
    room = Room(rate)
    plain_device = OfflineDevice(rate)
    dice = np.random.default_rng(rate)
    recorder = WavRecorder(RATE, device=room.microphone, reference=room.player, echo_canceller=Subtractor())
    plain = WavRecorder(RATE, device=plain_device)
    recorder.begin()
    plain.begin()
    captured = 0
    for _ in range(12):
        chunks = list[AudioChunk]()
        idle, frames = (int(count) for count in dice.integers(0, 4000, 2))
        room.run(idle)
        first = captured + idle
        recorder.record(chunks.append, 777)
        room.run(frames)
        recorder.pause()
        captured = first + frames
        expected = -(-captured * RATE // rate) - -(-first * RATE // rate)
        assert abs(sum(len(chunk.mono) for chunk in chunks) - expected) <= 1
        for chunk in chunks[:1]:
            assert abs(chunk.frame - first * RATE // rate) <= 1
        for one, other in itertools.pairwise(chunks):
            assert other.frame == one.frame + len(one.mono)
        if rate == RATE:
            assert np.array_equal(joined(chunks, "mono") if chunks else [], room.spoken[first:captured])
    recorder.end()
    plain.end()


def test_pausing_and_clearing_in_any_order_store_what_was_said_since() -> None:
    room = Room()
    recorder = WavRecorder(RATE, device=room.microphone, reference=room.player, echo_canceller=Subtractor())
    recorder.begin()
    recorder.record(lambda chunk: None)
    room.run(1111)
    recorder.clear()
    room.run(2222)
    recorder.pause()
    room.run(333)
    recorder.record(lambda chunk: None)
    room.run(444)
    wav = recorder.end()
    said = np.concatenate([room.spoken[1111:3333], room.spoken[3666:4110]])
    assert np.array_equal(wav.values, said) if hasattr(wav, "values") else wav.duration == len(said) / RATE


def test_bypass_gives_the_raw_sound_with_the_same_delay_and_can_be_switched_at_any_time() -> None:
    room, chunks = Room(), list[AudioChunk]()
    recorder = WavRecorder(RATE, device=room.microphone, reference=room.player, echo_canceller=Subtractor())
    recorder.cancelling = False
    recorder.begin()
    room.player.add_16bit_pcm(music(RATE))
    recorder.record(chunks.append, 240)
    room.run(4800)
    until_blocking(lambda: len(chunks) == 19)
    recorder.cancelling = True
    room.run(4800)
    assert recorder.cancelling
    assert recorder.echo is not None
    assert recorder.echo.canceller == "subtractor"
    recorder.end()
    assert np.array_equal(joined(chunks[:15], "mono"), joined(chunks[:15], "raw"))
    assert np.array_equal(joined(chunks[-15:], "mono"), room.spoken[9600 - 15 * 240 : 9600])


def test_a_reference_alone_fills_played_and_cancels_nothing() -> None:
    room, chunks = Room(), list[AudioChunk]()
    with WavRecorder(RATE, device=room.microphone, reference=room.player) as recorder:
        sound = music(RATE)
        room.player.add_16bit_pcm(sound)
        recorder.record(chunks.append)
        room.run(5000)
        recorder.pause()
        assert np.array_equal(joined(chunks, "played"), sound[:5000])
        assert np.array_equal(joined(chunks, "stereo")[:, 0], joined(chunks, "mono"))
        assert np.array_equal(joined(chunks, "stereo")[:, 1], sound[:5000])
        assert np.array_equal(joined(chunks, "mono"), joined(chunks, "raw"))
        assert not recorder.cancelling
        with pytest.raises(StateError, match="echo_canceller"):
            recorder.cancelling = True


def test_a_recorded_file_holds_the_clean_signal_across_pauses(tmp_path: Path) -> None:
    room, path = Room(), tmp_path / "clean.wav"
    recorder = WavRecorder(
        RATE, device=room.microphone, reference=room.player, echo_canceller=Subtractor(), record_to=path
    )
    recorder.begin()
    room.player.add_16bit_pcm(music(RATE))
    for _ in range(3):
        recorder.record(lambda chunk: None)
        room.run(2345)
        recorder.pause()
        room.run(1111)
    recorder.end()
    said = [room.spoken[start : start + 2345] for start in range(0, 3 * 3456, 3456)]
    assert np.array_equal(read_wav(path.read_bytes()).pcm.reshape(-1), np.concatenate(said))


def test_several_channels_are_stored_raw_and_mono_is_clean() -> None:
    room, chunks = Room(channels=2), list[AudioChunk]()
    recorder = WavRecorder(RATE, device=room.microphone, reference=room.player, echo_canceller=Subtractor())
    recorder.begin()
    sound = music(RATE)
    room.player.add_16bit_pcm(sound)
    recorder.record(chunks.append)
    room.run(4800)
    recorder.pause()
    assert joined(chunks, "raw").shape == (4800, 2)
    assert np.array_equal(joined(chunks, "mono"), room.spoken[:4800])
    assert np.array_equal(np.rint(recorder.read().channels[1] * 32768), joined(chunks, "raw")[:, 1])
    recorder.end()


def test_a_canceller_that_raises_leaves_the_raw_sound_and_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    room, chunks, canceller = Room(), list[AudioChunk](), Subtractor()
    recorder = WavRecorder(RATE, device=room.microphone, reference=room.player, echo_canceller=canceller)
    recorder.begin()
    recorder.record(chunks.append)
    canceller.fail = True
    room.run(4800)
    wav = recorder.end()
    assert np.array_equal(joined(chunks, "mono"), room.spoken[:4800])
    assert len(wav.blob if hasattr(wav, "blob") else wav.data) > 4800
    assert len([record for record in caplog.records if "echo canceller raised" in record.message]) == 1
    assert canceller.resets > 0


def test_a_duplex_device_needs_no_reference() -> None:
    device, chunks = OfflineDevice(RATE, duplex=True), list[AudioChunk]()
    player = WavStreamPlayer(RATE, device=device)
    recorder = WavRecorder(RATE, device=device, echo_canceller=Subtractor())
    player.connect()
    recorder.begin()
    sound = music(RATE)
    player.add_16bit_pcm(sound)
    recorder.record(chunks.append)
    spoken = np.arange(4800, dtype=np.int16)
    device.exchange(spoken + sound[:4800])
    recorder.end()
    assert np.array_equal(joined(chunks, "mono"), spoken)
    player.disconnect()


@pytest.mark.parametrize("side", ["player", "recorder"])
def test_another_device_on_either_side_resets_the_canceller_and_keeps_every_frame(side: str) -> None:
    room, chunks, canceller = Room(), list[AudioChunk](), Subtractor()
    recorder = WavRecorder(RATE, device=room.microphone, reference=room.player, echo_canceller=canceller)
    recorder.begin()
    room.player.add_16bit_pcm(music(2 * RATE))
    recorder.record(chunks.append, 500)
    room.run(4800)
    until_blocking(lambda: len(chunks) == 9)
    before = canceller.resets
    if side == "player":
        room.speaker = OfflineDevice(RATE)
        room.player.use_device(room.speaker)
    else:
        room.microphone = OfflineDevice(RATE)
        recorder.use_device(room.microphone)
    room.run(RATE)
    recorder.pause()
    assert recorder.echo is not None
    assert recorder.echo.resets == 1
    assert canceller.resets == before + 1
    recorder.end()
    assert len(joined(chunks, "raw")) == 4800 + RATE
    assert np.array_equal(joined(chunks, "mono")[-2400:], room.spoken[RATE + 2400 : RATE + 4800])


def test_the_tap_ends_with_the_recorder_and_one_player_serves_one_recorder() -> None:
    room = Room()
    first = WavRecorder(RATE, device=room.microphone, reference=room.player)
    second = WavRecorder(RATE, device=OfflineDevice(RATE), reference=room.player)
    first.begin()
    with pytest.raises(StateError, match="another recorder"):
        second.begin()
    first.end()
    second.begin()
    second.end()


def test_a_player_that_connects_later_is_heard_from_then_on() -> None:
    speaker, microphone, chunks = OfflineDevice(RATE), OfflineDevice(RATE), list[AudioChunk]()
    player = WavStreamPlayer(RATE, device=speaker)
    recorder = WavRecorder(RATE, device=microphone, reference=player)
    recorder.begin()
    recorder.record(chunks.append, 240)
    microphone.capture(np.zeros(2400, np.int16))
    recorder.pause()
    recorder.record(chunks.append, 240)
    player.connect()
    sound = music(2400)
    player.add_16bit_pcm(sound)
    speaker.render(2400)
    microphone.capture(np.zeros(2400, np.int16))
    recorder.end()
    player.disconnect()
    assert np.array_equal(joined(chunks, "played"), np.concatenate([np.zeros(2400), sound]))


def test_what_cannot_work_is_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match="for 16000 Hz, the recorder for 24000 Hz"):
        WavRecorder(RATE, echo_canceller=Subtractor(16_000))
    with pytest.raises(TypeError, match="EchoCanceller"):
        WavRecorder(RATE, echo_canceller=5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="WavStreamPlayer"):
        WavRecorder(RATE, reference="speaker")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="does not exist"):
        WavRecorder(RATE, echo_canceller="best")  # type: ignore[arg-type]
    device = OfflineDevice(RATE)
    recorder = WavRecorder(RATE, device=device, echo_canceller=Subtractor())
    with pytest.raises(ValueError, match="reference=player"):
        recorder.begin()
    assert recorder.get_status() == "ended"
    with WavRecorder(RATE, device=device):
        pass


def test_who_cancels_nothing_loads_nothing_of_it() -> None:
    code = """
import sys
from wavtools import OfflineDevice, WavRecorder, WavStreamPlayer
device = OfflineDevice(24000)
player = WavStreamPlayer(24000, device=device)
player.connect()
recorder = WavRecorder(24000, device=device)
recorder.begin(); recorder.end(); player.disconnect()
print([name for name in sys.modules if "echo" in name or "_reference" in name or "_played_tap" in name])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
