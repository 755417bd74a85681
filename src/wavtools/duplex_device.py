"""DuplexDevice: a microphone and a speaker on one clock, so that what was played lies beside what was heard.

Echo cancellation and session recording need the frames that were really played, silence included, aligned with the
frames captured. Two devices that run by themselves drift; one duplex device has a single callback for both.

Thread: control threads. The device's own callback is duplex_callback in _callbacks.pyx.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from wavtools._states import Seat
from wavtools.errors import StateError

if TYPE_CHECKING:
    from wavtools._device import Direction, Kind
    from wavtools._events import DeviceEvent
    from wavtools._stream import Stream
    from wavtools._supervisor import SupervisedDevice

__all__ = ["DuplexDevice"]


class DuplexDevice:
    """A device for one WavRecorder and one WavStreamPlayer that share a clock.

    Give the same object as ``device=`` to both. The recorder's chunks then have ``played``: what the player put out at
    the same frames, at the session rate. The device opens with the first of the two and closes with the last.

    Parameters
    ----------
    input, output : str, optional
        Ids or names (or parts of them) from list_devices(); the default devices when not given. "null" for both is a
        silent clock.

    Where the two are different pieces of hardware, the system (or miniaudio) keeps the slower one in step by leaving
    out or repeating a few samples now and then; on one piece of hardware there is one clock.
    """

    def __init__(self, input: str | None = None, output: str | None = None) -> None:
        if (input == "null") != (output == "null"):
            raise ValueError(
                f"input is {input!r} and output is {output!r}; 'null' is a clock for both or none"
            )
        self._wanted: dict[Direction, str | None] = {"capture": input, "playback": output}
        self._lock = threading.RLock()
        self._halves: dict[Kind, Stream] = {}
        self._listeners: dict[Kind, Callable[[DeviceEvent], None]] = {}
        self._device: SupervisedDevice | None = None
        self._started = False
        self._seat: Seat | None = None
        self._sample_rate = 0

    def __repr__(self) -> str:
        return f"DuplexDevice(input={self._wanted['capture']!r}, output={self._wanted['playback']!r})"

    # What a recorder or player calls to attach itself.

    def _open(self, stream: Stream, on_event: Callable[[DeviceEvent], None]) -> _Half:
        from wavtools._supervisor import SupervisedDevice

        with self._lock:
            if stream.kind in self._halves:
                noun, call = ("recorder", "end") if stream.kind == "capture" else ("player", "disconnect")
                raise StateError(f"{self!r} already has a {noun}; call its .{call}() first")
            self._halves[stream.kind] = stream
            self._listeners[stream.kind] = on_event
            try:
                if self._device is None:
                    self._device = SupervisedDevice(self._wanted, self, self._tell)
                else:
                    assert self._seat is not None
                    stream.fit(self._seat, self._sample_rate, self.channels or 1, None, True)
            except BaseException:
                del self._halves[stream.kind], self._listeners[stream.kind]
                raise
            return _Half(self, stream, self._device)

    def _start(self) -> None:
        with self._lock:
            if self._device is not None and not self._started:
                self._device.start()
                self._started = True

    def _close(self, stream: Stream) -> None:
        with self._lock:
            if self._halves.get(stream.kind) is not stream:
                return
            del self._halves[stream.kind], self._listeners[stream.kind]
            if self._seat is not None:
                stream.leave(self._seat)
            device = None
            if not self._halves:
                device, self._device, self._started, self._seat = self._device, None, False, None
                self.channels = None
        if device is not None:
            device.close()

    def _tell(self, event: DeviceEvent) -> None:
        for listener in list(self._listeners.values()):
            listener(event)

    # What the supervisor calls: this object is the stream of its device, and passes on to the two halves.

    kind: Kind = "duplex"
    channels: int | None = None  # the microphone's, once open
    room = 0

    @property
    def last_callback_ns(self) -> int:
        return max((half.last_callback_ns for half in list(self._halves.values())), default=0)

    def fit(
        self, seat: Seat, sample_rate: int, channels: int, lost_seconds: float | None, duplex: bool
    ) -> None:
        with self._lock:
            self._seat, self._sample_rate, self.channels = seat, sample_rate, channels
            for half in self._halves.values():
                half.fit(seat, sample_rate, channels, lost_seconds, True)

    def leave(self, seat: Seat) -> None:
        seat.vacate()

    def wake(self) -> None:
        """The halves poll."""


class _Half:
    """One direction of an open DuplexDevice."""

    def __init__(self, duplex: DuplexDevice, stream: Stream, device: SupervisedDevice) -> None:
        self._duplex = duplex
        self._stream = stream
        self._device = device

    @property
    def sample_rate(self) -> int:
        return self._device.sample_rate

    @property
    def channels(self) -> int:
        return self._device.channels

    @property
    def latency_seconds(self) -> float:
        return self._device.latency_seconds

    @property
    def realtime_priority(self) -> bool | None:
        return self._device.realtime_priority

    def start(self) -> None:
        self._duplex._start()

    def close(self) -> None:
        self._duplex._close(self._stream)
