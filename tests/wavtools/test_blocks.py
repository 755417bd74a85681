"""blocks(): the samples of load(), block by block, of every format."""

from __future__ import annotations

import gc
import io
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import wavtools
from wavtools import DecodeError

NOISE = np.random.default_rng(5).uniform(-0.9, 0.9, (40_003, 2)).astype(np.float32)
FORMATS = [
    ("WAV", "PCM_24"),
    ("AIFF", "PCM_16"),
    ("FLAC", "PCM_24"),
    ("OGG", "VORBIS"),
    ("MP3", "MPEG_LAYER_III"),
]


def encoded(container: str, subtype: str, samples: Any = NOISE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, 44_100, format=container, subtype=subtype)
    return file.getvalue()


def joined(parts: list[Any], overlap: int) -> Any:
    """The samples of blocks, each frame once."""
    return np.concatenate([parts[0], *(part[overlap:] for part in parts[1:])])


@pytest.mark.parametrize(("container", "subtype"), FORMATS)
@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_blocks_hold_the_samples_of_load(container: str, subtype: str, dtype: str, tmp_path: Path) -> None:
    data = encoded(container, subtype)
    path = tmp_path / "sound"
    path.write_bytes(data)
    expected = wavtools.load(data, dtype).pcm
    for source in (path, data, io.BytesIO(data)):
        parts = wavtools.blocks(source, 0.25, dtype)
        assert (parts.sample_rate, parts.channel_count, parts.frames) == (44_100, 2, 11_025)
        held = list(parts)
        assert {len(part) for part in held[:-1]} == {11_025}
        np.testing.assert_array_equal(np.concatenate(held), expected)
        assert list(parts) == []


@given(
    samples=st.integers(0, 40_000),
    frames=st.integers(1, 20_000),
    overlap=st.integers(0, 300),
    flac=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_blocks_are_cut_as_those_of_a_wav_reader(samples: int, frames: int, overlap: int, flac: bool) -> None:
    frames, overlap = max(frames, samples // 50, 1), min(overlap, frames - 1)
    sound = (NOISE[: max(samples, 1 if flac else 0), 0] * 32_767).astype(np.int16)
    data = encoded("FLAC" if flac else "WAV", "PCM_16", sound)
    with wavtools.WavReader(encoded("WAV", "PCM_16", sound)) as reader:
        expected = list(reader.blocks(frames, overlap=overlap))
    found = list(wavtools.blocks(data, frames=frames, overlap=overlap))
    assert [len(block) for block in found] == [len(block) for block in expected]
    for block, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(block, wanted)


@pytest.mark.parametrize("container", ["WAV", "FLAC"])
def test_memory_does_not_grow_with_the_file(container: str, tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_bytes(encoded(container, "PCM_16", np.zeros((3_000_000, 2), np.int16)))
    for _ in wavtools.blocks(path):
        break
    tracemalloc.start()
    assert sum(map(len, wavtools.blocks(path, 0.5))) == 3_000_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The file is 24 MB as float32.
    assert peak < 4_000_000


@pytest.mark.parametrize(("container", "subtype"), FORMATS)
def test_a_loop_that_is_left_early_closes_the_file(container: str, subtype: str, tmp_path: Path) -> None:
    path = tmp_path / "sound"
    path.write_bytes(encoded(container, subtype))
    with warnings.catch_warnings():
        # A file that nobody closed.
        warnings.simplefilter("error", ResourceWarning)
        for block in wavtools.blocks(path, 0.1):
            assert len(block) == 4_410
            break
        with wavtools.blocks(path, 0.1) as parts:
            next(parts)
        assert list(parts) == []
        gc.collect()
    path.unlink()


def test_a_file_object_stays_open_and_is_read_from_its_position() -> None:
    file = io.BytesIO(b"junk" + encoded("FLAC", "PCM_16"))
    file.seek(4)
    assert sum(map(len, wavtools.blocks(file))) == 40_003
    assert not file.closed


def test_a_flac_that_ends_early_gives_what_load_gives() -> None:
    data = encoded("FLAC", "PCM_16")[:60_000]
    expected = wavtools.load(data)
    assert expected.truncated
    np.testing.assert_array_equal(np.concatenate(list(wavtools.blocks(data))), expected.pcm)


def test_a_file_that_becomes_shorter_is_told(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(encoded("WAV", "PCM_16"))
    parts = wavtools.blocks(path, frames=10_000)
    with path.open("r+b") as file:
        file.truncate(100_000)
    with pytest.raises(DecodeError, match="became shorter"):
        list(parts)


def test_a_block_can_be_written_and_keeps_its_samples() -> None:
    data = encoded("WAV", "FLOAT")
    changed = []
    for block in wavtools.blocks(data, frames=1_000, overlap=500):
        changed.append(block.copy())
        block[:] = 0
    np.testing.assert_array_equal(joined(changed, 500), NOISE)


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ({"seconds": 1, "frames": 2}, ValueError, "seconds or as frames"),
        ({"seconds": 0}, ValueError, "0.001 to 3600"),
        ({"seconds": "1"}, TypeError, "seconds must be a number"),
        ({"seconds": float("nan")}, ValueError, "0.001 to 3600"),
        ({"frames": 0}, ValueError, "at least 1"),
        ({"frames": 10.0}, TypeError, "frames must be an integer"),
        ({"frames": 10, "overlap": 10}, ValueError, "a block has 10 frames"),
        ({"overlap": -1}, ValueError, "a block has 44100 frames"),
        ({"dtype": "int8"}, ValueError, "int8"),
    ],
)
def test_wrong_arguments_are_told_at_the_call(arguments: Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        wavtools.blocks(encoded("FLAC", "PCM_16"), **arguments)


@pytest.mark.parametrize("source", [b"", b"nothing of that kind" * 50, b"fLaC" + bytes(100)])
def test_what_is_no_sound_is_told_at_the_call(source: bytes) -> None:
    with pytest.raises(DecodeError):
        wavtools.blocks(source)


def test_a_missing_file_is_told_at_the_call(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        wavtools.blocks(tmp_path / "missing.flac")
