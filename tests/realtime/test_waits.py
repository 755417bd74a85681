"""Waits: each ends with its event, and a task that waits again at once misses nothing."""

from __future__ import annotations

import asyncio

import pytest

from realtime.client import waits as module
from realtime.client.emitter import EventEmitter
from tests.waiting import until


@pytest.fixture
def emitter() -> EventEmitter:
    return EventEmitter(lambda error, name, handler: None)


def burst(emitter: EventEmitter, *names: str) -> None:
    """Emit events in one go, each with its number behind its name, as a reader does that never has to wait."""
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        emitter.emit(name, f"{name}{counts[name]}")


async def test_waiting_ends_with_the_event_the_timeout_or_the_connection(emitter):
    waiting = asyncio.create_task(emitter.wait_for_next("x"))
    await asyncio.sleep(0)
    assert emitter.wants("x") and not emitter.wants("y")
    emitter.emit("x", None)  # an event without payload ends the wait, too
    assert await waiting is None
    with pytest.raises(TimeoutError, match="no 'x' event within 0.01 s"):
        await emitter.wait_for_next("x", timeout=0.01)
    waiting = asyncio.create_task(emitter.wait_for_next("x"))
    await asyncio.sleep(0)
    emitter.fail_waiters(RuntimeError("over"))
    with pytest.raises(RuntimeError, match="over"):
        await waiting
    await until(lambda: not emitter.wants("x"))


async def test_a_cancelled_wait_leaves_nothing_registered(emitter):
    one = asyncio.create_task(emitter.wait_for_next("x"))
    two = asyncio.create_task(emitter.wait_for_next("x"))
    await asyncio.sleep(0)
    one.cancel()
    await asyncio.sleep(0)
    emitter.emit("x", 1)
    assert await two == 1 and one.cancelled()
    three = asyncio.create_task(emitter.wait_for_next("x"))
    await asyncio.sleep(0)
    three.cancel()
    emitter.emit("x", 2)
    emitter.fail_waiters(RuntimeError("over"))
    with pytest.raises(asyncio.CancelledError):
        await three
    await until(lambda: not emitter._waits.open)
    assert not emitter.wants("x")


async def test_an_ended_wait_collects_for_a_few_turns_of_the_loop_only(emitter):
    waiting = asyncio.create_task(emitter.wait_for_next("x"))
    await asyncio.sleep(0)
    burst(emitter, "x", "y")
    assert await waiting == "x1"
    for _ in range(module.OPEN_TURNS + 1):
        await asyncio.sleep(0)
    assert not emitter._waits.open
    with pytest.raises(TimeoutError):
        await emitter.wait_for_next("y", timeout=0.01)


async def test_the_queue_of_a_wait_is_bounded(emitter, monkeypatch):
    monkeypatch.setattr(module, "MAX_QUEUED", 3)
    waiting = asyncio.create_task(emitter.wait_for_next("x"))
    await asyncio.sleep(0)
    burst(emitter, *"xxxxx")
    assert await waiting == "x3"


async def in_turn(emitter: EventEmitter, names: str) -> list[str]:
    return [await emitter.wait_for_next(name) for name in names]


async def within_wait_for(emitter: EventEmitter, names: str) -> list[str]:
    return [await asyncio.wait_for(emitter.wait_for_next(name), 5) for name in names]


async def within_a_function_within_wait_for(emitter: EventEmitter, names: str) -> list[str]:
    async def wait(name: str) -> str:
        return await emitter.wait_for_next(name)

    return [await asyncio.wait_for(wait(name), 5) for name in names]


async def within_tasks(emitter: EventEmitter, names: str) -> list[str]:
    return [await asyncio.create_task(emitter.wait_for_next(name)) for name in names]


@pytest.mark.parametrize(
    "wait",
    [in_turn, within_wait_for, within_a_function_within_wait_for, within_tasks],
    ids=lambda f: f.__name__,
)
@pytest.mark.parametrize(
    ("emitted", "awaited", "expected"),
    [
        ("xxx", "xxx", ["x1", "x2", "x3"]),
        ("xyz", "xyz", ["x1", "y1", "z1"]),
        ("yxyy", "xyy", ["x1", "y2", "y3"]),
        ("xyxzx", "xyx", ["x1", "y1", "x2"]),
    ],
)
async def test_waiting_again_at_once_misses_nothing_of_a_burst(emitter, wait, emitted, awaited, expected):
    waiting = asyncio.create_task(wait(emitter, awaited))
    await until(lambda: emitter.wants("x"))
    burst(emitter, *emitted)
    assert await asyncio.wait_for(waiting, 5) == expected


async def test_two_tasks_read_the_same_burst_each_for_itself(emitter):
    one = asyncio.create_task(within_wait_for(emitter, "xyx"))
    two = asyncio.create_task(in_turn(emitter, "yxy"))
    await until(lambda: emitter.wants("x") and emitter.wants("y"))
    burst(emitter, *"xyxy")
    assert await one == ["x1", "y1", "x2"] and await two == ["y1", "x2", "y2"]


