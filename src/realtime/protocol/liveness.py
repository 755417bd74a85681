"""Decides whether the peer of a connection still lives, from what came in and what went out.

Any byte received is life. A ping asks for one when nothing came. Its answer may be late for a good reason: on a
slow line the ping waits behind what was sent before it. While it waits in our own queue, the queue getting
shorter is life; behind that, in the queues of routers and proxies, it is given time for the bytes before it. A ping
after every `PING_BYTES` keeps these few, so a peer that vanished is found within 5 s behind any backlog, and a slow
line is not taken for a dead one.

Thread: any, one at a time; pure, the caller gives the time.
"""

from __future__ import annotations

from collections import deque

__all__ = ["MIN_BYTES_PER_SECOND", "PING_BYTES", "PING_INTERVAL", "PING_TIMEOUT", "Liveness"]

PING_INTERVAL = 1.0
# Seconds without a sign of life after a ping, which count as the end.
PING_TIMEOUT = 3.25
# The slowest line on which a large message may be sent, and how much any line takes within PING_TIMEOUT.
MIN_BYTES_PER_SECOND = 100_000
FREE_BYTES = 256 * 1024
# Bytes after which a ping is written, also inside a message: every pong shows how far the line has come.
PING_BYTES = 64 * 1024


class Liveness:
    """The signs of life of one connection.

    Parameters
    ----------
    now : float
        The time, in seconds of the clock that all methods are given.
    interval, timeout : float
        Seconds between pings, and seconds of silence after a ping.
    """

    def __init__(self, now: float, interval: float = PING_INTERVAL, timeout: float = PING_TIMEOUT) -> None:
        self.interval = interval
        self.timeout = timeout
        self._life = now
        self._received = 0
        # Bytes written so far that have left our queues, as of the last look, and whether any waited then.
        self._left = 0
        self._waiting = False
        self._ping_due_at = now + interval
        # Of the pings not answered yet, oldest first: when each was written, and the bytes written before it.
        self._asked: deque[tuple[float, int]] = deque()
        # Bytes written before the last ping that was answered: these have arrived.
        self._arrived = 0

    def is_ping_due(self, now: float) -> bool:
        """True if silence calls for a ping now. Behind an unanswered one, a second would only wait."""
        return not self._asked and now >= self._ping_due_at

    def asked(self, now: float, written: int) -> None:
        """A ping was written behind *written* bytes."""
        self._asked.append((now, written))
        self._ping_due_at = now + self.interval

    def answered(self, now: float, behind: int) -> None:
        """The answer to the ping behind *behind* bytes came; it answers all earlier pings too."""
        while self._asked and self._asked[0][1] <= behind:
            self._asked.popleft()
        self._arrived, self._life = max(self._arrived, behind), now

    def forgive(self, now: float) -> None:
        """The caller itself did not look for a while: what was due in that time says nothing about the peer."""
        self._life = now

    def is_dead(
        self, now: float, *, received: int, written: int, waiting: int, waiting_is_exact: bool
    ) -> bool:
        """True if the peer has given no sign of life for too long.

        Parameters
        ----------
        now : float
            The time.
        received, written : int
            Bytes so far.
        waiting : int
            Written bytes that the peer's side has not acknowledged, or as many of them as are known.
        waiting_is_exact : bool
            True if *waiting* includes the queue of the operating system.
        """
        left = written - waiting
        asked_at, behind = self._asked[0] if self._asked else (now, 0)
        in_queue = left < behind
        if received != self._received or (in_queue and self._waiting and left > self._left):
            self._life = now
        self._received, self._left, self._waiting = received, left, waiting > 0
        if not self._asked:
            return False
        limit = self.timeout
        if not (waiting_is_exact and in_queue):
            limit += max(behind - self._arrived - FREE_BYTES, 0) / MIN_BYTES_PER_SECOND
        return now - max(asked_at, self._life) > limit
