"""EventEmitter: every handler is called, in order, and none can stop another."""

from __future__ import annotations

import asyncio

import pytest

from realtime.client.emitter import EventEmitter
from realtime.client.listener import MAX_QUEUE
from tests.waiting import until


def make() -> tuple[EventEmitter, list]:
    failures: list = []
    return EventEmitter(lambda error, name, handler: failures.append((name, str(error)))), failures


async def test_handlers_are_called_in_order_wildcards_last():
    emitter, _ = make()
    seen: list = []
    emitter.on("*", lambda event: seen.append(("*", event)))
    emitter.on("server.*", lambda event: seen.append(("server.*", event)))
    emitter.on("server.x", lambda event: seen.append(("first", event)))
    emitter.on("server.x", lambda event: seen.append(("second", event)))
    emitter.emit("server.x", 1)
    emitter.emit("client.x", 2)
    assert seen == [("first", 1), ("second", 1), ("*", 1), ("server.*", 1), ("*", 2)]


async def test_on_is_a_decorator_and_returns_the_handler():
    emitter, _ = make()
    seen: list = []

    @emitter.on("x")
    def handler(event):
        seen.append(event)

    @emitter.on_next("x")
    def once(event):
        seen.append(("once", event))

    emitter.emit("x", 1)
    emitter.emit("x", 2)
    assert seen == [1, ("once", 1), 2] and callable(handler) and callable(once)


async def test_calls_of_one_coroutine_handler_run_one_after_another():
    emitter, failures = make()
    seen: list = []
    first = asyncio.Event()

    @emitter.on("x")
    async def slow(event):
        if event == 1:
            await first.wait()
        seen.append(event)
        if event == 2:
            raise RuntimeError("two")

    for number in (1, 2, 3):
        emitter.emit("x", number)
    await asyncio.sleep(0)
    assert seen == []
    first.set()
    await until(lambda: len(seen) == 3)
    emitter.emit("x", 4)
    await until(lambda: len(seen) == 4)
    assert seen == [1, 2, 3, 4] and failures == [("x", "two")]


async def test_an_object_with_a_coroutine_call_is_awaited():
    emitter, _ = make()
    seen: list = []

    class Handler:
        async def __call__(self, event):
            seen.append(event)

    emitter.on("x", Handler())
    emitter.emit("x", 1)
    await asyncio.sleep(0)
    assert seen == [1]


async def test_a_handler_that_raises_stops_no_other():
    emitter, failures = make()
    seen: list = []
    emitter.on("x", lambda event: 1 / 0)
    emitter.on_next("x", lambda event: 1 / 0)
    emitter.on("x", seen.append)
    emitter.emit("x", 1)
    emitter.emit("x", 2)
    assert seen == [1, 2] and len(failures) == 3


async def test_off_removes_one_or_all_and_refuses_a_stranger():
    emitter, _ = make()
    seen: list = []
    emitter.on("x", seen.append)
    emitter.on("x", lambda event: seen.append("other"))
    emitter.off("x", seen.append)
    emitter.emit("x", 1)
    assert seen == ["other"]
    with pytest.raises(ValueError, match="not registered"):
        emitter.off("x", seen.append)
    emitter.off("x")
    emitter.off("x")
    emitter.emit("x", 2)
    assert seen == ["other"] and not emitter.wants("x")


async def test_off_next_leaves_lasting_handlers():
    emitter, _ = make()
    seen: list = []
    emitter.on("x", lambda event: seen.append("lasting"))
    emitter.on_next("x", seen.append)
    emitter.off_next("x")
    emitter.emit("x", 1)
    assert seen == ["lasting"]


async def test_a_handler_may_add_and_remove_handlers():
    emitter, _ = make()
    seen: list = []

    def adds(event):
        emitter.off("x", adds)
        emitter.on("x", seen.append)

    emitter.on("x", adds)
    emitter.emit("x", 1)
    emitter.emit("x", 2)
    assert seen == [2]


async def test_a_once_handler_is_called_once_even_by_an_event_within():
    emitter, _ = make()
    seen: list = []
    emitter.on_next("x", lambda event: emitter.emit("x", "within") if event == 1 else None)
    emitter.on_next("x", seen.append)
    emitter.emit("x", 1)
    emitter.emit("x", 2)
    assert seen == ["within"]


async def test_what_cannot_be_called_is_refused():
    emitter, _ = make()
    with pytest.raises(TypeError, match="callable"):
        emitter.on("x", 5)


async def test_clear_event_handlers():
    emitter, _ = make()
    emitter.on("x", print)
    emitter.on("*", print)
    emitter.clear_event_handlers()
    assert not emitter.wants("x")


async def test_a_handler_that_clears_an_event_within_it_keeps_what_it_adds():
    emitter, failures = make()
    seen: list = []

    def begin_anew(event: object) -> None:
        emitter.off("x")
        emitter.on("x", lambda event: seen.append(("new", event)))

    emitter.on_next("x", begin_anew)
    emitter.on_next("x", lambda event: seen.append(("old", event)))
    emitter.emit("x", 1)
    emitter.emit("x", 2)
    assert seen == [("old", 1), ("new", 2)] and not failures


