"""Delivery: the thread that takes captured frames off the ring and turns them into session audio.

It consumes the ring from begin() to end(), also while nothing is recorded. Capture positions decide what is kept, not the
moment when this thread runs: a recording is a list of intervals [start, stop) of positions. So record(), pause() and
clear() are exact to the frame.

Thread: its own ("wavtools-delivery"), which also runs the user's callback; methods are grouped by thread below.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavtools._states import CaptureState, now_ns
from wavtools.resample import Resampler

__all__ = ["AudioChunk", "Delivery"]

# While nobody waits for a chunk, or the device has stopped calling.
POLL_SECONDS = 0.01
# While a callback is due.
LATE_SECONDS = 0.001
# Without a callback for that long, the device has stopped, or it wakes us itself.
SILENT_SECONDS = 0.1
# Blocks of 50 ms are taken off the ring at a time.
BLOCKS_PER_SECOND = 20

_log = logging.getLogger("wavtools")

Samples = NDArray[np.int16]


@dataclasses.dataclass(frozen=True)
class AudioChunk:
    """One chunk of recorded audio, int16 at the session rate.

    Attributes
    ----------
    mono : int16, shape (frames,)
        The arithmetic mean of the channels.
    raw : int16, shape (frames,) or (frames, channels)
        The device's channels.
    frame : int
        Number of the first frame, counted at the session rate since begin(), pauses included.
    time : float
        When that frame was captured, in seconds of time.monotonic().
    played : int16, shape (frames,), or None
        What the player played at the same frames, silence included; None unless recorder and player share a duplex device.
    """

    mono: Samples
    raw: Samples
    frame: int = 0
    time: float = 0.0
    played: Samples | None = None


@dataclasses.dataclass
class Interval:
    """Captured frames [start, stop) that are recorded.

    ``stop`` is None while recording. ``produced`` counts the session frames stored since ``start`` or the last change of
    the device's rate, ``emitted`` those of them that went out in chunks. ``skip`` counts session frames still to come that
    were captured before a clear().
    """

    start: int
    stop: int | None
    chunk_size: int
    emit: Callable[[AudioChunk], None]
    done: threading.Event = dataclasses.field(default_factory=threading.Event)
    produced: int = 0
    emitted: int = 0
    skip: int = 0


class Delivery:
    """Consumer of one capture ring.

    Parameters
    ----------
    state : CaptureState
    device_rate, session_rate : int
        Hz
    store : callable
        Gets all recorded audio, int16 (frames, channels) at the session rate, with the lock held.
    watch : callable
        Gets all captured audio, recorded or not, as float32 mono at the session rate; for the live spectrum.
    reference : bool
        True if the ring's last channel is what was played at the time. It goes with the chunks and is not stored.
    """

    def __init__(
        self,
        state: CaptureState,
        device_rate: int,
        session_rate: int,
        store: Callable[[Samples], None],
        watch: Callable[[NDArray[np.float32]], None],
        reference: bool = False,
    ) -> None:
        self._state = state
        # The microphone's.
        self._channels = state.channels - reference
        self._device_rate = device_rate
        self._session_rate = session_rate
        self._store = store
        self._watch = watch
        self._set_resamplers()
        self._block = np.empty((max(1, device_rate // BLOCKS_PER_SECOND), state.channels), np.float32)
        # (capture position, device rate from there on)
        self._rate_changes: deque[tuple[int, int]] = deque()
        # Where the present device rate began: (capture position, session frame).
        self._origin = 0, 0
        self._pending: list[Samples] = []
        self._pending_frames = 0
        self._intervals: deque[Interval] = deque()
        # Guards the intervals and the order of storing; taken before the recorder's lock.
        self._lock = threading.Lock()
        self._wake = threading.Event()
        # (callbacks, captured) when we last looked.
        self._seen = 0, 0
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="wavtools-delivery", daemon=True)
        self._thread.start()

    def _set_resamplers(self) -> None:
        self._resampler: Resampler | None = None
        self._watch_resampler: Resampler | None = None
        if self._device_rate != self._session_rate:
            channels = self._state.channels
            self._resampler = Resampler(self._device_rate, self._session_rate, channels)
            self._watch_resampler = Resampler(self._device_rate, self._session_rate, 1, "fast")

    # ---- control threads

    @property
    def is_current_thread(self) -> bool:
        """True inside the user's callback."""
        return threading.current_thread() is self._thread

    def wake(self) -> None:
        """Look at the ring now."""
        self._wake.set()

    def record(self, chunk_size: int, emit: Callable[[AudioChunk], None]) -> None:
        """Record, beginning with the next frame captured."""
        with self._lock:
            self._intervals.append(Interval(self._state.captured, None, chunk_size, emit))

    def change_rate(self, device_rate: int) -> None:
        """Note that the frames captured from now on come from a device of that rate."""
        with self._lock:
            self._rate_changes.append((self._state.captured, device_rate))

    def pause(self) -> threading.Event:
        """Record nothing captured after this moment. The event is set when everything before it was delivered."""
        with self._lock:
            interval = self._intervals[-1]
            interval.stop = self._state.captured
        self._wake.set()
        return interval.done

    def clear_store(self, clear: Callable[[], None]) -> None:
        """Call *clear*; audio captured before this moment that is not stored yet will not be stored."""
        with self._lock:
            position = self._state.captured
            for interval in self._intervals:
                until = position if interval.stop is None else min(position, interval.stop)
                interval.skip = self._session_frames(max(0, until - interval.start)) - interval.produced
            clear()

    def finished(self) -> None:
        """Wait until every interval was delivered; all of them are paused."""
        with self._lock:
            waiting = [interval.done for interval in self._intervals]
        for done in waiting:
            done.wait()

    def close(self) -> None:
        """End the thread. Audio that is not delivered by then is dropped."""
        self._closing = True
        self._wake.set()
        if not self.is_current_thread:
            self._thread.join()

    def drain(self) -> None:
        """Deliver what is pending. For the user's callback, which cannot wait for its own thread. Delivery thread."""
        while self._intervals:
            self._pump()

    # ---- delivery thread

    def _run(self) -> None:
        try:
            while not self._closing:
                self._wake.wait(self._until_due())
                self._wake.clear()
                while not self._closing and self._pump():
                    pass
        finally:
            # Whatever ended this thread: end all pending waits.
            with self._lock:
                for interval in self._intervals:
                    interval.done.set()

    def _until_due(self) -> float:
        """Seconds to sleep. A callback may not make system calls, so it cannot wake us; we wake when one is due.

        Polling every 10 ms would delay a chunk by 5 ms on average.
        """
        state = self._state
        callbacks, captured, called_ns = state.callbacks, state.captured, state.last_callback_ns
        (callbacks_before, captured_before), self._seen = self._seen, (callbacks, captured)
        silent = (now_ns() - called_ns) * 1e-9
        if not self._intervals or silent > SILENT_SECONDS:
            return POLL_SECONDS
        if callbacks == callbacks_before:
            return LATE_SECONDS
        period = (captured - captured_before) / (callbacks - callbacks_before) / self._device_rate
        return min(max(period - silent, LATE_SECONDS), POLL_SECONDS)

    def _pump(self) -> bool:
        """Process one block; False if there was nothing to do."""
        position = self._state.consumed
        with self._lock:
            # Read with the lock held: an interval that is added later starts at this position or after it.
            limit = self._state.captured
            interval = self._intervals[0] if self._intervals else None
            change = self._rate_changes[0] if self._rate_changes else None
            if change is not None:
                limit = min(limit, change[0])
            recording = interval is not None and position >= interval.start
            if interval is not None:
                if not recording:
                    limit = min(limit, interval.start)
                elif interval.stop is not None:
                    limit = min(limit, interval.stop)
        count = self._state.read(self._block[: min(limit - position, len(self._block))])
        if count:
            frames = self._block[:count]
            heard = frames[:, : self._channels]
            mono = heard.mean(axis=1, dtype=np.float32) if self._channels > 1 else heard[:, 0].copy()
            self._watch(mono if self._watch_resampler is None else self._watch_resampler.process(mono))
            if recording and interval is not None:
                self._take(interval, frames)
        if recording and interval is not None and interval.stop == position + count:
            self._finish(interval)
            return True
        if change is not None and change[0] == position + count:
            self._switch(interval if recording else None, *change)
            return True
        return count > 0

    def _switch(self, interval: Interval | None, position: int, device_rate: int) -> None:
        """Go on with another device's rate, from a capture position."""
        if interval is not None and self._resampler is not None:
            self._append(interval, self._resampler.flush())
        frame = self._frame_at(position)
        if interval is not None:
            frame = self._frame_at(interval.start) + interval.produced
        with self._lock:
            self._rate_changes.popleft()
            self._device_rate = device_rate
            self._origin = position, frame
            if interval is not None:
                interval.start, interval.produced = position, 0
                # The pending frames were captured before that position.
                interval.emitted = -self._pending_frames
        self._set_resamplers()

    def _take(self, interval: Interval, frames: NDArray[np.float32]) -> None:
        if self._resampler is not None:
            frames = self._resampler.process(frames)
        self._append(interval, frames)
        self._emit(interval, interval.chunk_size)

    def _finish(self, interval: Interval) -> None:
        """Deliver the filter's tail and the last partial chunk of an interval that was paused."""
        with self._lock:
            if not self._intervals or self._intervals[0] is not interval:
                return  # drain() in the last callback has finished it
            self._intervals.popleft()
        if self._resampler is not None:
            self._append(interval, self._resampler.flush())
            self._resampler.reset()
        self._emit(interval, interval.chunk_size)
        self._emit(interval, 1)
        interval.done.set()

    def _append(self, interval: Interval, frames: NDArray[Any]) -> None:
        raw = _to_int16(frames.reshape(-1, self._state.channels))
        with self._lock:
            interval.produced += len(raw)
            skip = min(interval.skip, len(raw))
            interval.skip -= skip
            self._store(raw[skip:, : self._channels])
        self._pending.append(raw)
        self._pending_frames += len(raw)

    def _emit(self, interval: Interval, at_least: int) -> None:
        """Hand over full chunks, and with at_least=1 the rest too. The user's code runs here and may call us again."""
        while self._pending_frames >= at_least:
            pending = self._pending[0] if len(self._pending) == 1 else np.concatenate(self._pending)
            frames, rest = pending[: interval.chunk_size], pending[interval.chunk_size :]
            chunk = self._chunk(interval, frames)
            self._pending = [rest]
            self._pending_frames = len(rest)
            interval.emitted += len(frames)
            try:
                interval.emit(chunk)
            except Exception:
                _log.exception("the recorder's callback raised; recording goes on")

    def _chunk(self, interval: Interval, frames: Samples) -> AudioChunk:
        raw = frames[:, : self._channels]
        mono = raw[:, 0] if self._channels == 1 else _mono(raw)
        position = interval.start + interval.emitted * self._device_rate // self._session_rate
        stamped, stamp_ns = self._state.stamp
        age = (now_ns() - stamp_ns) * 1e-9 + (stamped - position) / self._device_rate
        return AudioChunk(
            mono=np.ascontiguousarray(mono),
            raw=np.ascontiguousarray(raw[:, 0] if self._channels == 1 else raw),
            frame=self._frame_at(interval.start) + interval.emitted,
            time=time.monotonic() - age,
            played=np.ascontiguousarray(frames[:, -1]) if frames.shape[1] > self._channels else None,
        )

    def _frame_at(self, position: int) -> int:
        """The session frame of a capture position that lies at or after the last change of the rate."""
        origin, frame = self._origin
        return frame + (position - origin) * self._session_rate // self._device_rate

    def _session_frames(self, device_frames: int) -> int:
        """Frames that the resampler makes of device_frames from its beginning: ceil(n * out / in)."""
        return -(-device_frames * self._session_rate // self._device_rate)


def _to_int16(frames: NDArray[np.float32]) -> Samples:
    """Nearest int16 with full scale 32768, so that int16 from a device arrives bit for bit. NaN gives 0."""
    scaled = np.rint(np.nan_to_num(frames) * np.float32(32768))
    pcm: Samples = np.clip(scaled, -32768, 32767).astype(np.int16)
    return pcm


def _mono(raw: Samples) -> Samples:
    """Arithmetic mean of the channels, rounded half to even."""
    mean: Samples = np.rint(raw.mean(axis=1)).astype(np.int16)
    return mean
