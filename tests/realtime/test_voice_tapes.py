"""Tapes hold what was played and recorded; the player's position says what was played."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.voice.echo import _converter
from realtime.voice.tapes import TAPE_SECONDS, Queued, Tape, Tapes
from wavtools import OfflineDevice, WavStreamPlayer

RATE = 8_000
SIZE = int(TAPE_SECONDS * RATE)


def ramp(count, start=1):
    return (np.arange(start, start + count) % 30_000 + 1).astype(np.int16)


@given(st.lists(st.integers(0, SIZE + 500), max_size=6))
def test_a_tape_holds_the_newest_samples_in_order(counts):
    tape, whole = Tape(RATE), np.zeros(SIZE, np.int16)
    for number, count in enumerate(counts):
        samples = ramp(count, number * 1_000)
        tape.add(samples)
        whole = np.concatenate((whole, samples))[-SIZE:]
    np.testing.assert_array_equal(tape.read(), whole)


@pytest.fixture
def playing():
    device = OfflineDevice(RATE)
    player = WavStreamPlayer(RATE, device=device)
    player.connect()
    queued = Queued(player)

    def queue(samples, track):
        player.add_16bit_pcm(samples, track)
        queued.add(samples, track)

    yield device, player, queued, queue
    player.disconnect()


def test_what_was_played_is_what_the_position_has_passed(playing):
    device, _, queued, queue = playing
    assert queued.take() == []
    for track, start in (("a", 0), ("a", 1_000), ("b", 2_000), ("c", 3_000)):
        queue(ramp(1_000, start), track)
    assert queued.take() == []  # nothing was played yet
    heard = []
    for frames in (100, 1_500, 900, 700):
        device.render(frames)
        heard += queued.take()
    np.testing.assert_array_equal(np.concatenate(heard), ramp(3_200, 0))
    assert len(queued) == 1
    queued.clear()
    assert len(queued) == 0


def test_audio_of_others_in_the_player_is_not_taken_for_an_answer(playing):
    device, player, queued, queue = playing
    player.add_16bit_pcm(ramp(500), "a bell")
    queue(ramp(500), "a")
    device.render(200)
    assert queued.take() == []
    device.render(400)
    assert sum(map(len, queued.take())) == 100


def test_the_played_tape_stays_beside_the_recorded_one_in_silence(playing):
    device, _, queued, queue = playing
    tapes = Tapes(RATE, queued)
    silence = np.zeros(80, np.int16)
    queue(ramp(400), "a")
    for _ in range(10):
        device.render(80)
        tapes.take(silence, None, None)
    assert tapes.audible_samples == 800
    np.testing.assert_array_equal(tapes.played.read()[-800:-400], ramp(400))
    assert not tapes.played.read()[-400:].any()


def test_what_a_player_of_another_rate_played_is_brought_to_the_microphones_rate(playing):
    device, _, queued, queue = playing
    tapes = Tapes(2 * RATE, queued, _converter(RATE, 2 * RATE))
    queue(np.full(800, 5_000, np.int16), "a")
    device.render(400)
    tapes.take(np.zeros(800, np.int16), None, None)
    assert np.median(tapes.played.read()[-600:]) == pytest.approx(5_000, abs=50)


def test_a_loudspeaker_is_audible_until_the_room_is_quiet():
    tapes = Tapes(RATE, Queued(None))  # type: ignore[arg-type]
    loud, quiet = np.full(80, 500, np.int16), np.full(80, 20, np.int16)
    tapes.take(quiet, quiet, None)
    assert not tapes.audible
    tapes.take(quiet, -loud, None)
    assert tapes.audible and tapes.audible_samples == 80
    for _ in range(39):
        tapes.take(quiet, quiet, None)
    assert tapes.audible
    tapes.take(quiet, quiet, None)
    assert not tapes.audible and tapes.audible_samples == 40 * 80
    tapes.take(quiet[:0], quiet[:0], None)
    assert not tapes.audible


def test_a_closed_player_has_played_nothing(playing):
    _, player, queued, _ = playing
    player.disconnect()
    queued.add(ramp(10), "a")
    assert queued.take() == []