# Handlers whose result is awaited


async def test_a_plain_handler_that_returns_a_coroutine_is_awaited_in_order():
    emitter, failures = make()
    seen: list = []

    async def work(event):
        await asyncio.sleep(0)
        seen.append(event)
        if event == 2:
            raise RuntimeError("two")

    emitter.on("x", lambda event: work(event))
    for number in (1, 2, 3):
        emitter.emit("x", number)
    await until(lambda: len(seen) == 3)
    assert seen == [1, 2, 3]
    await until(lambda: failures == [("x", "two")])


async def test_a_task_that_a_handler_returns_holds_up_nothing_and_its_failure_is_told():
    emitter, failures = make()
    tasks: list[asyncio.Task] = []

    async def work(event):
        await asyncio.sleep(0)
        if event == "fails":
            raise RuntimeError("it failed")
        await asyncio.Event().wait()

    def begin(event):
        tasks.append(asyncio.ensure_future(work(event)))
        return tasks[-1]

    emitter.on("x", begin)
    emitter.emit("x", "lasts")
    emitter.emit("x", "fails")
    await until(lambda: failures == [("x", "it failed")])
    tasks[0].cancel()
    await asyncio.sleep(0)
    assert len(failures) == 1


async def test_generators_are_refused_and_told():
    emitter, failures = make()

    def plain(event):
        yield event

    async def later(event):
        yield event

    for handler in (plain, later):
        with pytest.raises(TypeError, match="must not be a generator function"):
            emitter.on("x", handler)
        emitter.on("x", lambda event, handler=handler: handler(event))
    emitter.emit("x", 1)
    assert [text for _, text in failures] == ["the handler returned a generator, which nothing runs"] * 2


async def test_anything_else_that_a_handler_returns_is_ignored():
    emitter, failures = make()
    emitter.on("x", lambda event: 5)
    emitter.emit("x", 1)
    assert not failures


# Whatever a handler raises


def cancelled():
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    return future.result()


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


async def test_a_handler_that_raises_cancelled_error_ends_nothing():
    emitter, failures = make()
    seen: list = []
    emitter.on("x", lambda event: cancelled())

    @emitter.on("x")
    async def later(event):
        seen.append(event)
        if event == 1:
            await asyncio.sleep(0)
            cancelled()

    emitter.emit("x", 1)
    emitter.emit("x", 2)
    await until(lambda: seen == [1, 2])
    assert [name for name, _ in failures] == ["x"] * 3


async def test_an_exception_without_a_text_and_one_in_reporting_end_nothing(caplog):
    def report(error, name, handler):
        raise Unprintable

    emitter = EventEmitter(report)
    seen: list = []
    emitter.on("x", lambda event: 1 / 0)
    emitter.on("x", seen.append)
    emitter.emit("x", 1)
    assert seen == [1] and "could not be reported" in caplog.text


@pytest.mark.parametrize("ends", [KeyboardInterrupt, SystemExit])
async def test_a_handler_may_end_the_program(ends):
    emitter, failures = make()

    def stop(event):
        raise ends

    emitter.on("x", stop)
    with pytest.raises(ends):
        emitter.emit("x", 1)
    assert not failures


async def test_the_end_of_the_loop_ends_waiting_handlers():
    emitter, failures = make()
    emitter.on("x", lambda event: asyncio.Event().wait())
    emitter.emit("x", 1)
    emitter.emit("x", 2)
    await asyncio.sleep(0)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.sleep(0.01)
    assert not failures


# Bounds


async def test_the_queue_of_a_slow_handler_is_bounded_counted_and_told_once():
    emitter, failures = make()
    seen: list = []
    release = asyncio.Event()

    @emitter.on("x")
    async def slow(event):
        await release.wait()
        seen.append(event)

    emitter.emit("x", 0)
    await asyncio.sleep(0)
    for number in range(1, MAX_QUEUE + 4):
        emitter.emit("x", number)
    assert emitter.events_dropped == 3
    assert len(failures) == 1 and f"{MAX_QUEUE} events wait for it" in failures[0][1]
    release.set()
    await until(lambda: len(seen) == MAX_QUEUE + 1)
    assert seen[:3] == [0, 4, 5]
    release.clear()
    for number in range(MAX_QUEUE + 2):
        emitter.emit("x", number)
    assert len(failures) == 2, "told again after it had caught up"
    release.set()


async def test_dropped_coroutines_are_closed():
    emitter, failures = make()
    release = asyncio.Event()

    class Ready:
        def __await__(self):
            return release.wait().__await__()

    emitter.on("x", lambda event: Ready() if event % 2 else release.wait())
    for number in range(MAX_QUEUE + 5):
        emitter.emit("x", number)
    assert emitter.events_dropped == 5 and len(failures) == 1
    release.set()
