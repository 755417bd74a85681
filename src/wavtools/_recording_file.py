"""RecordingFile: writes a recording to a WAV file while it is made, whatever the disk does.

The delivery thread only puts blocks into a queue; a thread of its own writes them. A write that fails is tried again every
second, and the queue takes 60 s of audio: a disk that stalls or is full for less loses nothing. What finds the queue full is
left out of the file and counted. The file is whole after every block, so that a killed program leaves a readable file.

Thread: add() on the delivery thread, which it never blocks; writing on its own ("wavtools-writer"); the rest on control
threads. No locks, because a signal handler may end the recording.
"""

from __future__ import annotations

import io
import logging
import os
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from wavtools._events import DeviceEvent, EventKind
from wavtools._latch import Latch
from wavtools.errors import StateError
from wavtools.files.replacing import WholeFile
from wavtools.files.wav_writer import WavWriter

if TYPE_CHECKING:
    from typing import TypeAlias

    # What can be given as ``record_to=``.
    Target: TypeAlias = str | os.PathLike[str] | BinaryIO

__all__ = ["RecordingFile", "check_target"]

# Audio that waits for the disk.
QUEUE_SECONDS = 60
# Between two tries of a write that failed.
RETRY_SECONDS = 1.0
# close() gives up a disk that takes nothing for so long.
CLOSE_SECONDS = 30.0

_log = logging.getLogger("wavtools")
# (device, inode) of each file that a recorder of this process writes.
_in_use: set[tuple[int, int]] = set()


class RecordingFile:
    """The WAV file of one session.

    Parameters
    ----------
    target : str, os.PathLike, or binary file object that can seek
        A file that exists stays as it is until start().
    sample_rate : int
        Hz.
    on_event : callable
        Gets a DeviceEvent "file_failed" when a write fails, and "file_resumed" when a later one succeeds.

    Attributes
    ----------
    frames_written, frames_unwritten : int
        Frames in the file, and frames that were left out of it.

    Raises
    ------
    OSError
        the file cannot be opened for writing
    StateError
        another recorder of this process writes it
    """

    def __init__(self, target: Target, sample_rate: int, on_event: Callable[[DeviceEvent], object]) -> None:
        self._sample_rate = sample_rate
        self._on_event = on_event
        self._limit = QUEUE_SECONDS * sample_rate
        self._path = os.fspath(target) if isinstance(target, (str, os.PathLike)) else None
        self.name = repr(self._path or getattr(target, "name", "the file"))
        self._file = (
            cast("BinaryIO", target)
            if self._path is None
            else cast("BinaryIO", _OwnFile(self._path, sample_rate))
        )
        self._writer: WavWriter | None = None
        # Blocks to write. The delivery thread adds; only the writer's thread takes.
        self._blocks: deque[NDArray[np.int16]] = deque()
        self._wakes: queue.SimpleQueue[None] = queue.SimpleQueue()
        # Frames that were queued (counted by the delivery thread), and that left the queue (by the writer's thread).
        self._queued = self._done = 0
        self._left_out = self._given_up = 0
        # What failed last, while nothing was written since.
        self._failing: BaseException | None = None
        self._error: BaseException | None = None
        self._closing = Latch()
        self._ended = Latch()
        self._thread = threading.Thread(target=self._run, name="wavtools-writer", daemon=True)

    # ---- control threads

    def start(self, channels: int) -> None:
        """Replace what the file held by an empty recording of *channels* channels, and write from now on.

        If this raises, the file is as it was.
        """
        # First, because it may fail too. It waits for the writer.
        self._thread.start()
        self._writer = WavWriter(self._file, self._sample_rate, channels)
        self._wakes.put(None)

    @property
    def frames_written(self) -> int:
        """Frames that are in the file."""
        return self._writer.frames if self._writer is not None else 0

    @property
    def frames_unwritten(self) -> int:
        """Frames that were left out of the file: the queue was full, or the file could not be written at its end."""
        return self._left_out + self._given_up

    @property
    def has_room(self) -> bool:
        """False while half of the queue waits: a device without a clock then waits too."""
        return self._queued - self._done <= self._limit // 2

    def close(self) -> None:
        """Write what waits, and close the file; give up when the disk takes nothing for 30 s. Raises nothing."""
        self._closing.set()
        self._wakes.put(None)
        if self._thread.ident is None:
            self._close_file()
            return
        if threading.current_thread() is self._thread:
            return
        done = -1
        while not self._ended.wait(CLOSE_SECONDS):
            if done == self._done:
                self._error = TimeoutError(f"the disk took nothing for {CLOSE_SECONDS:g} s")
                self._given_up = self._queued - done
                break
            done = self._done

    def check(self) -> None:
        """After close(): raise OSError if frames were left out of the file, or it could not be closed."""
        if not self.frames_unwritten and self._error is None:
            return
        number = getattr(self._error, "errno", None)
        reason = getattr(self._error, "strerror", None) or self._error or "the disk was too slow"
        text = (
            f"{self.frames_unwritten} of {self._queued + self._left_out} frames are not in {self.name} ({reason}); "
            "the file holds the others, and .read() and .save() what keep_seconds= keeps"
        )
        raise OSError(text) if number is None else OSError(number, text)

    # ---- delivery thread

    def add(self, block: NDArray[np.int16]) -> None:
        """Queue *block*, int16 (frames, channels), without copying it."""
        if not len(block):
            return
        if self._queued - self._done + len(block) > self._limit:
            if not self._left_out:
                _log.error("%s is written too slowly: frames are left out of it", self.name)
            self._left_out += len(block)
            return
        self._blocks.append(block)
        self._queued += len(block)
        if self._wakes.empty():
            self._wakes.put(None)

    # ---- its own thread

    def _run(self) -> None:
        try:
            while self._writer is None and not self._closing.is_set:
                self._wakes.get()
            while self._writer is not None and (self._blocks or not self._closing.is_set):
                if not self._blocks:
                    self._wakes.get()
                elif not self._write_block(self._blocks[0]) and self._closing.wait(RETRY_SECONDS):
                    # One more try, now that nothing else comes.
                    self._write_rest()
                    break
            self._given_up = self._queued - self._done
            self._close_file()
        finally:
            self._ended.set()

    def _write_rest(self) -> None:
        while self._blocks and self._write_block(self._blocks[0]):
            pass

    def _write_block(self, block: NDArray[np.int16]) -> bool:
        """Write the oldest block; False if that failed, and the block, or the rest of it, stays in the queue."""
        assert self._writer is not None
        before = self._writer.frames
        try:
            self._writer.write(block)
        except BaseException as error:
            # BaseException: a file object of the caller's may raise anything.
            written = self._writer.frames - before
            self._blocks[0] = block[written:]
            self._done += written
            if self._failing is None:
                _log.error("%s cannot be written, trying again: %s", self.name, error)
                self._tell("file_failed", str(error))
            self._failing = self._error = error
            return False
        self._blocks.popleft()
        self._done += len(block)
        if self._failing is not None:
            self._failing = self._error = None
            self._tell("file_resumed", "the file is written again")
        return True

    def _tell(self, kind: EventKind, reason: str) -> None:
        try:
            self._on_event(DeviceEvent(kind, self.name, reason))
        except BaseException:
            _log.exception("the on_event callback raised; writing goes on")

    def _close_file(self) -> None:
        try:
            if self._writer is not None:
                self._writer.close()
            if isinstance(self._file, _OwnFile):
                self._file.leave(keep=self._writer is not None)
        except BaseException as error:
            self._error = error


