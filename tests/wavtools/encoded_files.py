"""Files by many encoders, for test_files_encoders: how each is made, and the row of docs/files.md that it stands for.

``python -m tests.wavtools.encoded_files`` prints the table of that page.
"""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io.wavfile
import soundfile

import wavtools

# Of a row: who reads it; and how the samples compare with those of the encoder's source and of other readers.
OURS, MINIAUDIO, CHILD, PYAV = "wavtools", "miniaudio", "stb_vorbis in a child process", "PyAV"
ROWS = {
    "WAV, RIFX, RF64, W64, AIFF, AIFF-C: PCM of 8 to 32 bits": (OURS, "the same samples"),
    "the same: float of 32 and 64 bits": (OURS, "the same samples, beyond full scale too"),
    "the same: G.711 mu-law and A-law": (OURS, "the same samples"),
    "WAV with sizes that were never filled in": (OURS, "the same samples, `truncated` is True"),
    "FLAC of 4 to 24 bits": (MINIAUDIO, "the same samples"),
    "FLAC of 32 bits, FLAC in Ogg": (PYAV, "the same samples; of 32 bits the upper 24"),
    "MP3": (MINIAUDIO, "within 1e-4 of libsndfile; length exact where the encoder states it"),
    "Ogg Vorbis, one and two channels": (CHILD, "within 1e-5 of libsndfile; length exact; chains too"),
    "Ogg Vorbis, more channels": (
        PYAV,
        "within 1e-5 of libsndfile, in WAV's order of channels; up to 128 frames may lack at the end",
    ),
    "Opus in Ogg and WebM": (PYAV, "as ffmpeg, at 48 kHz; length exact in Ogg"),
    "AAC, MP2, ADPCM and other lossy formats": (
        PYAV,
        "as ffmpeg; encoders may add silence around the sound; ADPCM within 0.005 of libsndfile",
    ),
    "ALAC, WavPack, CAF, AU, TTA": (PYAV, "the same samples up to 24 bits"),
}
(PCM, FLOAT, G711, STREAM, FLAC, ODD_FLAC, MP3, VORBIS, VORBIS_6, OPUS, LOSSY, LOSSLESS) = ROWS
LOSSLESS_ROWS = (PCM, FLOAT, STREAM, FLAC, ODD_FLAC, LOSSLESS)
VORBIS_ROWS = (VORBIS, VORBIS_6)

FRAMES = 12_345


@dataclasses.dataclass(frozen=True)
class Encoded:
    """One file: its row, encoder and form; the command or function that makes it from a WAV file of 32-bit PCM."""

    row: str
    encoder: str
    form: str
    make: str | Callable[[Path, Path], None]
    channels: int = 2
    rate: int = 44_100
    # Bits that the form keeps; 0 for lossy ones.
    bits: int = 0

    @property
    def name(self) -> str:
        return f"{self.encoder} {self.form}"

    @property
    def suffix(self) -> str:
        return "." + self.form.split()[0]


def signal(channels: int, rate: int) -> np.ndarray[Any, Any]:
    """Tones of another pitch and level in each channel, with a little noise, that begin and end in silence."""
    seconds = np.arange(FRAMES) / rate
    tones = [0.5 / (1 + c / 4) * np.sin(2 * np.pi * (300 + 110 * c) * seconds) for c in range(channels)]
    noise = np.random.default_rng(channels).uniform(-0.002, 0.002, (FRAMES, channels))
    samples: np.ndarray[Any, Any] = (np.stack(tones, 1) + noise) * np.hanning(FRAMES)[:, np.newaxis] ** 0.25
    return samples


def source(path: Path, case: Encoded) -> np.ndarray[Any, Any]:
    """Write the signal to *path* with as many bits as the form keeps; returns it."""
    bits = case.bits or 24
    samples = np.rint(signal(case.channels, case.rate) * 2 ** (bits - 1)) / 2 ** (bits - 1)
    subtype = "PCM_32" if bits == 32 else "PCM_24" if bits == 24 else "PCM_16"
    soundfile.write(path, samples, case.rate, subtype=subtype)
    return samples


