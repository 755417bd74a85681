"""Files by many encoders give the samples that went in, and those that soundfile, SciPy and ffmpeg read."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io.wavfile
import soundfile

import wavtools
from tests.wavtools import encoded_files as files

ROOT = Path(__file__).parents[2]


def by_scipy(path: Path) -> np.ndarray[Any, Any]:
    _, samples = scipy.io.wavfile.read(path)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float64) - 128) / 128
    return samples / (1.0 if samples.dtype.kind == "f" else -float(np.iinfo(samples.dtype).min))


def by_ffmpeg(path: Path, channels: int) -> np.ndarray[Any, Any]:
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-f", "f64le", "-"]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout).reshape(
        -1, channels
    )


def others(path: Path, case: files.Encoded) -> dict[str, np.ndarray[Any, Any]]:
    """What other readers find, as far as they are here and read the file."""
    found = {}
    try:
        if case.row == files.VORBIS_6:
            # soundfile keeps the order of Vorbis.
            return {}
        found["soundfile"] = soundfile.read(path, dtype="float64", always_2d=True)[0]
    except soundfile.LibsndfileError:
        pass
    if case.suffix == ".wav" and case.row in (files.PCM, files.FLOAT):
        found["SciPy"] = by_scipy(path).reshape(-1, case.channels)
    # ffmpeg takes RIFX for little-endian; older ones read no FLAC of 32 bits.
    big_endian = path.read_bytes()[:4] == b"RIFX"
    if shutil.which("ffmpeg") and not big_endian and (case.bits, case.row) != (32, files.ODD_FLAC):
        found["ffmpeg"] = by_ffmpeg(path, case.channels)
    return found


def made(case: files.Encoded, folder: Path) -> tuple[Path, np.ndarray[Any, Any]]:
    if absent := files.missing(case):
        pytest.skip(f"{absent} is not installed")
    if files.PYAV in (case.encoder, files.ROWS[case.row][0]):
        pytest.importorskip("av", reason="PyAV is not installed (wavtools[formats])")
    path = folder / f"made{case.suffix}"
    samples = files.source(folder / "given.wav", case)
    files.run(case, folder / "given.wav", path)
    return path, samples


def signal_to_noise(got: np.ndarray[Any, Any], source: np.ndarray[Any, Any]) -> tuple[float, int]:
    """In dB; and by how many frames the sound is late."""
    size = 1 << (len(got) + len(source)).bit_length()
    products = np.fft.rfft(got[:, 0], size) * np.conj(np.fft.rfft(source[:, 0], size))
    lag = int(np.fft.irfft(products).argmax())
    assert lag <= 2_500
    shared = min(len(source), len(got) - lag)
    # The last block may lack.
    assert shared >= len(source) - 480
    return 20 * np.log10(np.std(source) / np.std(got[lag : lag + shared] - source[:shared])), lag


@pytest.mark.filterwarnings("ignore::scipy.io.wavfile.WavFileWarning")
@pytest.mark.parametrize("case", files.CASES, ids=lambda case: case.name)
def test_a_file_of_any_encoder_gives_the_same_samples(case: files.Encoded, tmp_path: Path) -> None:
    path, source = made(case, tmp_path)
    sound = wavtools.load(path, "float64")
    got = sound.pcm.reshape(-1, sound.channel_count)
    facts = wavtools.info(path)
    assert (facts.sample_rate, facts.channel_count, facts.frames) == (case.rate, case.channels, len(got))
    assert sound.sample_rate == case.rate
    assert sound.truncated == facts.truncated == (case.row == files.STREAM)
    float32_only = case.bits == 32 and case.row == files.ODD_FLAC
    if case.bits and case.row in files.LOSSLESS_ROWS:
        assert got.shape == source.shape
        assert np.abs(got - source).max() <= (2.0**-24 if float32_only else 0)
    else:
        # Vorbis takes only bass in the fourth of six channels.
        compared = [0, 1, 2, 4, 5] if case.row == files.VORBIS_6 else list(range(case.channels))
        ratio, lag = signal_to_noise(got[:, compared], source[:, compared])
        assert ratio > 25
        assert lag == 0 or case.row in (files.LOSSY, files.MP3)
    apart = 2.0**-24 if float32_only else 0.0 if case.row in (*files.LOSSLESS_ROWS, files.G711) else 2e-4
    # Decoders of ADPCM round differently.
    apart = 5e-3 if "ADPCM" in case.form else apart
    # From FFmpeg 8.1 on, the padding of AAC's last frame is left out.
    shorter = (
        1024
        if "AAC" in case.form
        else 8
        if case.row == files.LOSSY
        else 128
        if case.row in files.VORBIS_ROWS
        else 0
    )
    for reader, expected in others(path, case).items():
        shared = min(len(expected), len(got))
        assert abs(len(got) - len(expected)) <= shorter, reader
        assert np.abs(got[:shared] - expected[:shared]).max() <= apart, reader


@pytest.mark.parametrize(
    "command",
    [
        "espeak-ng --stdout hello",
        "sox -t raw -r 24000 -e signed -b 16 -c 1 - -t wav -",
        "ffmpeg -v error -f s16le -ar 24000 -i - -f wav -",
    ],
    ids=lambda command: command.split()[0],
)
def test_a_file_from_a_pipe_is_read_whole(command: str) -> None:
    """Who writes into a pipe cannot fill in the sizes."""
    if shutil.which(command.split()[0]) is None:
        pytest.skip(f"{command.split()[0]} is not installed")
    given = np.arange(9_999, dtype="<i2").tobytes()
    data = subprocess.run(command.split(), input=given, capture_output=True, check=True).stdout
    got = wavtools.load(data, "int16")
    assert got.truncated
    if "espeak" in command:
        assert len(got.pcm) == (len(data) - 44) // 2
    else:
        assert got.pcm.tobytes() == given
    with pytest.raises(wavtools.DecodeError, match="cut short"):
        wavtools.read_wav(data, strict=True)


def test_there_are_sixty_files_by_eight_encoders() -> None:
    assert len({case.name for case in files.CASES}) == len(files.CASES) >= 60
    assert len({case.encoder for case in files.CASES}) >= 8
    assert {case.row for case in files.CASES} == set(files.ROWS)


def test_the_table_of_formats_is_current() -> None:
    page = ROOT / "docs" / "files.md"
    if not page.exists():
        pytest.skip("the pages are not beside an installed package")
    assert files.table() in page.read_text(encoding="utf-8")
