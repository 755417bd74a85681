"""RemoteLink: the connection of a RemoteDevice: its present peer, the lock, and what goes over the wire.

One lock guards a device: its peer, positions and callbacks. The player's lock is taken before it, never after it; so what
needs the player's lock, and what belongs to the application, is called when this one is free (`later`).

Thread: any.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from wavtools import _remote_frames as wire
from wavtools._fine_clock import monotonic
from wavtools._remote_frames import Frame, Malformed
from wavtools._remote_speaker import RoundTrips
from wavtools._remote_wishes import Tempo, read_opened

if TYPE_CHECKING:
    from wavtools._events import EventKind

__all__ = ["Half", "RemoteLink", "RemotePeer"]

# Frames against the rules after which a peer is ended.
MAX_FAULTS = 32
# How often a peer may send OPENED and PING: at once, and each second.
OPENED_TEMPO = 32, 2.0
PING_TEMPO = 32, 20.0
# Codes of BYE
REPLACED, RULES, OTHER_VERSION, CLOSED = 1, 2, 3, 4

_log = logging.getLogger("wavtools")


class Half(Protocol):
    """The loudspeaker or the microphone of a device while a stream uses it. All with the lock held."""

    def wish(self) -> dict[str, Any]:
        """Its part of HELLO."""
        ...

    def opened(self, part: Any, now: float) -> None:
        """Its part of an OPENED; None for a peer that does not have it open."""
        ...

    def take(self, frame: Frame, now: float) -> None:
        """A frame of this half; raises Malformed."""
        ...

    def peer_lost(self, reason: str) -> None:
        """The peer has gone."""
        ...


class RemotePeer:
    """One connection of a RemoteDevice; `RemoteDevice.accept` makes it.

    Thread: any; receive() and detach() one at a time. No call waits for anything but the device's lock.
    """

    def __init__(
        self, link: RemoteLink, send: Callable[[bytes], object], close: Callable[[int, str], object] | None
    ) -> None:
        self._link = link
        self._opened: dict[str, Any] = {}
        self.send = send
        self.close = close
        self.trips = RoundTrips()
        self.faults = 0
        self.openings = Tempo(*OPENED_TEMPO)
        self.pings = Tempo(*PING_TEMPO)

    def __repr__(self) -> str:
        return f"<RemotePeer {self.name or 'without a name'}, {'attached' if self.attached else 'ended'}>"

    @property
    def attached(self) -> bool:
        """False once another peer has taken over, this one was detached, or it was ended."""
        return self._link.peer is self

    @property
    def opened(self) -> dict[str, Any]:
        """What the peer has open: its last OPENED, or {}. It is the peer's text: do not trust it."""
        return self._opened

    @opened.setter
    def opened(self, content: dict[str, Any]) -> None:
        self._opened = content

    @property
    def name(self) -> str:
        """What the peer calls itself, at most 200 printable characters; "" before it has said it."""
        return wire.readable(self._opened.get("name"))

    @property
    def captured(self) -> int:
        """The position of the microphone up to which its sound has come; 0 without one."""
        return self._link.captured if self.attached else 0

    @property
    def round_trip_seconds(self) -> float | None:
        """The worst of the last 16 round trips, without the largest quarter; None before the first."""
        return self.trips.worst

    def receive(self, frame: bytes) -> None:
        """Take one frame from the wire. Never raises for what it holds; see `RemoteDevice.stats`."""
        self._link.receive(self, frame)

    def detach(self) -> None:
        """The connection has ended. Again is fine."""
        self._link.detach(self)


class _Turn:
    """Holds a link's lock; the outermost one then makes the calls that were put off."""

    def __init__(self, link: RemoteLink) -> None:
        self._link = link

    def __enter__(self) -> None:
        self._link.lock.acquire()
        self._link.depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._link.depth -= 1
        calls: list[Callable[[], object]] = []
        if self._link.depth == 0:
            calls, self._link.put_off = self._link.put_off, calls
        self._link.lock.release()
        for call in calls:
            try:
                call()
            except Exception:
                _log.exception("a callback of a remote device raised; the device goes on")


