"""Compressed files lose nothing: behind tags and junk, in chains, and where they end early, which is told."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import wavtools
from wavtools import DecodeError
from wavtools.files.formats import recognise
from wavtools.files.mpeg import end_of_frames
from wavtools.files.sources import are_a_file

RATE = 48_000
SECONDS = np.arange(RATE) / RATE
TONE = 0.5 * np.sin(2 * np.pi * 440 * SECONDS)
NOISE = np.random.default_rng(7).integers(0, 256, 3_000, np.uint8).tobytes()


def encoded(
    container: str, subtype: str, samples: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = TONE
) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format=container, subtype=subtype)
    return file.getvalue()


MP3 = encoded("MP3", "MPEG_LAYER_III")
VORBIS = encoded("OGG", "VORBIS")


def id3(size: int) -> bytes:
    return b"ID3\4\0\0" + bytes(size >> shift & 127 for shift in (21, 14, 7, 0)) + bytes(size)


def ape(head: bool, foot: bool, size: int = 64) -> bytes:
    flags = (1 << 31 if head else 0).to_bytes(4, "little")
    # The size counts the footer.
    tag = b"APETAGEX" + (2000).to_bytes(4, "little") + (size + 32 * foot).to_bytes(4, "little") + bytes(4)
    return (tag + flags + bytes(8)) * head + bytes(size) + (tag + flags + bytes(8)) * foot


ID3V1 = b"TAG" + bytes(125)


@pytest.mark.parametrize(
    ("before", "behind"),
    ids=lambda part: f"{len(part)} bytes",
    argvalues=[
        (id3(100_000), b""),
        (id3(10) + id3(20_000), b""),
        (ape(True, False), b""),
        (bytes(5_000), b""),
        (bytes(20_000), b""),
        (NOISE, b""),
        (id3(500) + NOISE, NOISE),
        (b"", ID3V1),
        (b"", ape(True, True)),
        (b"", ape(False, True) + ID3V1),
        (b"", ape(True, True, 100_000)),
        (b"", bytes(128)),
        (b"", NOISE),
        (b"ID3\4\0\0\x7f\x7f\x7f\x7f", b""),
    ],
)
def test_tags_and_junk_around_mp3_cost_no_samples(before: bytes, behind: bytes) -> None:
    expected = wavtools.load(MP3).pcm
    assert len(expected) == RATE
    np.testing.assert_array_equal(wavtools.load(before + MP3 + behind).pcm, expected)


def test_an_mp3_that_begins_in_the_middle_of_a_frame_is_read() -> None:
    whole, rest = wavtools.load(MP3).pcm, wavtools.load(MP3[1_234:]).pcm
    assert len(whole) // 2 < len(rest) < len(whole)


def test_the_last_frame_of_an_mp3_is_found() -> None:
    assert end_of_frames(MP3) == len(MP3) == end_of_frames(MP3 + ID3V1 + NOISE)
    assert end_of_frames(b"") == 0
    assert end_of_frames(NOISE) <= len(NOISE)


def test_tags_before_flac_and_wav_are_skipped() -> None:
    for data in (encoded("FLAC", "PCM_16"), encoded("WAV", "PCM_16")):
        expected = wavtools.load(data).pcm
        np.testing.assert_array_equal(wavtools.load(id3(300) + data).pcm, expected)
        assert wavtools.info(id3(30_000) + data).frames == RATE


def test_a_tag_with_nothing_behind_it_is_a_decode_error() -> None:
    with pytest.raises(DecodeError, match="a tag of 1010 bytes, and no sound"):
        wavtools.load(id3(1_000))


@pytest.mark.parametrize("count", [2, 5])
def test_a_chain_of_vorbis_is_read_to_its_end(count: int) -> None:
    one = wavtools.load(VORBIS).pcm
    assert len(one) == RATE
    np.testing.assert_array_equal(wavtools.load(VORBIS * count).pcm, np.tile(one, count))
    assert wavtools.info(VORBIS * count).frames == count * RATE


def test_a_chain_of_different_streams_is_refused_or_read_whole() -> None:
    stereo = encoded("OGG", "VORBIS", np.stack([TONE, TONE], 1))
    with pytest.raises(DecodeError, match="different rates or channels"):
        wavtools.load(VORBIS + stereo)
    pytest.importorskip("av", reason="PyAV is not installed (wavtools[formats])")
    mixed = wavtools.load(encoded("OGG", "OPUS") + VORBIS).pcm
    assert len(mixed) == 2 * RATE
    np.testing.assert_array_equal(mixed[RATE:], wavtools.load(VORBIS).pcm)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_a_flac_file_that_ends_early_says_so(subtype: str) -> None:
    data = encoded("FLAC", subtype)
    assert not wavtools.load(data).truncated
    cut = wavtools.load(data[: len(data) * 2 // 3])
    assert cut.truncated
    assert wavtools.info(data[: len(data) * 2 // 3]).truncated
    np.testing.assert_array_equal(cut.pcm, wavtools.load(data).pcm[: len(cut.pcm)])
    assert RATE // 3 < len(cut.pcm) < RATE


def test_flac_of_32_bits_is_read_by_pyav_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(encoded("FLAC", "PCM_16"))
    # Only the header matters here: the decoder without PyAV would return nothing for the rest.
    data[20] |= 1
    data[21] |= 0xF0
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(DecodeError, match=r"FLAC samples of 32 bits.*wavtools\[formats\]"):
        wavtools.load(bytes(data))


def test_what_is_loaded_can_be_written() -> None:
    for data in (MP3, VORBIS, encoded("FLAC", "PCM_16"), encoded("WAV", "PCM_16"), encoded("WAV", "FLOAT")):
        for dtype in ("int16", "float32"):
            wavtools.load(data, dtype).pcm[0] = 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_of_the_decoder_is_returned() -> None:
    code = """
