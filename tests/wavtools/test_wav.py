"""WAV files are packed with correct sizes and read in every common format; other data raises DecodeError."""

from __future__ import annotations

import io
import pathlib
import struct
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conformance import both, load
from wavtools.errors import DecodeError
from wavtools.pcm import float32_to_pcm16
from wavtools.wav import WavFile, WavPacker, read_wav

RAMP = np.array([-32768, -256, -1, 0, 1, 255, 256, 32767], np.int16)


def chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def wav(
    tag: int, bits: int, data: bytes, channels: int = 1, rate: int = 24_000, extensible: bool = False
) -> bytes:
    size = channels * bits // 8
    form = struct.pack(
        "<HHIIHH", 0xFFFE if extensible else tag, channels, rate, rate * size % 2**32, size, bits
    )
    if extensible:
        form += struct.pack("<HHIH", 22, bits, 0, tag) + bytes.fromhex("000000001000800000aa00389b71")
    body = b"WAVE" + chunk(b"fmt ", form) + chunk(b"LIST", b"odd") + chunk(b"data", data)
    return b"RIFF" + struct.pack("<I", len(body)) + body


@both("wav")
def test_files_are_the_originals_but_for_the_riff_size(folder: pathlib.Path) -> None:
    vectors = load(folder, "wav")
    compared = 0
    for case in vectors.facts["cases"]:
        if case["bits_per_sample"] not in (16, "16") or case["sample_rate"] != int(case["sample_rate"]):
            # We pack 16 bits at whole rates only; the other headers contradict their data.
            continue
        key = f"case{case['case']:02d}"
        interleaved = np.ascontiguousarray(vectors.arrays[f"{key}_channels"].T).reshape(-1)
        got = WavPacker.pack(float32_to_pcm16(interleaved), case["sample_rate"], case["channels"])
        expected = vectors.arrays[f"{key}_bytes"].tobytes()
        assert got.data[:4] + got.data[8:] == expected[:4] + expected[8:]
        assert int.from_bytes(got.data[4:8], "little") == len(got.data) - 8
        assert got.duration == pytest.approx(case["duration"], rel=1e-15)
        assert (got.sample_rate, got.channel_count) == (case["sampleRate"], case["channelCount"])
        compared += 1
    assert compared >= 20


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("frames", [0, 1, 1_001])
def test_pythons_own_reader_agrees(frames: int, channels: int, tmp_path: pathlib.Path) -> None:
    pcm = np.random.default_rng(0).integers(-32768, 32768, frames * channels).astype(np.int16)
    packed = WavPacker.pack(pcm, 22_050, channels)
    packed.save(tmp_path / "x.wav")
    with wave.open(str(tmp_path / "x.wav")) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (channels, 22_050, frames)
        assert file.readframes(frames) == pcm.tobytes()
    assert read_wav(tmp_path / "x.wav") == packed
    assert read_wav(str(tmp_path / "x.wav")) == packed
    np.testing.assert_array_equal(packed.pcm.reshape(-1), pcm)
    assert packed.pcm.shape == ((frames,) if channels == 1 else (frames, channels))


def test_frames_of_an_array_with_two_dimensions_are_interleaved() -> None:
    pcm = np.arange(6, dtype=np.int16).reshape(3, 2)
    assert WavPacker.pack(pcm, 8_000) == WavPacker.pack(pcm.tobytes(), 8_000, 2)
    with pytest.raises(ValueError, match="2 channels, but channels is 3"):
        WavPacker.pack(pcm, 8_000, 3)


