"""DuplexDevice: a microphone and a speaker on one clock, so that played and captured frames are aligned.

One callback serves both directions. A WavRecorder with a ``reference`` aligns two separate devices by itself (see
_reference.py); this is for programs that need one clock.

Thread: control threads. The device's own callback is duplex_callback in _callbacks.pyx.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from wavtools._arguments import integer
from wavtools._open_stream import device_name, is_device_object
from wavtools._process import claim
from wavtools._states import Seat, now_ns
from wavtools.errors import StateError

if TYPE_CHECKING:
    from wavtools._device_info import Direction, Kind
    from wavtools._events import DeviceEvent
    from wavtools._open_stream import DeviceSpec
    from wavtools._stream import Device, Stream
    from wavtools._supervisor import SupervisedDevice

__all__ = ["DuplexDevice"]

# Without a callback for that long, the device has stopped calling.
STALL_SECONDS = 0.3

_log = logging.getLogger("wavtools")


class DuplexDevice:
    """A device for one WavRecorder and one WavStreamPlayer that share a clock.

    Give the same object as ``device=`` to both. The recorder's chunks then have ``played``: what the player played at the
    same frames, at the session rate. The device opens with the first of the two and closes with the last.

    Parameters
    ----------
    input, output : str, optional
        Ids, names (or parts of them), entries or indexes of list_devices(); the default devices when not
        given. "null" for both is a silent clock.
    output_channels : int
        1 to 8: how many the speaker is opened with; 2 for a stereo player. A player of more channels plays their mean.

    Raises
    ------
    TypeError
        output_channels is no integer, or a device object is given
    ValueError
        only one of the two is "null", or output_channels is out of range

    Notes
    -----
    One piece of hardware has one clock. With two, the system (or miniaudio) keeps them in step: now and then it leaves out
    or repeats a few samples of the slower one. A callback that comes more than 25 ms late moves the microphone against the
    speaker by some milliseconds, until the device is opened again: ``on_event`` gets a DeviceEvent "slipped", and
    ``recorder.echo.slips`` counts it. Two devices of their own and ``WavRecorder(reference=player)`` do not have that.
    """

    def __init__(
        self, input: DeviceSpec = None, output: DeviceSpec = None, *, output_channels: int = 1
    ) -> None:
        if is_device_object(input) or is_device_object(output):
            raise TypeError(
                "a DuplexDevice joins a microphone and a speaker of this machine by their names; give another device object "
                "itself as device= to the recorder and the player"
            )
        if (input == "null") != (output == "null"):
            raise ValueError(
                f"input is {input!r} and output is {output!r}; 'null' is a clock for both or none"
            )
        self.outputs = integer(output_channels, "output_channels", 1, 8, "a speaker is opened with 1 to 8")
        self._wanted: dict[Direction, DeviceSpec] = {"capture": input, "playback": output}
        # Taken after the supervisor's own lock.
        self._lock = threading.RLock()
        self._halves: dict[Kind, _Half] = {}
        self._device: SupervisedDevice | None = None
        self._started = False
        # Of the open device, once it is started.
        self._seat: Seat | None = None
        self._sample_rate = 0

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a DuplexDevice cannot be copied or pickled; make another one where it is needed")

    def __repr__(self) -> str:
        return f"DuplexDevice(input={self._wanted['capture']!r}, output={self._wanted['playback']!r})"

    # ---- called by a recorder or player

    @property
    def input(self) -> DeviceSpec:
        """The microphone as it was given to the constructor."""
        return self._wanted["capture"]

    def attach(self, stream: Stream, on_event: Callable[[DeviceEvent], None]) -> Device:
        """Open the device for a recorder's or player's stream; they call this, through ``device=``."""
        from wavtools._supervisor import SupervisedDevice

        # Before the lock, which a thread of the process that was forked may have held.
        claim()
        with self._lock:
            if stream.kind in self._halves:
                noun, call = ("recorder", "end") if stream.kind == "capture" else ("player", "disconnect")
                raise StateError(f"{self!r} already has a {noun}; call its .{call}() first")
            if self._device is None:
                names = {way: device_name(spec, way) for way, spec in self._wanted.items()}
                self._device = SupervisedDevice(names, self, self._tell)
            half = self._halves[stream.kind] = _Half(self, stream, on_event, self._device)
            return half

    def _start(self, half: _Half, old: Device | None) -> None:
        lost_seconds = None
        with self._lock:
            half.seated = old is None
            if not self._started:
                assert self._device is not None
                self._device.start()
                self._started = True
            elif half.seated:
                self._fit_half(half, None)
        if old is not None:
            lost_seconds = old.latency_seconds
            old.close()
            with self._lock:
                half.seated = True
                self._fit_half(half, lost_seconds)

    def _fit_half(self, half: _Half, lost_seconds: float | None) -> None:
        assert self._seat is not None and self.channels is not None
        half.stream.fit(self._seat, self._sample_rate, self.channels, lost_seconds, True)

    def _close(self, half: _Half) -> None:
        device = None
        with self._lock:
            if self._halves.get(half.stream.kind) is not half:
                return
            del self._halves[half.stream.kind]
            if self._seat is not None and half.seated:
                half.stream.leave(self._seat)
            staying = next(iter(self._halves.values()), None)
            if staying is None:
                device, self._device, self._started = self._device, None, False
                self._seat = self.channels = None
        if device is not None:
            device.close()
        elif staying is not None and staying.seated:
            _wait_for_callbacks(staying.stream)

    def _tell(self, event: DeviceEvent) -> None:
        for half in list(self._halves.values()):
            try:
                half.on_event(event)
            except BaseException:
                # The other half is told all the same.
                _log.exception("the on_event callback raised; watching goes on")

    # ---- called by the supervisor: this object is the stream of its device, and passes on to the two halves

    kind: Kind = "duplex"
    # The microphone's, once open.
    channels: int | None = None
    room = 0

    @property
    def last_callback_ns(self) -> int:
        """Of either half; the present while no half is seated, which no callback could note."""
        return max(
            (half.stream.last_callback_ns for half in list(self._halves.values()) if half.seated),
            default=now_ns(),
        )

    @property
    def slips(self) -> int:
        """Late callbacks, as the recorder's half counts them; 0 without a recorder."""
        half = self._halves.get("capture")
        return half.stream.slips if half is not None else 0

    def fit(
        self, seat: Seat, sample_rate: int, channels: int, lost_seconds: float | None, duplex: bool
    ) -> None:
        """Fit both halves to the device."""
        with self._lock:
            self._seat, self._sample_rate, self.channels = seat, sample_rate, channels
            for half in self._halves.values():
                if half.seated:
                    self._fit_half(half, lost_seconds)

    def leave(self, seat: Seat) -> None:
        """Take both halves out of the seat."""
        seat.vacate()

    def wake(self) -> None:
        """Do nothing: the halves poll."""


class _Half:
    """One direction of an open DuplexDevice: the Device of one recorder or player."""

    def __init__(
        self,
        owner: DuplexDevice,
        stream: Stream,
        on_event: Callable[[DeviceEvent], None],
        device: SupervisedDevice,
    ) -> None:
        self.stream = stream
        self.on_event = on_event
        # True once the device's callback works on the stream's state.
        self.seated = False
        self._owner = owner
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

    def start(self, old: Device | None = None) -> None:
        self._owner._start(self, old)

    def close(self) -> None:
        self._owner._close(self)


def _wait_for_callbacks(stream: Stream) -> None:
    """Wait until the device has called for the half that stays, twice: then no callback works on the half that left.

    A callback that runs now may have looked into the seat before that was vacated.
    """
    deadline = time.monotonic() + STALL_SECONDS
    called = 0
    seen_ns = stream.last_callback_ns
    while called < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
        last_ns = stream.last_callback_ns
        called += last_ns != seen_ns
        seen_ns = last_ns
