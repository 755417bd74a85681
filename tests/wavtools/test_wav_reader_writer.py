"""WavReader and WavWriter: files of any length in blocks, whole after each of them."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from wavtools import DecodeError, StateError, read_wav
from wavtools.files import wav_writer
from wavtools.files.wav_reader import WavReader
from wavtools.files.wav_writer import ENCODINGS, WavWriter

NOISE = np.random.default_rng(3).uniform(-0.99, 0.99, 5_001)
SUBTYPES = {"uint8": "PCM_U8", "int16": "PCM_16", "int24": "PCM_24", "int32": "PCM_32", "float32": "FLOAT"}
SUBTYPES |= {"float64": "DOUBLE", "ulaw": "ULAW", "alaw": "ALAW"}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_written_is_read_by_others_and_by_us(encoding: str, channels: int, tmp_path: Path) -> None:
    frames = NOISE[: 5_001 // channels * channels].reshape(-1, channels) if channels > 1 else NOISE
    path = tmp_path / "blocks.wav"
    with WavWriter(path, 16_000, channels, encoding=encoding) as writer:
        for start in range(0, len(frames), 700):
            writer.write(frames[start : start + 700])
            assert len(read_wav(path, strict=encoding not in ("uint8", "ulaw", "alaw")).pcm) == writer.frames
    theirs, rate = soundfile.read(path, dtype="float64")
    assert (rate, soundfile.info(path).subtype) == (16_000, SUBTYPES[encoding])
    with WavReader(path, strict=True) as reader:
        assert (reader.frames, reader.channel_count, reader.sample_rate) == (len(frames), channels, 16_000)
        ours = np.concatenate(list(reader.blocks(333, "float64")))
    np.testing.assert_array_equal(ours, theirs)
    step = {"uint8": 2**-7, "int16": 2**-15, "int24": 2**-23, "int32": 2**-31, "float32": 1e-7, "float64": 0}
    assert np.abs(ours - frames).max() <= step.get(encoding, 0.04)


@pytest.mark.parametrize("encoding", ["int16", "int24", "int32", "float32", "float64"])
@pytest.mark.parametrize("dtype", [np.int16, np.int32])
def test_integers_keep_their_values(encoding: str, dtype: Any) -> None:
    limits = np.iinfo(dtype)
    values = np.array([limits.min, -1 << 8, 0, 1 << 8, limits.max], dtype)
    file = io.BytesIO()
    with WavWriter(file, 8_000, encoding=encoding) as writer:
        writer.write(values)
    got = read_wav(file.getvalue(), dtype="int16" if dtype == np.int16 else "int32").pcm
    tolerance = (
        {"int16": 1 << 16, "int24": 1 << 8, "float32": 1 << 7}.get(encoding, 0) if dtype == np.int32 else 0
    )
    assert np.abs(got.astype(np.int64) - values).max() <= tolerance


def test_a_reader_seeks_and_reads_pieces(tmp_path: Path) -> None:
    path = tmp_path / "ramp.wav"
    with WavWriter(path, 24_000) as writer:
        writer.write(np.arange(1000, dtype=np.int16))
    with WavReader(path) as reader:
        assert (len(reader), reader.duration, reader.encoding) == (1000, 1000 / 24_000, "PCM of 16 bits")
        reader.seek(990)
        assert reader.read(4, "int16").tolist() == [990, 991, 992, 993]
        assert reader.tell() == 994
        assert reader.read(dtype="int16").tolist() == list(range(994, 1000))
        assert reader.read(5).size == 0
        for frame in (-1, 1001):
            with pytest.raises(ValueError, match="the file has 1000 frames"):
                reader.seek(frame)
        with pytest.raises(ValueError, match="frames is -1"):
            reader.read(-1)
        with pytest.raises(ValueError, match="at least 1"):
            next(reader.blocks(0))
        with pytest.raises(ValueError, match="overlap is 8; it must be less than frames"):
            next(reader.blocks(8, overlap=8))


@pytest.mark.parametrize("frames", [0, 5, 8, 20, 21, 1000])
def test_blocks_overlap_as_in_soundfile(frames: int, tmp_path: Path) -> None:
    path = tmp_path / "noise.wav"
    with WavWriter(path, 24_000) as writer:
        writer.write(NOISE[:frames])
    for overlap in (0, 1, 3, 7):
        theirs = [block.tolist() for block in soundfile.blocks(path, 8, overlap, dtype="float32")]
        with WavReader(path) as reader:
            assert [block.tolist() for block in reader.blocks(8, overlap=overlap)] == theirs


def test_overlapping_blocks_end_where_a_file_has_become_shorter(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    with WavWriter(path, 24_000) as writer:
        writer.write(np.zeros(1_000_000))
    with WavReader(path) as reader:
        blocks = reader.blocks(1000, overlap=500)
        next(blocks)
        os.truncate(path, 500)
        # Some are read ahead.
        assert sum(1 for _ in blocks) < 1000


def test_a_file_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    with WavWriter(path, 24_000, 2, encoding="int24") as writer:
        writer.write(np.full((3, 2), 0.25))
    with path.open("ab") as file:
        # What a killed writer left of its last block.
        file.write(b"\1\2\3\4")
    with WavWriter(path, append=True) as writer:
        assert (writer.frames, writer.channel_count, writer.sample_rate) == (3, 2, 24_000)
        writer.write(np.full((2, 2), -0.25))
    assert read_wav(path, strict=True, dtype="float32").pcm[:, 0].tolist() == [0.25] * 3 + [-0.25] * 2
    with pytest.raises(ValueError, match="has 24000 Hz"):
        WavWriter(path, 8_000, append=True)
    soundfile.write(tmp_path / "theirs.wav", NOISE, 8_000)
    with pytest.raises(DecodeError, match="not written by a WavWriter"):
        WavWriter(tmp_path / "theirs.wav", append=True)


def test_a_file_becomes_rf64_where_4_gib_do_not_suffice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wav_writer, "_MAX_RIFF", 2_000)
    file = io.BytesIO()
    with WavWriter(file, 24_000) as writer:
        writer.write(np.ones(900, np.int16))
        assert file.getvalue()[:4] == b"RIFF"
        writer.write(np.full(900, 2, np.int16))
    assert file.getvalue()[:4] == b"RF64"
    assert struct.unpack_from("<Q", file.getvalue(), 28) == (3_600,)
    assert read_wav(file.getvalue(), strict=True).pcm.tolist() == [1] * 900 + [2] * 900
    file.seek(0)
    assert soundfile.read(file, dtype="int16")[0].tolist() == [1] * 900 + [2] * 900


@pytest.mark.skipif(os.name == "nt", reason="kills by a signal")
def test_a_writer_that_is_killed_leaves_a_whole_file(tmp_path: Path) -> None:
    code = """
