"""load(), save() and info() agree with each other and with libsndfile."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import wavtools
from wavtools import DecodeError, WavPacker

NOISE = np.random.default_rng(5).uniform(-0.9, 0.9, (2_000, 2)).astype(np.float32)


@pytest.mark.parametrize(
    ("audio", "encoding", "subtype"),
    [
        (NOISE, None, "FLOAT"),
        (NOISE[:, 0], "int24", "PCM_24"),
        ((NOISE * 30_000).astype(np.int16), None, "PCM_16"),
        ((NOISE * 2**30).astype(np.int32), None, "PCM_32"),
        (NOISE.tolist(), "float64", "DOUBLE"),
    ],
)
def test_what_is_saved_is_loaded_again(
    audio: Any, encoding: str | None, subtype: str, tmp_path: Path
) -> None:
    path = tmp_path / "saved.wav"
    wavtools.save(path, audio, 16_000, encoding=encoding)
    assert soundfile.info(path).subtype == subtype
    expected, rate = soundfile.read(path, dtype="float64")
    sound = wavtools.load(path, "float64")
    assert sound.sample_rate == rate == 16_000
    np.testing.assert_array_equal(sound.pcm, expected)
    facts = wavtools.info(path)
    assert (facts.format, facts.frames, facts.duration) == ("WAV", 2_000, 0.125)
    assert facts.channel_count == sound.channel_count == (1 if np.ndim(audio) == 1 else 2)
    copy = io.BytesIO()
    wavtools.save(copy, sound, encoding=encoding)
    copy.seek(0)
    np.testing.assert_array_equal(wavtools.load(copy, "float64").pcm, expected)


@pytest.mark.parametrize(
    ("container", "subtype"), [("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")]
)
def test_compressed_files_are_loaded_in_every_type(container: str, subtype: str) -> None:
    file = io.BytesIO()
    soundfile.write(file, NOISE, 44_100, format=container, subtype=subtype)
    floats = wavtools.load(file.getvalue())
    assert floats.sample_rate == 44_100
    assert floats.channel_count == 2
    shorts = wavtools.load(file.getvalue(), "int16").pcm
    assert np.abs(shorts - np.clip(floats.pcm * 32768, -32768, 32767)).max() <= 0.5
    facts = wavtools.info(file.getvalue())
    assert (facts.format.upper(), facts.encoding, facts.frames) == (container, "compressed", len(floats.pcm))


def test_bytes_of_int16_and_a_wav_file_are_saved(tmp_path: Path) -> None:
    wavtools.save(tmp_path / "a.wav", b"\1\0\2\0", 8_000)
    assert wavtools.load(tmp_path / "a.wav", "int16").pcm.tolist() == [1, 2]
    wavtools.save(tmp_path / "b.wav", WavPacker.pack(b"\1\0\2\0", 8_000, 2))
    assert wavtools.load(tmp_path / "b.wav", "int16").pcm.tolist() == [[1, 2]]


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match="begins with b'Hello"):
        wavtools.load(b"Hello, world")
    with pytest.raises(DecodeError):
        wavtools.info(b"Hello, world")
    with pytest.raises(TypeError, match="sample_rate is needed"):
        wavtools.save(tmp_path / "c.wav", NOISE)
    with pytest.raises(ValueError, match="has its own rate"):
        wavtools.save(tmp_path / "c.wav", WavPacker.pack(b"", 8_000), 8_000)
    with pytest.raises(ValueError, match="looks like"):
        wavtools.save(tmp_path / "c.wav", NOISE.T, 8_000)
    with pytest.raises(FileNotFoundError):
        wavtools.load(tmp_path / "none.wav")
    assert not (tmp_path / "c.wav").exists()