def run(case: Encoded, given: Path, made: Path) -> None:
    """Make the file."""
    if callable(case.make):
        case.make(given, made)
        return
    command = [part.format(given=given, made=made) for part in case.make.split()]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    if "{made}" not in case.make:
        made.write_bytes(done.stdout)


def missing(case: Encoded) -> str | None:
    """What is not installed of what makes the file."""
    if isinstance(case.make, str):
        program = case.make.split()[0]
        return None if shutil.which(program) else program
    return None


def libsndfile(subtype: str, container: str, endian: str | None = None) -> Callable[[Path, Path], None]:
    def make(given: Path, made: Path) -> None:
        samples, rate = soundfile.read(
            given, dtype="int32" if "PCM" in subtype else "float64", always_2d=True
        )
        soundfile.write(made, samples, rate, format=container, subtype=subtype, endian=endian)

    return make


def scipy_writer(dtype: str) -> Callable[[Path, Path], None]:
    def make(given: Path, made: Path) -> None:
        samples, rate = soundfile.read(given, dtype="float64")
        scales = {"uint8": 128, "int16": 32768, "int32": 2**31}
        scaled = samples * scales.get(dtype, 1) + (128 if dtype == "uint8" else 0)
        scipy.io.wavfile.write(made, rate, scaled.astype(dtype))

    return make


def python_wave(width: int) -> Callable[[Path, Path], None]:
    def make(given: Path, made: Path) -> None:
        samples, rate = soundfile.read(given, dtype="int32", always_2d=True)
        with wave.open(str(made), "wb") as file:
            file.setparams((samples.shape[1], width, rate, 0, "NONE", "none"))
            file.writeframes(samples.astype("<i4").view(np.uint8).reshape(-1, 4)[:, 4 - width :].tobytes())

    return make


def our_writer(encoding: str) -> Callable[[Path, Path], None]:
    def make(given: Path, made: Path) -> None:
        samples, rate = soundfile.read(given, dtype="int32")
        with wavtools.WavWriter(made, rate, 2, encoding=encoding) as writer:
            for start in range(0, len(samples), 1000):
                writer.write(samples[start : start + 1000])

    return make


def pyav(
    codec: str, container: str, form: str, options: dict[str, str] | None = None
) -> Callable[[Path, Path], None]:
    def make(given: Path, made: Path) -> None:
        import av

        samples, rate = soundfile.read(given, dtype="int32", always_2d=True)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "s32", "stereo")
        frame.sample_rate = rate
        with av.open(made, "w", format=container) as file:
            stream = file.add_stream(codec, rate=rate, layout="stereo", options=options or {})
            stream.format = form  # type: ignore[union-attr]
            for packet in stream.encode(frame):  # type: ignore[union-attr]
                file.mux(packet)
            for packet in stream.encode(None):  # type: ignore[union-attr]
                file.mux(packet)

    return make


