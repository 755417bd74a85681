"""Alarm: what ends its waits, from other threads and from signal handlers."""

from __future__ import annotations

import signal
import threading

from wavtools._alarm import Alarm


def test_a_ring_of_another_thread_ends_the_wait():
    alarm, ended = Alarm(), []
    waiting = threading.Thread(target=lambda: ended.append(alarm.wait(60)))
    waiting.start()
    alarm.ring()
    waiting.join(30)
    assert ended == [True]


def test_a_ring_before_the_wait_ends_it_and_several_rings_end_one():
    alarm = Alarm()
    for _ in range(5):
        alarm.ring()
    assert alarm.wait(60)
    assert not alarm.wait(0.001)


def test_a_wait_ends_by_itself():
    alarm = Alarm()
    assert [alarm.wait(seconds) for seconds in (0, 1e-9, 0.001, 0.02)] == [False] * 4


def test_a_signal_handler_may_ring():
    alarm = Alarm()
    before = signal.signal(signal.SIGINT, lambda *_: alarm.ring())
    try:
        for _ in range(100):
            alarm.ring()
            signal.raise_signal(signal.SIGINT)
            assert alarm.wait(60)
    finally:
        signal.signal(signal.SIGINT, before)


def test_many_alarms_leave_nothing_behind():
    """On Windows each has two handles; a process that kept them would run out of them."""
    for _ in range(20_000):
        Alarm().ring()
