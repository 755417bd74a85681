"""EchoStage: takes the echo of what was played out of captured frames, in frames of 10 ms, for the delivery.

It stands between the device's frames and the recorded intervals and runs whenever the device does, so that the canceller
knows the room before somebody records. Captured, played and clean signal come out as rows of one array, delayed alike.

A *segment* begins with a device, and after each flush(). Its rows are numbered from 0: row n was captured
n / session rate after the segment's first frame, so the canceller's own delay does not count.

Thread: the recorder's delivery thread; ``cancelling`` and ``state`` any.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wavtools._echo_guard import EchoGuard
from wavtools._pcm_frames import mean_of_channels, to_int16, with_channels
from wavtools._reference import PlayedReference
from wavtools.resample import Resampler

if TYPE_CHECKING:
    from collections.abc import Callable

    from wavtools._both_sides import BothSides, LateBlocks
    from wavtools._played_tap import PlayedTap
    from wavtools._states import CaptureState, Seat
    from wavtools.echo import EchoCanceller

__all__ = ["EchoStage", "EchoState"]

# After so long without sound from the player, nobody hears the difference if frames are taken later.
QUIET_SECONDS = 1.0
# Frames that wake the canceller up: its window and its estimate of the noise.
REST_FRAMES = 8

_log = logging.getLogger("wavtools")

Samples = NDArray[np.int16]


@dataclasses.dataclass(frozen=True)
class EchoState:
    """How a recorder's echo canceller does at present.

    Attributes
    ----------
    canceller : str or None
        Its name; None where nothing is cancelled and chunks only have ``played``.
    cancelling : bool
        False while ``mono`` is what was captured.
    erle_db : float
        dB by which the echo falls; 0 while nothing is played.
    delay_seconds : float or None
        Seconds from a frame in ``played`` to its echo in ``raw``; None while unknown.
    resets : int
        How often the canceller began anew: a device was lost and restored, replaced, or moved by the system.
    slips : int
        How often played and captured frames moved against each other: the speaker ran dry, or a callback was late.
    """

    canceller: str | None
    cancelling: bool
    erle_db: float
    delay_seconds: float | None
    resets: int
    slips: int


# More than 20 attributes: settings, the present device and its segment change together, in one thread.
class EchoStage:
    """The echo stage of one recording session.

    Parameters
    ----------
    canceller : EchoCanceller or None
        None adds only what was played.
    tap : PlayedTap or None
        None where only a duplex device's own reference is there.
    session_rate : int
        Hz
    cancelling : bool
        False to begin with the sound as captured.

    Attributes
    ----------
    cancelling : bool
        False gives the sound as captured, with the same delay; the canceller goes on learning.
    both : LateBlocks or None
        The delivery puts a BothSides there for everything that comes out, recorded or not.
    origin : int
        Capture position, in the present ring, of the segment's first frame.
    """

    def __init__(
        self, canceller: EchoCanceller | None, tap: PlayedTap | None, session_rate: int, cancelling: bool
    ) -> None:
        self.cancelling = cancelling
        self.both: LateBlocks | None = None
        self._canceller = canceller
        self._reference = None if tap is None else PlayedReference(tap, session_rate)
        self._rate = session_rate
        self._frame = canceller.frame if canceller is not None else max(1, session_rate // 100)
        self._channels = 0
        # Rows of the segment that the canceller got, and that came out; and those that wait for it.
        self._fed = self._rows = 0
        self._waiting = np.zeros((0, 0), np.int16)
        self._source: _Microphone | None = None
        # Callbacks that were late on duplex devices before the present one.
        self._slips_before = 0
        self._resets = 0
        self._failing = False
        self._rerouted = False
        self._guard = EchoGuard(session_rate, self._frame)
        self._rest = _Rest()

    def give_both(self, on_both: Callable[[BothSides], None]) -> None:
        """Let *on_both* have everything that comes out. Before the first frames."""
        from wavtools._both_sides import LateBlocks

        self.both = LateBlocks(on_both, self._reference)

    # ---- any thread

    def rerouted(self) -> None:
        """Note that the system moved the stream to another microphone: the room is another one."""
        self._rerouted = True

    @property
    def state(self) -> EchoState:
        """How the canceller does at present."""
        canceller = self._canceller
        return EchoState(
            canceller=None if canceller is None else canceller.name,
            cancelling=canceller is not None and self.cancelling,
            erle_db=0.0 if canceller is None else canceller.erle_db,
            delay_seconds=None if canceller is None else canceller.path_delay_seconds,
            resets=self._resets,
            slips=self._slips,
        )

    @property
    def _slips(self) -> int:
        reference, source = self._reference, self._source
        slips = self._slips_before
        slips += reference.slips if reference is not None else 0
        return slips + (source.slips if source is not None else 0)

    @property
    def _delay(self) -> int:
        """Rows that the canceller holds back."""
        return self._canceller.delay_frames if self._canceller is not None else 0

    @property
    def has_reference(self) -> bool:
        """True if a player was given."""
        return self._reference is not None

    def close(self) -> None:
        """Let the player forget the recorder."""
        if self._reference is not None:
            self._reference.close()

    # ---- delivery thread

    @property
    def quiet(self) -> bool:
        """True if nothing was played for QUIET_SECONDS."""
        return self._rest.silent_rows > QUIET_SECONDS * self._rate

    def set_channels(self, channels: int) -> None:
        """Record that many, whatever a device has. Before the first frames."""
        self._channels = channels

    def begin(self, state: CaptureState, device_rate: int, duplex: bool, seat: Seat) -> None:
        """Go on with another device; flush() has given the rows of the one before."""
        if self._source is not None:
            self._slips_before += self._source.slips
            self._source = None
            self._move()
        resampler = None if device_rate == self._rate else Resampler(device_rate, self._rate, state.channels)
        self._source = _Microphone(state, device_rate, duplex, seat, resampler)
        if self._reference is not None:
            self._reference.begin(state, device_rate, seat)
        # Frames that came from this device.
        self._taken = 0
        self._begin_segment()

    def row_at(self, position: int) -> int:
        """Number of the first row that was captured at *position* of the ring, or later."""
        assert self._source is not None
        return -((self.origin - position) * self._rate // self._source.device_rate)

    def push(self, frames: NDArray[np.float32], recorded: bool) -> tuple[int, Samples]:
        """Take the next frames of the device, float32 (frames, channels); *recorded*: their rows are used.

        Returns the number of the first row that is ready, and the rows: int16 (rows, channels + 2), with what was played
        and the clean signal after the captured channels; without a canceller there is no clean signal.
        """
        assert self._source is not None
        self._rest.recorded = recorded
        self._taken += len(frames)
        if self._source.resampler is not None:
            frames = self._source.resampler.process(frames)
        self._wait(frames)
        if self._reference is not None and self._reference.changed():
            self._move()
        if self._rerouted:
            self._rerouted = False
            if self._reference is not None:
                self._reference.restart()
            self._move()
        played = []
        for start in range(0, len(self._waiting) - self._frame + 1, self._frame):
            one = self._played(start, self._frame, False)
            if one is None:
                break
            played.append(one)
        self._guard.note_slips(self._slips)
        count = len(played) * self._frame
        rows, self._waiting = self._waiting[:count], self._waiting[count:]
        self._fed += count
        return self._out(rows, np.concatenate(played) if played else np.zeros(0, np.int16))

    def flush(self) -> tuple[int, Samples]:
        """The rows that are still due of the frames so far; the next frame begins a segment."""
        if self._source is not None and self._source.resampler is not None:
            self._wait(self._source.resampler.flush())
            self._source.resampler.reset()
        rows = self._waiting
        due = self._fed + len(rows) - self._rows
        number, out = self._out(rows[:0], np.zeros(0, np.int16))
        if due:
            played = self._played(0, len(rows), True)
            assert played is not None
            # The canceller gives its last rows when it gets as many more, of silence.
            total = -(-(len(rows) + self._delay) // self._frame) * self._frame
            silence = total - len(rows)
            number, out = self._out(np.pad(rows, ((0, silence), (0, 0))), np.pad(played, (0, silence)))
        self._begin_segment()
        return number, out[:due]

    def stored(self, rows: Samples) -> Samples:
        """What is stored and saved of rows: the clean signal in mono, the captured channels else."""
        if self._channels == 1 and self._canceller is not None:
            return rows[:, 2:3]
        return rows[:, : self._channels]

    def _begin_segment(self) -> None:
        self.origin = self._taken
        self._waiting = np.zeros((0, self._channels), np.int16)
        # Where a duplex device tells what was played, it goes with the captured channels.
        if self._source is not None and self._source.duplex:
            self._waiting = np.zeros((0, self._channels + 1), np.int16)
        self._fed = self._rows = 0
        # The captured rows that the canceller still holds, with what was played; in the beginning those of nobody.
        self._line = np.zeros((self._delay, self._channels + 1), np.int16)
        self._lead = self._delay

    def _wait(self, frames: NDArray[Any]) -> None:
        assert self._source is not None
        raw = to_int16(frames.reshape(-1, self._source.state.channels))
        raw = with_channels(raw, self._channels, self._source.duplex)
        self._waiting = np.concatenate([self._waiting, raw])

    def _played(self, start: int, count: int, at_once: bool) -> Samples | None:
        """What was played at *count* of the waiting rows; None if that is not known yet."""
        source, reference = self._source, self._reference
        assert source is not None
        if source.duplex and (reference is None or reference.is_of(source.seat)):
            return self._waiting[start : start + count, -1]
        if reference is None:
            return np.zeros(count, np.int16)
        position = self.origin + (self._fed + start) * source.device_rate / self._rate
        return reference.read(position, count, at_once)

    def _out(self, rows: Samples, played: Samples) -> tuple[int, Samples]:
        """Number of the first row that comes out when these go in, and the rows."""
        self._guard.note_played(played)
        self._rest.note_played(played)
        line = np.concatenate([self._line, np.column_stack([rows[:, : self._channels], played])])
        near = rows[:, 0] if self._channels == 1 else mean_of_channels(rows[:, : self._channels])
        delayed, self._line = line[: len(rows)], line[len(rows) :]
        if self._canceller is not None:
            clean = self._clean_or_rest(self._canceller, np.ascontiguousarray(near), played)
            raw = delayed[:, : self._channels]
            mono = raw[:, 0] if self._channels == 1 else mean_of_channels(raw)
            clean = mono if clean is None else self._guard.pass_on(mono, clean)
            if not self.cancelling:
                clean = mono
            delayed = np.column_stack([delayed, clean])
        lead = min(self._lead, len(delayed))
        self._lead -= lead
        number, out = self._rows, delayed[lead:]
        self._rows += len(out)
        return number, out

    def _clean_or_rest(self, canceller: EchoCanceller, near: Samples, played: Samples) -> Samples | None:
        """As `_clean`; None also while the canceller rests."""
        rest = self._rest
        if self.quiet and not rest.recorded and not self._guard.holds:
            rest.keep(near, played, self._delay + REST_FRAMES * self._frame)
            return None
        if len(rest.rows):
            before = rest.take()
            self._clean(canceller, np.ascontiguousarray(before[:, 0]), before[:, 1])
        return self._clean(canceller, near, played)

    def _clean(self, canceller: EchoCanceller, near: Samples, played: Samples) -> Samples | None:
        """*near* without the echo; None if the canceller fails, which is logged once."""
        if not len(near):
            return near
        if held := self._guard.take_held(len(near)):
            # The canceller begins anew where the hold ends.
            if not self._guard.holds:
                self._reset()
            rest = self._clean(canceller, near[held:], played[held:])
            return None if rest is None else np.pad(rest, (held, 0))
        try:
            clean: Samples = canceller.process(near, np.ascontiguousarray(played))
            if clean.shape != near.shape or clean.dtype != near.dtype:
                raise ValueError(
                    f"the canceller returned {clean.dtype} {clean.shape}, expected {near.dtype} {near.shape}"
                )
        except Exception:
            if not self._failing:
                _log.exception("the echo canceller raised; recording goes on with the sound as captured")
            self._failing = True
            self._reset()
            return None
        self._failing = False
        return clean

    def _move(self) -> None:
        """The speaker or the microphone is another one: forget the room, once the echo of the old path has faded away."""
        if self._canceller is None or self._guard.moved():
            self._reset()

    def _reset(self) -> None:
        """Let the canceller forget the room."""
        self._resets += 1
        if self._canceller is not None:
            try:
                self._canceller.reset()
            except Exception:
                _log.exception("the echo canceller's reset() raised")


@dataclasses.dataclass(frozen=True)
class _Microphone:
    """The present device."""

    state: CaptureState
    device_rate: int
    duplex: bool
    seat: Seat
    resampler: Resampler | None

    @property
    def slips(self) -> int:
        """Late callbacks of a duplex device, each of which moves the microphone against the speaker."""
        return self.state.slips if self.duplex else 0


class _Rest:
    """When the canceller may rest: nothing is played, so there is nothing to learn, and nobody uses what it gives.

    It gets the last rows of its rest when it goes on, so that what it gives then is continuous.

    Attributes
    ----------
    recorded : bool
        True while the rows are used.
    silent_rows : int
        How many rows came since something was played.
    rows : ndarray of int16
        (rows, 2): near and played, the last that the canceller was spared.
    """

    def __init__(self) -> None:
        self.recorded = False
        self.silent_rows = 0
        self.rows = np.zeros((0, 2), np.int16)

    def note_played(self, played: Samples) -> None:
        """Count rows of silence."""
        self.silent_rows = 0 if played.any() else self.silent_rows + len(played)

    def keep(self, near: Samples, played: Samples, count: int) -> None:
        """Keep these rows, and at most *count* in all."""
        self.rows = np.concatenate([self.rows, np.column_stack([near, played])])[-count:]

    def take(self) -> Samples:
        """Return the kept rows and keep none."""
        rows, self.rows = self.rows, self.rows[:0]
        return rows