SNDFILE = [
    Encoded(
        row,
        "libsndfile",
        " ".join((suffix, subtype, container, *([endian] if endian else []))),
        libsndfile(subtype, container, endian),
        bits=bits,
    )
    for row, suffix, container, endian, subtype, bits in [
        *[(PCM, "wav", "WAV", None, f"PCM_{b}", int(b.strip("U"))) for b in ("U8", "16", "24", "32")],
        (FLOAT, "wav", "WAV", None, "FLOAT", 24),
        (FLOAT, "wav", "WAV", None, "DOUBLE", 32),
        (G711, "wav", "WAV", None, "ULAW", 0),
        (G711, "wav", "WAV", None, "ALAW", 0),
        (PCM, "wav", "WAVEX", None, "PCM_24", 24),
        (PCM, "rifx", "WAV", "BIG", "PCM_16", 16),
        (PCM, "rifx", "WAV", "BIG", "PCM_24", 24),
        (FLOAT, "rifx", "WAV", "BIG", "FLOAT", 24),
        (G711, "rifx", "WAV", "BIG", "ULAW", 0),
        (PCM, "rf64", "RF64", None, "PCM_24", 24),
        (FLOAT, "rf64", "RF64", None, "FLOAT", 24),
        (PCM, "w64", "W64", None, "PCM_16", 16),
        (G711, "w64", "W64", None, "ALAW", 0),
        (FLOAT, "w64", "W64", None, "DOUBLE", 32),
        (PCM, "aiff", "AIFF", None, "PCM_S8", 8),
        (PCM, "aiff", "AIFF", None, "PCM_16", 16),
        (PCM, "aiff", "AIFF", None, "PCM_24", 24),
        (PCM, "aiff", "AIFF", None, "PCM_32", 32),
        (PCM, "aiff", "AIFF", "LITTLE", "PCM_16", 16),
        (FLOAT, "aiff", "AIFF", None, "FLOAT", 24),
        (G711, "aiff", "AIFF", None, "ULAW", 0),
        (FLAC, "flac", "FLAC", None, "PCM_S8", 8),
        (FLAC, "flac", "FLAC", None, "PCM_16", 16),
        (FLAC, "flac", "FLAC", None, "PCM_24", 24),
        (MP3, "mp3", "MP3", None, "MPEG_LAYER_III", 0),
        (VORBIS, "ogg", "OGG", None, "VORBIS", 0),
        (LOSSLESS, "caf", "CAF", None, "PCM_24", 24),
        (LOSSLESS, "au", "AU", None, "PCM_16", 16),
        (LOSSY, "wav", "WAV", None, "IMA_ADPCM", 0),
        (LOSSY, "wav", "WAV", None, "MS_ADPCM", 0),
    ]
]
SNDFILE += [
    Encoded(OPUS, "libsndfile", "opus OPUS", libsndfile("OPUS", "OGG"), rate=48_000),
]
LIBRARIES = [
    *[
        Encoded(PCM, "SciPy", f"wav {t}", scipy_writer(t), bits=b)
        for t, b in (("uint8", 8), ("int16", 16), ("int32", 32))
    ],
    Encoded(FLOAT, "SciPy", "wav float32", scipy_writer("float32"), bits=24),
    Encoded(FLOAT, "SciPy", "wav float64", scipy_writer("float64"), bits=32),
    Encoded(PCM, "Python's wave", "wav 2 bytes", python_wave(2), bits=16),
    Encoded(PCM, "Python's wave", "wav 3 bytes", python_wave(3), bits=24),
    Encoded(PCM, "wavtools", "wav int24", our_writer("int24"), bits=24),
    Encoded(FLOAT, "wavtools", "wav float32", our_writer("float32"), bits=24),
    Encoded(G711, "wavtools", "wav alaw", our_writer("alaw")),
    Encoded(FLAC, "PyAV", "flac", pyav("flac", "flac", "s16"), bits=16),
    Encoded(LOSSLESS, "PyAV", "m4a ALAC", pyav("alac", "ipod", "s16p"), bits=16),
    Encoded(LOSSY, "PyAV", "m4a AAC", pyav("aac", "ipod", "fltp")),
    Encoded(OPUS, "PyAV", "webm", pyav("libopus", "webm", "flt"), rate=48_000),
    Encoded(MP3, "PyAV", "mp3", pyav("libmp3lame", "mp3", "fltp")),
    Encoded(PCM, "PyAV", "w64 PCM", pyav("pcm_s24le", "w64", "s32"), bits=24),
    Encoded(PCM, "PyAV", "aiff PCM", pyav("pcm_s24be", "aiff", "s32"), bits=24),
]
SOX = "sox -D {given} "
FFMPEG = "ffmpeg -v error -y -i {given} "
PROGRAMS = [
    *[
        Encoded(row, "sox", form, SOX + options + " {made}", bits=bits)
        for row, form, options, bits in [
            (PCM, "wav 8 bits", "-b 8", 8),
            (PCM, "wav 24 bits", "-b 24", 24),
            (FLOAT, "wav float", "-e floating-point -b 32", 24),
            (G711, "wav mu-law", "-e mu-law -b 8", 0),
            (PCM, "aiff 24 bits", "-b 24", 24),
            (PCM, "aifc 16 bits", "-b 16", 16),
            (PCM, "wav RIFX", "-B -b 16", 16),
            (LOSSLESS, "au", "-b 16", 16),
            (VORBIS, "ogg", "", 0),
        ]
    ],
    *[
        Encoded(row, "ffmpeg", form, FFMPEG + options + " {made}", bits=bits)
        for row, form, options, bits in [
            (PCM, "wav 24 bits and LIST", "-c:a pcm_s24le -metadata title=odd -metadata artist=somebody", 24),
            (PCM, "wav 24 bits and bext", "-c:a pcm_s24le -write_bext 1 -metadata description=take", 24),
            (PCM, "wav RF64", "-c:a pcm_s16le -rf64 always", 16),
            (PCM, "aiff and ID3", "-c:a pcm_s24be -write_id3v2 1 -metadata title=odd", 24),
            (PCM, "aiff sowt", "-c:a pcm_s16le", 16),
            (PCM, "w64 32 bits", "-c:a pcm_s32le", 32),
            (FLOAT, "wav 64 bits", "-c:a pcm_f64le", 32),
            (G711, "wav A-law", "-c:a pcm_alaw", 0),
            (FLAC, "flac level 12", "-c:a flac -sample_fmt s16 -compression_level 12", 16),
            (MP3, "mp3 VBR", "-c:a libmp3lame -q:a 3", 0),
            (LOSSY, "m4a AAC", "-c:a aac", 0),
            (LOSSY, "mp2", "-c:a mp2", 0),
            (LOSSLESS, "m4a ALAC", "-c:a alac -sample_fmt s16p", 16),
            (LOSSLESS, "tta", "-sample_fmt s16", 16),
            (LOSSLESS, "caf", "-c:a pcm_s24be", 24),
        ]
    ],
    Encoded(OPUS, "ffmpeg", "webm Opus", FFMPEG + "-c:a libopus {made}", rate=48_000),
    Encoded(STREAM, "ffmpeg", "wav to a pipe", FFMPEG + "-c:a pcm_s16le -f wav -", bits=16),
    Encoded(
        FLAC, "flac", "flac -0, blocks of 17", "flac -s -f --lax -0 --blocksize=17 -o {made} {given}", bits=16
    ),
    Encoded(FLAC, "flac", "flac -8, 24 bits", "flac -s -f -8 -o {made} {given}", bits=24),
    Encoded(FLAC, "flac", "flac -5, mono of 16 bits", "flac -s -f -o {made} {given}", channels=1, bits=16),
    Encoded(ODD_FLAC, "flac", "flac 32 bits", "flac -s -f -o {made} {given}", bits=32),
    Encoded(ODD_FLAC, "flac", "oga", "flac -s -f --ogg -o {made} {given}", bits=16),
    *[
        Encoded(MP3, "lame", form, f"lame --quiet {options} {{given}} {{made}}", channels=channels, rate=rate)
        for form, options, channels, rate in [
            ("mp3 CBR", "-b 128", 2, 44_100),
            ("mp3 VBR", "-V 2", 2, 48_000),
            ("mp3 joint stereo of 320 kbit/s", "-b 320 -m j", 2, 44_100),
            ("mp3 mono", "-b 64", 1, 22_050),
            ("mp3 mono, MPEG 2.5", "-b 16", 1, 8_000),
        ]
    ],
    Encoded(VORBIS, "oggenc", "ogg mono", "oggenc -Q -o {made} {given}", channels=1, bits=16),
    Encoded(VORBIS, "oggenc", "ogg stereo", "oggenc -Q -q 8 -o {made} {given}", bits=16),
    Encoded(VORBIS_6, "oggenc", "ogg of 6 channels", "oggenc -Q -q 6 -o {made} {given}", channels=6, bits=16),
    Encoded(OPUS, "opusenc", "opus mono", "opusenc --quiet {given} {made}", channels=1, rate=48_000),
    Encoded(OPUS, "opusenc", "opus stereo", "opusenc --quiet --bitrate 160 {given} {made}", rate=48_000),
    Encoded(LOSSY, "twolame", "mp2", "twolame --quiet {given} {made}", bits=16),
    Encoded(LOSSLESS, "wavpack", "wv", "wavpack -q {given} -o {made}", bits=24),
]
CASES = SNDFILE + LIBRARIES + PROGRAMS


def table() -> str:
    """The table of docs/files.md."""
    lines = ["| format | read by | samples | tested with files by |", "|---|---|---|---|"]
    for row, (reader, exactness) in ROWS.items():
        encoders = sorted({case.encoder for case in CASES if case.row == row}, key=str.lower)
        lines.append(f"| {row} | {reader} | {exactness} | {', '.join(encoders)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
