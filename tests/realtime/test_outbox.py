"""Outbox: one order, any thread, bounded live audio."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from realtime.connection import outbox as module
from realtime.connection.outbox import Commit, Outbox
from tests.waiting import until


def samples(count: int, value: int = 1) -> np.ndarray:
    return np.full(count, value, np.int16)


async def take_all(outbox: Outbox) -> list:
    taken = []
    while len(outbox):
        taken.append(await outbox.take())
    return taken


async def test_events_and_audio_keep_their_order():
    outbox = Outbox(2.0)
    outbox.open()
    outbox.send_finished()
    outbox.put({"n": 1})
    outbox.put_audio(samples(3))
    outbox.put(Commit())
    outbox.put({"n": 2})
    outbox.put_first({"n": 0})
    taken = await take_all(outbox)
    assert [len(entry) if isinstance(entry, np.ndarray) else entry for entry in taken] == [
        {"n": 0},
        {"n": 1},
        3,
        Commit(),
        {"n": 2},
    ]
    assert outbox.audio_samples == 0


async def test_take_waits_for_what_another_thread_puts():
    outbox = Outbox(2.0)
    outbox.open()
    waiting = asyncio.create_task(outbox.take())
    await until(lambda: outbox._sleeping)
    thread = threading.Thread(target=lambda: outbox.put_audio(samples(7)))
    thread.start()
    assert len(await asyncio.wait_for(waiting, 2)) == 7
    thread.join()
    waiting = asyncio.create_task(outbox.take())
    await asyncio.sleep(0)
    outbox.put({"n": 1})
    assert await waiting == {"n": 1}


async def test_a_cancelled_take_loses_nothing():
    outbox = Outbox(2.0)
    outbox.open()
    waiting = asyncio.create_task(outbox.take())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    outbox.put({"n": 1})
    assert await outbox.take() == {"n": 1}


async def test_without_progress_the_oldest_audio_is_dropped_and_counted():
    outbox = Outbox(1.0)
    outbox.open()
    outbox.put({"n": 1})  # events are never dropped
    for number in range(100):
        outbox.put_audio(samples(2_400, number))
        assert outbox.audio_samples <= 24_000
    assert outbox.dropped_samples == 100 * 2_400 - 24_000
    event, *audio = await take_all(outbox)
    assert event == {"n": 1} and [int(chunk[0]) for chunk in audio] == list(range(90, 100))


async def test_dropped_entries_take_no_memory():
    outbox = Outbox(0.1)
    outbox.open()
    outbox.put({"n": 1})
    for _ in range(5_000):
        outbox.put_audio(samples(240))
    assert len(outbox._queue) < 1_200 and len(outbox) == 11
    assert len(await take_all(outbox)) == 11


async def test_while_the_socket_takes_a_file_is_not_dropped():
    outbox = Outbox(1.0)
    outbox.open()
    outbox.send_finished()
    for _ in range(100):
        outbox.put_audio(samples(2_400))
    assert outbox.dropped_samples == 0 and outbox.audio_samples == 240_000
    outbox.send_started()
    outbox.put_audio(samples(2_400))
    assert outbox.dropped_samples == 0


@pytest.mark.parametrize("stuck", ["send_started", "disconnected"])
async def test_while_the_socket_takes_nothing_audio_is_dropped(monkeypatch, stuck):
    outbox = Outbox(1.0)
    outbox.open()
    outbox.send_finished()
    now = [100.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    getattr(outbox, stuck)()
    now[0] += module.STUCK_SECONDS + 0.01
    for _ in range(20):
        outbox.put_audio(samples(2_400))
    assert outbox.audio_samples == 24_000 and outbox.dropped_samples == 10 * 2_400
    outbox.send_finished()
    outbox.put_audio(samples(2_400))
    assert outbox.audio_samples == 26_400


def test_rejected_audio_is_counted():
    outbox = Outbox(1.0)
    outbox.reject_audio(samples(7))
    assert outbox.dropped_samples == 7 and len(outbox) == 0


async def test_long_audio_is_queued_in_pieces():
    outbox = Outbox(60.0)
    outbox.open()
    outbox.put_audio(samples(500_000))
    assert [len(piece) for piece in await take_all(outbox)] == [240_000, 240_000, 20_000]


async def test_what_has_waited_too_long_is_dropped_though_some_is_sent(monkeypatch):
    outbox = Outbox(1.0)
    outbox.open()
    outbox.send_finished()
    now = [100.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    for _ in range(20):
        outbox.put_audio(samples(2_400))
    now[0] += 1.5
    outbox.put_audio(samples(2_400))
    assert outbox.audio_samples <= 24_000 and outbox.dropped_samples == 11 * 2_400


async def test_there_is_a_limit_whatever_the_circumstances(monkeypatch):
    monkeypatch.setattr(module, "MAX_SECONDS", 3.0)
    outbox = Outbox(1.0)
    outbox.open()
    outbox.send_finished()
    for _ in range(50):
        outbox.put_audio(samples(2_400))
    assert outbox.audio_samples == 72_000


async def test_one_chunk_longer_than_the_limit_is_kept():
    outbox = Outbox(0.1)
    outbox.open()
    outbox.put_audio(samples(24_000))
    assert outbox.dropped_samples == 0
    outbox.clear()
    assert len(outbox) == outbox.audio_samples == 0


def test_a_put_after_the_loop_has_closed_raises_nothing():
    outbox = Outbox(1.0)

    async def wait() -> None:
        outbox.open()
        task = asyncio.create_task(outbox.take())
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(wait())
    outbox._sleeping = True
    thread = threading.Thread(target=lambda: outbox.put_audio(samples(1)))
    thread.start()
    thread.join()
    assert outbox.audio_samples == 1


@pytest.mark.parametrize("threads", [1, 4])
async def test_threads_lose_nothing(threads):
    outbox = Outbox(60.0)
    outbox.open()
    outbox.send_finished()

    def work(value: int) -> None:
        for _ in range(500):
            outbox.put_audio(samples(10, value))

    pool = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
    for thread in pool:
        thread.start()
    total = 0
    while total < threads * 5_000:
        total += len(await asyncio.wait_for(outbox.take(), 2))
    for thread in pool:
        thread.join()
    assert total == threads * 5_000 and len(outbox) == 0


def test_a_wake_up_before_the_queue_was_opened_is_nothing():
    Outbox(1.0)._ready_set()
