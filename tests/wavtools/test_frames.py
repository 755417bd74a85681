"""Sources of frames: files of each format read in blocks give the samples of a whole decode, from any frame on."""

from __future__ import annotations

import io
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wavtools
from wavtools import DecodeError
from wavtools.files.frames import FrameSource
from wavtools.files.open_frames import open_frames

RATE = 44_100
FORMATS = ["wav", "float.wav", "flac", "mp3", "ogg", "m4a", "opus"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One sound in each format that the tools of this machine write."""
    folder = tmp_path_factory.mktemp("sounds")
    time = np.arange(4 * RATE) / RATE
    noise = np.random.default_rng(1).normal(0, 0.03, (len(time), 2))
    sound = 0.4 * np.sin(np.outer(time, [2 * np.pi * 440, 2 * np.pi * 660])) + noise
    plain = folder / "sound.wav"
    wavtools.save(plain, sound.astype(np.float32), RATE, encoding="int16")
    wavtools.save(folder / "sound.float.wav", sound, RATE, encoding="float32")
    commands = {
        "flac": ["flac", "-s", plain, "-o"],
        "mp3": ["lame", "--quiet", "-V2", plain],
        "ogg": ["oggenc", "-Q", plain, "-o"],
        "m4a": ["ffmpeg", "-v", "error", "-i", plain],
        "opus": ["opusenc", "--quiet", plain],
    }
    made = {"wav": plain, "float.wav": folder / "sound.float.wav"}
    for name, command in commands.items():
        if shutil.which(str(command[0])):
            subprocess.run([*command, folder / f"sound.{name}"], check=True)
            made[name] = folder / f"sound.{name}"
    return made


def need(files: dict[str, Path], name: str) -> Path:
    if name not in files:
        pytest.skip(f"no encoder of {name} is installed")
    if name in ("m4a", "opus"):
        pytest.importorskip("av")
    return files[name]


def children() -> set[str]:
    """The child processes of this one, where the system shows them."""
    tasks = Path("/proc/self/task")
    found = [(task / "children").read_text().split() for task in tasks.iterdir()] if tasks.exists() else []
    return {child for part in found for child in part}


def read_all(source: FrameSource, step: int) -> np.ndarray:
    blocks = []
    while len(block := source.read(step)):
        assert len(block) <= step
        blocks.append(block)
    return np.concatenate(blocks)


@pytest.mark.parametrize("form", ["path", "bytes", "file"])
@pytest.mark.parametrize("name", FORMATS)
def test_blocks_are_the_samples_of_a_whole_decode(name: str, form: str, files: dict[str, Path]) -> None:
    path = need(files, name)
    whole = wavtools.load(path, "int16")
    given: Any = {"path": path, "bytes": path.read_bytes(), "file": io.BytesIO(path.read_bytes())}[form]
    source = open_frames(given, None)
    assert (source.sample_rate, source.channels) == (whole.sample_rate, 2)
    assert source.frames in (None, len(whole.pcm))
    assert np.array_equal(read_all(source, 10_007), whole.pcm)
    assert len(source.read(1)) == 0
    source.close()


@pytest.mark.parametrize("name", FORMATS)
def test_a_seek_is_exact_in_every_format(name: str, files: dict[str, Path]) -> None:
    path = need(files, name)
    whole = wavtools.load(path, "int16").pcm
    source = open_frames(path, None)
    for frame in (1, 1105, 44_100, 123_456, 7, len(whole) - 5, 0, 90_000):
        assert source.seek(frame) == frame
        assert np.array_equal(read_all(source, 500)[:2000], whole[frame : frame + 2000])
    assert source.seek(10**9) == len(whole)
    assert len(source.read(10)) == 0
    source.close()


@pytest.mark.parametrize("name", ["mp3", "flac", "ogg"])
def test_a_compressed_file_plays_from_exactly_the_frame_asked_for(name: str, files: dict[str, Path]) -> None:
    path = need(files, name)
    whole = wavtools.load(path, "int16").pcm
    device = wavtools.OfflineDevice(RATE)
    with wavtools.start(path, device=device, start=1.5) as playback:
        first = device.render(3000)
        playback.pause()
        playback.resume()
        heard = np.concatenate([first, device.render(3000)])
    wanted = wavtools.pcm.mix_to_mono(whole[66_150:72_150])
    assert np.array_equal(heard, wanted)


def test_a_damaged_flac_plays_to_the_damage_and_says_so(files: dict[str, Path]) -> None:
    data = bytearray(need(files, "flac").read_bytes())
    source = open_frames(bytes(data[: len(data) // 2]), None)
    with pytest.raises(DecodeError, match=r"damaged: it holds \d\.\d+ of 4\.000 s"):
        read_all(source, 10_000)
    source.close()


def test_a_damaged_vorbis_file_ends_its_child_and_nothing_else(files: dict[str, Path]) -> None:
    data = bytearray(need(files, "ogg").read_bytes())
    data[60:3000] = bytes(2940)
    with pytest.raises(DecodeError, match="Ogg"):
        open_frames(bytes(data), None)


@pytest.mark.parametrize("name", ["ogg", "mp3", "m4a"])
def test_closing_in_the_middle_leaves_no_process_and_no_thread(name: str, files: dict[str, Path]) -> None:
    path = need(files, name)
    before, running = threading.active_count(), children()
    for _ in range(3):
        source = open_frames(path, None)
        source.read(100)
        source.close()
        source.close()
    assert threading.active_count() <= before
    assert children() <= running


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "samples|empty|odd"),
        (b"fLaC" + bytes(100), "FLAC"),
        (b"ID3\x04\0\0\0\0\0\0" + bytes(100), "a tag of 10 bytes, and no sound"),
        (b"OggS" + bytes(100), "."),
        (b"\x1aE\xdf\xa3" + bytes(100), "."),
    ],
)
def test_a_file_that_is_none_is_a_decode_error(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(DecodeError, match=message if data else "is empty"):
        open_frames(path, None)
