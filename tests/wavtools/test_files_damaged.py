"""Damaged files end no process, hang no call and raise nothing but DecodeError: each is tried in a child.

``WAVTOOLS_SOAK=1`` tries 2000 of each format.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from tests.wavtools.damaged_files import FORMATS, FRAMES, PYAV, try_files, whole
from wavtools.decode import decode
from wavtools.errors import DecodeError

SOAK = bool(os.environ.get("WAVTOOLS_SOAK"))
COUNT = 2000 if SOAK else 40


@pytest.mark.timeout(60 + COUNT)
@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files_end_in_a_decode_error_or_sound(kind: str, tmp_path: Path) -> None:
    if kind in PYAV:
        pytest.importorskip("av", reason="PyAV is not installed (wavtools[formats])")
    results, longest = try_files(kind, COUNT, tmp_path)
    assert set(results) == {"DecodeError", "sound"}, "the damage is too weak or too strong"
    if SOAK:
        print(f"{kind}: {dict(results)}, longest {longest:.2f} s of processor time")


def test_an_ogg_file_that_ends_its_decoder_is_a_decode_error() -> None:
    """The comment header says 2**32 - 1 comments: the decoder writes outside its memory."""
    data = bytearray(whole("OGG"))
    at = data.index(b"\x03vorbis") + 7
    vendor = int.from_bytes(data[at : at + 4], "little")
    data[at + 4 + vendor : at + 8 + vendor] = b"\xff\xff\xff\xff"
    began = time.monotonic()
    with pytest.raises(DecodeError):
        decode(bytes(data))
    assert time.monotonic() - began < 60


def test_the_decoders_process_finds_its_library_where_the_program_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As with ``pip install --target`` and PYTHONPATH: the interpreter alone does not know where."""
    monkeypatch.setattr(sys, "executable", getattr(sys, "_base_executable", sys.executable))
    assert len(decode(whole("OGG")).values) == FRAMES


@pytest.mark.parametrize("size", [0, 23, 24, 1 << 62, (1 << 64) - 1])
def test_a_chunk_size_of_w64_that_leads_nowhere_ends(size: int) -> None:
    data = bytearray(whole("W64"))
    data[56:64] = size.to_bytes(8, "little")
    with pytest.raises(DecodeError):
        decode(bytes(data))


def test_a_file_of_empty_chunks_ends() -> None:
    body = b"WAVE" + b"junk\0\0\0\0" * 200_000
    with pytest.raises(DecodeError, match="no data chunk"):
        decode(b"RIFF" + len(body).to_bytes(4, "little") + body)


def test_a_flac_file_of_no_rate_or_no_sound_is_a_decode_error() -> None:
    data = bytearray(whole("FLAC"))
    data[18:21] = bytes(2) + bytes([data[20] & 0x0F])
    with pytest.raises(DecodeError):
        decode(bytes(data))
    with pytest.raises(DecodeError):
        decode(bytes(data[:42]))
