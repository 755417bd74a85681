"""record() gives exactly the frames asked for; play() takes files and samples as people hold them, of any length."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wavtools
from wavtools import DeviceError, OfflineDevice, WavPacker, oneliners, playback
from wavtools.voice_activity import speech_segments

RAMP = np.arange(-3000, 3000, dtype=np.int16)


def played(audio: Any, frames: int = 8_000, **options: Any) -> list[int]:
    """What reaches the device, without the silence before and after it."""
    device = OfflineDevice(options.get("sample_rate") or 24_000)
    blocks = []
    thread = threading.Thread(target=wavtools.play, args=(audio,), kwargs={"device": device, **options})
    thread.start()
    while thread.is_alive():
        blocks.append(device.render(240))
        time.sleep(0.0001)
    blocks.append(device.render(frames))
    samples = np.concatenate(blocks)
    return samples[samples.nonzero()[0][0] : samples.nonzero()[0][-1] + 1].tolist()


@pytest.mark.parametrize(
    "form", ["wav", "bytes", "path", "file", "sound", "int16", "raw bytes", "float32", "stereo", "column"]
)
def test_play_takes_sound_as_people_hold_it(form: str, tmp_path: Path) -> None:
    wav = WavPacker.pack(RAMP, 24_000)
    wav.save(tmp_path / "ramp.wav")
    audio: Any = {
        "wav": wav,
        "bytes": wav.data,
        "path": tmp_path / "ramp.wav",
        "file": io.BytesIO(wav.data),
        "sound": wavtools.read_wav(wav.data, dtype="float32"),
        "int16": RAMP,
        "raw bytes": RAMP.tobytes(),
        "float32": RAMP.astype(np.float32) / 32768,
        "stereo": np.stack([RAMP, RAMP], 1),
        "column": RAMP[:, np.newaxis],
    }[form]
    assert played(audio) == RAMP.tolist()


def test_a_file_longer_than_the_queue_is_played_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playback, "PIECE_SECONDS", 0.05)
    monkeypatch.setattr(playback, "AHEAD_SECONDS", 0.1)
    samples = (np.arange(24_000) % 30_000 + 1).astype(np.int16)
    # The device of the test is faster than the pieces come.
    assert [sample for sample in played(samples) if sample] == samples.tolist()


@pytest.mark.parametrize(
    ("audio", "error", "message"),
    [
        (np.zeros((2, 48_000), np.int16), ValueError, r"looks like \(channels, frames\).*audio\.T"),
        (np.zeros((2, 3, 4), np.float32), ValueError, r"shape \(2, 3, 4\)"),
        (np.zeros(9, complex), TypeError, "int16"),
        (17, TypeError, "int16"),
    ],
)
def test_play_says_what_it_needs_instead(audio: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        wavtools.play(audio, device=OfflineDevice(24_000))


def test_a_rate_for_a_file_is_refused() -> None:
    with pytest.raises(ValueError, match="a file has its own rate"):
        wavtools.play(WavPacker.pack(RAMP, 24_000).data, sample_rate=8_000, device=OfflineDevice(24_000))


@pytest.mark.parametrize("rate", [24_000, 16_000])
def test_record_returns_exactly_the_frames_asked_for(rate: int) -> None:
    device = OfflineDevice(48_000)
    results = []
    thread = threading.Thread(
        target=lambda: results.append(wavtools.record(0.5, sample_rate=rate, device=device))
    )
    thread.start()
    while thread.is_alive():
        device.capture(np.full(480, 1000, np.int16))
        time.sleep(0.001)
    assert len(results[0].pcm) == rate // 2
    assert results[0].channel_count == 1


def spoken(device: OfflineDevice, audio: np.ndarray, **arguments: Any) -> np.ndarray:
    """What record() returns while *audio* is spoken into the device, then silence."""
    results: list[Any] = []

    def run() -> None:
        results.append(wavtools.record(device=device, **arguments))

    thread = threading.Thread(target=run)
    thread.start()
    # What is captured before the recorder begins is lost; it asks for frames once it has begun.
    while (delivery := getattr(device._input, "delivery", None)) is None or not delivery._intervals:
        time.sleep(0.001)
    at = 0
    while thread.is_alive():
        piece = audio[at : at + 480]
        device.capture(np.concatenate([piece, np.zeros((480 - len(piece), *audio.shape[1:]), np.int16)]))
        at += 480
    thread.join()
    return results[0].pcm


def sentence(rate: int, seconds: float) -> np.ndarray:
    """Noise in the speech band that swells and fades four times a second, between 0.5 s and 1 s of a quiet room."""
    rng = np.random.default_rng(0)
    time_axis = np.arange(int(seconds * rate)) / rate
    voice = np.sin(2 * np.pi * 440 * time_axis) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time_axis)) * 6_000
    whole = np.concatenate([np.zeros(rate // 2), voice, np.zeros(rate)]) + rng.standard_normal(
        rate // 2 + len(voice) + rate
    )
    return whole.astype(np.int16)


@pytest.mark.parametrize("rate", [24_000, 11_025])
@pytest.mark.parametrize("silence", [0.3, 0.555])
def test_record_until_silence_ends_that_long_after_speech(rate: int, silence: float) -> None:
    audio = sentence(rate, 1.0)
    (_, end), *rest = speech_segments(audio, rate, hangover_ms=1e3 * silence)
    assert not rest
    assert abs(end / rate - 1.5) < 0.05
    got = spoken(OfflineDevice(rate), audio, until_silence=silence, sample_rate=rate)
    assert len(got) == end + round(silence * rate)
    np.testing.assert_array_equal(got, np.concatenate([audio, np.zeros(rate, np.int16)])[: len(got)])


def test_record_until_silence_keeps_the_channels() -> None:
    audio = sentence(24_000, 1.0)
    stereo = np.stack([audio, audio // 2], axis=1)
    got = spoken(OfflineDevice(24_000, channels=2), stereo, until_silence=0.3)
    np.testing.assert_array_equal(got, stereo[: len(got)])
    assert 24_000 * 1.7 < len(got) < 24_000 * 1.9


@pytest.mark.parametrize("audio", [sentence(24_000, 3.0), np.zeros(0, np.int16)], ids=["speech", "nobody"])
def test_record_until_silence_has_a_limit(audio: np.ndarray) -> None:
    assert len(spoken(OfflineDevice(24_000), audio, seconds=2.0001, until_silence=0.5)) == 48_002


def test_record_needs_an_end() -> None:
    with pytest.raises(TypeError, match="record\\(\\) needs seconds, or until_silence"):
        wavtools.record(device=OfflineDevice(24_000))


@pytest.mark.parametrize("silence", [0, 61, float("nan")])
def test_a_silence_out_of_range_is_refused(silence: float) -> None:
    with pytest.raises(ValueError, match="until_silence is"):
        wavtools.record(until_silence=silence, device=OfflineDevice(24_000))


def test_record_of_no_time_is_an_empty_file() -> None:
    assert wavtools.record(0, device=OfflineDevice(24_000)).pcm.tolist() == []


def test_record_ends_when_the_microphone_gives_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oneliners, "SILENT_SECONDS", 0.3)
    with pytest.raises(DeviceError, match="gave 0 frames, then nothing"):
        wavtools.record(1, device=OfflineDevice(24_000))


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 1e9])
def test_a_length_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="seconds is"):
        wavtools.record(seconds, device=OfflineDevice(24_000))
