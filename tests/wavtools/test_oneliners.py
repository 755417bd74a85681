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
