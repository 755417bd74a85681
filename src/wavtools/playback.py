"""Playback: a sound that plays, and can be paused, moved, looped and stopped.

A thread reads the sound in blocks and keeps some seconds of it in the queue of a player. A pause takes the queue back
from exactly where the device has stopped, and resuming queues it again.

Thread: any. The sound is read on a thread of its own ("wavtools-playback").
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections.abc import Callable, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wavtools._arguments import number
from wavtools._pieces import PieceReader, Pieces
from wavtools._player_samples import MAX_CHANNELS
from wavtools._process import require_home
from wavtools._tracks import REWIND_FRAMES, TrackOffset
from wavtools.errors import StateError
from wavtools.files.frames import FrameSource
from wavtools.pcm import mix_to_mono
from wavtools.player import WavStreamPlayer

if TYPE_CHECKING:
    from typing_extensions import Self

    from wavtools._open_stream import DeviceSpec

__all__ = ["Playback"]

# The sound is read in pieces of that length, and as long as less than that is queued.
PIECE_SECONDS, AHEAD_SECONDS = 1.0, 10.0
# The longest time between two looks at the queue.
LOOK_SECONDS = 0.05


class Playback:
    """A sound that plays; `start` makes it.

    As a context manager it stops the sound at the end of the block. ``await playback`` waits for the end in asyncio.

    Thread: any; calls from several threads run one after another. No call waits for the file; stop() waits for the device
    to close.

    Attributes
    ----------
    ended : bool
        True once the sound has come to its end or was stopped, and the device is closed.
    """

    def __init__(
        self, source: FrameSource, device: DeviceSpec, *, loop: bool, volume: float, start: float
    ) -> None:
        rate = source.sample_rate
        self._source = source
        self._reader = PieceReader(source)
        self._player = WavStreamPlayer(
            rate,
            channels=source.channels if source.channels <= MAX_CHANNELS else 1,
            device=device,
            queue_seconds=AHEAD_SECONDS + 2 * PIECE_SECONDS,
        )
        self._player.volume = volume
        self._process = os.getpid()
        # Can be taken again by the thread that holds it: a signal handler may call in the middle of a call.
        self._changed = threading.Condition(threading.RLock())
        self._loop = self._checked_loop(loop)
        first = self._checked_frame(start, "start")
        self._pieces = Pieces(first)
        # The player's track of the present run: it begins with each pause, seek and change of the end.
        self._run = 0
        # Counts what makes a piece that is being read useless; where to read next, if not after the last piece.
        self._turn = 0
        self._read_from: int | None = first or None
        self._all_read = False
        self._paused = True
        self._error: BaseException | None = None
        # True from the moment when the sound is to end, and once it has; then the lock is free.
        self._over = self.ended = False
        self._end = threading.Lock()
        self._end.acquire()
        self._watchers: list[Callable[[], None]] = []
        self._start()

    def _start(self) -> None:
        # Read before the device opens, so that a file that cannot be read opens none.
        self._read(0, self._read_from)
        self._read_from = None
        if self._error is not None:
            raise self._error
        self._player.connect()
        self.resume()
        # Daemon: it must not keep the interpreter from ending.
        threading.Thread(target=self._feed, name="wavtools-playback", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __await__(self) -> Generator[Any, None, None]:
        return self.wait_async().__await__()

    def __repr__(self) -> str:
        state = "ended" if self.ended else "paused" if self._paused else "playing"
        length = "" if self.duration is None else f" of {self.duration:.3f}"
        return f"<Playback {self.position:.3f}{length} s, {state}>"

    @property
    def sample_rate(self) -> int:
        """Hz, of the sound; of one below 8000 or above 192000 Hz, what it is converted to."""
        return self._player.sample_rate

    @property
    def duration(self) -> float | None:
        """Length of the sound in seconds.

        None for MP3, Ogg and what PyAV reads until their end was read, and for an iterator.
        """
        length = self._reader.length
        return None if length is None else length / self.sample_rate

    @property
    def position_frames(self) -> int:
        """The frame of the sound that the device gets next, at the sound's rate; exact."""
        with self._changed:
            return self._pieces.frame_at(self._offset())

    @property
    def position(self) -> float:
        """`position_frames` in seconds: up to where the sound was handed to the device.

        In a loop it begins again with 0. After the end it stays.
        """
        return self.position_frames / self.sample_rate

    @property
    def volume(self) -> float:
        """0.0 (silent) to 1.0; takes effect at once. Setting it out of range raises ValueError."""
        return self._player.volume

    @volume.setter
    def volume(self, volume: float) -> None:
        self._player.volume = volume

    @property
    def loop(self) -> bool:
        """True if the sound begins again at its end.

        When this is set to False the present pass is the last. Setting it to True raises ValueError for an iterator.
        """
        return self._loop

    @loop.setter
    def loop(self, loop: bool) -> None:
        with self._changed:
            self._loop = self._checked_loop(loop)
            if self._over:
                return
            if self._loop and self._all_read and self._error is None:
                # The next piece is the beginning of the sound.
                self._turn += 1
                self._read_from, self._all_read = 0, False
            elif not self._loop and self._pieces.repeats(self._offset()):
                self._cut()
                self._pieces.cut_at_the_end()
                self._turn += 1
                self._all_read = True
                self._queue()
            self._changed.notify()

    @property
    def playing(self) -> bool:
        """True while the sound is neither paused nor ended."""
        return not self._paused and not self.ended

    @property
    def paused(self) -> bool:
        """True between pause() and resume()."""
        return self._paused and not self.ended

    def pause(self) -> None:
        """Fall silent at once. Does nothing when paused or ended."""
        with self._changed:
            if not self._paused and not self._over:
                self._paused = True
                self._cut()

    def resume(self) -> None:
        """Go on with the frame at which the sound was paused. Does nothing when playing or ended."""
        with self._changed:
            if self._paused and not self._over:
                self._paused = False
                self._queue()
                self._changed.notify()

    def seek(self, seconds: float) -> None:
        """Go on at another position, 0 to `duration`; a paused sound stays paused.

        What is queued is dropped at once. Where the duration is not known yet, a position beyond it is the end. Formats that
        are decoded from their beginning (MP3, Ogg, PyAV's) take about three seconds for each hour before the position.

        Raises
        ------
        ValueError
            seconds below 0 or beyond the duration
        StateError
            the sound has ended, or is an iterator, which can be read only once
        """
        with self._changed:
            if self._over:
                raise StateError("this playback has ended; call wavtools.start() again, with start=seconds")
            if not self._source.seekable:
                raise StateError("this sound is an iterator, which can be read only once")
            frame = self._checked_frame(seconds, "seconds")
            self._cut()
            self._pieces = Pieces(frame)
            self._turn += 1
            self._read_from, self._all_read, self._error = frame, False, None
            self._changed.notify()

    def stop(self) -> None:
        """End the sound at once and close the device. Stopping twice is fine."""
        self._finish(None)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the sound has ended. A paused sound does not end.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most.

        Returns
        -------
        bool
            False when *timeout* seconds passed first.

        Raises
        ------
        DecodeError, OSError
            the file is damaged: what comes before was played
        StateError
            in a forked child, which has no sound
        """
        require_home(self._process, "playback")
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        # In slices, so that Ctrl-C is seen on Windows too.
        while not self._end.acquire(timeout=max(0.0, min(0.1, deadline - time.monotonic()))):
            if time.monotonic() >= deadline:
                return False
        self._end.release()
        if self._error is not None:
            raise self._error
        return True

    async def wait_async(self) -> None:
        """As wait(), for asyncio; cancelling the wait leaves the sound playing. ``await playback`` is the same."""
        import asyncio

        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def note() -> None:
            if not ended.done():
                ended.set_result(None)

        def tell() -> None:
            # A loop that is closed waits for nothing.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(note)

        with self._changed:
            self._watchers.append(tell)
            if self.ended:
                tell()
        try:
            await ended
        finally:
            self._watchers.remove(tell)
        self.wait(0)

    def _checked_loop(self, loop: bool) -> bool:
        if loop and not self._source.seekable:
            raise ValueError("an iterator can be read only once; loop over numpy.concatenate(list(iterator))")
        return bool(loop)

    def _checked_frame(self, seconds: float, name: str) -> int:
        """The frame at *seconds*, rounded to the nearest."""
        length = self._reader.length
        limit = math.inf if length is None else length / self.sample_rate
        # A number that is printed has fewer digits than the exact length.
        advice = f"the sound has 0 to {limit:g} s"
        frame = round(number(seconds, name, 0, 1e9, advice) * self.sample_rate)
        if length is not None and frame > length:
            raise ValueError(f"{name} is {seconds}; {advice}")
        if frame and not self._source.seekable:
            raise ValueError(f"{name} is {seconds}; an iterator can be read only from its beginning")
        return frame

    # What follows runs under the lock, as far as nothing else is said.

    def _offset(self) -> int:
        """Frames of the present run that the device was handed."""
        return self._of_run(self._player.get_track_sample_offset())

    def _of_run(self, heard: TrackOffset | None) -> int:
        # Before the first frame of the run, an older one is the last that was heard.
        return heard.offset if heard is not None and heard.track_id == str(self._run) else 0

    def _cut(self) -> None:
        """Take back what the device was not handed, and begin a new run with it."""
        self._pieces.cut(self._of_run(self._player.interrupt()))
        self._run += 1

    def _queue(self) -> None:
        """Queue all that waits, at the beginning of a run."""
        if not self._paused:
            for piece in self._pieces:
                self._add(piece.samples)

    def _add(self, samples: NDArray[np.int16]) -> None:
        try:
            if samples.shape[1] != self._player.channels:
                samples = mix_to_mono(samples)
            self._player.add_16bit_pcm(samples, str(self._run))
        except StateError:
            # A signal handler may have stopped the sound in the middle of this call.
            if not self._over:
                raise

    def _finish(self, error: BaseException | None) -> None:
        """End the sound. Without the lock; the first of two callers decides."""
        with self._changed:
            first = not self._over
            if first:
                self._over, self._error = True, error
                self._cut()
                self._pieces = Pieces(self._pieces.frame_at(0))
            self._changed.notify()
        self._player.disconnect()
        if first:
            self.ended = True
            self._end.release()
            for tell in tuple(self._watchers):
                tell()

    def _feed(self) -> None:
        """Read and queue pieces until the end. Without the lock; on its own thread."""
        error: BaseException | None = None
        try:
            while (job := self._next_job()) is not None:
                self._read(*job)
            error = self._error
        except BaseException as failure:
            # Whoever waits gets it.
            error = failure
        finally:
            self._finish(error)
            self._source.close()

    def _next_job(self) -> tuple[int, int | None] | None:
        """Wait until a piece is needed: the turn, and where to read if not further on. None at the end."""
        silent_since: float | None = None
        with self._changed:
            while not self._over:
                offset = self._offset()
                self._pieces.forget(offset - REWIND_FRAMES)
                ahead = (self._pieces.total - offset) / self.sample_rate
                if not self._all_read and ahead < AHEAD_SECONDS:
                    read_from, self._read_from = self._read_from, None
                    return self._turn, read_from
                if self._paused or not self._all_read or ahead > 0 or not self._player.wait_until_idle(0):
                    silent_since = None
                else:
                    # The device plays what it still holds.
                    silent_since = silent_since or time.monotonic()
                    if time.monotonic() - silent_since >= self._player.stats.latency_seconds:
                        return None
                self._changed.wait(None if self._paused else max(0.002, min(ahead, LOOK_SECONDS)))
        return None

    def _read(self, turn: int, read_from: int | None) -> None:
        """Read a piece and queue it, unless it was made useless meanwhile. Without the lock."""
        piece, error = None, None
        try:
            if read_from is not None:
                self._reader.seek(read_from)
            piece = self._reader.read(round(PIECE_SECONDS * self.sample_rate), self._loop)
        except Exception as failure:
            error = failure
        with self._changed:
            if turn != self._turn or self._over:
                return
            if piece is not None and not self._loop:
                piece = piece.before_the_end(self._pieces.end_frame)
            if piece is None:
                self._all_read, self._error = True, error
                if not self._pieces.total and error is None:
                    # A position beyond a length that was not known.
                    self._pieces = Pieces(min(self._pieces.end_frame, self._reader.length or 0))
                return
            self._pieces.append(piece)
            if not self._paused:
                self._add(piece.samples)
