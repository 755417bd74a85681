"""The protocols between a recorder or player (a Stream) and its Device.

A device reaches a stream's state through its seat (see _states.pyx). The state holds queue and positions, so they stay
when the device is replaced: after a loss by the supervisor, or by use_device().

Thread: none of its own; each method says where it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from wavtools._device_info import Kind
    from wavtools._events import DeviceEvent
    from wavtools._states import PlaybackState, Seat

__all__ = ["Ahead", "AttachableDevice", "Device", "SessionStream", "Stream"]


class Ahead(Protocol):
    """A loudspeaker that takes sound ahead of its clock, and can say how far it is. Thread: any, under the player's lock."""

    def poke(self) -> None:
        """Sound was queued: take it, if there is room."""
        ...

    def heard(self, state: PlaybackState) -> int:
        """The queue position up to which was heard: what the device took, less what it holds."""
        ...

    def silence(self) -> int:
        """Frames of silence since the last sound, at the session rate."""
        ...

    def interrupt(
        self, state: PlaybackState, fade_frames: int, settle: Callable[[int], object]
    ) -> tuple[int, int]:
        """Drop what waits in *state*, and stop what the device holds.

        Returns (position of the cut, position after the last frame dropped). *settle* gets, once, by how many frames the
        true cut lies after that position; on any thread, without a lock.
        """
        ...

    def set_gain(self, gain: float) -> None:
        """Set the volume, 0 to 1, of what is held too."""
        ...


class Device(Protocol):
    """What recorder and player need of an open device. Thread: control threads."""

    @property
    def sample_rate(self) -> int:
        """Hz, of the device itself."""
        ...

    @property
    def channels(self) -> int:
        """Microphone channels."""
        ...

    @property
    def latency_seconds(self) -> float:
        """How much audio the device may hold."""
        ...

    @property
    def realtime_priority(self) -> bool | None:
        """True if the device thread has real-time priority; None where the system does not show it."""
        ...

    def start(self, old: Device | None = None) -> None:
        """Seat the stream and start; called once.

        With *old*, the stream moves from that device to this one: this one starts first, with an empty seat. Then *old*
        is closed and the stream is seated here. If this device does not start, *old* goes on undisturbed.
        """
        ...

    def close(self) -> None:
        """Close the device; never raises. When it returns, no callback of this device works on the stream's state."""
        ...


class Stream(Protocol):
    """A recorder's or player's side of a device: its state, and how to fit that to a device."""

    @property
    def kind(self) -> Kind: ...
    @property
    def channels(self) -> int | None:
        """Channels to capture; None for as many as the device has."""
        ...

    @property
    def outputs(self) -> int:
        """Channels to play. A capture stream does not use it."""
        ...

    @property
    def last_callback_ns(self) -> int:
        """Time of the last callback by now_ns(); 0 before the first."""
        ...

    @property
    def slips(self) -> int:
        """Callbacks that were so late that a device of 30 ms runs dry; asked of duplex streams only."""
        ...

    @property
    def room(self) -> int:
        """Frames that a capture stream can take now."""
        ...

    def fit(
        self, seat: Seat, sample_rate: int, channels: int, lost_seconds: float | None, duplex: bool
    ) -> None:
        """Prepare the state for a device and put it into the device's seat. Control or supervisor thread.

        No callback may be working on the state.

        Parameters
        ----------
        seat : Seat
        sample_rate : int
            Hz, of the device.
        channels : int
            Of the microphone.
        lost_seconds : float or None
            None for the stream's first device; later, how much audio the device before may have held and not played.
        duplex : bool
            True if captured frames carry what was played as one channel more.
        """
        ...

    def leave(self, seat: Seat) -> None:
        """Take the state out of the seat; the device goes on without this stream."""
        ...

    def wake(self) -> None:
        """Tell the stream that frames were captured. Called by devices that know, so that it need not poll."""
        ...


class SessionStream(Stream, Protocol):
    """The stream of one recorder or player, which has a rate of its own."""

    @property
    def sample_rate(self) -> int:
        """Hz, of the session."""
        ...


class AttachableDevice(Protocol):
    """A device that attaches streams itself: OfflineDevice, DuplexDevice, RemoteDevice."""

    def attach(self, stream: SessionStream, on_event: Callable[[DeviceEvent], None]) -> Device:
        """Open the device for *stream*, stopped."""
        ...
