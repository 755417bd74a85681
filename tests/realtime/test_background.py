"""Background tasks and threads: an end by anything unforeseen is passed on, an ordinary end is not."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest

from realtime import background
from realtime.background import describe, is_failure, start, start_thread
from tests.waiting import until


@pytest.fixture(params=["own tasks", "counted tasks"])
def ended(request, monkeypatch):
    """What `start` reported; once with the running Python's tasks and once with those of Python 3.10."""
    if request.param == "counted tasks":
        monkeypatch.setattr(background.sys, "version_info", (3, 10))
    return []


def note(ended):
    return lambda name, error: ended.append((name, type(error)))


async def test_a_task_that_ends_by_an_exception_is_told_by_its_name(ended):
    async def fail() -> None:
        raise LookupError("gone")

    start(fail(), "reader", note(ended))
    await until(lambda: ended == [("reader", LookupError)])


async def test_a_task_that_returns_or_is_cancelled_is_not_told(ended):
    async def wait(seconds: float) -> None:
        await asyncio.sleep(seconds)

    quick, slow = start(wait(0), "quick", note(ended)), start(wait(60), "slow", note(ended))
    await quick
    slow.cancel()
    await asyncio.wait([slow])
    slow.cancel()
    await asyncio.sleep(0)
    assert not ended and slow.cancelled()


async def test_a_cancellation_that_nobody_asked_for_is_told(ended):
    async def await_a_cancelled_future() -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    start(await_a_cancelled_future(), "writer", note(ended))
    await until(lambda: ended == [("writer", asyncio.CancelledError)])


async def test_a_task_that_nobody_holds_is_kept_until_it_ends(ended):
    async def wait_for_what_nobody_holds() -> None:
        await asyncio.get_running_loop().create_future()

    start(wait_for_what_nobody_holds(), "forgotten", note(ended))
    await asyncio.sleep(0)
    gc.collect()
    (task,) = (task for task in asyncio.all_tasks() if task.get_name() == "forgotten")
    task.cancel()
    await asyncio.wait([task])
    assert not ended


def test_a_thread_that_dies_is_told():
    ended: list[tuple[str, BaseException]] = []

    def die() -> None:
        raise SystemExit(3)

    thread = start_thread(die, "keyboard", lambda name, error: ended.append((name, error)))
    thread.join(5)
    assert [(name, type(error)) for name, error in ended] == [("keyboard", SystemExit)]
    assert thread.daemon and thread.name == "keyboard"
    start_thread(threading.Event, "quiet", lambda name, error: ended.append((name, error))).join(5)
    assert len(ended) == 1


def test_what_ends_the_program_is_no_failure_of_a_handler():
    assert not is_failure(KeyboardInterrupt()) and not is_failure(SystemExit(1), awaited=True)
    assert is_failure(asyncio.CancelledError()) and is_failure(GeneratorExit())
    assert not is_failure(GeneratorExit(), awaited=True)
    assert is_failure(ValueError(), awaited=True) and is_failure(BaseException(), awaited=True)


async def test_a_cancellation_is_a_failure_unless_the_running_task_is_being_cancelled(ended):
    found: list[bool] = []

    async def look() -> None:
        found.append(is_failure(asyncio.CancelledError(), awaited=True))
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError as error:
            found.append(is_failure(error, awaited=True))
            raise

    task = start(look(), "handler", note(ended))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert found == [True, False] and not ended


def test_an_exception_whose_text_cannot_be_read_is_described():
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert describe(Broken()) == "Broken: its text cannot be read"
    assert describe(ValueError("no\nlines")) == "ValueError: no\nlines" and describe(KeyError()) == "KeyError"