class RemoteLink:
    """The wire of one RemoteDevice.

    Attributes
    ----------
    peer : RemotePeer or None
    speaker, microphone : Half or None
        The halves that a stream uses.
    captured : int
        Position of the microphone.
    peers, malformed : int
        Connections, and frames against the rules.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.depth = 0
        self.put_off: list[Callable[[], object]] = []
        self.peer: RemotePeer | None = None
        self.speaker: Half | None = None
        self.microphone: Half | None = None
        self.captured = 0
        self.peers = self.malformed = 0
        self._stream = 0

    def turn(self) -> _Turn:
        """``with link.turn()``: with the lock held."""
        return _Turn(self)

    def later(self, call: Callable[[], object]) -> None:
        """Call it when the lock is free. With the lock held."""
        self.put_off.append(call)

    def now(self) -> float:
        """Seconds of the host's clock."""
        return monotonic()

    def next_stream(self) -> int:
        """A number for another opening: 1 to 65535, then again."""
        self._stream = self._stream % 65_535 + 1
        return self._stream

    @property
    def trips(self) -> RoundTrips:
        """The present peer's round trips."""
        return RoundTrips() if self.peer is None else self.peer.trips

    @property
    def name(self) -> str:
        """Of the present peer, for events."""
        return "remote" if self.peer is None else self.peer.name or "remote"

    # Sending, with the lock held

    def post(self, frame: bytes) -> None:
        """Send a frame to the peer, if there is one. A peer whose ``send`` raises is ended."""
        peer = self.peer
        if peer is None:
            return
        try:
            peer.send(frame)
        except Exception as error:
            _log.warning("sending to a remote device's peer failed, which ends it: %s", error)
            self._end(peer, RULES, f"sending failed: {error}")

    def hello(self) -> None:
        """Tell the peer what is wanted now."""
        wishes = {"speaker": self.speaker, "microphone": self.microphone}
        content = {name: None if half is None else half.wish() for name, half in wishes.items()}
        self.post(wire.encode_json(wire.HELLO, {"version": wire.VERSION, **content}))

    def ping(self) -> None:
        """Measure a round trip."""
        if self.peer is not None:
            self.post(self.peer.trips.ping(self.now()))

    def bye(self, code: int, reason: str) -> None:
        """End the present peer, and tell it why."""
        peer = self.peer
        if peer is None:
            return
        try:
            peer.send(wire.bye(code, reason))
        except Exception:
            # It is to go anyway.
            pass
        self._end(peer, code, reason)

    def _end(self, peer: RemotePeer, code: int, reason: str) -> None:
        if self.peer is not peer:
            return
        self.peer = None
        close = peer.close
        if close is not None:
            self.later(lambda: close(code, reason))
        self._lost(reason)

    def _lost(self, reason: str) -> None:
        for half in (self.speaker, self.microphone):
            if half is not None:
                half.peer_lost(reason)

    def tell(self, on_event: Callable[[Any], object], kind: EventKind, reason: str) -> None:
        """Tell a recorder or player what happened, when the lock is free."""
        from wavtools._events import DeviceEvent

        event = DeviceEvent(kind, self.name, reason)
        self.later(lambda: on_event(event))

    # The peer's side

    def accept(
        self, send: Callable[[bytes], object], close: Callable[[int, str], object] | None
    ) -> RemotePeer:
        """A connection has come; it replaces the one before."""
        peer = RemotePeer(self, send, close)
        with self.turn():
            self.bye(REPLACED, "a newer peer has taken over")
            self.peer = peer
            self.peers += 1
            self.hello()
            self.ping()
        return peer

    def detach(self, peer: RemotePeer) -> None:
        """The connection of *peer* has ended."""
        with self.turn():
            if self.peer is peer:
                self.peer = None
                self._lost("the peer has gone; waiting for the next one")

    def receive(self, peer: RemotePeer, data: bytes) -> None:
        """A frame of *peer*."""
        with self.turn():
            if self.peer is not peer:
                return
            try:
                if not isinstance(data, (bytes, bytearray, memoryview)):
                    raise Malformed("a frame is bytes")
                self._take(peer, wire.decode(bytes(data)))
            except Malformed as fault:
                self.malformed += 1
                peer.faults += 1
                if peer.faults >= MAX_FAULTS:
                    self.bye(RULES, f"too many frames break the protocol; the last one: {fault}")

    def _take(self, peer: RemotePeer, frame: Frame) -> None:
        now = self.now()
        if frame.type in (wire.REPORT, wire.CUT_DONE):
            if self.speaker is not None:
                self.speaker.take(frame, now)
        elif frame.type == wire.MIC:
            if self.microphone is not None:
                self.microphone.take(frame, now)
        elif frame.type == wire.PONG:
            peer.trips.pong(frame, now)
        elif frame.type == wire.PING:
            if peer.pings.take():
                self.post(wire.encode(wire.PONG, aux=frame.aux, position=frame.position))
        elif frame.type == wire.OPENED:
            self._opened(peer, frame, now)
        elif frame.type == wire.BYE:
            self._end(peer, frame.aux, wire.readable(frame.payload) or "the peer has said goodbye")
        elif frame.type in (wire.HELLO, wire.PLAY, wire.CUT, wire.GAIN):
            raise Malformed(f"a peer sends no frame of type {frame.type}")

    def _opened(self, peer: RemotePeer, frame: Frame, now: float) -> None:
        if not peer.openings.take():
            raise Malformed("OPENED comes too often")
        content = wire.read_json(frame)
        opened = read_opened(content)
        if opened.version != wire.VERSION:
            self.bye(OTHER_VERSION, f"this host speaks version {wire.VERSION}, not {opened.version}")
            return
        peer.opened = content
        if self.speaker is not None:
            self.speaker.opened(opened.speaker, now)
        if self.microphone is not None:
            self.microphone.opened(opened.microphone, now)
