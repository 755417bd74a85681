"""Sources: opens what callers hold of a file, which is a path, its bytes, or an object with read().

Thread: any.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from wavtools.files.formats import recognise
from wavtools.files.mpeg import frames_at

__all__ = ["are_a_file", "from_position", "is_source", "open_seekable", "open_source", "read_into"]

_BLOCK_BYTES = 1 << 20


@contextlib.contextmanager
def open_source(source: object) -> Iterator[tuple[BinaryIO, str]]:
    """Open *source* for reading bytes at any position.

    Parameters
    ----------
    source : str, os.PathLike, buffer of bytes, or binary file object
        A file object is read from its present position, or from its beginning if that is its end; it stays open. Pipes,
        sockets and other objects that cannot seek are read to their end first.

    Yields
    ------
    file : binary file object
        It can seek.
    name : str
        What errors call the source.

    Raises
    ------
    TypeError
        another object; or a file that is not open for reading bytes
    BlockingIOError
        a file object that has nothing to read yet
    OSError
        the file cannot be read
    """
    file, name, owned = _opened(source)
    try:
        yield (_from_present(file) if _can_seek(file) else _read_whole(file)), name
    finally:
        if owned:
            file.close()


def open_seekable(source: object) -> tuple[BinaryIO, str, BinaryIO | None]:
    """Open *source* without reading it: the file, its name for errors, and what the caller must close, if anything.

    Raises as `open_source`; TypeError also for what cannot seek.
    """
    file, name, owned = _opened(source)
    if not _can_seek(file):
        if owned:
            file.close()
        raise TypeError(
            f"{name} cannot seek, so it cannot be read in blocks; wavtools.load() reads it at once"
        )
    return _from_present(file), name, file if owned else None


def _opened(source: object) -> tuple[BinaryIO, str, bool]:
    """The file that *source* names or is, its name for errors, and True if it was opened here."""
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        if ("\0" if isinstance(path, str) else b"\0") in path:
            raise ValueError(f"{path!r} is no path: it has a NUL character")
        return open(path, "rb"), repr(path), True  # noqa: PTH123 - a path of bytes is a path too
    held = _bytes_of(source)
    if held is not None:
        return io.BytesIO(held), "the data", True
    if not callable(getattr(source, "read", None)):
        raise TypeError(
            f"a path, the bytes of a file, or an object with read() is needed, not {_kind_of(source)}"
        )
    readable = getattr(source, "readable", None)
    if isinstance(source, io.TextIOBase) or (callable(readable) and not readable()):
        raise TypeError("the file must be open for reading bytes (mode 'rb')")
    name = getattr(source, "name", None)
    return cast("BinaryIO", source), repr(name) if isinstance(name, str) else "the file", False


def _bytes_of(source: object) -> bytes | memoryview | None:
    """The bytes of a buffer of bytes (bytes, bytearray, memoryview, mmap, arrays of bytes); None for anything else."""
    if isinstance(source, bytes):
        return source
    if not isinstance(source, memoryview):
        try:
            view = memoryview(source)  # type: ignore[arg-type]
        except (TypeError, ValueError, BufferError):
            return None
        # Other arrays hold samples. Of a memoryview the bytes count, whatever its format.
        if view.format not in ("B", "b", "c") or view.ndim != 1:
            return None
        source = view
    return source.cast("B") if source.c_contiguous else source.tobytes()


def _can_seek(file: Any) -> bool:
    seekable = getattr(file, "seekable", None)
    # Python 3.10's SpooledTemporaryFile has seek() and tell() without seekable().
    return bool(seekable()) if callable(seekable) else hasattr(file, "seek") and hasattr(file, "tell")


class _Rest(io.RawIOBase):
    """A file that can seek, from one position on: position 0 is there. Closing it leaves the file open."""

    def __init__(self, file: Any, start: int) -> None:
        self._file = file
        self._start = start
        file.seek(start)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        data = self._file.read(len(buffer))
        if data is None:
            return None
        buffer[: len(_checked(data))] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        position = self._file.seek(offset + self._start if whence == io.SEEK_SET else offset, whence)
        # Some objects return nothing.
        return int(self._file.tell() if position is None else position) - self._start

    def tell(self) -> int:
        return int(self._file.tell()) - self._start


def _from_present(file: BinaryIO) -> BinaryIO:
    """*file* from its present position on, or from its beginning if that is its end; its reads are never short."""
    start = file.tell()
    if start == 0 and type(file) in (io.BytesIO, io.BufferedReader):
        return file
    file.seek(0, io.SEEK_END)
    return from_position(file, start if start < file.tell() else 0)


def from_position(file: BinaryIO, start: int) -> BinaryIO:
    """*file* from byte *start* on, as a file of its own; its reads are never short."""
    return cast("BinaryIO", io.BufferedReader(_Rest(file, start)))


def _read_whole(file: Any) -> BinaryIO:
    """All that a file gives that cannot seek."""
    whole = io.BytesIO()
    try:
        data = file.read(_BLOCK_BYTES)
    except TypeError:
        # An upload's read() may take no size.
        whole.write(_checked(file.read()))
        data = b""
    while _checked(data):
        whole.write(data)
        data = file.read(_BLOCK_BYTES)
    whole.seek(0)
    return whole


def _checked(data: Any) -> Any:
    if data is None:
        raise BlockingIOError(
            "the file has nothing to read yet; make it blocking, or read it when it is complete"
        )
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"the file must be open for bytes (mode 'rb'); read() gave {type(data).__name__}")
    return data


def read_into(file: BinaryIO, target: memoryview) -> int:
    """Fill *target* from *file*; returns the number of bytes, which is smaller only at the end of the file."""
    done = 0
    while done < len(target):
        count: int | None = file.readinto(target[done:])  # type: ignore[attr-defined]
        if not count:
            break
        done += count
    return done


def is_source(given: object) -> bool:
    """True for what names or holds a file: a path, an object with ``read()``, bytes that begin like an audio file."""
    held = _bytes_of(given)
    if held is not None:
        return are_a_file(held)
    return isinstance(given, (str, os.PathLike)) or callable(getattr(given, "read", None))


def are_a_file(data: bytes | bytearray | memoryview) -> bool:
    """True if *data* begins like an audio file and not by chance: MP3 without a tag counts with two frames in a row."""
    head = bytes(memoryview(data).cast("B")[:8192]) if len(data) else b""
    kind = recognise(head)
    return kind is not None and (kind != "mp3" or head[:3] == b"ID3" or frames_at(head, 0, 2))


def _kind_of(source: object) -> str:
    shape = getattr(source, "shape", None)
    return f"an array of shape {shape}" if isinstance(shape, tuple) else type(source).__name__
