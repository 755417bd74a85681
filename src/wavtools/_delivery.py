"""Delivery: the thread that takes captured frames off the ring and turns them into session audio.

It consumes the ring from begin() to end(), also while nothing is recorded. Capture positions decide what is kept, not the
moment when this thread runs: a recording is a list of intervals [start, stop) of positions. So record(), pause() and
clear() are exact to the frame.

Thread: its own ("wavtools-delivery"), which also runs the user's callback; methods are grouped by thread below.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wavtools._alarm import Alarm
from wavtools._audio_chunk import AudioChunk
from wavtools._fine_clock import monotonic
from wavtools._latch import Latch
from wavtools._pcm_frames import mean_of_channels, to_int16, with_channels
from wavtools._states import CaptureState, Seat, now_ns
from wavtools.errors import StateError
from wavtools.resample import Resampler

if TYPE_CHECKING:
    from wavtools._both_sides import LateBlocks
    from wavtools._echo_stage import EchoStage

__all__ = ["Delivery"]

# While nobody waits for a chunk, or the device has stopped calling.
POLL_SECONDS = 0.01
# While nothing is recorded and nothing is played, so that an open microphone costs little.
IDLE_SECONDS = 0.05
# While a callback is due.
LATE_SECONDS = 0.001
# Without a callback for that long, the device has stopped, or it wakes us itself.
SILENT_SECONDS = 0.1
# Blocks of 50 ms are taken off the ring at a time.
BLOCKS_PER_SECOND = 20

_log = logging.getLogger("wavtools")

Samples = NDArray[np.int16]


@dataclasses.dataclass(frozen=True)
class _Source:
    """The capture ring of one device, which begins at a capture position of the session.

    With ``reference`` the ring's last channel is what was played at the time.
    """

    state: CaptureState
    device_rate: int
    reference: bool
    seat: Seat
    start: int

    @property
    def captured(self) -> int:
        """Capture position of the next frame that the device will write."""
        return self.start + self.state.captured


@dataclasses.dataclass
class Interval:
    """Captured frames [start, stop) that are recorded.

    ``stop`` is None while recording. ``produced`` counts the session frames stored since ``start`` or the last change of
    the device, ``emitted`` those of them that went out in chunks. What was captured before ``cleared`` is not stored.

    The resampler began at the capture position ``origin``; its result number ``first`` is the interval's first one.
    """

    start: int
    stop: int | None
    chunk_size: int
    emit: Callable[[AudioChunk], None]
    done: Latch = dataclasses.field(default_factory=Latch)
    produced: int = 0
    emitted: int = 0
    cleared: int = 0
    origin: int = -1
    first: int = 0


# More than 20 attributes: the session's settings, the present device, and what is pending change together, in one thread.
class Delivery:
    """Consumer of the capture rings of one session, one for each device that it used.

    Capture positions count the frames of all devices.

    Parameters
    ----------
    state : CaptureState
        The ring of the first device.
    device_rate, session_rate : int
        Hz
    store : callable
        Gets all recorded audio, int16 (frames, channels) at the session rate, with the lock held; and how many of the
        frames, the first ones, were captured before a clear().
    watch : callable
        Gets all captured audio, recorded or not, as float32 mono at the session rate; for the live spectrum.
    reference : bool
        True if the ring's last channel is what was played at the time. It goes with the chunks and is not stored.
    channels : int, optional
        What to record; the first device's own number when not given. Where a device has another number, each channel is
        the mean of the device's.
    stage : EchoStage, optional
        Takes all captured frames, recorded or not, and adds what was played and the clean signal.

    Attributes
    ----------
    callback_errors : int
        How often the user's callback raised.
    failed : bool
        True once an error has ended the thread: nothing will be delivered any more.
    """

    def __init__(
        self,
        state: CaptureState,
        device_rate: int,
        session_rate: int,
        store: Callable[[Samples, int], None],
        watch: Callable[[NDArray[np.float32]], None],
        reference: bool = False,
        channels: int | None = None,
        seat: Seat | None = None,
        stage: EchoStage | None = None,
    ) -> None:
        # What the session records.
        self._channels = channels or state.channels - reference
        self._session_rate = session_rate
        self._store = store
        self._watch = watch
        self._stage = stage
        self._use(_Source(state, device_rate, reference, seat or Seat(), 0))
        # The rings of later devices, until their turn comes.
        self._next_sources: deque[_Source] = deque()
        # Where the present source began: (capture position, session frame).
        self._origin = 0, 0
        self._pending: list[Samples] = []
        self._pending_frames = 0
        self._intervals: deque[Interval] = deque()
        # Guards the intervals and the order of storing; taken before the recorder's lock. A signal handler may take it
        # again in the middle of a call.
        self._lock = threading.RLock()
        # Rung when there is a reason to look at the capture ring
        self._alarm = Alarm()
        # (callbacks, captured) when we last looked.
        self._seen = 0, 0
        self._closing = False
        self.failed = False
        self.callback_errors = 0
        self._thread = threading.Thread(target=self._run, name="wavtools-delivery", daemon=True)
        self._thread.start()

    def _use(self, source: _Source) -> None:
        """Take frames from *source* from now on."""
        rate, channels = source.device_rate, source.state.channels
        self._source = source
        self._block = np.empty((max(1, rate // BLOCKS_PER_SECOND), channels), np.float32)
        self._resampler: Resampler | None = None
        self._watch_resampler: Resampler | None = None
        if self._stage is not None:
            self._stage.begin(source.state, rate, source.reference, source.seat)
        if rate != self._session_rate:
            if self._stage is None:
                self._resampler = Resampler(rate, self._session_rate, channels)
            self._watch_resampler = Resampler(rate, self._session_rate, 1, "fast")

    # ---- control threads

    @property
    def is_current_thread(self) -> bool:
        """True inside the user's callback."""
        return threading.current_thread() is self._thread

    @property
    def captured(self) -> int:
        """Capture position of the next frame: all before it were captured by now. Takes no lock."""
        try:
            source = self._next_sources[-1]
        except IndexError:
            source = self._source
        return source.captured

    def wake(self) -> None:
        """Look at the ring now."""
        self._alarm.ring()

    def record(self, chunk_size: int, emit: Callable[[AudioChunk], None]) -> Latch:
        """Record, beginning with the next frame captured. The latch is set when everything was delivered, after a pause().

        Raises StateError if the delivery thread has ended.
        """
        with self._lock:
            if self.failed:
                raise StateError(
                    "recording ended by an error, which was logged; call .end(), then .begin() again"
                )
            start = self.captured
            interval = Interval(start, None, chunk_size, emit, origin=start)
            self._intervals.append(interval)
        # It may sleep for IDLE_SECONDS
        self.wake()
        return interval.done

    def change_device(self, state: CaptureState, device_rate: int, reference: bool, seat: Seat) -> None:
        """Go on with another device's ring; the device before captures nothing more."""
        with self._lock:
            self._next_sources.append(_Source(state, device_rate, reference, seat, self.captured))

    def pause(self) -> Latch:
        """Record nothing captured after this moment. The latch is set when everything before it was delivered."""
        with self._lock:
            interval = self._intervals[-1]
            interval.stop = self.captured
            if self.failed:
                interval.done.set()
        self.wake()
        return interval.done

    def clear_store(self, clear: Callable[[], None]) -> None:
        """Call *clear*; audio captured before this moment that is not stored yet will not be stored."""
        with self._lock:
            position = self.captured
            for interval in self._intervals:
                interval.cleared = position if interval.stop is None else min(position, interval.stop)
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
        self.wake()
        if not self.is_current_thread:
            self._thread.join()

    def drain(self) -> None:
        """Deliver what is pending. For the user's callback, which cannot wait for its own thread. Delivery thread."""
        while self._intervals and not self.failed:
            self._pump()

    # ---- delivery thread

    def _run(self) -> None:
        try:
            while not self._closing:
                self._alarm.wait(self._until_due())
                while not self._closing and self._pump():
                    pass
        except BaseException:
            self.failed = True
            _log.exception("recording ended by an error; what was stored before can be read")
        finally:
            if self._stage is not None and self._stage.both is not None:
                self._give_both(self._stage.both, math.inf)
            # Whatever ended this thread: end all pending waits.
            with self._lock:
                for interval in self._intervals:
                    interval.done.set()

    def _until_due(self) -> float:
        """Seconds to sleep. A callback may not make system calls, so it cannot wake us; we wake when one is due.

        Polling every 10 ms would delay a chunk by 5 ms on average.
        """
        state = self._source.state
        callbacks, captured, called_ns = state.callbacks, state.captured, state.last_callback_ns
        (callbacks_before, captured_before), self._seen = self._seen, (callbacks, captured)
        silent = (now_ns() - called_ns) * 1e-9
        if not self._intervals and (self._stage is None or self._stage.quiet):
            return IDLE_SECONDS
        if not self._intervals or silent > SILENT_SECONDS:
            return POLL_SECONDS
        if callbacks == callbacks_before:
            return LATE_SECONDS
        period = (captured - captured_before) / (callbacks - callbacks_before) / self._source.device_rate
        return min(max(period - silent, LATE_SECONDS), POLL_SECONDS)

    def _pump(self) -> bool:
        """Process one block; False if there was nothing to do."""
        source = self._source
        position = source.start + source.state.consumed
        with self._lock:
            # Read with the lock held: an interval that is added later starts at this position or after it.
            limit = source.captured
            interval = self._intervals[0] if self._intervals else None
            change = self._next_sources[0] if self._next_sources else None
            if change is not None:
                limit = min(limit, change.start)
            recording = interval is not None and position >= interval.start
            if interval is not None:
                if not recording:
                    limit = min(limit, interval.start)
                elif interval.stop is not None:
                    limit = min(limit, interval.stop)
        count = source.state.read(self._block[: min(limit - position, len(self._block))])
        if count:
            frames = self._block[:count]
            heard = frames[:, :-1] if source.reference else frames
            mono = heard.mean(axis=1, dtype=np.float32) if heard.shape[1] > 1 else heard[:, 0].copy()
            self._watch(mono if self._watch_resampler is None else self._watch_resampler.process(mono))
            if self._stage is not None:
                self._take_staged(self._stage, interval if recording else None, frames)
            elif recording and interval is not None:
                self._take(interval, frames)
        if self._source is not source:
            # drain() in the user's callback has gone on with the next device.
            return True
        if recording and interval is not None and interval.stop == position + count:
            self._finish(interval)
            return True
        if change is not None and change.start == position + count:
            self._switch(interval if recording else None, change)
            return True
        return count > 0

    def _switch(self, interval: Interval | None, source: _Source) -> None:
        """Go on with the ring of another device."""
        if interval is not None:
            self._append_rest(interval)
        frame = self._frame_at(source.start)
        if interval is not None:
            frame = self._frame_at(interval.origin) + interval.first + interval.produced
        with self._lock:
            # In this order: `captured` looks at both without the lock.
            self._use(source)
            self._next_sources.popleft()
            self._origin = source.start, frame
            self._seen = 0, 0
            if interval is not None:
                interval.start, interval.produced = source.start, 0
                interval.origin, interval.first = source.start, 0
                # The pending frames were captured before that position.
                interval.emitted = -self._pending_frames
        if self._stage is None:
            self._pending = [self._with_reference(frames, source.reference) for frames in self._pending]

    def _with_reference(self, frames: Samples, reference: bool) -> Samples:
        """Pending frames with as many channels as those of the next source: nothing was played, or it is left out."""
        frames = frames[:, : self._channels + reference]
        if reference and frames.shape[1] == self._channels:
            return np.pad(frames, ((0, 0), (0, 1)))
        return frames

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
        self._append_rest(interval)
        self._emit(interval, interval.chunk_size)
        self._emit(interval, 1)
        interval.done.set()

    def _take_staged(self, stage: EchoStage, interval: Interval | None, frames: NDArray[np.float32]) -> None:
        """The same through the echo stage, which gets the frames of pauses too (*interval* is None)."""
        if interval is not None:
            self._lay(interval, stage)
        origin = self._source.start + stage.origin
        number, rows = stage.push(frames, interval is not None)
        self._tell_both(stage, origin, number, rows, interval)
        if interval is not None:
            self._append_rows(interval, stage, number, rows)
            self._emit(interval, interval.chunk_size)

    def _lay(self, interval: Interval, stage: EchoStage) -> None:
        """Note which row of the echo stage's segment is the interval's first."""
        if interval.produced == 0:
            start = self._source.start
            interval.origin = start + stage.origin
            interval.first = stage.row_at(interval.start - start)

    def _append_rest(self, interval: Interval) -> None:
        """What resampler and echo stage still hold of an interval."""
        if self._stage is not None:
            self._lay(interval, self._stage)
            origin = self._source.start + self._stage.origin
            number, rows = self._stage.flush()
            self._tell_both(self._stage, origin, number, rows, interval)
            self._append_rows(interval, self._stage, number, rows)
        elif self._resampler is not None:
            self._append(interval, self._resampler.flush())
            self._resampler.reset()

    def _tell_both(
        self, stage: EchoStage, origin: int, number: int, rows: Samples, interval: Interval | None
    ) -> None:
        """Give on_both what came out of the stage, whose segment begins at capture position *origin*."""
        both, source = stage.both, self._source
        if both is None:
            return
        # Rows before the interval's first one belong to the pause before it.
        paused = len(rows) if interval is None else min(max(0, interval.first - number), len(rows))
        for start, part, recorded in ((0, rows[:paused], False), (paused, rows[paused:], True)):
            row = number + start
            position = origin - source.start + row * source.device_rate / self._session_rate
            frame, time = self._frame_at(origin) + row, self._time_of(origin, row)
            both.put(part, self._channels, frame, time, recorded, position, source.device_rate)
        self._give_both(both, source.state.captured)

    def _give_both(self, both: LateBlocks, captured: float) -> None:
        """Hand over the blocks that are due when so many frames were captured."""
        while (block := both.take(captured)) is not None:
            try:
                both.on_both(block)
            except BaseException:
                self.callback_errors += 1
                _log.exception("the recorder's on_both raised; recording goes on")

    def _append_rows(self, interval: Interval, stage: EchoStage, number: int, rows: Samples) -> None:
        """Rows of the echo stage, from the interval's first one on; *number* is that of the first given."""
        rows = rows[max(0, interval.first - number) :]
        self._keep(interval, rows, stage.stored(rows))

    def _append(self, interval: Interval, frames: NDArray[Any]) -> None:
        source = self._source
        raw = to_int16(frames.reshape(-1, source.state.channels))
        raw = with_channels(raw, self._channels, source.reference)
        self._keep(interval, raw, raw[:, : self._channels])

    def _keep(self, interval: Interval, rows: Samples, stored: Samples) -> None:
        with self._lock:
            # Frames that the resampler makes from its beginning: ceil(n * out / in)
            count = (interval.cleared - interval.origin) * self._session_rate
            cleared = -(-count // self._source.device_rate) - interval.first
            skip = min(max(0, cleared - interval.produced), len(rows))
            interval.produced += len(rows)
            self._store(stored, skip)
        self._pending.append(rows)
        self._pending_frames += len(rows)

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
            except BaseException:
                # SystemExit and KeyboardInterrupt too: on this thread they would end the recording, not the program.
                self.callback_errors += 1
                _log.exception("the recorder's callback raised; recording goes on")

    def _chunk(self, interval: Interval, frames: Samples) -> AudioChunk:
        channels = self._channels
        raw = frames[:, :channels]
        if frames.shape[1] > channels + 1:
            # The echo stage's.
            mono = frames[:, channels + 1]
        else:
            mono = raw[:, 0] if channels == 1 else mean_of_channels(raw)
        row = interval.first + interval.emitted
        return AudioChunk(
            mono=np.ascontiguousarray(mono),
            raw=np.ascontiguousarray(raw[:, 0] if channels == 1 else raw),
            frame=self._frame_at(interval.origin) + row,
            time=self._time_of(interval.origin, row),
            played=np.ascontiguousarray(frames[:, channels]) if frames.shape[1] > channels else None,
        )

    def _time_of(self, origin: int, row: int) -> float:
        """When session frame number *row* after a capture position was captured, by monotonic()."""
        rate, source = self._source.device_rate, self._source
        position = origin + row * rate // self._session_rate
        stamped, stamp_ns = source.state.stamp
        return monotonic() - (now_ns() - stamp_ns) * 1e-9 - (source.start + stamped - position) / rate

    def _frame_at(self, position: int) -> int:
        """The session frame of a capture position of the present source."""
        origin, frame = self._origin
        return frame + (position - origin) * self._session_rate // self._source.device_rate
