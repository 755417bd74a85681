"""PlaybackStream: the player's side of its device, and what it counts.

Thread: fit() and leave() on control and supervisor threads, the counters under the player's lock.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from wavtools._states import PlaybackState, Seat

if TYPE_CHECKING:
    from wavtools._device_info import Kind
    from wavtools._events import DeviceEvent
    from wavtools._play_position import PlayPosition
    from wavtools._played_tap import PlayedTap
    from wavtools._stream import Ahead, Device

__all__ = ["PlaybackStream", "PlayerStats"]


@dataclasses.dataclass(frozen=True)
class PlayerStats:
    """Counters since connect(). A frame is one sample of each channel.

    Attributes
    ----------
    frames_played : int
        Frames at the session rate handed to the device; of a RemoteDevice, heard there.
    underruns : int
        How often a track had run dry when more of it arrived.
    callbacks : int
        Calls of the device callback.
    worst_lateness_seconds : float
        Longest delay of a callback.
    realtime_priority : bool or None
        True if the device thread has real-time priority; None where the system does not show it.
    latency_seconds : float
        How much audio the device may hold.
    frames_replayed : int
        Frames that were played again, because a device that was lost or left with use_device() may have held them.
    callback_lateness : tuple of int
        Callbacks by how late they came: the first number counts those less than 1 µs late or early, number i those from
        2 ** (i - 1) µs on.
    """

    frames_played: int
    underruns: int
    callbacks: int
    worst_lateness_seconds: float
    realtime_priority: bool | None
    latency_seconds: float
    frames_replayed: int
    callback_lateness: tuple[int, ...] = ()


class PlaybackStream:
    """What a device plays: the state of one connection.

    It has no reference to the player, so that a player that is dropped closes its device.

    Parameters
    ----------
    state : PlaybackState
    sample_rate : int
        Hz, of the session.
    position : PlayPosition
        Steps back over what a device held when it was lost.

    Attributes
    ----------
    sample_rate : int
        As given.
    process : int
        The process that connected.
    underruns : int
        Tracks that ran dry.
    outputs : int
        Channels to play.
    """

    kind: Kind = "playback"
    channels: int | None = None
    room = 0
    slips = 0

    def __init__(self, state: PlaybackState, sample_rate: int, position: PlayPosition) -> None:
        self._state = state
        self.sample_rate = sample_rate
        self._position = position
        self.process = os.getpid()
        self.outputs: int = state.channels
        self.underruns = 0
        # Gets what each device is given, while a recorder asks for it.
        self._tap: PlayedTap | None = None
        # (seat, rate in Hz) of the present device.
        self._seated: tuple[Seat, int] | None = None
        # Guards the two.
        self._tap_lock = threading.RLock()

    @property
    def last_callback_ns(self) -> int:
        """Time of the last callback by now_ns(); 0 before the first."""
        return self._state.last_callback_ns

    def fit(
        self, seat: Seat, sample_rate: int, channels: int, lost_seconds: float | None, duplex: bool
    ) -> None:
        """Put the state into the seat of a device of that rate; the seat knows how many channels it plays."""
        if lost_seconds is not None:
            self._position.rewind(lost_seconds, self._seated[1] if self._seated else sample_rate)
        self._state.fit_device(self.sample_rate, sample_rate, seat.outputs)
        with self._tap_lock:
            self._seated = seat, sample_rate
            if self._tap is not None:
                self._tap.fit(self._state, seat, sample_rate)
        seat.take_playback(self._state)

    def leave(self, seat: Seat) -> None:
        """Take the state out of the seat."""
        seat.take_playback(None)

    def take_ahead(self, ahead: Ahead | None) -> None:
        """Told by a device that takes sound ahead of its clock, before fit(); and with None after leave()."""
        self._position.take_ahead(ahead)

    def replay(self, take: Callable[[], int]) -> None:
        """Play as many frames again as *take* says; see PlayPosition.replay."""
        self._position.replay(take)

    def feed(self, tap: PlayedTap) -> None:
        """Let *tap* have what the device is given, this one and later ones."""
        with self._tap_lock:
            self._tap = tap
            if self._seated is not None:
                tap.fit(self._state, *self._seated)

    def telling(self, on_event: Callable[[DeviceEvent], None] | None) -> Callable[[DeviceEvent], None]:
        """A callback for device events: it passes them on, and tells the tap when the system moved the stream."""

        def tell(event: DeviceEvent) -> None:
            if event.kind == "rerouted" and self._tap is not None:
                self._tap.rerouted()
            if on_event is not None:
                on_event(event)

        return tell

    def wake(self) -> None:
        """Do nothing: playback has no thread to wake."""

    def stats(self, device: Device | None) -> PlayerStats:
        """The counters now, with *device* as the present one."""
        return PlayerStats(
            frames_played=self._position.heard - self._position.dropped,
            underruns=self.underruns,
            callbacks=self._state.callbacks,
            worst_lateness_seconds=self._state.worst_lateness_seconds,
            realtime_priority=device.realtime_priority if device else None,
            latency_seconds=device.latency_seconds if device else 0.0,
            frames_replayed=self._position.replayed,
            callback_lateness=tuple(self._state.lateness()),
        )