@pytest.mark.parametrize(
    ("pcm", "rate", "channels", "error", "message"),
    [
        (np.zeros(4, np.float32), 24_000, 1, TypeError, "float32_to_pcm16"),
        (np.zeros(4), 24_000, 1, TypeError, "pcm must be a buffer of int16 samples, not float64 array"),
        (np.zeros(4, np.int32), 24_000, 1, TypeError, "not int32 array"),
        (np.zeros((2, 2, 2), np.int16), 24_000, 1, ValueError, r"shape \(2, 2, 2\)"),
        (b"123", 24_000, 1, ValueError, "3 bytes, an odd number"),
        (b"1234", 24_000, 3, ValueError, "4 bytes, not whole frames of 6"),
        (b"", 0, 1, ValueError, "sample_rate is 0; expected 1 to"),
        (b"", 2**31, 1, ValueError, "sample_rate is 2147483648"),
        (b"", 24_000, 0, ValueError, "channels is 0; expected 1 to"),
        (b"", 22_050.5, 1, TypeError, "float"),
    ],
)
def test_bad_arguments_are_refused(
    pcm: object, rate: int, channels: int, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        WavPacker.pack(pcm, rate, channels)  # type: ignore[arg-type]


@pytest.mark.parametrize("extensible", [False, True])
def test_every_sample_format_is_read(extensible: bool) -> None:
    wide = RAMP.astype(np.int32)
    three_bytes = (wide * 256).astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    floats = RAMP / 32768
    for tag, bits, data, expected in [
        (1, 8, bytes([0, 127, 128, 255]), [-32768, -256, 0, 32512]),
        (1, 16, RAMP.tobytes(), RAMP.tolist()),
        (1, 24, three_bytes, RAMP.tolist()),
        (1, 32, (wide * 65536).astype("<i4").tobytes(), RAMP.tolist()),
        (3, 32, floats.astype("<f4").tobytes(), RAMP.tolist()),
        (3, 64, floats.astype("<f8").tobytes(), RAMP.tolist()),
    ]:
        got = read_wav(wav(tag, bits, data, extensible=extensible))
        assert got.pcm.tolist() == expected, (tag, bits)
        assert got.sample_rate == 24_000


def test_wider_samples_are_rounded_to_the_nearest() -> None:
    values = np.array([0x7FFFFFFF, 0x00008000, 0x00007FFF, -0x8000, -0x8001], "<i4")
    assert read_wav(wav(1, 32, values.tobytes())).pcm.tolist() == [32767, 1, 0, 0, -1]


def test_floats_beyond_full_scale_are_clamped() -> None:
    values = np.array([1e300, -1e300, np.nan, 2.0], "<f8")
    assert read_wav(wav(3, 64, values.tobytes())).pcm.tolist() == [32767, -32768, 0, 32767]


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 17, 0])
def test_a_wrong_length_means_to_the_end(size: int) -> None:
    data = bytearray(WavPacker.pack(RAMP, 8_000).data)
    data[4:8] = data[40:44] = struct.pack("<I", size)
    got = read_wav(data)
    assert got.pcm.tolist() == RAMP.tolist()
    assert got.truncated
    assert not read_wav(WavPacker.pack(RAMP, 8_000).data).truncated
    with pytest.raises(
        DecodeError, match="cut short: its header states another length than the 8 whole frames"
    ):
        read_wav(data, strict=True)


def test_whole_frames_of_a_file_that_was_cut_are_read() -> None:
    stereo = WavPacker.pack(RAMP, 8_000, 2).data
    got = read_wav(stereo[:-3])
    assert got.pcm.tolist() == RAMP[:6].reshape(-1, 2).tolist()
    assert got.truncated


def test_an_empty_data_chunk_before_other_chunks_is_empty() -> None:
    data = WavPacker.pack(b"", 8_000).data + chunk(b"LIST", b"INFO") + chunk(b"id3 ", b"odd")
    assert len(read_wav(data, strict=True).pcm) == 0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"Hello, this is a text.\n" * 9, "not a WAV file: it begins with b'Hello"),
        (b"RIFF", "not a WAV file"),
        (b"RIFX" + WavPacker.pack(RAMP, 8_000).data[4:], "cut short: its chunk b'fmt ' says 268435456 bytes"),
        (WavPacker.pack(RAMP, 8_000).data[:30], "cut short: its chunk b'fmt ' says 16 bytes, 10 are there"),
        (WavPacker.pack(RAMP, 8_000).data[:36], "no data chunk"),
        (b"RIFF\0\0\0\0WAVE" + chunk(b"data", b"12"), "no fmt chunk"),
        (b"RIFF\0\0\0\0WAVE" + chunk(b"fmt ", b"12") + chunk(b"data", b"12"), "fmt chunk of 2 bytes"),
        (wav(1, 33, b""), "with 33 bits"),
        (wav(0x55, 16, b""), r"MP3 \(format 0x55\)"),
        (wav(1, 16, b"", channels=0), "0 channels"),
        (wav(1, 16, b"", rate=0), "at 0 Hz"),
        (wav(1, 16, b"", rate=0xFFFFFFFF), "no audio fits"),
    ],
)
def test_what_is_not_readable_is_said(data: bytes, message: str, tmp_path: pathlib.Path) -> None:
    with pytest.raises(DecodeError, match=message):
        read_wav(data)
    (tmp_path / "named.wav").write_bytes(data)
    with pytest.raises(DecodeError, match=r"named\.wav"):
        read_wav(tmp_path / "named.wav")


def test_a_contradicting_frame_size_is_said() -> None:
    data = bytearray(WavPacker.pack(RAMP, 8_000).data)
    data[32:34] = b"\3\0"
    with pytest.raises(DecodeError, match="frames of 3 bytes, but 1 channels of 16 bits"):
        read_wav(data)


def test_a_missing_file_is_an_os_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_wav(tmp_path / "none.wav")


@given(st.binary(max_size=200), st.integers(0, 60), st.booleans())
def test_any_bytes_give_a_file_or_a_decode_error(noise: bytes, at: int, whole: bool) -> None:
    data = bytearray(WavPacker.pack(RAMP, 8_000).data)
    data[at : at + len(noise)] = noise
    try:
        assert isinstance(read_wav(bytes(data) if whole else io.BytesIO(data).read(len(data) // 2)), WavFile)
    except DecodeError:
        pass
