"""The echo detector tells an echo from speech, music, tones, noise and silence."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

from wavtools import EchoDetector, read_wav
from wavtools.echo_detector import AGREEMENT

RATE = 24_000
SECONDS = 3


@pytest.fixture(scope="module")
def speech():
    folder = files("realtime.offline.models")
    return {
        name: np.resize(read_wav((folder / f"{name}.wav").read_bytes()).pcm.reshape(-1), SECONDS * RATE)
        for name in ("answer", "hello", "weather")
    }


def melody(seed, pace):
    """Notes of four harmonics that die away, at random pitches."""
    notes, t = np.random.default_rng(seed), np.arange(SECONDS * RATE) / RATE
    out = np.zeros(len(t))
    for start in np.arange(0, SECONDS, pace):
        after = t[t >= start] - start
        hz = 110 * 2 ** (notes.integers(0, 36) / 12)
        sound = sum(np.sin(2 * np.pi * hz * h * after) / h for h in range(1, 5))
        out[len(t) - len(after) :] += sound * np.exp(-after / 0.2)
    return (out / np.abs(out).max() * 12_000).astype(np.int16)


def tone(hz):
    return (8_000 * np.sin(2 * np.pi * hz * np.arange(SECONDS * RATE) / RATE)).astype(np.int16)


def room(played, delay, gain, noise, rng):
    impulse = rng.normal(size=RATE // 4) * np.exp(-np.arange(RATE // 4) / (RATE / 25)) * 0.15
    impulse[0] = 1.0
    heard = np.convolve(played.astype(float), impulse)[: len(played)] * gain
    heard = np.concatenate((np.zeros(delay), heard))[: len(played)]
    return (heard + rng.normal(size=len(played)) * noise).clip(-32768, 32767).astype(np.int16)


def look(played, recorded, rate=RATE):
    """Two looks, and the detector."""
    detector = EchoDetector(rate)
    detector.look(played[: -rate // 4], recorded[: -rate // 4])
    return detector.look(played, recorded), detector


@pytest.mark.parametrize(("delay", "gain"), [(0, 1.0), (2_400, 0.1), (9_600, 0.05), (4_800, 0.02)])
def test_the_speaker_in_a_room_is_recognised_also_while_somebody_talks(speech, rng, delay, gain):
    heard = room(speech["answer"], delay, gain, 30, rng)
    certain, detector = look(speech["answer"], heard)
    assert certain and detector.delay_seconds == pytest.approx(delay / RATE, abs=0.005)
    certain, detector = look(speech["answer"], heard + (speech["hello"] * gain).astype(np.int16))
    assert certain and detector.delay_seconds == pytest.approx(delay / RATE, abs=0.005)


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_an_echo_is_recognised_at_any_rate(speech, rng, rate):
    from wavtools import resample

    heard = room(speech["answer"], 2_400, 0.1, 30, rng)
    assert look(*(resample(x, RATE, rate) for x in (speech["answer"], heard)), rate)[0]


def test_the_silence_before_an_answer_does_not_hide_its_echo(speech, rng):
    played = np.concatenate((np.zeros(int(1.8 * RATE), np.int16), speech["answer"]))[: SECONDS * RATE]
    assert look(played, room(played, 2_400, 0.1, 30, rng))[0]


def test_unrelated_speech_music_and_tones_are_no_echo(speech, rng):
    sounds = {
        **speech,
        "slow": melody(1, 0.31),
        "fast": melody(2, 0.17),
        "low tone": tone(250),
        "high tone": tone(1_000),
    }
    for far, played in sounds.items():
        for near, recorded in sounds.items():
            if far == near:
                continue
            heard = (recorded // 2 + rng.normal(size=len(recorded)) * 20).astype(np.int16)
            certain, detector = look(played, heard)
            assert not certain and detector.agreement < AGREEMENT, (far, near)


def test_noise_and_silence_are_no_echo(speech, rng):
    noise = (rng.normal(size=SECONDS * RATE) * 500).astype(np.int16)
    assert look(speech["answer"], noise)[1].agreement < AGREEMENT
    assert look(speech["answer"], np.zeros(SECONDS * RATE, np.int16))[1].agreement == 0
    assert EchoDetector(RATE).look(speech["answer"][: RATE // 3], noise[: RATE // 3]) is False


def test_one_look_is_not_enough_and_a_miss_begins_anew(speech, rng):
    detector, heard = EchoDetector(RATE), room(speech["answer"], 1_000, 0.2, 30, rng)
    assert not detector.look(speech["answer"], heard)
    assert detector.hit
    assert detector.look(speech["answer"], heard)
    assert not detector.look(speech["answer"], speech["hello"])
    assert not detector.look(speech["answer"], heard)
    assert detector.look(speech["answer"], heard)
    detector.reset()
    assert not detector.hit and detector.delay_seconds is None
    assert not detector.look(speech["answer"], heard)


def test_two_looks_at_different_delays_are_no_echo_yet(speech, rng):
    detector = EchoDetector(RATE)
    assert not detector.look(speech["answer"], room(speech["answer"], 1_000, 0.2, 30, rng))
    assert not detector.look(speech["answer"], room(speech["answer"], 4_000, 0.2, 30, rng))
    assert detector.look(speech["answer"], room(speech["answer"], 4_000, 0.2, 30, rng))


@pytest.mark.parametrize(("rate", "kind"), [(0, ValueError), (7_999, ValueError), ("8000", TypeError)])
def test_a_rate_that_is_none_is_said(rate, kind):
    with pytest.raises(kind, match="sample_rate"):
        EchoDetector(rate)
