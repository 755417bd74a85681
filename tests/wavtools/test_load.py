"""load(), save() and info() agree with each other and with libsndfile."""

from __future__ import annotations

import io
import subprocess
import sys
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


@pytest.mark.parametrize(
    ("audio", "rate"),
    [
        (np.zeros(4, np.int64), 8_000),
        ([1, 2, 3], 8_000),
        ("text", 8_000),
        (np.zeros((2, 3, 4), np.float32), 8_000),
        (b"odd", 8_000),
        (NOISE, 0),
        (NOISE, 24_000.0),
        (np.zeros((3, 0), np.int16), 8_000),
    ],
)
def test_a_mistake_keeps_the_file_that_was_there(audio: Any, rate: Any, tmp_path: Path) -> None:
    path = tmp_path / "mine.wav"
    wavtools.save(path, NOISE, 8_000)
    before = path.read_bytes()
    with pytest.raises((TypeError, ValueError)):
        wavtools.save(path, audio, rate)
    assert path.read_bytes() == before


def test_a_longer_file_is_replaced_whole() -> None:
    file = io.BytesIO()
    wavtools.save(file, NOISE, 8_000)
    wavtools.save(file, NOISE[:10], 8_000)
    assert len(file.getvalue()) < 400
    assert len(wavtools.load(file).pcm) == 10


def test_a_target_that_cannot_seek_is_named(tmp_path: Path) -> None:
    class Pipe(io.RawIOBase):
        def writable(self) -> bool:
            return True

    for target in (Pipe(), 5, io.StringIO(), (tmp_path / "text").open("w")):
        with pytest.raises(TypeError, match="open for writing bytes and can seek"):
            wavtools.save(target, NOISE, 8_000)  # type: ignore[arg-type]
        if hasattr(target, "close"):
            target.close()


def test_samples_of_any_byte_order_are_saved() -> None:
    for dtype in (">i2", ">i4", ">f4", ">f8", "<f2"):
        file = io.BytesIO()
        samples = (NOISE * (30_000 if dtype[1] == "i" else 1)).astype(dtype)
        wavtools.save(file, samples, 8_000)
        scale = {">i2": 2**15, ">i4": 2**31}.get(dtype, 1)
        np.testing.assert_allclose(
            wavtools.load(file, "float64").pcm, samples.astype(float) / scale, atol=1e-7
        )


# The peak of memory of one call, above what the imports and a short file took, in bytes. getrusage would tell that of the
# parent process.
PEAK = """
import sys, wavtools
from wavtools.decode import decode
def peak():
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
short, path, call = sys.argv[1:]
read = eval(call)
read(short)
before = peak()
held = read(path)
print(peak() - before)
"""


def peak_bytes(folder: Path, subtype: str, call: str) -> tuple[int, int]:
    """The peak of *call*, an expression, and the size of the file of ten million samples."""
    paths = [folder / "short.wav", folder / "long.wav"]
    for path, frames in zip(paths, (1_000, 5_000_000), strict=True):
        soundfile.write(path, np.zeros((frames, 2), np.float32), 48_000, subtype=subtype)
    command = [sys.executable, "-c", PEAK, *map(str, paths), call]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout), paths[1].stat().st_size


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("subtype", "dtype"),
    [
        ("PCM_24", "float32"),
        ("PCM_24", "int16"),
        ("PCM_16", "int16"),
        ("FLOAT", "int32"),
        ("ULAW", "float64"),
    ],
)
def test_reading_takes_at_most_twice_the_memory_of_the_result(
    subtype: str, dtype: str, tmp_path: Path
) -> None:
    peak, _ = peak_bytes(tmp_path, subtype, f"lambda path: wavtools.load(path, {dtype!r})")
    assert 0.9 < peak / (10_000_000 * np.dtype(dtype).itemsize) < 1.3


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("call", ["wavtools.read_wav", "lambda path: decode(path, 48_000)"])
def test_reading_takes_at_most_four_times_the_memory_of_the_file(call: str, tmp_path: Path) -> None:
    peak, size = peak_bytes(tmp_path, "PCM_24", call)
    assert 0.9 < peak / size < 4
