"""The echo canceller rests while nothing is played and nothing is recorded, and nobody hears of it."""

from __future__ import annotations

import numpy as np

from tests.wavtools.test_recorder_echo import RATE, Room, Subtractor, joined, music
from wavtools import AudioChunk, WavRecorder


def record(recorder: WavRecorder, room: Room, frames: int) -> list[AudioChunk]:
    chunks: list[AudioChunk] = []
    recorder.record(chunks.append)
    room.run(frames)
    # Returns when everything was delivered, also what came before
    recorder.pause()
    return chunks


def test_the_canceller_rests_in_silence_and_goes_on_without_a_gap() -> None:
    room, canceller = Room(), Subtractor()
    with WavRecorder(
        RATE, device=room.microphone, echo_canceller=canceller, reference=room.player
    ) as recorder:
        room.run(3 * RATE)
        record(recorder, room, 480)
        # It worked until it was sure that nothing is played, and for what was recorded
        worked = sum(canceller.lengths)
        assert RATE <= worked < 1.2 * RATE

        room.run(2 * RATE)
        at = room.heard
        mono = joined(record(recorder, room, RATE), "mono")
        assert sum(canceller.lengths) < worked + 1.2 * RATE
        np.testing.assert_array_equal(mono, room.spoken[at : at + RATE])


def test_what_is_played_while_nothing_is_recorded_wakes_it_up() -> None:
    room, canceller = Room(), Subtractor()
    with WavRecorder(
        RATE, device=room.microphone, echo_canceller=canceller, reference=room.player
    ) as recorder:
        room.run(3 * RATE)
        record(recorder, room, 480)
        worked = sum(canceller.lengths)
        room.player.add_16bit_pcm(music(RATE))
        room.run(RATE)
        at = room.heard
        mono = joined(record(recorder, room, 480), "mono")
        assert sum(canceller.lengths) >= worked + RATE
        np.testing.assert_array_equal(mono, room.spoken[at : at + 480])
