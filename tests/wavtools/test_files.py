"""Files of other programs give the same samples as in the libraries that wrote them, whatever their container."""

from __future__ import annotations

import io
import pathlib
import struct
from typing import Any

import numpy as np
import pytest
import soundfile

from wavtools import Sound, read_wav
from wavtools.decode import decode
from wavtools.errors import DecodeError
from wavtools.wav import WavFile, WavPacker

NOISE = np.random.default_rng(1).uniform(-0.9, 0.9, (999, 2))
CONTAINERS = ["WAV", "WAVEX", "RIFX", "RF64", "W64", "AIFF"]
SUBTYPES = ["PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"]


def written(container: str, subtype: str, samples: Any = NOISE, rate: int = 22_050) -> bytes:
    file = io.BytesIO()
    big = container == "RIFX"
    soundfile.write(
        file,
        samples,
        rate,
        format="WAV" if big else container,
        subtype=subtype,
        endian="BIG" if big else None,
    )
    return file.getvalue()


def combinations() -> list[tuple[str, str]]:
    return [
        (container, subtype)
        for container in CONTAINERS
        for subtype in SUBTYPES
        if subtype in soundfile.available_subtypes("WAV" if container == "RIFX" else container)
    ]


@pytest.mark.parametrize(("container", "subtype"), combinations())
def test_the_same_sound_is_read_from_any_container(container: str, subtype: str) -> None:
    data = written(container, subtype)
    expected, rate = soundfile.read(io.BytesIO(data), dtype="float64")
    got = read_wav(data, strict=True, dtype="float64")
    assert isinstance(got, Sound)
    assert (got.sample_rate, got.channel_count, got.truncated) == (rate, 2, False)
    np.testing.assert_array_equal(got.pcm, expected)
    np.testing.assert_array_equal(read_wav(data, dtype="float32").pcm, expected.astype(np.float32))
    rounded = np.clip(np.rint(expected * 32768), -32768, 32767)
    assert np.abs(read_wav(data).pcm - rounded).max() <= (1 if subtype in ("PCM_24", "PCM_32") else 0)
    values = decode(data, rate).values
    # int16 has the original's scale of 32767 for positive values.
    np.testing.assert_allclose(values, expected, atol=4e-5)
    if subtype in ("PCM_24", "PCM_32", "FLOAT", "DOUBLE"):
        np.testing.assert_array_equal(values, expected.astype(np.float32))


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32", "float64"])
def test_a_wrong_sample_type_is_named_and_the_right_ones_come_back(dtype: str) -> None:
    data = written("WAV", "PCM_24")
    assert read_wav(data, dtype=dtype).pcm.dtype == dtype
    with pytest.raises(ValueError, match="int16, int32, float32, float64"):
        read_wav(data, dtype="int8")
    with pytest.raises(ValueError, match="'pcm' is|dtype is 'pcm'"):
        read_wav(data, dtype="pcm")


def test_floats_keep_their_values() -> None:
    data = written("WAV", "FLOAT", np.array([1.5, 1e-5, -2.0], np.float32))
    assert decode(data, 22_050).values.tolist() == np.array([1.5, 1e-5, -2.0], np.float32).tolist()


def test_int16_through_a_float_file_is_the_same_int16() -> None:
    every = np.arange(-32768, 32768, dtype=np.int16)
    data = written("WAV", "FLOAT", every.astype(np.float32) / 32768)
    assert (read_wav(data).pcm == every).all()
    assert (decode(data, 22_050).wav.pcm == every).all()


def test_valid_bits_in_wider_words_are_read() -> None:
    form = struct.pack("<HHIIHH", 1, 1, 8_000, 32_000, 4, 24)
    values = np.array([1 << 30, -(1 << 30), 256], "<i4")
    body = b"WAVEfmt \x10\0\0\0" + form + b"data" + struct.pack("<I", 12) + values.tobytes()
    assert (
        read_wav(b"RIFF" + struct.pack("<I", len(body)) + body, dtype="int32").pcm.tolist() == values.tolist()
    )


def test_an_odd_chunk_without_its_padding_is_survived() -> None:
    data = WavPacker.pack(b"\1\0\2\0", 8_000).data
    assert read_wav(data[:12] + b"LIST\3\0\0\0odd" + data[12:], strict=True).pcm.tolist() == [1, 2]


