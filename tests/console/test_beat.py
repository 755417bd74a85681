"""The beat of the screen: twenty frames a second, and an error that is not lost."""

from __future__ import annotations

import asyncio

from console.screen.app import RealtimeConsole
from console.screen.beat import FRAMES_PER_SECOND, Beat
from tests.console.screens import make_call
from tests.waiting import until


async def test_frames_come_until_the_stop():
    loop, times = asyncio.get_running_loop(), []
    beat = Beat(lambda: times.append(loop.time()), lambda error: None)
    began = loop.time()
    beat.start()
    await until(lambda: len(times) == 4)
    # Never faster than the rate, however late a call may be
    assert times[-1] - began > 3 / FRAMES_PER_SECOND
    beat.stop()
    beat.stop()
    await asyncio.sleep(3 / FRAMES_PER_SECOND)
    assert len(times) == 4


async def test_a_frame_that_fails_is_told_and_is_the_last():
    failures, calls = [], []

    def frame() -> None:
        calls.append(1)
        raise ValueError("on purpose")

    Beat(frame, failures.append).start()
    await until(lambda: failures)
    await asyncio.sleep(3 / FRAMES_PER_SECOND)
    assert len(calls) == len(failures) == 1


async def test_the_clock_alone_draws_nothing_but_the_first_line():
    call = make_call()
    app = RealtimeConsole(call)
    async with app.run_test(size=(132, 44)) as pilot:
        await until(lambda: app.first_paint is not None)
        call.model.set_state("connected")
        await pilot.pause(0.3)
        drawn = []
        for part in app.query("*"):
            part.refresh = lambda *_, part=part, **__: drawn.append(part.id) or part  # type: ignore[method-assign]
        shown = app.drawing.shown[app.drawing.head]
        await until(lambda: app.drawing.shown[app.drawing.head] != shown)
        assert set(drawn) <= {"head"}, drawn
