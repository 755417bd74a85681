"""DaemonThreads: blocking calls in threads of their own, bounded and counted."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import pytest

from realtime import daemon_threads
from realtime.daemon_threads import DaemonThreads
from realtime.errors import StateError
from tests.waiting import until

setting: ContextVar[int] = ContextVar("setting")


async def test_a_call_returns_raises_and_sees_the_callers_context():
    threads = DaemonThreads("t", 4)
    setting.set(5)
    assert await threads.call(setting.get) == 5
    assert await threads.call(int, "7", base=8) == 7
    assert (await threads.call(threading.current_thread)).name == "t-3"
    with pytest.raises(ZeroDivisionError):
        await threads.call(lambda: 1 / 0)
    assert threads.running == 0


async def test_calls_beyond_a_limit_are_refused_and_blocked_ones_count(monkeypatch):
    release = threading.Event()
    threads, others = DaemonThreads("t", 1), DaemonThreads("u", 5)
    blocked = asyncio.create_task(threads.call(release.wait))
    await until(lambda: threads.running)
    blocked.cancel()
    await asyncio.sleep(0)
    with pytest.raises(StateError, match="1 blocking calls of t have not returned"):
        await threads.call(print)
    monkeypatch.setattr(daemon_threads, "MAX_THREADS", 1)
    with pytest.raises(StateError, match="1 blocking calls have not returned"):
        await others.call(print)
    monkeypatch.undo()
    release.set()
    await until(lambda: not threads.running)


async def test_a_thread_that_cannot_be_started_is_told_and_not_counted(monkeypatch):
    def refuses(self):
        raise RuntimeError("can't start new thread")

    threads = DaemonThreads("t", 1)
    monkeypatch.setattr(threading.Thread, "start", refuses)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="can't start"):
            await threads.call(print)
    assert threads.running == 0


def test_a_call_may_outlive_its_loop():
    release, done = threading.Event(), threading.Event()

    def work():
        release.wait()
        done.set()

    async def main():
        asyncio.create_task(DaemonThreads("t", 1).call(work))  # noqa: RUF006 - it is left
        await asyncio.sleep(0.01)

    asyncio.run(main())
    release.set()
    assert done.wait(5)