class Upload:
    """A file object that can only read."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self) -> bytes:
        return self.data


def test_paths_buffers_and_file_objects_are_read(tmp_path: pathlib.Path) -> None:
    data = written("WAV", "PCM_16")
    path = tmp_path / "ä.wav"
    path.write_bytes(data)
    sources: list[Any] = [
        str(path),
        path,
        data,
        bytearray(data),
        memoryview(data),
        io.BytesIO(data),
        Upload(data),
    ]
    for source in sources:
        assert len(read_wav(source).pcm) == 999
        if hasattr(source, "seek"):
            source.seek(0)
        assert len(decode(source).values) == 999 * 24_000 // 22_050
    with path.open("rb") as file:
        assert len(read_wav(file).pcm) == 999


@pytest.mark.parametrize("source", [44, None, ["x"], np.zeros((3, 4)), 1.5])
def test_what_is_no_file_is_a_type_error(source: Any) -> None:
    with pytest.raises(TypeError, match=r"a path, the bytes of a file, or an object with read\(\)"):
        read_wav(source)


def test_a_file_in_text_mode_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="mode 'rb'"):
        read_wav(io.StringIO("RIFF"))  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("container", "subtype"), [("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("OGG", "VORBIS")]
)
def test_compressed_files_agree_with_libsndfile(container: str, subtype: str) -> None:
    data = written(container, subtype)
    expected, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    got = decode(data, 22_050)
    assert got.values.shape == expected.shape
    np.testing.assert_allclose(got.values, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("container", "subtype", "rate"),
    [("OGG", "OPUS", 48_000), ("WAV", "IMA_ADPCM", 22_050), ("WAV", "MS_ADPCM", 22_050)],
)
def test_other_formats_are_read_by_pyav(container: str, subtype: str, rate: int) -> None:
    pytest.importorskip("av", reason="PyAV is not installed (wavtools[formats])")
    data = written(container, subtype, NOISE, rate)
    expected, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    values = decode(data, rate).values
    np.testing.assert_allclose(values[:999], expected[:999], atol=1e-4)


def test_six_channels_of_vorbis_keep_their_places() -> None:
    pytest.importorskip("av", reason="PyAV is not installed (wavtools[formats])")
    time = np.arange(22_050) / 22_050
    tones = np.stack([0.3 * np.sin(2 * np.pi * f * time) for f in (300, 500, 700, 1100, 1300, 60)], 1)
    data = written("OGG", "VORBIS", tones)
    expected, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    got = decode(data, 22_050).values
    assert got.shape == expected.shape
    peaks = [np.abs(np.fft.rfft(channel)).argmax() for channel in got.T]
    # Vorbis stores left, centre, right, ...; the result has the order of WAV: left, right, centre, bass, back.
    assert peaks == [300, 700, 500, 60, 1100, 1300]


def test_formats_without_their_decoder_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(DecodeError, match=r'pip install "wavtools\[formats\]"'):
        decode(b"\0\0\0\x18ftypM4A " + bytes(99))
    with pytest.raises(DecodeError, match=r"wavtools\[formats\]"):
        decode(written("OGG", "OPUS", NOISE, 48_000))


@pytest.mark.parametrize(
    ("rate", "to"), [(3_000, 192_000), (7_999, 191_999), (192_000, 8_000), (3_001, 8_000)]
)
def test_every_documented_rate_works(rate: int, to: int) -> None:
    pcm = (8000 * np.sin(2 * np.pi * 200 * np.arange(rate) / rate)).astype(np.int16)
    got = decode(pcm, to, np.int32(rate))
    assert len(got.values) == to
    assert np.abs(np.fft.rfft(got.values)).argmax() == 200


def test_a_file_that_is_not_known_says_how_it_begins() -> None:
    with pytest.raises(DecodeError, match="begins with b'Hello"):
        decode(b"Hello, this is text. " * 9)
    with pytest.raises(DecodeError, match="is empty"):
        decode(b"")


def test_the_result_of_read_wav_is_a_file_or_a_sound() -> None:
    data = written("AIFF", "PCM_16")
    assert isinstance(read_wav(data), WavFile)
    assert repr(read_wav(data, dtype="float32")) == "<Sound 0.045 s, 22050 Hz, channels=2, float32>"
