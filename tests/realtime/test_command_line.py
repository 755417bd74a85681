"""Command-line parts that both servers share: one-line errors, argument types, stop signals."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable

import pytest

from realtime.command_line import Parser, StopSignals, count, port, stop_signals
from tests.relay_process import RelayProcess


def test_an_error_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser(prog="python -m program")
    parser.add_argument("--port", type=port)
    with pytest.raises(SystemExit) as end:
        parser.parse_args(["--port", "x"])
    assert end.value.code == 2
    expected = "argument --port: 'x' is not a port: expected 0 to 65535"
    assert capsys.readouterr().err == f"python -m program: {expected}; see --help\n"


@pytest.mark.parametrize(
    ("convert", "value", "number"),
    [
        (port, "0", 0),
        (port, "65535", 65535),
        (count(), "1", 1),
        (count(), "1000", 1000),
        (count(256), "256", 256),
    ],
)
def test_numbers_in_range(convert: Callable[[str], int], value: str, number: int) -> None:
    assert convert(value) == number


@pytest.mark.parametrize(
    ("convert", "value", "expected"),
    [
        (port, "65536", "0 to 65535"),
        (port, "-1", "0 to 65535"),
        (port, "", "0 to 65535"),
        (count(), "0", "1 or more"),
        (count(), "1.5", "1 or more"),
        (count(256), "257", "1 to 256"),
        (count(256), "many", "1 to 256"),
    ],
)
def test_numbers_out_of_range(convert: Callable[[str], int], value: str, expected: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as refused:
        convert(value)
    assert str(refused.value).startswith(repr(value)) and str(refused.value).endswith(f"expected {expected}")


# What ends a server here, and its exit status; the last one is loud.
STATUS = {"SIGINT": 0, "SIGTERM": 0, "SIGHUP": 129, "SIGQUIT": 131, "SIGBREAK": 149}
HERE = {getattr(signal, name): status for name, status in STATUS.items() if hasattr(signal, name)}


@pytest.mark.parametrize(("number", "status"), HERE.items())
async def test_a_stop_signal_sets_the_event_each_time_and_the_first_one_makes_the_status(
    number: signal.Signals, status: int
) -> None:
    stop = asyncio.Event()
    signals = StopSignals(stop)
    assert signals.status == 0
    try:
        for again in (number, number, list(HERE)[-1]):
            signal.raise_signal(again)
            await asyncio.wait_for(stop.wait(), 10)
            stop.clear()
        assert signals.status == status
    finally:
        for installed in stop_signals():
            with contextlib.suppress(NotImplementedError):
                asyncio.get_running_loop().remove_signal_handler(installed)
            signal.signal(
                installed, signal.SIG_DFL if installed != signal.SIGINT else signal.default_int_handler
            )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")
def test_a_hangup_that_is_ignored_already_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert signal.SIGHUP not in stop_signals()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert signal.SIGHUP in stop_signals()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGQUIT")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_relay_that_a_loud_signal_ended_says_so_by_its_status(workers: str) -> None:
    arguments = ("--port", "0", "--upstream", "ws://127.0.0.1:1", "--workers", workers)
    with RelayProcess(*arguments, key="sk-key-123456") as process:
        assert process.url
        process.process.send_signal(signal.SIGQUIT)
        assert process.wait() == 128 + signal.SIGQUIT
        assert "Traceback" not in process.log
