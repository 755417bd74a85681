"""Damages audio files in every way, and tries each of them in a child process; for test_files_damaged and `make soak`.

``python -m tests.wavtools.damaged_files FORMAT COUNT [SEED]`` tries COUNT files and prints what came of them.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile

import wavtools

RATE, FRAMES = 24_000, 10_000
# Container and subtype of soundfile; what PyAV writes is below.
SNDFILE = {
    "WAV": ("WAV", "PCM_16"),
    "WAV-float": ("WAV", "FLOAT"),
    "WAV-mulaw": ("WAV", "ULAW"),
    "WAVEX": ("WAVEX", "PCM_24"),
    "RF64": ("RF64", "PCM_24"),
    "W64": ("W64", "PCM_16"),
    "AIFF": ("AIFF", "PCM_16"),
    "AIFF-C": ("AIFF", "FLOAT"),
    "FLAC": ("FLAC", "PCM_16"),
    "FLAC-24": ("FLAC", "PCM_24"),
    "OGG": ("OGG", "VORBIS"),
    "MP3": ("MP3", "MPEG_LAYER_III"),
    "ADPCM": ("WAV", "MS_ADPCM"),
}
# Codec, container and sample format of PyAV.
PYAV = {
    "OPUS": ("libopus", "ogg", "flt"),
    "M4A": ("aac", "ipod", "fltp"),
    "WEBM": ("libopus", "webm", "flt"),
    "ALAC": ("alac", "ipod", "s16p"),
}
FORMATS = [*SNDFILE, "RIFX", "OGG-CHAIN", *PYAV]
# Where lengths and counts often stand: behind these names.
NAMES = (
    b"RIFF",
    b"RIFX",
    b"RF64",
    b"ds64",
    b"fmt ",
    b"data",
    b"FORM",
    b"COMM",
    b"SSND",
    b"fact",
    b"LIST",
    b"fLaC",
)
NAMES += (
    b"OggS",
    b"vorbis",
    b"ID3",
    b"Xing",
    b"Info",
    b"moov",
    b"mdat",
    b"stsz",
    b"stco",
    b"stsc",
    b"stts",
    b"esds",
)
NAMES += (b"OpusHead", b"OpusTags", b"\x1aE\xdf\xa3", b"\x18S\x80g", b"\x1fC\xb6u", b"\xa3")
EXTREMES = [0, 1, 2, 7, 8, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF]

# Each line: the name of a file that is tried now, and what came of it. The last line names the one that ended the child.
# Memory is bounded, so that a length that is believed shows; a call that does not come back ends the child with its stack.
CHILD = """
import faulthandler, os, sys, time
from pathlib import Path
import wavtools
from wavtools.decode import decode
try:
    import resource
    # The sanitizer reserves terabytes of addresses.
    if "ASAN_OPTIONS" not in os.environ:
        resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
except (ImportError, ValueError):
    pass
try:
    import av
    av.logging.set_level(None)
except ImportError:
    pass
def by_blocks(data):
    with wavtools.WavReader(data) as reader:
        for block in reader.blocks(999):
            pass
for path in sorted(Path(sys.argv[1]).iterdir()):
    data = path.read_bytes()
    for read in (wavtools.load, wavtools.info, decode, wavtools.read_wav, by_blocks):
        if data[:4] == b"OggS" and read in (wavtools.info, decode):
            continue
        print("try", path.name, read.__name__, flush=True)
        faulthandler.dump_traceback_later(60, exit=True)
        began = time.process_time()
        try:
            read(data)
            result = "sound"
        except wavtools.DecodeError:
            result = "DecodeError"
        print("took", round(time.process_time() - began, 3), result, flush=True)
    faulthandler.cancel_dump_traceback_later()
