"""RemoteOutput: the loudspeaker of a RemoteDevice for one player: renders its queue ahead, as far as the peer may hold.

The peer's reports drive the compiled playback callback; newly queued sound does too, so that an answer starts at once.

Thread: any; rendering, positions and cuts under the lock of the RemoteLink.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from wavtools import _remote_frames as wire
from wavtools._callbacks import StandIn
from wavtools._played_spectrum import MAX_HELD
from wavtools._remote_frames import Frame
from wavtools._remote_link import RemoteLink
from wavtools._remote_speaker import PERIODS_PER_SECOND, RemoteSpeaker
from wavtools._stream import SessionStream

if TYPE_CHECKING:
    from wavtools._events import DeviceEvent
    from wavtools._remote_wishes import OpenedSpeaker
    from wavtools._states import PlaybackState
    from wavtools._stream import Ahead, Device

__all__ = ["PlayerStream", "RemoteOutput"]

# Reports from one PING to the next, and the first ones, which are each answered by one: an audio thread that starts is slow
REPORTS_PER_PING = 16
FIRST_REPORTS = 8
RULES = 2
MAX_WINDOW = 24_576


class PlayerStream(SessionStream, Protocol):
    """A player's stream."""

    def take_ahead(self, ahead: Ahead | None) -> None: ...
    def replay(self, take: Callable[[], int]) -> None: ...


