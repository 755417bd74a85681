"""The echo guard: nothing of the loudspeaker goes out after a known slip, and nobody is silenced for long."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))  # the helpers of this folder, which is no package
import echo_tapes as tapes
from scipy.signal import fftconvolve

from tests.waiting import until_blocking
from wavtools import AudioChunk, OfflineDevice, WavRecorder, WavStreamPlayer
from wavtools._echo_guard import EchoGuard

RATE = 24_000
PERIOD = RATE // 100
Samples = NDArray[np.int16]
# dBFS in 50 ms: a VAD takes what is louder for a voice; the echo in these rooms has -23 to -20.
LOUD = -40.0


class SpeakerAndMicrophone:
    """Offline devices, and the echo between them: what the speaker renders comes back 60 ms later."""

    def __init__(self) -> None:
        self.speaker, self.microphone = OfflineDevice(RATE), OfflineDevice(RATE)
        self.player = WavStreamPlayer(RATE, device=self.speaker)
        self.recorder = WavRecorder(
            RATE, device=self.microphone, reference=self.player, echo_canceller="native"
        )
        self.chunks: list[AudioChunk] = []
        self.response = tapes.room(0.2, 0.06, -3.0)
        self.rendered: list[Samples] = []
        self.captured = 0
        self.player.connect()
        self.recorder.begin()
        self.recorder.record(self.chunks.append, PERIOD)

    def say(self, seconds: float) -> None:
        self.player.add_16bit_pcm(tapes.pcm(tapes.voice(seconds)))

    def run(self, seconds: float, near: NDArray[np.float64] | float = 0.0) -> None:
        """Both devices run for *seconds*; *near* is the voice of somebody there."""
        count = round(seconds * 100) * PERIOD
        for _ in range(count // PERIOD):
            self.rendered.append(self.speaker.render(PERIOD).reshape(-1).copy())
        far = np.concatenate(self.rendered) / 32768
        heard = tapes.microphone(fftconvolve(far, self.response)[len(far) - count : len(far)], near)
        for start in range(0, count, PERIOD):
            self.microphone.capture(heard[start : start + PERIOD])
        self.wait(count)

    def wait(self, count: int) -> None:
        """Wait until the recorder has delivered what it has of *count* further frames: all but the canceller's delay."""
        self.captured += count
        until_blocking(lambda: (len(self.chunks) + 2) * PERIOD >= self.captured)

    def end(self) -> Samples:
        self.recorder.end()
        self.player.disconnect()
        return np.concatenate([chunk.mono for chunk in self.chunks])


def spans(mono: Samples, start: float, stop: float) -> Samples:
    return mono[round(start * RATE) : round(stop * RATE)]


def loudest(mono: Samples) -> float:
    """dBFS of the loudest 50 ms."""
    size = RATE // 20
    return max(tapes.decibels(mono[at : at + size]) for at in range(0, len(mono) - size + 1, size // 2))


def test_nothing_of_the_speaker_goes_out_after_a_speaker_was_moved() -> None:
    room = SpeakerAndMicrophone()
    room.say(6)
    room.run(3)
    room.speaker = OfflineDevice(RATE)
    room.player.use_device(room.speaker)
    room.response = tapes.room(0.3, 0.1, -6.0)
    room.run(2.5)
    mono = room.end()
    assert loudest(spans(mono, 3, 5.5)) < LOUD
    # It is not silent for ever: the noise of the room is there again.
    assert spans(mono, 4.5, 5.5).any()


@pytest.mark.parametrize("milliseconds", [50, 80, 200])
def test_nothing_of_the_speaker_goes_out_after_a_known_slip(milliseconds: int) -> None:
    room = SpeakerAndMicrophone()
    room.say(6)
    room.run(3)
    # The speaker's device is not called for a while, so that everything it plays comes later.
    missed = RATE * milliseconds // 1000
    room.microphone.capture(tapes.microphone(np.zeros(missed)))
    room.wait(missed)
    room.run(2)
    echo = room.recorder.echo
    mono = room.end()
    assert echo is not None
    assert echo.slips > 0
    assert loudest(spans(mono, 3.0, 5.0)) < LOUD


@given(
    powers=st.lists(st.sampled_from([0, 20, 300, 3000]), min_size=1, max_size=120),
    falls=st.lists(st.sampled_from([0.0, 6.0, 14.0, 16.0, 40.0]), min_size=1, max_size=20),
)
def test_a_guard_lasts_half_a_second_of_sound_at_most(powers: list[int], falls: list[float]) -> None:
    guard = EchoGuard(RATE, PERIOD)
    guard.note_slips(1)
    sound = np.full(PERIOD, 1000, np.int16)
    silenced = 0
    for i, power in enumerate(powers):
        near = np.full(PERIOD, power, np.int16)
        clean = (near * 10 ** (-falls[i % len(falls)] / 20)).astype(np.int16)
        guard.note_played(sound)
        out = guard.pass_on(near, clean)
        silent = not np.array_equal(out, clean)
        assert not silent or not out.any()
        silenced += silent
    assert silenced <= 50


def test_a_guard_opens_once_the_canceller_takes_away_15_db() -> None:
    guard = EchoGuard(RATE, PERIOD)
    near, clean = np.full(PERIOD, 3000, np.int16), np.full(PERIOD, 300, np.int16)
    guard.note_played(near)
    guard.note_slips(1)
    assert [bool(guard.pass_on(near, clean).any()) for _ in range(8)] == [False] * 5 + [True] * 3
    # The same count tells nothing new.
    guard.note_slips(1)
    assert guard.pass_on(near, clean).any()


def test_a_user_who_speaks_first_after_a_slip_is_heard() -> None:
    guard = EchoGuard(RATE, PERIOD)
    near = np.full(PERIOD, 3000, np.int16)
    guard.note_slips(1)
    assert all(np.array_equal(guard.pass_on(near, near), near) for _ in range(100))
    # The guard has waited for the speaker.
    guard.note_played(near)
    assert not any(guard.pass_on(near, near).any() for _ in range(50))
    assert guard.pass_on(near, near).any()


def test_the_reverberation_of_what_was_played_is_guarded_too() -> None:
    guard = EchoGuard(RATE, PERIOD)
    near, silence = np.full(PERIOD, 3000, np.int16), np.zeros(PERIOD, np.int16)
    guard.note_played(near)
    guard.note_slips(1)
    heard = []
    for _ in range(40):
        guard.note_played(silence)
        heard.append(bool(guard.pass_on(near, near).any()))
    # 0.3 s
    assert heard == [False] * 29 + [True] * 11


def test_a_move_while_nothing_plays_begins_at_once_and_holds_nothing() -> None:
    guard = EchoGuard(RATE, PERIOD)
    assert guard.moved()
    assert guard.take_held(PERIOD) == 0
    guard.note_played(np.full(PERIOD, 1000, np.int16))
    assert not guard.moved()
    assert guard.holds
    assert guard.take_held(10 * RATE) == 3 * RATE // 10
    assert not guard.holds