import sys, numpy as np
from wavtools.files.wav_writer import WavWriter
writer = WavWriter(sys.argv[1], 24000)
n = 0
while True:
    writer.write(np.full(240, n % 30000, np.int16)); n += 1
"""
    for wait in (0.05, 0.11, 0.2):
        path = tmp_path / f"{wait}.wav"
        process = subprocess.Popen([sys.executable, "-c", code, str(path)])
        while not path.exists() or path.stat().st_size < 10_000:
            time.sleep(0.01)
        time.sleep(wait)
        process.kill()
        process.wait()
        pcm = read_wav(path).pcm
        whole = len(pcm) // 240 * 240
        assert whole >= 4_000
        assert (pcm[:whole].reshape(-1, 240) == (np.arange(whole // 240) % 30_000)[:, np.newaxis]).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"sample_rate": 24_000, "encoding": "int12"}, ValueError, "one of uint8, int16, int24"),
        ({"sample_rate": 24_000.0}, TypeError, "sample_rate must be an integer"),
        ({"sample_rate": None}, TypeError, "sample_rate is needed"),
        ({"sample_rate": 24_000, "channels": 0}, ValueError, "1 to 65535"),
    ],
)
def test_a_writer_says_what_it_needs(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        WavWriter(io.BytesIO(), **arguments)


def test_samples_that_do_not_fit_are_refused_and_change_nothing() -> None:
    file = io.BytesIO()
    writer = WavWriter(file, 24_000, 2)
    before = file.getvalue()
    for samples, error in [
        (np.zeros(4, np.int16), ValueError),
        (np.zeros((4, 3), np.int16), ValueError),
        (np.zeros((2, 4, 4), np.int16), ValueError),
        (np.zeros((4, 2), np.int8), TypeError),
        (b"1234", ValueError),
    ]:
        with pytest.raises(error):
            writer.write(samples)
    assert file.getvalue() == before
    writer.close()
    writer.close()
    with pytest.raises(StateError, match="append=True"):
        writer.write(np.zeros((4, 2), np.int16))


def test_sources_that_cannot_be_read_in_blocks_are_named() -> None:
    for source in (44, None, io.StringIO("RIFF")):
        with pytest.raises(TypeError):
            WavReader(source)  # type: ignore[arg-type]
    with pytest.raises(DecodeError):
        WavReader(b"nothing")
    file = io.BytesIO()
    WavWriter(file, 8_000).close()
    reader = WavReader(file)
    reader.close()
    assert not file.closed
    assert repr(reader) == "<WavReader the file: 0.000 s, 8000 Hz, channels=1>"


@pytest.mark.parametrize("encoding", ["int16", "uint8"])
def test_a_file_whose_other_chunks_would_be_lost_is_not_continued(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "tagged.wav"
    with WavWriter(path, 24_000, encoding=encoding) as writer:
        writer.write(np.zeros(33))
    with path.open("ab") as file:
        file.write(b"LIST\4\0\0\0INFO")
    before = path.read_bytes()
    with pytest.raises(DecodeError, match="chunks behind its sound would be lost"):
        WavWriter(path, append=True)
    assert path.read_bytes() == before


def test_a_writer_leaves_a_file_object_at_its_end() -> None:
    file = io.BytesIO()
    with WavWriter(file, 8_000, encoding="uint8") as writer:
        writer.write(np.zeros(3))
    assert file.tell() == len(file.getvalue()) == 84
    with WavReader(file) as reader:
        assert reader.frames == 3
