"""What a recorder or player and a device are to each other, and the one call that brings them together.

Thread: control threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from wavtools._device import Kind
    from wavtools._events import DeviceEvent
    from wavtools._states import Seat

__all__ = ["Device", "DeviceSpec", "Stream", "open_stream"]


class Device(Protocol):
    """What recorder and player need of an open device."""

    @property
    def sample_rate(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def latency_seconds(self) -> float: ...
    @property
    def realtime_priority(self) -> bool | None: ...
    def start(self) -> None: ...
    def close(self) -> None: ...


class Stream(Protocol):
    """A recorder's or player's side of a device: its state, and how to fit that to a device."""

    @property
    def kind(self) -> Kind: ...
    @property
    def channels(self) -> int | None:
        """How many to capture; None for as many as the device has."""
        ...

    @property
    def last_callback_ns(self) -> int: ...

    @property
    def room(self) -> int:
        """Frames that a capture stream can take at the moment."""
        ...

    def fit(
        self, seat: Seat, sample_rate: int, channels: int, lost_seconds: float | None, duplex: bool
    ) -> None:
        """Make the state ready for a device of that rate, which no callback works on now, and put it into its seat.

        ``channels`` are the microphone's. ``lost_seconds`` is None at first; later, how much audio the lost device
        may have held. On a duplex device captured frames carry what was played as one channel more.
        """
        ...

    def leave(self, seat: Seat) -> None:
        """Take the state out of the seat again: the device goes on without this stream."""
        ...

    def wake(self) -> None:
        """Frames were captured: called by devices that know, so that the stream need not poll for them."""
        ...


class DeviceSpec(Protocol):
    """A device that opens itself: OfflineDevice, DuplexDevice."""

    def _open(self, stream: Stream, on_event: Callable[[DeviceEvent], None]) -> Device: ...


def open_stream(
    spec: str | DeviceSpec | None, stream: Stream, on_event: Callable[[DeviceEvent], None]
) -> Device:
    """Open the device that *spec* names, stopped, with the stream's state attached.

    Raises DeviceError; a frozen server within CONNECT_SECONDS.
    """
    if spec is not None and not isinstance(spec, str):
        return spec._open(stream, on_event)
    assert stream.kind != "duplex"
    from wavtools._supervisor import SupervisedDevice  # loads miniaudio, which an OfflineDevice does without

    return SupervisedDevice({stream.kind: spec}, stream, on_event)
