"""The native echo canceller: what it takes out, what it leaves, and that it survives everything."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import fftconvolve

sys.path.insert(0, str(Path(__file__).parent))  # the helpers of this folder, which is no package
import echo_tapes as tapes
from echo_twin import Twin

from wavtools import ConcurrencyError, NativeEchoCanceller, pcm

RATE = tapes.RATE
# Reverberation in seconds, delay in seconds, gain in dB.
ROOMS = {"near": (0.3, 0.04, -3.0), "loud": (0.5, 0.12, 0.0), "far": (0.3, 0.2, -3.0)}


def played(seconds):
    return tapes.voice(seconds)


def echo_of(signal, where="near"):
    return fftconvolve(signal, tapes.room(*ROOMS[where]))[: len(signal)]


def clean(mic, far, canceller=None):
    canceller = canceller or NativeEchoCanceller(RATE)
    whole = len(mic) // canceller.frame * canceller.frame
    return canceller.process(mic[:whole], tapes.pcm(far)[:whole])


@pytest.mark.parametrize("where", ROOMS)
def test_the_echo_falls_by_20_db_from_the_first_half_second_and_by_35_later(where):
    far = played(8)
    mic = tapes.microphone(echo_of(far, where))
    canceller = NativeEchoCanceller(RATE)
    falls = tapes.falls(mic, clean(mic, far, canceller), canceller.delay_frames)
    assert falls[0] >= 20
    assert np.median(falls) >= 33
    assert canceller.erle_db > 25
    assert canceller.path_delay_seconds == pytest.approx(ROOMS[where][1], abs=0.002)


def test_a_loudspeaker_that_distorts_leaves_an_echo_that_falls_by_25_db():
    far = played(10)
    mic = tapes.microphone(echo_of(np.tanh(4 * far) / 4))
    falls = tapes.falls(mic, clean(mic, far), 240)
    assert falls[0] >= 20
    assert np.median(falls) >= 25


def test_clocks_that_differ_by_100_ppm_are_followed():
    far = played(12)
    mic = tapes.microphone(echo_of(tapes.drifted(far, 100)))
    falls = tapes.falls(mic, clean(mic, far), 240)
    assert min(falls) >= 20
    assert np.median(falls[10:]) >= 30


@pytest.mark.parametrize("milliseconds", [2.5, 5, 10, 20, -5])
def test_an_echo_that_jumps_is_followed_within_a_tenth_of_a_second(milliseconds):
    far, jump, at = played(7), int(milliseconds * RATE / 1000), 5 * RATE
    before = echo_of(far, "loud")
    after = np.roll(before, jump)
    canceller = NativeEchoCanceller(RATE)
    mic = tapes.microphone(np.concatenate([before[:at], after[at:]]))
    out = clean(mic, far, canceller)
    assert canceller.slips == 1
    first = at + canceller.delay_frames
    assert tapes.decibels(out[first : first + RATE // 10]) < tapes.decibels(mic[at : at + RATE // 10]) - 10
    rest = slice(at + RATE // 10, at + RATE)
    assert tapes.decibels(out[rest]) < tapes.decibels(mic[rest]) - 25


def test_near_speech_alone_passes_within_half_a_decibel():
    far, near = played(6), tapes.voice(6, 190, seed=5)
    far[3 * RATE :] = 0
    near[: 4 * RATE] = 0
    mic = tapes.microphone(echo_of(far), near)
    out = clean(mic, far)
    span = slice(4 * RATE, 6 * RATE - 240)
    assert tapes.decibels(out[240:][span]) == pytest.approx(tapes.decibels(mic[span]), abs=0.5)
    # Not only as loud: the same samples, one frame later.
    left = out[240:][span].astype(float) - mic[span]
    assert tapes.decibels(left) < tapes.decibels(mic[span]) - 30


def test_a_voice_over_the_loudspeaker_is_not_swallowed():
    far, near = played(8), tapes.voice(8, 190, seed=5)
    near[: 5 * RATE] = 0
    mic = tapes.microphone(echo_of(far), near)
    out = clean(mic, far)
    soon, whole = slice(5 * RATE, 5 * RATE + RATE // 4), slice(5 * RATE, 8 * RATE - 240)
    assert tapes.decibels(out[240:][soon]) > tapes.decibels(near[soon] * 32_768) - 6
    assert tapes.decibels(out[240:][whole]) == pytest.approx(tapes.decibels(near[whole] * 32_768), abs=3)


def test_with_headphones_a_voice_over_the_answer_passes_at_once():
    far, near = played(6), tapes.voice(6, 190, seed=5)
    near[: 3 * RATE] = 0
    mic = tapes.microphone(np.zeros(len(far)), near)
    canceller = NativeEchoCanceller(RATE)
    out = clean(mic, far, canceller)
    soon = slice(3 * RATE, 3 * RATE + RATE // 4)
    assert tapes.decibels(out[240:][soon]) > tapes.decibels(mic[soon]) - 7.5
    assert canceller.path_delay_seconds is None


def test_silence_that_was_played_leaves_the_microphone_as_it_is():
    near = tapes.microphone(tapes.voice(2))
    out = clean(near, np.zeros(2 * RATE))
    assert np.max(np.abs(out[240:].astype(int) - near[: len(out) - 240])) <= 2
    assert not out[:200].any() or tapes.decibels(out[:200]) < -50


def test_it_computes_what_its_twin_in_numpy_computes():
    far = played(3)
    before = echo_of(far)
    mic = tapes.microphone(np.concatenate([before[: 2 * RATE], np.roll(before, 120)[2 * RATE :]]))
    canceller, twin = NativeEchoCanceller(RATE), Twin(RATE)
    out = clean(mic, far, canceller)
    far = tapes.pcm(far)
    frames = [
        twin.process(mic[i : i + 240] / 32_768, far[i : i + 240] / 32_768) for i in range(0, len(out), 240)
    ]
    expected = np.concatenate(frames)
    assert canceller.slips == len(twin.slips) == 1
    assert twin.slips == [120]
    assert tapes.decibels(out - expected * 32_768) < tapes.decibels(mic) - 60


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000])
def test_every_rate_from_8_to_48_khz_is_served(rate):
    far = tapes.voice(5, rate=rate)
    echo = fftconvolve(far, tapes.room(0.3, 0.06, -3, rate))[: len(far)]
    canceller = NativeEchoCanceller(rate)
    assert canceller.frame == canceller.delay_frames == rate // 100
    mic = tapes.microphone(echo)
    falls = tapes.falls(mic, clean(mic, far, canceller), canceller.delay_frames, rate)
    assert falls[0] >= 20
    assert np.median(falls) >= 28
    assert canceller.path_delay_seconds == pytest.approx(0.06, abs=0.002)


def test_the_length_of_calls_makes_no_difference():
    far = played(2)
    mic = tapes.microphone(echo_of(far))
    whole = clean(mic, far)
    parts = NativeEchoCanceller(RATE)
    far = tapes.pcm(far)
    pieces, at = [], 0
    for frames in [1, 7, 0, 30, 2] * 5:
        pieces.append(parts.process(mic[at : at + 240 * frames], far[at : at + 240 * frames]))
        at += 240 * frames
    joined = np.concatenate(pieces)
    assert np.array_equal(joined, whole[: len(joined)])


def test_after_a_reset_it_is_as_new():
    far = played(2)
    mic = tapes.microphone(echo_of(far))
    canceller = NativeEchoCanceller(RATE)
    first = clean(mic, far, canceller)
    canceller.reset()
    assert canceller.erle_db == 0
    assert canceller.path_delay_seconds is None
    assert np.array_equal(clean(mic, far, canceller), first)


@settings(max_examples=30, deadline=None)
@given(
    rate=st.sampled_from([8_000, 22_050, 24_000, 48_000]),
    pieces=st.lists(
        st.tuples(st.integers(0, 8), st.sampled_from(["loud", "noise", "zero", "peak", "same"])), max_size=6
    ),
    seed=st.integers(0, 99),
)
def test_any_samples_of_any_length_give_finite_samples_of_that_length(rate, pieces, seed):
    random = np.random.default_rng(seed)
    canceller = NativeEchoCanceller(rate, tail_seconds=0.2)
    for frames, kind in pieces:
        count = frames * canceller.frame
        near = random.integers(-32_768, 32_768, count).astype(np.int16)
        far = random.integers(-32_768, 32_768, count).astype(np.int16)
        if kind == "zero":
            far[:] = 0
        elif kind == "peak":
            near[:], far[:] = -32_768, 32_767
        elif kind == "same":
            near = far
        elif kind == "noise":
            near, far = near // 4_096, far // 4_096
        out = canceller.process(near, far)
        assert out.dtype == np.int16
        assert out.shape == near.shape
        assert np.isfinite(canceller.erle_db)
    # Whatever it was given, it still works: what is quiet comes through.
    quiet = np.full(canceller.frame * 300, 100, np.int16)
    out = canceller.process(quiet, np.zeros_like(quiet))
    assert abs(int(out[-1]) - 100) <= 5


DIGEST = """
import hashlib, sys
import numpy as np
from wavtools import NativeEchoCanceller, kernel_set
random = np.random.default_rng(2)
said = hashlib.sha256()
for rate in (8_000, 24_000, 48_000):
    far = (random.standard_normal(rate) * 4_000).astype(np.int16)
    echo = np.roll(far, rate // 50) // 2
    echo[rate * 3 // 4 :] = np.roll(far, rate // 40)[rate * 3 // 4 :] // 2
    said.update(NativeEchoCanceller(rate).process(echo, far).tobytes())
print(kernel_set(), said.hexdigest())
"""


def test_every_kernel_set_gives_the_same_bits():
    digests = set()
    for name in pcm.available_kernel_sets():
        environment = {**os.environ, "WAVTOOLS_KERNELS": name, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True, check=True
        )
        said, digest = done.stdout.split()
        assert said == name
        digests.add(digest)
    assert len(digests) == 1


def test_wrong_arguments_are_refused_and_change_nothing():
    canceller = NativeEchoCanceller(RATE)
    frame = np.zeros(240, np.int16)
    with pytest.raises(
        ValueError, match="near has 240 samples and played 480; pass equally many, a multiple of 240"
    ):
        canceller.process(frame, np.zeros(480, np.int16))
    with pytest.raises(ValueError, match="multiple of 240"):
        canceller.process(frame[:100], frame[:100])
    with pytest.raises(TypeError, match="played must be a buffer of int16"):
        canceller.process(frame, np.zeros(240))
    with pytest.raises(ValueError, match="one channel"):
        canceller.process(frame.reshape(-1, 2), frame)
    with pytest.raises(ValueError, match="8000 to 48000 Hz"):
        NativeEchoCanceller(96_000)
    with pytest.raises(ValueError, match="0.1 to 1 second"):
        NativeEchoCanceller(RATE, tail_seconds=5)


def test_a_second_thread_is_refused_while_the_first_computes_without_the_gil():
    canceller = NativeEchoCanceller(48_000, tail_seconds=1.0)
    long = np.zeros(480 * 3_000, np.int16)
    thread = threading.Thread(target=canceller.process, args=(long, long))
    thread.start()
    refused = 0
    while thread.is_alive():
        try:
            canceller.process(long[:480], long[:480])
        except ConcurrencyError:
            refused += 1
        assert canceller.erle_db == 0
    thread.join()
    assert refused
