"""RemoteInput: the microphone of a RemoteDevice for one recorder: its frames go into the compiled capture callback.

Thread: any, under the lock of the RemoteLink.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wavtools._callbacks import StandIn
from wavtools._remote_frames import Frame
from wavtools._remote_link import RemoteLink
from wavtools._remote_microphone import RemoteMicrophone

if TYPE_CHECKING:
    from wavtools._events import DeviceEvent
    from wavtools._remote_wishes import OpenedMicrophone
    from wavtools._stream import Device, SessionStream

__all__ = ["RemoteInput"]

CHUNK_MS = 10


class RemoteInput:
    """The Device of one recorder.

    Parameters
    ----------
    link : RemoteLink
    stream : SessionStream
    on_event : callable
    wishes : dict
        What HELLO asks for beside rate and channels.
    release : callable
        Called once when it is closed.
    """

    realtime_priority: bool | None = None

    def __init__(
        self,
        link: RemoteLink,
        stream: SessionStream,
        on_event: Callable[[DeviceEvent], None],
        wishes: dict[str, bool],
        release: Callable[[], object],
    ) -> None:
        self._link = link
        self._stream = stream
        self._on_event = on_event
        self._wishes = wishes
        self._release: Callable[[], object] | None = release
        # As long as nobody knows better: the session's rate, and one channel.
        self._microphone = RemoteMicrophone(link.next_stream(), stream.sample_rate, stream.channels or 1)
        self._stand_in = StandIn(self._microphone.channels)
        self._counted = 0
        self._running: bool | None = None

    @property
    def sample_rate(self) -> int:
        """Hz, as the peer says; so are the other properties."""
        return self._microphone.sample_rate

    @property
    def channels(self) -> int:
        return self._microphone.channels

    @property
    def latency_seconds(self) -> float:
        return self._microphone.latency

    @property
    def missing(self) -> int:
        """Frames that did not come, of all peers."""
        return self._counted + self._microphone.missing

    def start(self, old: Device | None = None) -> None:
        """Seat the stream; sound comes as soon as a peer has opened its microphone."""
        lost_seconds = None
        if old is not None:
            lost_seconds = old.latency_seconds
            old.close()
        self._fit(lost_seconds)
        with self._link.turn():
            self._link.microphone = self
            self._link.captured = 0
            self._link.hello()

    def _fit(self, lost_seconds: float | None) -> None:
        self._stand_in = StandIn(self.channels)
        self._stream.fit(self._stand_in.seat, self.sample_rate, self.channels, lost_seconds, False)

    def close(self) -> None:
        """Let the peer close its microphone."""
        with self._link.turn():
            release, self._release = self._release, None
            if release is None:
                return
            if self._link.microphone is self:
                self._link.microphone = None
                self._link.hello()
            self._stream.leave(self._stand_in.seat)
        release()

    # The half of the link, with the lock held

    def wish(self) -> dict[str, Any]:
        """Its part of HELLO."""
        return {
            "stream": self._microphone.stream,
            "rate": self._stream.sample_rate,
            "channels": self._stream.channels,
            "chunk_ms": CHUNK_MS,
            **self._wishes,
        }

    def opened(self, part: OpenedMicrophone | None, now: float) -> None:
        """The peer has opened its microphone, or another one, or could not."""
        before = self._microphone
        if part is None or part.stream != before.stream:
            # It opens one, or another one.
            before.open = False
            return
        if part.error:
            before.open = False
            self._tell_running(False, f"the peer cannot open its microphone: {part.error}")
            return
        differs = (part.sample_rate, part.channels) != (before.sample_rate, before.channels)
        if differs or not before.open:
            self._counted += before.missing
            self._microphone = RemoteMicrophone(before.stream, part.sample_rate, part.channels)
            self._link.captured = 0
        if differs:
            self._stand_in.seat.vacate()
            self._fit(0.0)
        self._microphone.open, self._microphone.latency = True, part.latency
        self._tell_running(True, "the peer captures")

    def take(self, frame: Frame, now: float) -> None:
        """A MIC frame; raises Malformed."""
        microphone = self._microphone
        if frame.stream != microphone.stream or not microphone.open:
            return
        for sound in microphone.take(frame):
            self._stand_in.capture(sound)
        self._link.captured = microphone.captured
        self._stream.wake()

    def peer_lost(self, reason: str) -> None:
        """The next peer opens a microphone of its own."""
        before = self._microphone
        self._counted += before.missing
        self._microphone = RemoteMicrophone(self._link.next_stream(), before.sample_rate, before.channels)
        self._link.captured = 0
        self._tell_running(False, reason)

    def _tell_running(self, running: bool, reason: str) -> None:
        before, self._running = self._running, running
        if not running and before is not False:
            self._link.tell(self._on_event, "suspended", reason)
        elif running and before is False:
            self._link.tell(self._on_event, "resumed", reason)
