"""RemoteDevice: a microphone and a loudspeaker whose clock is elsewhere: in a browser, a phone, another Python.

Bytes in, bytes out: it has no socket and no event loop. `docs/remote-protocol.md` describes the frames. What a distant
peer reports drives the same compiled callbacks as a real device.

Thread: any; it starts none.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, cast

from wavtools._arguments import callback, number
from wavtools._process import require_home
from wavtools._remote_input import RemoteInput
from wavtools._remote_link import CLOSED, RemoteLink, RemotePeer
from wavtools._remote_output import RemoteOutput
from wavtools.errors import StateError

if TYPE_CHECKING:
    from wavtools._device_info import DeviceInfo, Direction
    from wavtools._events import DeviceEvent
    from wavtools._remote_output import PlayerStream
    from wavtools._stream import Device, SessionStream

__all__ = ["RemoteDevice", "RemotePeer", "RemoteStats"]


@dataclasses.dataclass(frozen=True)
class RemoteStats:
    """What happened on a RemoteDevice so far.

    Attributes
    ----------
    peers : int
        Connections.
    malformed : int
        Frames that broke the protocol, and changed nothing.
    cuts, late_cuts : int
        Interruptions that peers have answered; those of them that came too late for the place that was estimated, and
        whose receipt was therefore corrected. Of the present player.
    starved : int
        How often a peer had played everything it held. Of the present player.
    frames_missing : int
        Frames of the microphone that did not come, and are silence in the recording. Of the present recorder.
    round_trip_seconds : float or None
        The worst of the last 16 round trips of the present peer, the largest quarter left out.
    """

    peers: int
    malformed: int
    cuts: int
    late_cuts: int
    starved: int
    frames_missing: int
    round_trip_seconds: float | None


class RemoteDevice:
    """A device for one WavStreamPlayer and one WavRecorder, whose hardware a peer has.

    Give one object as ``device=`` to both. They open at once, with or without a peer: sound waits in the player's queue
    until a peer has opened its loudspeaker. When a peer is lost, what it had not played waits for the next one.

    The player's offsets, spectrum and counters are about what was heard at the peer, not about what was sent. A receipt of
    interrupt() is an estimate until the peer has answered; see `TrackOffset.settled`.

    Parameters
    ----------
    window_ms : float
        50 to 1000: sound that the peer holds at most. A large window survives a slow network and delays nothing.
    margin_ms : float
        0 to 200: how much later than the worst recent round trip an interruption stops. With less, more receipts need a
        correction.
    echo_cancellation, noise_suppression, auto_gain_control : bool
        What the peer is asked to do with its microphone.

    Raises
    ------
    TypeError, ValueError
        an argument of another type, or out of range

    Examples
    --------
    >>> with wavtools.WavStreamPlayer(device=wavtools.RemoteDevice()) as player:
    ...     player.add_16bit_pcm(bytes(48_000))      # waits for a peer
    """

    def __init__(
        self,
        *,
        window_ms: float = 400,
        margin_ms: float = 12,
        echo_cancellation: bool = True,
        noise_suppression: bool = True,
        auto_gain_control: bool = True,
    ) -> None:
        self._window = number(window_ms, "window_ms", 50, 1000, "it must be 50 to 1000") / 1000
        self._margin = number(margin_ms, "margin_ms", 0, 200, "it must be 0 to 200") / 1000
        self._wishes = {
            "echo_cancellation": bool(echo_cancellation),
            "noise_suppression": bool(noise_suppression),
            "auto_gain_control": bool(auto_gain_control),
        }
        self._link = RemoteLink()
        self._output: RemoteOutput | None = None
        self._input: RemoteInput | None = None
        self._home = os.getpid()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a RemoteDevice cannot be copied or pickled; make another one where it is needed")

    def __repr__(self) -> str:
        peer = self._link.peer
        return f"RemoteDevice(window_ms={self._window * 1000:g}), {'no peer' if peer is None else peer!r}"

    # The wire

    def accept(
        self, send: Callable[[bytes], object], close: Callable[[int, str], object] | None = None
    ) -> RemotePeer:
        """A connection has come: it is the peer from now on, and the one before is told to go.

        Thread: any. HELLO goes out through *send* before this returns.

        Parameters
        ----------
        send : callable
            Gets each frame for the wire, bytes of at most 65536. It is called on any thread, with the device's lock held:
            it must keep the order, and must neither block nor call this device. If it raises, the peer is ended.
        close : callable, optional
            Gets (code, reason) once, when the device or the peer ends the connection: the transport is to close then. On
            any thread; it must not block. Not called after detach().

        Returns
        -------
        RemotePeer
            Give it the frames from the wire.

        Raises
        ------
        TypeError
            *send* or *close* is no plain function
        StateError
            in a forked child
        """
        if not callable(send):
            raise TypeError(f"send must be callable, not {type(send).__name__}")
        callback(send, "send", "put the frame into a queue that a task drains")
        callback(close, "close", "pass a plain function")
        require_home(self._home, "device")
        return self._link.accept(send, close)

    def close(self, reason: str = "the device was closed") -> None:
        """End the present peer, if there is one; player and recorder go on, and wait for another one. Thread: any."""
        with self._link.turn():
            self._link.bye(CLOSED, reason)

    @property
    def peer(self) -> RemotePeer | None:
        """The present peer."""
        return self._link.peer

    @property
    def stats(self) -> RemoteStats:
        """Counters until now."""
        link = self._link
        with link.lock:
            output, input = self._output, self._input
            cuts, late, starved = (0, 0, 0) if output is None else output.counters
            return RemoteStats(
                peers=link.peers,
                malformed=link.malformed,
                cuts=cuts,
                late_cuts=late,
                starved=starved,
                frames_missing=0 if input is None else input.missing,
                round_trip_seconds=None if link.peer is None else link.peer.round_trip_seconds,
            )

    # Called by a recorder or player

    def attach(self, stream: SessionStream, on_event: Callable[[DeviceEvent], None]) -> Device:
        """Open the device for a recorder's or player's stream; they call this, through ``device=``."""
        require_home(self._home, "device")
        with self._link.lock:
            if stream.kind == "capture":
                if self._input is not None:
                    raise StateError("this RemoteDevice already has a recorder; call its .end() first")
                self._input = RemoteInput(self._link, stream, on_event, self._wishes, self._free_input)
                return self._input
            if self._output is not None:
                raise StateError("this RemoteDevice already has a player; call its .disconnect() first")
            self._output = RemoteOutput(
                self._link,
                cast("PlayerStream", stream),
                on_event,
                self._window,
                self._margin,
                self._free_output,
            )
            return self._output

    def _free_input(self) -> None:
        self._input = None

    def _free_output(self) -> None:
        self._output = None

    def describe(self, kind: Direction) -> DeviceInfo | None:
        """The entry of the peer's microphone, for ``recorder.get_device_info()``; None for the loudspeaker.

        The name says if the peer cancels the echo, or was asked to, while nobody knows better.
        """
        from wavtools._device_info import DeviceInfo
        from wavtools._remote_frames import readable

        if kind != "capture":
            return None
        peer = self._link.peer
        part = None if peer is None else peer.opened.get("microphone")
        name, cancels = "remote microphone", self._wishes["echo_cancellation"]
        if isinstance(part, dict) and not part.get("error"):
            name, cancels = readable(part.get("name")) or name, part.get("echo_cancellation") is True
        return DeviceInfo(
            "remote", f"{name} (echo cancelled there)" if cancels else name, False, (), (), "remote"
        )
