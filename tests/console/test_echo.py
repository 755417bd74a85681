"""The echo detector tells an echo from speech, noise and silence."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

from console.echo import THRESHOLD, EchoDetector, peak
from wavtools import read_wav

RATE = 24_000
SECONDS = 3


@pytest.fixture(scope="module")
def speech():
    folder = files("realtime.offline.models")
    return {
        name: np.resize(read_wav((folder / f"{name}.wav").read_bytes()).pcm.reshape(-1), SECONDS * RATE)
        for name in ("answer", "hello", "weather")
    }


def room(played, delay, gain, noise, rng):
    impulse = rng.normal(size=RATE // 4) * np.exp(-np.arange(RATE // 4) / (RATE / 25)) * 0.15
    impulse[0] = 1.0
    heard = np.convolve(played.astype(float), impulse)[: len(played)] * gain
    heard = np.concatenate((np.zeros(delay), heard))[: len(played)]
    return (heard + rng.normal(size=len(played)) * noise).astype(np.int16)


@pytest.mark.parametrize(("delay", "gain"), [(0, 1.0), (2_400, 0.1), (9_600, 0.05), (4_800, 0.02)])
def test_the_speaker_in_a_room_is_recognised_also_while_somebody_talks(speech, rng, delay, gain):
    heard = room(speech["answer"], delay, gain, 30, rng)
    assert peak(speech["answer"], heard, RATE) > 1.4 * THRESHOLD
    talked = heard + (speech["hello"] * gain).astype(np.int16)
    assert peak(speech["answer"], talked, RATE) > THRESHOLD


def test_other_speech_noise_and_silence_are_not_an_echo(speech, rng):
    for other in ("hello", "weather"):
        assert peak(speech["answer"], speech[other], RATE) < 0.8 * THRESHOLD
    noise = (rng.normal(size=SECONDS * RATE) * 500).astype(np.int16)
    assert peak(speech["answer"], noise, RATE) < 0.8 * THRESHOLD
    assert peak(speech["answer"], np.zeros(SECONDS * RATE, np.int16), RATE) == 0


def test_one_look_is_not_enough_to_warn(speech, rng):
    detector, heard = EchoDetector(RATE), room(speech["answer"], 1_000, 0.2, 30, rng)
    assert not detector.look(speech["answer"], heard)
    assert detector.look(speech["answer"], heard)
