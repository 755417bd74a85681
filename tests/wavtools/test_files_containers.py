"""Every field of a header may lie: what is there is read, or the error says what contradicts what."""

from __future__ import annotations

import pickle
import struct
import sys
from typing import Any

import numpy as np
import pytest

import wavtools
from wavtools import AudioAnalysis, DecodeError, WavPacker, WavReader, read_wav
from wavtools.decode import decode

PCM = np.arange(1, 9, dtype="<i2")
GUID = bytes.fromhex("000000001000800000aa00389b71")


def chunk(kind: bytes, body: bytes, order: str = "<", size: int | None = None) -> bytes:
    return kind + struct.pack(f"{order}I", len(body) if size is None else size) + body + bytes(len(body) % 2)


def riff(*chunks: bytes, magic: bytes = b"RIFF") -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return magic + struct.pack("<I", len(body)) + body


def form(
    tag: int = 1,
    channels: int = 1,
    rate: int = 8_000,
    bits: int = 16,
    align: int | None = None,
    more: bytes = b"",
) -> bytes:
    align = channels * ((bits + 7) // 8) % 65_536 if align is None else align
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, 0, align, bits) + more)


def sound(size: int | None = None) -> bytes:
    return chunk(b"data", PCM.tobytes(), size=size)


def aiff(
    frames: int = 8,
    offset: int = 0,
    size: int | None = None,
    channels: int = 1,
    bits: int = 16,
    rate: bytes = b"",
) -> bytes:
    rate = rate or struct.pack(">HQ", 16383 + 12, (8_000 << 63) >> 12)
    common = chunk(b"COMM", struct.pack(">HIH", channels, frames, bits) + rate, ">")
    body = (
        b"AIFF"
        + common
        + chunk(b"SSND", struct.pack(">II", offset, 0) + PCM.astype(">i2").tobytes(), ">", size)
    )
    return b"FORM" + struct.pack(">I", len(body)) + body


EXTENSIBLE = [form(0xFFFE, more=struct.pack("<HHIH", 22, valid, 0, 1) + GUID) for valid in (0, 12, 16, 99)]


@pytest.mark.parametrize(
    ("data", "truncated"),
    [
        (riff(form(), sound()), False),
        (riff(form(align=0), sound()), False),
        (riff(form(bits=12), sound()), False),
        *[(riff(extensible, sound()), False) for extensible in EXTENSIBLE],
        (riff(form(), chunk(b"fact", b"\xff" * 4), sound()), False),
        (riff(form(), sound(), chunk(b"LIST", b"INFO", size=0xFFFFFFFF)), False),
        (riff(form(), sound(0)), True),
        (riff(form(), sound(0xFFFFFFFF)), True),
        (riff(form(), sound(0xFFFFFFFF), magic=b"RF64"), True),
        *[
            (
                riff(
                    chunk(b"ds64", struct.pack("<QQQI", 1 << 63, size, 1 << 61, 0)),
                    form(),
                    sound(stated),
                    magic=b"RF64",
                ),
                lies,
            )
            for size, stated, lies in [
                (16, 0xFFFFFFFF, False),
                (16, 0, False),
                (1 << 62, 0xFFFFFFFF, True),
                (0, 0xFFFFFFFF, True),
            ]
        ],
        (aiff(), False),
        (aiff(frames=0), False),
        (aiff(frames=0xFFFFFFFF), True),
        *[(aiff(size=size), True) for size in (0, 3, 8, 0xFFFFFFFF)],
    ],
)
def test_what_is_there_is_read_whatever_a_field_says(data: bytes, truncated: bool) -> None:
    got = read_wav(data)
    assert got.pcm.tolist() == PCM.tolist()
    assert got.truncated == wavtools.info(data).truncated == wavtools.load(data).truncated == truncated
    with WavReader(data) as reader:
        assert reader.read(dtype="int16").tolist() == PCM.tolist()
    if truncated:
        with pytest.raises(DecodeError, match="another length"):
            read_wav(data, strict=True)


def test_a_few_samples_behind_a_size_of_zero_are_read() -> None:
    for count in range(1, 9):
        assert len(read_wav(riff(form(), chunk(b"data", b"")) + PCM[:count].tobytes()).pcm) == count


def test_an_empty_file_with_chunks_behind_is_empty() -> None:
    assert len(read_wav(riff(form(), chunk(b"data", b""), chunk(b"LIST", b"INFO")), strict=True).pcm) == 0
    whole = aiff(frames=0)
    empty = whole[: whole.index(b"SSND")] + chunk(b"SSND", bytes(8), ">") + chunk(b"ID3 ", b"title", ">")
    assert len(read_wav(empty, strict=True).pcm) == 0


