"""Damaged files end no process, hang no call and raise nothing but DecodeError: each is tried in a child.

``WAVTOOLS_SOAK=1`` tries 2000 of each format.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavtools.decode import decode
from wavtools.errors import DecodeError

COUNT = 2000 if os.environ.get("WAVTOOLS_SOAK") else 60
FORMATS = {
    "WAV": "PCM_16",
    "RF64": "PCM_24",
    "W64": "PCM_16",
    "AIFF": "PCM_16",
    "FLAC": "PCM_16",
    "OGG": "VORBIS",
    "MP3": "MPEG_LAYER_III",
}
# Each line: the index of a file that is tried now; then how long it took. The last line tells which one ended the child.
CHILD = """
import sys, time
from pathlib import Path
from wavtools.decode import decode
from wavtools.errors import DecodeError
from wavtools import read_wav
for path in sorted(Path(sys.argv[1]).iterdir()):
    print("try", path.name, flush=True)
    data = path.read_bytes()
    began = time.monotonic()
    for read in (decode, read_wav):
        try:
            read(data)
        except DecodeError:
            pass
    print("took", time.monotonic() - began, flush=True)
"""


def whole(container: str, subtype: str) -> bytes:
    file = io.BytesIO()
    time_axis = np.arange(4_000) / 24_000
    samples = np.stack([np.sin(2 * np.pi * 440 * time_axis), np.sin(2 * np.pi * 300 * time_axis)], 1) * 0.5
    soundfile.write(file, samples, 24_000, format=container, subtype=subtype)
    return file.getvalue()


def damaged(data: bytes, random: np.random.Generator) -> bytes:
    """Cut, overwritten, with bytes moved, or with a length field blown up; mostly near the beginning."""
    copy = bytearray(data)
    for _ in range(int(random.integers(1, 6))):
        if not copy:
            break
        at = int(min(random.exponential(60 if random.random() < 0.6 else 2000), len(copy) - 1))
        kind = random.integers(6)
        if kind == 0:
            del copy[at + 1 :]
        elif kind == 1:
            copy[at] = int(random.integers(256))
        elif kind == 2:
            copy[at : at + 4] = b"\xff\xff\xff\xff"
        elif kind == 3:
            copy[at : at + 4] = bytes(4)
        elif kind == 4:
            del copy[at : at + int(random.integers(1, 9))]
        else:
            copy[at:at] = random.bytes(int(random.integers(1, 40)))
    return bytes(copy)


@pytest.mark.timeout(60 + COUNT)
@pytest.mark.parametrize("container", FORMATS)
def test_damaged_files_end_in_a_decode_error_or_sound(container: str, tmp_path: Path) -> None:
    random = np.random.default_rng(list(FORMATS).index(container))
    original = whole(container, FORMATS[container])
    for index in range(COUNT):
        (tmp_path / f"{index:05d}").write_bytes(damaged(original, random))
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=50 + COUNT,
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, (lines[-1:], done.returncode, done.stderr[-2000:])
    times = [float(line.split()[1]) for line in lines if line.startswith("took")]
    assert len(times) == COUNT


def test_an_ogg_file_that_ends_its_decoder_is_a_decode_error() -> None:
    """The comment header says 2**32 - 1 comments: the decoder writes outside its memory."""
    data = bytearray(whole("OGG", "VORBIS"))
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
    assert len(decode(whole("OGG", "VORBIS")).values) == 4_000


@pytest.mark.parametrize("size", [0, 23, 24, 1 << 62, (1 << 64) - 1])
def test_a_chunk_size_of_w64_that_leads_nowhere_ends(size: int) -> None:
    data = bytearray(whole("W64", "PCM_16"))
    data[56:64] = size.to_bytes(8, "little")
    with pytest.raises(DecodeError):
        decode(bytes(data))


def test_a_file_of_empty_chunks_ends() -> None:
    body = b"WAVE" + b"junk\0\0\0\0" * 200_000
    with pytest.raises(DecodeError, match="no data chunk"):
        decode(b"RIFF" + len(body).to_bytes(4, "little") + body)


def test_a_flac_file_of_no_rate_or_no_sound_is_a_decode_error() -> None:
    data = bytearray(whole("FLAC", "PCM_16"))
    data[18:21] = bytes(2) + bytes([data[20] & 0x0F])
    with pytest.raises(DecodeError):
        decode(bytes(data))
    with pytest.raises(DecodeError):
        decode(bytes(data[:42]))