class RemoteOutput:
    """The Device of one player, and its Ahead.

    Parameters
    ----------
    link : RemoteLink
    stream : PlayerStream
    on_event : callable
    window, margin : float
        Seconds of sound that the peer may hold; seconds added to the place of a cut.
    release : callable
        Called once when it is closed.
    """

    realtime_priority: bool | None = None

    def __init__(
        self,
        link: RemoteLink,
        stream: PlayerStream,
        on_event: Callable[[DeviceEvent], None],
        window: float,
        margin: float,
        release: Callable[[], object],
    ) -> None:
        self.sample_rate = stream.sample_rate
        self.channels = stream.outputs
        # Earlier openings; see `counters`.
        self._counted = (0, 0, 0)
        self._link = link
        self._stream = stream
        self._on_event = on_event
        self._window = min(int(window * self.sample_rate), MAX_WINDOW, MAX_HELD)
        self._margin = margin
        self._release: Callable[[], object] | None = release
        self._stand_in = StandIn(1, self.channels)
        self._block = np.zeros((self.sample_rate // PERIODS_PER_SECOND, self.channels), np.int16)
        self._gain = 1.0
        self._reports = 0
        # Frames that the last peer held; they are played again as soon as the player's lock is free.
        self._lost = 0
        self._replaying = False
        # True while the peer plays, False once it was told that it does not; None before the first peer.
        self._running: bool | None = None
        self._speaker = self._anew()

    def _anew(self) -> RemoteSpeaker:
        return RemoteSpeaker(self._link.next_stream(), self.sample_rate, self._window, self._margin)

    # The Device of the player

    @property
    def latency_seconds(self) -> float:
        """What the peer says: from its counting to the ear."""
        return self._speaker.latency

    def start(self, old: Device | None = None) -> None:
        """Seat the stream; sound goes out as soon as a peer has opened its loudspeaker."""
        lost_seconds = None
        if old is not None:
            lost_seconds = old.latency_seconds
            old.close()
        # Nothing renders yet, and this takes the player's lock.
        self._stream.take_ahead(self)
        self._stream.fit(self._stand_in.seat, self.sample_rate, 1, lost_seconds, False)
        with self._link.turn():
            self._link.speaker = self
            self._link.hello()

    def close(self) -> None:
        """Let the peer close its loudspeaker; what it will not have played is the queue's again."""
        with self._link.turn():
            release, self._release = self._release, None
            if release is None:
                return
            # Its last report is the truth, as if it were lost: nothing is left out.
            again, calls = self._speaker.lose()
            again, self._lost = again + self._lost, 0
            for call in calls:
                self._link.later(call)
            if self._link.speaker is self:
                self._link.speaker = None
                self._link.hello()
            self._stream.leave(self._stand_in.seat)
        self._stream.replay(lambda: again)
        self._stream.take_ahead(None)
        release()

    # The Ahead of the player

    def poke(self) -> None:
        with self._link.turn():
            self._render()

    def heard(self, state: PlaybackState) -> int:
        with self._link.lock:
            return state.consumed - self._lost - self._speaker.held(self._link.now(), self._link.trips)

    def silence(self) -> int:
        with self._link.lock:
            return self._speaker.silence(self._link.now())

    def interrupt(
        self, state: PlaybackState, fade_frames: int, settle: Callable[[int], object]
    ) -> tuple[int, int]:
        link = self._link
        with link.turn():
            cut, end = state.interrupt(0)
            lost, self._lost = self._lost, 0
            not_played, frame = self._speaker.cut(fade_frames, link.now(), link.trips, settle)
            if frame is not None:
                link.post(frame)
            elif self._speaker.overdue:
                link.bye(RULES, "cuts are not answered")
        return cut - lost - not_played, end

    def set_gain(self, gain: float) -> None:
        with self._link.turn():
            self._gain = gain
            if self._speaker.open:
                self._link.post(wire.encode(wire.GAIN, self._speaker.stream, position=gain))

    # The half of the link, with the lock held

    @property
    def counters(self) -> tuple[int, int, int]:
        """(cuts that were answered, those that came late, how often a peer ran dry) of all openings."""
        cuts, late, starved = self._counted
        speaker = self._speaker
        return cuts + speaker.cuts, late + speaker.late_cuts, starved + speaker.starved

    def wish(self) -> dict[str, Any]:
        """Its part of HELLO."""
        return {
            "stream": self._speaker.stream,
            "rate": self.sample_rate,
            "channels": self.channels,
            "window": self._window,
            "gain": self._gain,
        }

    def opened(self, part: OpenedSpeaker | None, now: float) -> None:
        """The peer has opened its loudspeaker, or could not."""
        speaker = self._speaker
        if part is None or part.stream != speaker.stream:
            return
        speaker.open, speaker.suspended = not part.error, part.suspended
        if part.error:
            self._tell_running(False, f"the peer cannot open its loudspeaker: {part.error}")
            return
        speaker.latency = part.latency
        self._tell_running(
            not part.suspended, "the peer's clock stands still" if part.suspended else "the peer plays"
        )
        self._link.ping()
        self._render()

    def take(self, frame: Frame, now: float) -> None:
        """A REPORT or CUT_DONE; raises Malformed."""
        if frame.stream != self._speaker.stream:
            return
        if frame.type == wire.CUT_DONE:
            self._link.later(self._speaker.cut_done(frame))
        else:
            self._speaker.report(frame, now)
            self._reports += 1
            if self._reports <= FIRST_REPORTS or self._reports % REPORTS_PER_PING == 0:
                self._link.ping()
        self._render()

    def peer_lost(self, reason: str) -> None:
        """What the peer held goes back to the queue, for the next one."""
        self._counted = self.counters
        again, calls = self._speaker.lose()
        for call in calls:
            self._link.later(call)
        self._lost += again
        self._speaker = self._anew()
        self._reports = 0
        self._replaying = True
        self._link.later(self._replay)
        self._tell_running(False, reason)

    def _replay(self) -> None:
        """Without the lock: the player's comes first."""
        self._stream.replay(self._take_lost)
        with self._link.turn():
            self._replaying = False
            self._render()

    def _take_lost(self) -> int:
        with self._link.lock:
            lost, self._lost = self._lost, 0
            return lost

    def _tell_running(self, running: bool, reason: str) -> None:
        before, self._running = self._running, running
        if not running and before is not False:
            self._link.tell(self._on_event, "suspended", reason)
        elif running and before is False:
            self._link.tell(self._on_event, "resumed", reason)

    def _render(self) -> None:
        """Send what is queued, in periods of 10 ms, as far as the window allows."""
        period = len(self._block)
        while not self._replaying and self._speaker.room >= period:
            count = self._stand_in.play(self._block)
            if count:
                self._link.post(self._speaker.play(self._block[:count], self._link.now()))
            if count < period:
                break
