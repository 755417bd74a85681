"""Liveness: what counts as a sign of life, by the clock alone."""

from __future__ import annotations

import pytest

from realtime.protocol.liveness import (
    FREE_BYTES,
    MIN_BYTES_PER_SECOND,
    PING_BYTES,
    PING_INTERVAL,
    PING_TIMEOUT,
    Liveness,
)


class Line:
    """A peer, and what is known of its line; looks every quarter of a second."""

    def __init__(self, *, exact: bool = True) -> None:
        self.now = 100.0
        self.peer = Liveness(self.now)
        self.received = self.written = self.waiting = self.pings = 0
        self.exact = exact

    def look(self) -> bool:
        self.now += 0.25
        dead = self.peer.is_dead(
            self.now,
            received=self.received,
            written=self.written,
            waiting=self.waiting,
            waiting_is_exact=self.exact,
        )
        if self.peer.is_ping_due(self.now):
            self.peer.asked(self.now, self.written)
            self.pings += 1
        return dead

    def seconds_until_dead(self, step=lambda: None, limit: float = 120.0) -> float:
        """Seconds until the peer is given up; *step* happens between two looks."""
        started = self.now
        while not self.look():
            step()
            if self.now - started > limit:
                return limit
        return self.now - started


def test_a_silent_peer_is_given_up_within_five_seconds_and_not_before_the_timeout():
    assert PING_INTERVAL + PING_TIMEOUT <= Line().seconds_until_dead() <= 5.0


def test_any_byte_is_life_although_the_ping_is_not_answered():
    line = Line()

    def receive() -> None:
        line.received += 10

    assert line.seconds_until_dead(receive) == 120.0 and line.pings == 1
    assert line.seconds_until_dead() <= 5.0


def test_an_answered_ping_is_followed_by_the_next_one():
    line = Line()

    def answer() -> None:
        line.received += 2
        line.peer.answered(line.now, line.written)

    assert line.seconds_until_dead(answer) == 120.0
    assert line.pings > 100


def test_a_ping_behind_a_large_message_waits_while_our_queue_gets_shorter():
    line = Line()
    line.written = line.waiting = 4_000_000

    def drain() -> None:
        line.waiting = max(line.waiting - 10_000, 0)

    # 40 kB/s: 100 seconds.
    assert line.seconds_until_dead(drain, limit=95.0) == 95.0


def test_a_queue_that_stands_still_is_no_life():
    line = Line()
    line.written = line.waiting = 4_000_000
    assert line.seconds_until_dead() <= 5.0


@pytest.mark.parametrize("exact", [True, False])
def test_a_half_open_socket_is_found_although_the_microphone_goes_on(exact):
    line = Line(exact=exact)

    def speak() -> None:
        # 64 kB/s; the operating system takes them, and says how many are not acknowledged, or does not.
        line.written += 16_000
        line.waiting += 16_000 if exact else 0

    assert line.seconds_until_dead(speak) <= 5.0


def test_a_frozen_peer_whose_system_acknowledges_is_found_although_the_microphone_goes_on():
    line = Line()

    def speak() -> None:
        line.written += 16_000

    assert line.seconds_until_dead(speak) <= 5.0


def test_a_ping_behind_a_large_message_in_a_proxy_is_given_the_time_for_it():
    line = Line()
    # The proxy took all of it at once.
    line.written = 1_400_000
    seconds = line.seconds_until_dead()
    assert seconds >= PING_TIMEOUT + (1_400_000 - FREE_BYTES) / MIN_BYTES_PER_SECOND
    line.peer.answered(line.now, line.written)
    assert line.seconds_until_dead() <= 5.0


def test_pings_between_the_parts_of_a_large_message_show_how_far_it_has_come():
    line = Line()
    for _ in range(10):
        line.written += PING_BYTES
        line.peer.asked(line.now, line.written)
    arrived = 0

    def pass_on() -> None:
        # 40 kB/s behind a proxy that took all of it at once.
        nonlocal arrived
        before, arrived = arrived, arrived + 10_000
        if before // PING_BYTES != arrived // PING_BYTES:
            line.received += 6
            line.peer.answered(line.now, arrived // PING_BYTES * PING_BYTES)

    assert line.seconds_until_dead(pass_on, limit=30.0) == 30.0
    assert line.seconds_until_dead() <= 5.0


def test_a_vanished_peer_is_found_at_once_behind_a_large_message_with_pings_in_it():
    line = Line()
    for _ in range(10):
        line.written += PING_BYTES
        line.peer.asked(line.now, line.written)
    assert line.seconds_until_dead() <= 5.0


def test_the_time_in_which_nobody_looked_does_not_count():
    line = Line()
    line.seconds_until_dead(limit=3.0)
    line.now += 60
    line.peer.forgive(line.now)
    assert not line.look()
    assert line.seconds_until_dead() <= 5.0
