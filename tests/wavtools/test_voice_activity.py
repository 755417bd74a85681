"""Speech is found in noise, silence is not speech, and no chunking changes a decision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavtools import read_wav
from wavtools.voice_activity import VoiceActivity, speech_segments

CLIPS = Path(__file__).parents[2] / "src" / "realtime" / "offline" / "models"
RATE = 24_000


def speech(name: str) -> np.ndarray:
    """A clip of synthesised speech at -20 dBFS, from the package's own files where they are; else a made-up voice."""
    path = CLIPS / f"{name}.wav"
    if path.exists():
        x = read_wav(path).pcm / 32768
    else:
        t = np.arange(2 * RATE) / RATE
        voice = (
            sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(2, 30)) * np.sin(2 * np.pi * 2 * t) ** 2
        )
        x = np.concatenate([np.zeros(RATE // 4), voice, np.zeros(RATE // 4)])
    loud = np.flatnonzero(np.abs(x) > 0.02 * np.abs(x).max())
    return x * 0.1 / np.sqrt(np.mean(x[loud[0] : loud[-1]] ** 2))


def noise(kind: str, frames: int, seed: int) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal(frames)
    if kind == "pink":
        spectrum = np.fft.rfft(x)
        x = np.fft.irfft(spectrum / np.sqrt(np.arange(len(spectrum)) + 1), frames)
    return x / np.sqrt(np.mean(x**2))


def mask(segments: list[tuple[int, int]], frames: int) -> np.ndarray:
    found = np.zeros(frames, bool)
    for begin, end in segments:
        found[begin:end] = True
    return found


# The part of the speech that is found at least.
@pytest.mark.parametrize(("snr_db", "found"), [(30, 0.95), (20, 0.93), (10, 0.78), (5, 0.7)])
@pytest.mark.parametrize("kind", ["white", "pink"])
def test_speech_is_found_in_noise_and_noise_alone_is_none(kind: str, snr_db: float, found: float) -> None:
    hits = total = 0
    for name in ("answer", "hello", "weather"):
        clean = np.concatenate([np.zeros(2 * RATE), speech(name), np.zeros(3 * RATE)])
        truth = mask(speech_segments(clean.astype(np.float32), RATE), len(clean))
        begin, end = np.flatnonzero(truth)[[0, -1]]
        for seed in range(3):
            x = clean + 0.1 * 10 ** (-snr_db / 20) * noise(kind, len(clean), seed)
            got = mask(speech_segments(x.astype(np.float32), RATE), len(x))
            assert not got[: begin - RATE // 10].any()
            assert not got[end + RATE // 10 :].any()
            hits += (got & truth).sum()
            total += truth.sum()
    assert hits / total > found


def test_begin_and_end_are_exact_to_the_step() -> None:
    t = np.arange(RATE // 2) / RATE
    x = np.concatenate([np.zeros(RATE), 0.3 * np.sin(2 * np.pi * 500 * t), np.zeros(RATE)]).astype(np.float32)
    ((begin, end),) = speech_segments(x, RATE)
    assert begin == RATE
    # What fades out in the filters ends within one step more.
    assert 0 <= end - 1.5 * RATE <= RATE // 50


def test_events_come_after_attack_and_hangover() -> None:
    t = np.arange(RATE // 2) / RATE
    x = np.concatenate([np.zeros(RATE), 0.3 * np.sin(2 * np.pi * 500 * t), np.zeros(RATE)]).astype(np.float32)
    activity, seen = VoiceActivity(RATE, attack_ms=50, hangover_ms=200), []
    for at in range(0, len(x), 240):
        seen += [(at + 240, event) for event in activity.push(x[at : at + 240])]
        assert activity.is_speaking == (len(seen) == 1)
    (told_begin, begin), (told_end, end) = seen
    assert (begin.speaking, end.speaking) == (True, False)
    assert told_begin - begin.frame == 0.05 * RATE
    assert told_end - end.frame == 0.2 * RATE


def test_a_signal_that_begins_with_speech_is_speech_soon() -> None:
    x = speech("hello")
    begin = speech_segments(x.astype(np.float32), RATE)[0][0]
    assert speech_segments(x[begin:].astype(np.float32), RATE)[0][0] < 0.3 * RATE


@pytest.mark.parametrize("level", [0, 1e-4, 0.01, 0.1])
def test_silence_and_steady_noise_are_not_speech(level: float) -> None:
    x = (level * noise("white", 20 * RATE, 0)).astype(np.float32)
    assert speech_segments(x, RATE) == []


def test_louder_noise_becomes_the_room_again() -> None:
    x = noise("pink", 30 * RATE, 0) * np.where(np.arange(30 * RATE) < 5 * RATE, 0.001, 0.01)
    activity = VoiceActivity(RATE)
    activity.push(x.astype(np.float32))
    assert not activity.is_speaking


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 4_000), min_size=1, max_size=30), st.sampled_from([8_000, 11_025, 24_000]))
def test_any_chunking_gives_the_same_events(sizes: list[int], rate: int) -> None:
    x = speech("answer").astype(np.float32)
    whole, parts = VoiceActivity(rate), VoiceActivity(rate)
    expected = whole.push(x) + whole.flush()
    cuts = np.unique(np.minimum(np.cumsum(sizes), len(x)))
    got = [event for part in np.split(x, cuts) for event in parts.push(part)]
    assert (*got, *parts.flush()) == expected
    assert expected


def test_channels_are_averaged_and_int16_is_divided() -> None:
    x = (speech("hello") * 32767).astype(np.int16)
    expected = speech_segments(x, RATE)
    assert speech_segments(np.stack([x, x], axis=1), RATE) == expected
    assert speech_segments((x / 32768).astype(np.float32), RATE) == expected
    assert speech_segments(x.tobytes(), RATE) == expected


def test_nan_and_infinity_count_as_silence() -> None:
    x = speech("hello").astype(np.float32)
    expected = speech_segments(x, RATE)
    x[:100] = np.nan
    x[100:200] = np.inf
    assert speech_segments(x, RATE) == expected


def test_flush_ends_the_speech_and_starts_a_new_signal() -> None:
    x = speech("hello").astype(np.float32)
    (begin, end), *_ = speech_segments(x, RATE)
    activity = VoiceActivity(RATE)
    activity.push(x[: (begin + end) // 2])
    (event,) = activity.flush()
    assert not event.speaking
    assert begin < event.frame <= (begin + end) // 2
    assert activity.flush() == ()
    assert activity.push(x)[0].frame == begin


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: VoiceActivity(100), ValueError, "sample_rate is 100"),
        (lambda: VoiceActivity(RATE, on_db=0), ValueError, "on_db is 0"),
        (lambda: VoiceActivity(RATE, on_db=5), ValueError, "off_db is 6.0; 1 dB to on_db"),
        (lambda: VoiceActivity(RATE, attack_ms=1), ValueError, "attack_ms is 1"),
        (lambda: VoiceActivity(RATE, hangover_ms=1e6), ValueError, "hangover_ms is"),
        (lambda: VoiceActivity(RATE, minimum_db=1), ValueError, "minimum_db is 1"),
        (lambda: VoiceActivity(RATE).push(np.zeros(9)), TypeError, "int16 or float32"),
        (lambda: VoiceActivity(RATE).push(np.zeros((9, 0), np.int16)), ValueError, "0 channels"),
    ],
)
def test_a_wrong_argument_is_refused(make, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