class _OwnFile(WholeFile):
    """A file that was opened by its path; one recorder of the process has it."""

    def __init__(self, path: str, sample_rate: int) -> None:
        super().__init__(path)
        status = os.fstat(self.fileno())
        self._identity = status.st_dev, status.st_ino
        if self._identity in _in_use:
            self.close()
            raise StateError(f"another recorder writes {path!r}; call its .end() first")
        _in_use.add(self._identity)
        try:
            if not self.seekable():
                raise OSError(f"{path!r} cannot seek; a recording needs a regular file")
            if self.made:
                # A program that is killed from now on leaves a file that can be read.
                WavWriter(cast("BinaryIO", self), sample_rate)
        except BaseException:
            self.leave(keep=False)
            raise

    def leave(self, *, keep: bool) -> None:
        """Close it; without *keep*, take away a file that was made here."""
        _in_use.discard(self._identity)
        if keep:
            self.close()
        else:
            self.close_unused()


def check_target(target: object) -> None:
    """Raise TypeError unless *target* can be given as ``record_to=``."""
    if target is None or isinstance(target, (str, os.PathLike)):
        return
    seekable = getattr(target, "seekable", None)
    if not callable(getattr(target, "write", None)) or not callable(seekable) or not seekable():
        raise TypeError(
            "record_to must be a path, or a binary file object that can seek, such as open(path, 'w+b'), not "
            f"{target!r}"
        )
    if isinstance(target, io.TextIOBase):
        raise TypeError("the file of record_to must be open for bytes (mode 'w+b')")