@pytest.mark.parametrize("tag", [6, 7])
def test_g711_whose_header_states_the_decoded_bits_is_read(tag: int) -> None:
    right, wrong = (riff(form(tag, bits=bits, align=1), sound()) for bits in (8, 16))
    assert (
        read_wav(right).pcm.tolist() == read_wav(wrong).pcm.tolist() == decode(wrong, 8_000).wav.pcm.tolist()
    )


NAN, NEGATIVE = b"\x7f\xff" + b"\xff" * 8, b"\xc0\x0e" + b"\xff" * 8


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (riff(sound(), form()), "no fmt chunk before its data"),
        (riff(form(channels=0), sound()), "0 channels"),
        (riff(form(rate=0), sound()), "at 0 Hz"),
        *[(riff(form(align=align), sound()), "contradicts itself") for align in (1, 3, 65_535)],
        (riff(form(bits=0), sound()), "contradicts itself"),
        (riff(form(7, bits=16, align=2), sound()), "G.711"),
        (riff(form(0xFFFE), sound()), "extensible fmt chunk of 16 bytes"),
        (riff(form(), chunk(b"LIST", b"INFO", size=0xFFFFFFFF), sound()), "cut short: its chunk b'LIST'"),
        (riff(form(0), sound()), "format 0x0"),
        (aiff(offset=0xFFFFFFFF), "sound begins 4294967303 bytes into a chunk"),
        (aiff(channels=0), "0 channels"),
        (aiff(bits=33), "33 bits"),
        (aiff(bits=0), "0 bits"),
        *[(aiff(rate=rate), "at 0 Hz") for rate in (NAN, NEGATIVE, bytes(10))],
    ],
)
def test_a_header_that_contradicts_itself_is_a_decode_error(data: bytes, message: str) -> None:
    for read in (read_wav, wavtools.load, wavtools.info, decode, WavReader):
        with pytest.raises(DecodeError, match=message):
            read(data)


@pytest.mark.parametrize("channels", [9, 33, 1_000, 32_767])
def test_any_number_of_channels_is_read_and_resampled(channels: int) -> None:
    samples = np.arange(40 * channels, dtype="<i2").reshape(40, channels)
    data = riff(form(channels=channels, align=channels * 2 % 65_536), chunk(b"data", samples.tobytes()))
    np.testing.assert_array_equal(read_wav(data).pcm, samples)
    assert decode(data, 16_000).values.shape == (80, channels)
    assert wavtools.info(data).channel_count == channels


def test_more_channels_than_a_file_of_int16_can_have_are_loaded_or_refused() -> None:
    data = riff(form(channels=65_535, bits=8), chunk(b"data", bytes(2 * 65_535)))
    assert wavtools.load(data).pcm.shape == (2, 65_535)
    for read in (read_wav, decode):
        with pytest.raises(DecodeError, match="channels is 65535"):
            read(data)


RATES: list[tuple[Any, type[Exception]]]
RATES = [
    (16_000.0, TypeError),
    ("16000", TypeError),
    (None, TypeError),
    (10**30, ValueError),
    (-1, ValueError),
]


@pytest.mark.parametrize(("rate", "error"), RATES)
def test_a_rate_that_is_none_is_named_at_every_door(rate: Any, error: type[Exception]) -> None:
    samples = np.zeros(1_000, np.int16)
    for call in (
        lambda: decode(samples, rate, 16_000),
        lambda: WavPacker.pack(samples, rate),
        lambda: AudioAnalysis(samples, rate),
        lambda: wavtools.save("never.wav", samples, rate),
    ):
        with pytest.raises(error, match="sample_rate"):
            call()


@pytest.mark.parametrize("kind", [np.int32, np.uint16, np.int64])
def test_a_rate_of_numpy_is_taken_exactly(kind: Any) -> None:
    samples = np.zeros(100_000, np.int16)
    assert len(decode(samples, kind(48_000), kind(16_000)).values) == 300_000
    assert WavPacker.pack(samples, kind(48_000)).duration == 100_000 / 48_000
    analysis = AudioAnalysis(samples, kind(48_000))
    assert type(analysis.sample_rate) is int
    assert analysis.duration == 100_000 / 48_000


def test_a_rate_that_would_fill_the_memory_with_spectra_is_refused() -> None:
    with pytest.raises(ValueError, match="1000 to 1536000 Hz"):
        AudioAnalysis(np.zeros(100_000, np.int16), 1)


def test_a_codec_that_only_pyav_decodes_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    data = riff(form(0x55), sound())
    for read in (read_wav, WavReader):
        with pytest.raises(
            DecodeError, match=r"MP3 \(format 0x55\).*only PyAV may decode: wavtools.load\(\)"
        ) as raised:
            read(data)
        assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)
    monkeypatch.setitem(sys.modules, "av", None)
    for read in (wavtools.load, decode, wavtools.info):
        with pytest.raises(DecodeError, match=r'only PyAV may decode: pip install "wavtools\[formats\]"'):
            read(data)
