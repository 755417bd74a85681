"""Whatever holds a file is read alike by every function: paths, buffers, and file objects of every kind."""

from __future__ import annotations

import array
import io
import mmap
import os
import pathlib
import socket
import tempfile
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wavtools
from wavtools import DecodeError, WavPacker, WavReader, read_wav
from wavtools.decode import decode

PCM = np.arange(2_000, dtype=np.int16).reshape(-1, 2)
DATA = WavPacker.pack(PCM, 8_000).data
READERS = [read_wav, wavtools.load, wavtools.info, lambda source: decode(source, 8_000), WavReader]
NAMES = ["read_wav", "load", "info", "decode", "WavReader"]
every_reader = pytest.mark.parametrize("read", READERS, ids=NAMES)


def frames(result: Any) -> int:
    if isinstance(result, WavReader):
        assert len(result.read()) == result.frames
        result.close()
        return result.frames
    held = result if hasattr(result, "frames") else getattr(result, "pcm", getattr(result, "values", None))
    return int(held.frames) if hasattr(held, "frames") else len(held)


class ShortReads(io.BytesIO):
    """Gives seven bytes at most."""

    def read(self, size: int | None = -1) -> bytes:  # type: ignore[override]
        return super().read(7 if size is None or size < 0 else min(size, 7))


class SeekReturnsNothing:
    """As some wrappers of remote files: no seekable(), and seek() returns nothing."""

    def __init__(self) -> None:
        self.file = io.BytesIO(DATA)

    def read(self, size: int = -1) -> bytes:
        return self.file.read(size)

    def seek(self, offset: int, whence: int = 0) -> None:
        self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()


class ReadsAtOnce:
    """An upload: read() takes no size, and there is nothing else."""

    def read(self) -> bytes:
        return DATA


def in_a_file(position: int) -> Any:
    file = tempfile.TemporaryFile()  # noqa: SIM115
    file.write(DATA)
    file.seek(position)
    return file


def mapped() -> mmap.mmap:
    space = mmap.mmap(-1, len(DATA))
    space.write(DATA)
    return space


def spooled() -> Any:
    file = tempfile.SpooledTemporaryFile()  # noqa: SIM115
    file.write(DATA)
    return file


def read_from_behind() -> io.BytesIO:
    file = io.BytesIO(b"something else" + DATA)
    file.seek(14)
    return file


@every_reader
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "make",
    [
        lambda: DATA,
        lambda: bytearray(DATA),
        lambda: memoryview(DATA).cast("h"),
        lambda: memoryview(b"".join(bytes([one, 0]) for one in DATA))[::2],
        lambda: array.array("B", DATA),
        lambda: np.frombuffer(DATA, np.uint8),
        mapped,
        lambda: io.BytesIO(DATA),
        lambda: ShortReads(DATA),
        read_from_behind,
        SeekReturnsNothing,
        lambda: in_a_file(0),
        lambda: in_a_file(len(DATA)),
        spooled,
    ],
)
def test_whatever_holds_a_file_is_read(read: Callable[[Any], Any], make: Callable[[], Any]) -> None:
    assert frames(read(make())) == 1_000


def through_a_pipe(buffered: bool) -> Any:
    reading, writing = os.pipe()

    def give() -> None:
        with os.fdopen(writing, "wb", 0) as file:
            for start in range(0, len(DATA), 99):
                file.write(DATA[start : start + 99])

    threading.Thread(target=give).start()
    return os.fdopen(reading, "rb", -1 if buffered else 0)


def through_a_socket() -> Any:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(DATA)
    with ours:
        return ours.makefile("rb")


STREAMS: list[Callable[[], Any]]
STREAMS = [lambda: through_a_pipe(True), lambda: through_a_pipe(False), through_a_socket, ReadsAtOnce]


@pytest.mark.parametrize("make", STREAMS, ids=["pipe", "unbuffered pipe", "socket", "upload"])
def test_streams_that_cannot_seek_are_read_to_their_end(make: Callable[[], Any]) -> None:
    for read in READERS[:-1]:
        stream = make()
        assert frames(read(stream)) == 1_000
        if hasattr(stream, "close"):
            stream.close()
    stream = make()
    with pytest.raises(TypeError, match=r"cannot seek.*wavtools\.load\(\)"):
        WavReader(stream)
    if hasattr(stream, "read"):
        stream.read()
    if hasattr(stream, "close"):
        stream.close()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes of Unix")
def test_a_named_pipe_is_read(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    threading.Thread(target=path.write_bytes, args=[DATA]).start()
    assert frames(wavtools.load(path)) == 1_000


@every_reader
def test_a_source_that_is_none_is_named(read: Callable[[Any], Any], tmp_path: pathlib.Path) -> None:
    (tmp_path / "empty.wav").write_bytes(b"")
    with pytest.raises(DecodeError, match=r"empty\.wav.*empty"):
        read(tmp_path / "empty.wav")
    with pytest.raises(ValueError, match="NUL character"):
        read("a\0b.wav")
    with pytest.raises(OSError):
        read(tmp_path)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none.wav")
    with (tmp_path / "written.wav").open("wb") as file, pytest.raises(TypeError, match="mode 'rb'"):
        read(file)
    with (
        (tmp_path / "empty.wav").open(encoding="latin1") as text,
        pytest.raises(TypeError, match="mode 'rb'"),
    ):
        read(text)
    for wrong in (44, True, array.array("h", [1]), object()):
        with pytest.raises(TypeError, match="a path, the bytes of a file"):
            read(wrong)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_an_os_error(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "closed.wav"
    path.write_bytes(DATA)
    path.chmod(0)
    with pytest.raises(PermissionError):
        wavtools.load(path)


def test_a_stream_that_has_nothing_yet_says_so() -> None:
    class Waiting:
        def read(self, size: int = -1) -> None:
            return None

    with pytest.raises(BlockingIOError, match="nothing to read yet"):
        wavtools.load(Waiting())  # type: ignore[arg-type]


def test_a_file_that_grows_or_shrinks_while_it_is_read_keeps_its_frames(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "growing.wav"
    path.write_bytes(DATA)
    with WavReader(path) as reader:
        with path.open("ab") as file:
            file.write(bytes(400))
        assert len(reader.read()) == 1_000
    # More than what was buffered.
    path.write_bytes(WavPacker.pack(np.zeros(200_000, np.int16), 8_000).data)
    with WavReader(path) as reader:
        os.truncate(path, path.stat().st_size - 400)
        assert len(reader.read()) == 199_800


def test_file_objects_stay_open() -> None:
    file = io.BytesIO(DATA)
    for read in READERS:
        assert frames(read(file)) == 1_000
        assert not file.closed
