"""Sound of rates below 8 and above 192 kHz plays: it is converted while it is read, the same from any frame on."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wavtools
from wavtools import DecodeError, OfflineDevice
from wavtools.files.frames import FrameSource
from wavtools.files.open_frames import open_frames

RATES = {4_000: 8_000, 1_000: 8_000, 3_000: 9_000, 7_999: 15_998, 384_000: 192_000, 1_536_000: 192_000}


def noise(frames: int, channels: int = 1) -> np.ndarray:
    whole = np.random.default_rng(3).normal(0, 5_000, (frames, channels))
    return np.cumsum(whole, axis=0).clip(-30_000, 30_000).astype(np.int16)


def read_all(source: FrameSource, step: int) -> np.ndarray:
    blocks = [np.empty((0, source.channels), np.int16)]
    while len(block := source.read(step)):
        assert len(block) <= step
        blocks.append(block)
    return np.concatenate(blocks)


@pytest.mark.parametrize(("rate", "played"), RATES.items())
def test_a_tone_keeps_its_pitch_level_and_length(rate: int, played: int, tmp_path: Path) -> None:
    hertz = min(rate, played) / 10
    tone = 16_000 * np.sin(2 * np.pi * hertz * np.arange(rate // 2) / rate)
    wavtools.save(tmp_path / "tone.wav", tone.astype(np.int16), rate)
    source = open_frames(tmp_path / "tone.wav", None)
    assert source.sample_rate == played
    got = read_all(source, 5_000)[:, 0]
    assert len(got) == source.frames == pytest.approx(played / 2, abs=1)
    wanted = 16_000 * np.sin(2 * np.pi * hertz * np.arange(len(got)) / played)
    inner = slice(len(got) // 4, -len(got) // 4)
    # The resampler's ripple, and the rounding to int16, before and after.
    np.testing.assert_allclose(got[inner], wanted[inner], rtol=0, atol=4)
    source.close()


@settings(deadline=None, max_examples=50)
@given(
    rate=st.sampled_from([4_000, 3_000, 384_000, 600_001]),
    frames=st.integers(0, 5_000),
    channels=st.sampled_from([1, 2, 10]),
    steps=st.lists(st.tuples(st.integers(0, 12_000), st.integers(1, 900)), max_size=6),
    known=st.booleans(),
)
def test_any_reading_from_any_frame_gives_the_conversion_of_the_whole(
    rate: int, frames: int, channels: int, steps: list[tuple[int, int]], known: bool
) -> None:
    sound = noise(frames, channels)
    audio = sound if known else [sound[:100], sound[100:]]
    source = open_frames(audio, rate)
    whole = read_all(open_frames(audio, rate), 1 << 20)
    up, down = -(-8_000 // rate), -(-rate // 192_000)
    assert len(whole) == -(-frames * up // down)
    assert source.frames == (len(whole) if known else None)
    np.testing.assert_array_equal(read_all(source, 777), whole)
    for frame, count in steps:
        there = source.seek(frame)
        assert there == min(frame, len(whole))
        block = source.read(count)
        assert len(block) or there == len(whole)
        np.testing.assert_array_equal(block, whole[there : there + len(block)])


def test_a_file_of_4_khz_is_played_to_its_end_and_can_be_moved_in(tmp_path: Path) -> None:
    sound = noise(4_000)[:, 0]
    wavtools.save(tmp_path / "slow.wav", sound, 4_000)
    device = OfflineDevice(8_000)
    with wavtools.start(tmp_path / "slow.wav", device=device, start=0.5) as playback:
        assert (playback.sample_rate, playback.duration, playback.position) == (8_000, 1.0, 0.5)
        heard = []
        ended = threading.Thread(target=playback.wait)
        ended.start()
        while ended.is_alive():
            heard.append(device.render(400))
            time.sleep(0.001)
    whole = read_all(open_frames(sound, 4_000), 8_000)[:, 0]
    got = np.concatenate(heard)
    assert whole[4_000:].tobytes() in got.tobytes()


@pytest.mark.parametrize("rate", [1, 999, 1_536_001])
def test_a_rate_that_no_filter_reaches_is_told(rate: int) -> None:
    file = wavtools.WavPacker.pack(noise(10), rate)
    with pytest.raises(DecodeError, match=f"says {rate} Hz; sound of 1000 to 1536000 Hz can be played"):
        wavtools.start(file, device=OfflineDevice(24_000))
    with pytest.raises(ValueError, match="1000 to 1536000 Hz"):
        wavtools.start(noise(10), sample_rate=rate, device=OfflineDevice(24_000))