print("done", flush=True)
"""


def tones() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    seconds = np.arange(FRAMES) / RATE
    tone = np.stack([np.sin(2 * np.pi * 440 * seconds), np.sin(2 * np.pi * 300 * seconds)], 1) * 0.5
    return tone + np.random.default_rng(0).uniform(-0.01, 0.01, tone.shape)


def whole(kind: str) -> bytes:
    """An intact file. Raises ImportError if PyAV is needed and not there."""
    if kind in PYAV:
        return by_pyav(*PYAV[kind])
    if kind == "OGG-CHAIN":
        return whole("OGG") * 2
    container, subtype = ("WAV", "PCM_16") if kind == "RIFX" else SNDFILE[kind]
    file = io.BytesIO()
    endian = "BIG" if kind == "RIFX" else None
    soundfile.write(file, tones(), RATE, format=container, subtype=subtype, endian=endian)
    return file.getvalue()


def by_pyav(codec: str, container: str, form: str) -> bytes:
    import av

    samples = np.rint(tones() * 32767).astype(np.int16).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(samples, "s16", "stereo")
    frame.sample_rate = RATE
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=RATE, layout="stereo")
        stream.format = form  # type: ignore[union-attr]
        for given in (frame, None):
            output.mux(stream.encode(given))  # type: ignore[union-attr]
    return file.getvalue()


def _place(data: bytearray, random: np.random.Generator) -> int:
    """A position: behind a name, near the beginning, or anywhere."""
    chance = random.random()
    if chance < 0.4:
        found = [at for name in NAMES if (at := data.find(name)) >= 0]
        if found:
            return min(int(random.choice(found)) + int(random.integers(32)), len(data) - 1)
    if chance < 0.7:
        return int(min(random.exponential(80), len(data) - 1))
    return int(random.integers(len(data)))


def _cut(data: bytearray, at: int, random: np.random.Generator) -> None:
    del data[at + 1 :]


def _byte(data: bytearray, at: int, random: np.random.Generator) -> None:
    data[at] = int(random.integers(256))


def _bit(data: bytearray, at: int, random: np.random.Generator) -> None:
    for _ in range(int(random.integers(1, 9))):
        place = min(at + int(random.integers(64)), len(data) - 1)
        data[place] ^= 1 << int(random.integers(8))


def _extreme(data: bytearray, at: int, random: np.random.Generator) -> None:
    size = int(random.choice([1, 2, 4, 8]))
    value = (
        int(random.choice(EXTREMES)) if size < 8 else int(random.choice(EXTREMES)) << int(random.integers(33))
    )
    order = "little" if random.random() < 0.5 else "big"
    data[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, order)  # type: ignore[arg-type]


def _removed(data: bytearray, at: int, random: np.random.Generator) -> None:
    del data[at : at + int(random.choice([1, 2, 3, 4, 8, 100, 1000]))]


def _inserted(data: bytearray, at: int, random: np.random.Generator) -> None:
    data[at:at] = random.bytes(int(random.integers(1, 60)))


def _repeated(data: bytearray, at: int, random: np.random.Generator) -> None:
    piece = data[at : at + int(random.choice([4, 24, 44, 200, 3000]))]
    data[at:at] = piece * int(random.integers(1, 5))


def _spliced(data: bytearray, at: int, random: np.random.Generator) -> None:
    other = int(random.integers(len(data)))
    data[at:] = data[other:]


def _ogg_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)) & 0xFFFFFFFF
        table.append(value)
    return table


OGG_TABLE = _ogg_table()


def _with_checksums(data: bytearray) -> None:
    """Write the checksums of Ogg pages anew, so that damage behind them reaches the decoder."""
    at = data.find(b"OggS")
    while 0 <= at < len(data) - 27:
        segments = data[at + 26]
        end = at + 27 + segments + sum(data[at + 27 : at + 27 + segments])
        data[at + 22 : at + 26] = bytes(4)
        value = 0
        for byte in data[at:end]:
            value = (value << 8 ^ OGG_TABLE[value >> 24 ^ byte]) & 0xFFFFFFFF
        data[at + 22 : at + 26] = value.to_bytes(4, "little")
        at = data.find(b"OggS", at + 4)


DAMAGES: list[Callable[[bytearray, int, np.random.Generator], None]]
DAMAGES = [
    _cut,
    _byte,
    _byte,
    _bit,
    _bit,
    _extreme,
    _extreme,
    _extreme,
    _removed,
    _inserted,
    _repeated,
    _spliced,
]


def damaged(data: bytes, random: np.random.Generator) -> bytes:
    """*data* with one damage, or a few."""
    copy = bytearray(data)
    for _ in range(min(int(random.geometric(0.6)), 6)):
        if copy:
            damage = DAMAGES[int(random.integers(len(DAMAGES)))]
            damage(copy, _place(copy, random), random)
    if random.random() < 0.7:
        _with_checksums(copy)
    return bytes(copy)


def try_files(kind: str, count: int, folder: Path, seed: int = 0) -> tuple[Counter[str], float]:
    """Try *count* damaged files; how often each result came, and the longest processor time of a call in seconds.

    Raises AssertionError with the name of the file that ended the child.
    """
    random = np.random.default_rng([FORMATS.index(kind), seed])
    original = whole(kind)
    assert len(wavtools.load(original).pcm) >= FRAMES
    for index in range(count):
        (folder / f"{index:05d}").write_bytes(damaged(original, random))
    command = [sys.executable, "-c", CHILD, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and lines[-1] == "done", (lines[-1:], done.returncode, done.stderr[-3000:])
    took = [line.split() for line in lines if line.startswith("took")]
    return Counter(line[2] for line in took), max(float(line[1]) for line in took)


def main(arguments: list[str]) -> Iterator[str]:
    kinds = FORMATS if arguments[0] == "all" else [arguments[0]]
    for kind in kinds:
        with tempfile.TemporaryDirectory() as folder:
            seed = int(arguments[2]) if len(arguments) > 2 else 0
            results, longest = try_files(kind, int(arguments[1]), Path(folder), seed)
        yield f"{kind:10} {dict(results)}, longest {longest:.2f} s of processor time"


if __name__ == "__main__":
    for line in main(sys.argv[1:]):
        print(line, flush=True)
