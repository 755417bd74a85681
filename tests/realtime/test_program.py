"""run() and read_line(): a program around a conversation ends well by Ctrl+C, by Ctrl+D, and by what its user can mend."""

from __future__ import annotations

import asyncio
import io
import itertools
import os
import signal
import sys
import time

import pytest

import realtime
import wavtools
from realtime import program


@pytest.fixture(autouse=True)
def nobody_waits_for_a_line(monkeypatch):
    monkeypatch.setattr(program, "_pending", None)


def raising(error: BaseException):
    async def main():
        raise error

    return main()


def test_run_returns_what_main_returns_and_takes_a_function_too():
    async def main():
        return 5

    assert realtime.run(main()) == realtime.run(main) == 5


def test_ctrl_c_closes_what_main_has_opened_and_is_no_error():
    steps = []

    async def main():
        try:
            signal.raise_signal(signal.SIGINT)
            await asyncio.sleep(60)
        finally:
            steps.append("closed")

    assert realtime.run(main()) is None
    assert steps == ["closed"]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (realtime.AnswerError("failed", None, "insufficient_quota"), "insufficient_quota"),
        (realtime.ConnectError("no server\x1b[2J\nthere"), "no server[2J there"),
        (realtime.RealtimeError(), "RealtimeError"),
        (wavtools.DeviceError("no microphone", operation="open"), "no microphone"),
        (OSError("the disk is full"), "the disk is full"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_status_1(error, line):
    with pytest.raises(SystemExit) as caught:
        realtime.run(raising(error))
    assert line in caught.value.code and len(caught.value.code.splitlines()) == 1


def test_a_mistake_in_the_program_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        realtime.run(raising(ZeroDivisionError()))


# ------------------------------------------------------------------------------------------------------- restarting


def test_a_main_that_fails_or_returns_is_called_again_until_ctrl_c(capsys):
    ends = [
        realtime.ConnectError("no server there"),
        wavtools.DeviceError("no microphone", operation="open"),
        OSError(),
        ZeroDivisionError("a mistake"),
        None,
    ]

    async def main():
        if not ends:
            signal.raise_signal(signal.SIGINT)
            await asyncio.sleep(60)
        end = ends.pop(0)
        if end is not None:
            raise end

    assert realtime.run(main, restart=0) is None
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "no server there; starting again"
    assert "no microphone" in lines[1] and lines[2] == "OSError; starting again"
    assert "ZeroDivisionError: a mistake" in lines


def test_starts_are_that_many_seconds_apart_at_least():
    starts = []

    async def main():
        starts.append(time.monotonic())
        if len(starts) == 4:
            raise EOFError

    realtime.run(main, restart=0.05)
    assert all(later - earlier >= 0.045 for earlier, later in itertools.pairwise(starts))


@pytest.mark.parametrize(
    ("restart", "error", "advice"),
    [(-1, ValueError, "restart"), ("5", ValueError, "restart"), (5, TypeError, r"run\(main, restart=5\)")],
)
def test_a_wrong_restart_is_told(restart, error, advice):
    coroutine = raising(KeyError())
    with pytest.raises(error, match=advice):
        realtime.run(coroutine, restart=restart)
    coroutine.close()


# ---------------------------------------------------------------------------------------------------------- typing


async def test_lines_come_one_after_another_without_their_end(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("Hello\r\nlast"))
    assert [await realtime.read_line("you: "), await realtime.read_line()] == ["Hello", "last"]
    assert capsys.readouterr().out == "you: "
    for _ in range(2):
        with pytest.raises(EOFError):
            await realtime.read_line()


@pytest.mark.parametrize("stdin", [None, "closed"])
async def test_a_program_without_input_gets_the_end_of_it(monkeypatch, stdin):
    if stdin:
        stdin = io.StringIO()
        stdin.close()
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(EOFError if stdin is None else ValueError):
        await realtime.read_line()


async def test_the_event_loop_goes_on_while_nobody_types(monkeypatch):
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin, os.fdopen(writing, "w") as keyboard:
        monkeypatch.setattr(sys, "stdin", stdin)
        waiting = asyncio.create_task(realtime.read_line())
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert not waiting.done()
        keyboard.write("typed\n")
        keyboard.flush()
        assert await waiting == "typed"


async def test_a_line_whose_reader_gave_up_is_for_the_next_one(monkeypatch):
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin, os.fdopen(writing, "w") as keyboard:
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(realtime.read_line(), 0.01)
        keyboard.write("typed\nnext\n")
        keyboard.flush()
        assert [await realtime.read_line(), await realtime.read_line()] == ["typed", "next"]


def test_the_end_of_the_input_ends_the_program(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("one\n"))
    lines = []

    async def main():
        while True:
            lines.append(await realtime.read_line())

    assert realtime.run(main()) is None
    assert realtime.run(main, restart=0) is None
    assert lines == ["one"]