async def test_several_waits_at_once_go_on_where_their_task_stood(emitter):
    async def both() -> list[str]:
        first = await emitter.wait_for_next("x")
        second = await asyncio.gather(emitter.wait_for_next("y"), emitter.wait_for_next("z"))
        return [first, *second, await emitter.wait_for_next("y")]

    waiting = asyncio.create_task(both())
    await until(lambda: emitter.wants("x"))
    burst(emitter, *"xzyy")
    assert await asyncio.wait_for(waiting, 5) == ["x1", "y1", "z1", "y2"]


@pytest.mark.parametrize("wait", [in_turn, within_wait_for], ids=lambda f: f.__name__)
async def test_of_simultaneous_events_a_task_takes_one(emitter, wait):
    waiting = asyncio.create_task(wait(emitter, "xyy"))
    await until(lambda: emitter.wants("x"))
    emitter.emit("y", "y0")
    outer = emitter.begin_batch()
    emitter.emit("x", "x1")
    inner = emitter.begin_batch()
    emitter.emit("y", "y1")
    emitter.emit("y", "y2")
    emitter.end_batch(inner)
    emitter.emit("y", "y3")
    emitter.end_batch(outer)
    emitter.emit("y", "y4")
    emitter.emit("y", "y5")
    assert await asyncio.wait_for(waiting, 5) == ["x1", "y4", "y5"]


async def test_an_event_that_comes_with_the_timeout_is_left_for_the_next_wait(emitter):
    async def wait() -> list[str]:
        with pytest.raises(TimeoutError):
            await emitter.wait_for_next("x", timeout=0)
        return await in_turn(emitter, "yx")

    waiting = asyncio.create_task(wait())
    await until(lambda: emitter._waits.open and emitter._waits.open[0].woken is not None)
    asyncio.get_running_loop().call_soon(burst, emitter, "y", "x")
    assert await asyncio.wait_for(waiting, 5) == ["y1", "x1"]


async def test_an_event_right_before_the_timeout_is_returned(emitter):
    loop = asyncio.get_running_loop()
    waiting = asyncio.create_task(emitter.wait_for_next("x", timeout=0))
    # One turn later: when the wait has begun, and before its timer.
    loop.call_soon(loop.call_soon, emitter.emit, "x", "x1")
    assert await waiting == "x1"


async def test_an_event_that_comes_with_a_cancellation_is_left_for_the_next_wait(emitter):
    async def wait() -> str:
        try:
            await emitter.wait_for_next("x")
        except asyncio.CancelledError:
            return await emitter.wait_for_next("x")
        raise AssertionError("the wait was not cancelled")

    waiting = asyncio.create_task(wait())
    await until(lambda: emitter.wants("x"))
    batch = emitter.begin_batch()
    emitter.emit("x", "x1")
    emitter.end_batch(batch)
    waiting.cancel()
    assert await waiting == "x1"


async def test_an_end_between_two_waits_fails_the_second(emitter):
    async def wait() -> str:
        await emitter.wait_for_next("x")
        last = await emitter.wait_for_next("y")
        with pytest.raises(RuntimeError, match="over"):
            await emitter.wait_for_next("y")
        return last

    waiting = asyncio.create_task(wait())
    await until(lambda: emitter.wants("x"))
    burst(emitter, "x", "y")
    emitter.fail_waiters(RuntimeError("over"))
    assert await asyncio.wait_for(waiting, 5) == "y1"


async def test_a_task_that_begins_to_wait_sees_no_event_from_before(emitter):
    waiting = asyncio.create_task(in_turn(emitter, "x"))
    await until(lambda: emitter.wants("x"))
    other = asyncio.create_task(asyncio.sleep(5))
    burst(emitter, "x", "y")

    async def begin() -> str:
        return await emitter.wait_for_next("y", timeout=0.01)

    with pytest.raises(TimeoutError):
        await begin()
    other.cancel()
    assert await waiting == ["x1"]


def test_a_wait_may_be_made_before_the_loop_runs():
    emitter = EventEmitter(lambda error, name, handler: None)
    loop = asyncio.new_event_loop()
    loop.call_later(0.01, emitter.emit, "x", 1)
    assert loop.run_until_complete(emitter.wait_for_next("x", timeout=5)) == 1
    loop.close()


def test_waits_may_go_on_in_another_loop(emitter):
    for number in (1, 2):
        loop = asyncio.new_event_loop()
        loop.call_later(0.01, emitter.emit, "x", number)
        assert loop.run_until_complete(emitter.wait_for_next("x", timeout=5)) == number
        if number == 2:
            loop.run_until_complete(until(lambda: not emitter._waits.open))
        loop.close()


def test_a_wait_that_outlives_its_loop_leaves_nothing_registered(emitter):
    loop = asyncio.new_event_loop()
    wait = emitter.wait_for_next("x")
    task = loop.create_task(wait)
    loop.run_until_complete(asyncio.sleep(0))
    assert emitter.wants("x")
    wait.close()
    assert not emitter.wants("x")
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
