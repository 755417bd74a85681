"""What a path holds stays until the new content can take its place: in save(), WavFile.save(), WavWriter and record_to=."""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wavtools
from wavtools import OfflineDevice, WavPacker, WavRecorder, WavWriter
from wavtools.files.replacing import replaced

RATE = 24_000
OLD = b"an older take" * 50
NOISE = np.random.default_rng(1).integers(-30_000, 30_000, 100_000).astype(np.int16)


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


# Ways to write a file.
SAVES: dict[str, Callable[[Path], Any]] = {
    "save": lambda path: wavtools.save(path, NOISE, RATE),
    "save of floats": lambda path: wavtools.save(path, NOISE / 32768, RATE, encoding="int24"),
    "WavFile.save": lambda path: WavPacker.pack(NOISE, RATE).save(path),
}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file sizes")
@pytest.mark.parametrize("how", SAVES)
def test_a_save_that_fails_in_the_middle_keeps_the_old_file(how: str, tmp_path: Path) -> None:
    import resource
    import signal

    path = tmp_path / "take.wav"
    path.write_bytes(OLD)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # What is written beyond the limit raises, as on a disk that is full.
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            SAVES[how](path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == OLD
    assert names(tmp_path) == ["take.wav"]
    SAVES[how](path)
    assert len(wavtools.read_wav(path, strict=True).pcm) == len(NOISE)
    assert names(tmp_path) == ["take.wav"]


def test_a_reader_sees_the_old_file_or_the_new_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "take.wav"
    path.write_bytes(OLD)
    with replaced(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == OLD
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError])
def test_an_error_leaves_neither_a_new_file_nor_a_part_of_one(
    error: type[BaseException], tmp_path: Path
) -> None:
    with pytest.raises(error), replaced(tmp_path / "take.wav") as file:
        file.write(b"half")
        raise error
    assert names(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="links and permissions of POSIX")
def test_links_and_permissions_stay(tmp_path: Path) -> None:
    there, link = tmp_path / "there.wav", tmp_path / "link.wav"
    there.write_bytes(OLD)
    there.chmod(0o640)
    link.symlink_to("there.wav")
    wavtools.save(link, NOISE, RATE)
    assert link.is_symlink()
    assert stat.S_IMODE(there.stat().st_mode) == 0o640
    assert len(wavtools.load(there).pcm) == len(NOISE)
    # A new file has the permissions that any new file has.
    (tmp_path / "any").touch()
    wavtools.save(tmp_path / "new.wav", NOISE, RATE)
    assert (tmp_path / "new.wav").stat().st_mode == (tmp_path / "any").stat().st_mode


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everything")
def test_a_file_that_may_not_be_written_is_not_replaced_and_a_closed_folder_is_no_obstacle(
    tmp_path: Path,
) -> None:
    protected, folder = tmp_path / "protected.wav", tmp_path / "folder"
    protected.write_bytes(OLD)
    protected.chmod(0o444)
    with pytest.raises(PermissionError, match="protected"):
        wavtools.save(protected, NOISE, RATE)
    folder.mkdir()
    inside = folder / "take.wav"
    inside.write_bytes(OLD)
    folder.chmod(0o555)
    wavtools.save(inside, NOISE, RATE)
    folder.chmod(0o755)
    assert len(wavtools.load(inside).pcm) == len(NOISE)


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    for how in SAVES.values():
        with pytest.raises(OSError, match="take.wav"):
            how(tmp_path / "none" / "take.wav")
        with pytest.raises(OSError, match=tmp_path.name):
            how(tmp_path)
    assert names(tmp_path) == []


def test_names_as_long_as_a_file_system_takes_are_saved(tmp_path: Path) -> None:
    path = tmp_path / ("t" * 251 + ".wav")
    wavtools.save(path, NOISE, RATE)
    assert names(tmp_path) == [path.name]


# Headers that fail


class FailingHeader(io.BytesIO):
    """A file object whose next *failures* writes write a part and raise."""

    def __init__(self, content: bytes, failures: int) -> None:
        super().__init__(content)
        self.failures = failures

    def write(self, data: Any, /) -> int:
        if self.failures:
            self.failures -= 1
            super().write(bytes(data)[:10])
            raise OSError(errno.ENOSPC, "full")
        return super().write(data)


@pytest.mark.parametrize("content", [b"", b"short", OLD])
@pytest.mark.parametrize("user", ["recorder", "writer"])
def test_a_header_that_fails_leaves_the_file_as_it_was(user: str, content: bytes) -> None:
    file = FailingHeader(content, 1)
    with pytest.raises(OSError, match="full"):
        if user == "writer":
            WavWriter(file, RATE)
        else:
            WavRecorder(RATE, device=OfflineDevice(RATE), record_to=file).begin()
    assert file.getvalue() == content
    WavWriter(file, RATE).close()
    assert len(wavtools.read_wav(file.getvalue(), strict=True).pcm) == 0


def test_a_writer_whose_header_fails_twice_tells_the_first_error() -> None:
    with pytest.raises(OSError, match="full"):
        WavWriter(FailingHeader(OLD, 2), RATE)


def test_a_writer_that_fails_makes_no_file_and_continues_none_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="take.wav"):
        WavWriter(tmp_path / "take.wav", RATE, append=True)
    assert names(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_told_by_every_way_to_write() -> None:
    for how in SAVES.values():
        with pytest.raises(OSError, match=r"space|seek|argument"):
            how(Path("/dev/full"))
    assert Path("/dev/full").is_char_device()