import sys, wavtools
def peak():
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
data = sys.stdin.buffer.read()
def after(count):
    for _ in range(count):
        wavtools.load(data)
    return peak()
first = after(5)
print(after(200) - first)
"""
    data = encoded("FLAC", "PCM_16")
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
    # 200 results are 38 MB.
    assert int(done.stdout) < 5_000_000


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"RIFF\0\0\0\0WAVE", "wav"),
        (b"RIFF\0\0\0\0AVI ", "other"),
        (b"RIFF\0\0\0\0RMID", None),
        (b"FORM\0\0\0\0AIFC", "wav"),
        (b"FORM\0\0\0\x008SVX", None),
        (b"OggS", "ogg"),
        (b"fLaC", "flac"),
        (b"\xff\xfb\x90\x44", "mp3"),
        (b"\xff\xfd\x90\x44", None),
        (b"\xff\xf1\x50\x80\0\x1f\xfc", None),
        (b"Hello", None),
        (b"", None),
    ],
)
def test_a_file_is_recognised_by_its_first_bytes(head: bytes, kind: str | None) -> None:
    assert recognise(head) == kind


def test_samples_are_not_taken_for_a_file() -> None:
    random = np.random.default_rng(3)
    for scale in (1, 3, 300, 32_000):
        for _ in range(500):
            assert not are_a_file(random.integers(-scale, scale + 1, 4_000).astype(np.int16).tobytes())


def test_raw_aac_and_mpeg_layers_are_recognised(tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="PyAV is not installed (wavtools[formats])")
    for codec, container, form in [("aac", "adts", "fltp"), ("mp2", "mp2", "s16")]:
        path = tmp_path / container
        frame = av.AudioFrame.from_ndarray((TONE * 32_000).astype(np.int16)[np.newaxis], "s16", "mono")
        frame.sample_rate = RATE
        with av.open(path, "w", format=container) as file:
            stream = file.add_stream(codec, rate=RATE, layout="mono")
            stream.format = form
            for given in (frame, None):
                file.mux(stream.encode(given))
        assert are_a_file(path.read_bytes())
        assert abs(len(wavtools.load(path).pcm) - RATE) < 3_000
