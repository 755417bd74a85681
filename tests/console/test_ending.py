"""The end of the program: signals, threads that die, terminals that go away, streams that fail."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from console.ending import Ended, ended_by_signals, run
from console.errors import ProgramError
from console.session import SessionModel
from console.session_files import save_session
from realtime import RealtimeClient
from realtime.offline import question_path
from tests.audio_server import no_server_environment
from tests.console.fakes import answer, updated, wire
from tests.terminal import ROOT, clean_environment
from tests.waiting import until_blocking

if sys.platform == "win32":
    pytest.skip("these are POSIX signals and terminals", allow_module_level=True)

from tests.console.pty_program import PtyProgram

SIGNALS = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT]
# What Textual switches on; its end switches it off
SCREEN_OFF, MOUSE_OFF = b"\x1b[?1049l", b"\x1b[?1000l"


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_gives_the_terminal_back_as_q_does(tmp_path, offline_url, number):
    with PtyProgram("--url", offline_url, env=no_server_environment(tmp_path), cwd=tmp_path) as program:
        program.wait_for("press c to connect")
        assert program.modes_now() != program.modes
        if number in (signal.SIGTERM, signal.SIGINT):
            program.type("c")
            program.wait_for("● connected")
        program.process.send_signal(number)
        assert program.process.wait(20) == 128 + number
        assert program.modes_now() == program.modes
        assert SCREEN_OFF in program.output and MOUSE_OFF in program.output
        assert b"Traceback" not in program.output


@pytest.mark.parametrize("told", [True, False], ids=["with a signal", "without one"])
def test_a_terminal_that_goes_away_ends_the_screen(tmp_path, offline_url, told):
    with PtyProgram("--url", offline_url, env=no_server_environment(tmp_path), cwd=tmp_path) as program:
        program.wait_for("press c to connect")
        program.hang_up()
        if told:
            program.process.send_signal(signal.SIGHUP)
        assert program.process.wait(20) == 128 + signal.SIGHUP


@pytest.mark.parametrize("number", SIGNALS)
def test_plain_ends_with_the_status_of_the_signal(tmp_path, offline_url, number):
    with PtyProgram(
        "--plain", "--url", offline_url, env=no_server_environment(tmp_path), cwd=tmp_path
    ) as program:
        program.wait_for("speak, or type and press Enter")
        program.process.send_signal(number)
        assert program.process.wait(20) == 128 + number
        assert b"Traceback" not in program.output


def start(*arguments: object, cwd, **more: object) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    return subprocess.Popen(
        [sys.executable, "-m", "console", *map(str, arguments)],
        cwd=cwd,
        env={**clean_environment(no_server_environment(cwd)), "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
        text=True,
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more},
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_talk_ends_at_a_signal_and_leaves_no_answer_behind(tmp_path, silent_server, number):
    out = tmp_path / "answer.wav"
    process = start("talk", question_path("hello"), "--out", out, "--url", silent_server.url, cwd=tmp_path)
    assert silent_server.connected.wait(40)
    process.send_signal(number)
    _, error = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert "Traceback" not in error and not out.exists()


def test_a_slow_replay_ends_at_a_signal(tmp_path):
    model = SessionModel()
    for second in range(100):
        model.on_wire(wire("server", second * 5.0, type=f"kind.{second}"))
    model.on_updated(updated(answer("u1", "hello", 1, "user")))
    folder = save_session(model, tmp_path / "s")
    with PtyProgram("replay", str(folder), env=no_server_environment(tmp_path), cwd=tmp_path) as program:
        program.wait_for("kind.0")
        program.process.send_signal(signal.SIGTERM)
        assert program.process.wait(20) == 128 + signal.SIGTERM
        assert program.modes_now() == program.modes


@pytest.mark.parametrize(
    ("verb", "arguments", "number", "status"),
    [
        ("offline", ("--voice", "standin"), signal.SIGTERM, 0),
        ("offline", ("--voice", "standin"), signal.SIGHUP, 129),
        ("relay", ("--port", "0"), signal.SIGINT, 0),
        ("relay", ("--port", "0"), signal.SIGQUIT, 131),
        ("relay", ("--port", "0", "--workers", "2"), signal.SIGHUP, 129),
    ],
)
def test_a_server_stops_in_order(tmp_path, offline_url, verb, arguments, number, status):
    upstream = ("--upstream", offline_url) if verb == "relay" else ()
    process = start(verb, *arguments, *upstream, cwd=tmp_path)
    assert process.stdout.readline().startswith("listening on ")
    process.send_signal(number)
    _, error = process.communicate(timeout=30)
    assert process.returncode == status, error
    assert "Traceback" not in error


async def test_a_thread_that_dies_ends_the_program_with_its_name():
    def die() -> None:
        raise TypeError("unforeseen")

    async def work() -> int:
        threading.Thread(target=die, name="a worker").start()
        await asyncio.sleep(30)
        return 0

    with pytest.raises(
        ProgramError, match=r"the thread 'a worker' died of TypeError: unforeseen at .*\.py:\d+"
    ):
        await run(work())


async def test_a_screen_is_asked_to_stop_first_and_cancelled_by_a_second_signal():
    asked: list[int] = []

    async def work() -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.1)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(30)
        return 0

    with pytest.raises(Ended) as ended:
        await run(work(), stop=asked.append)
    assert (ended.value.status, asked) == (143, [143])


async def test_what_ends_by_itself_keeps_its_status_and_a_cancelled_program_stays_cancelled():
    async def work() -> int:
        return 7

    assert await run(work()) == 7
    task = asyncio.create_task(run(asyncio.sleep(30, 0)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_signals_before_the_event_loop_end_the_program_too_and_nohup_is_kept():
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(Ended), ended_by_signals():
        signal.raise_signal(signal.SIGTERM)
    assert [signal.getsignal(number) for number in SIGNALS] == before
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_by_signals():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before[1])


# Streams


@pytest.mark.parametrize("verb", ["relay", "offline"])
def test_a_server_whose_output_nobody_reads_goes_on(tmp_path, offline_url, verb):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--upstream", offline_url] if verb == "relay" else ["--voice", "standin"]
    process = start(verb, "--port", port, *options, cwd=tmp_path)
    try:
        # Everything that it prints and logs from here on goes into broken pipes
        process.stdout.close()
        process.stderr.close()

        async def hold_a_turn() -> str:
            async with RealtimeClient(api_key="", url=f"ws://127.0.0.1:{port}") as client:
                client.send_user_message_content("hello")
                while (item := await client.wait_for_next_completed_item(timeout=30)).role != "assistant":
                    pass
                return item.formatted.transcript

        until_blocking(lambda: answers(port), 30)
        assert asyncio.run(hold_a_turn())
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def shell(command: str, cwd, **environment: str) -> subprocess.CompletedProcess[bytes]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    return subprocess.run(
        f"{sys.executable} -m console {command}",
        shell=True,
        cwd=cwd,
        env={**clean_environment(no_server_environment(cwd)), "PYTHONPATH": path, **environment},
        capture_output=True,
        timeout=90,
    )


@pytest.mark.parametrize(
    "ending",
    [">&-", "2>&-", "<&-", "<&- >&- 2>&-", "</dev/null | true"],
    ids=["out", "err", "in", "all", "pipe"],
)
def test_talk_saves_its_answer_whatever_stream_is_missing(tmp_path, offline_url, ending):
    done = shell(f"talk {question_path('hello')} --out a.wav --url {offline_url} {ending}", tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr and b"Exception" not in done.stderr
    assert (tmp_path / "a.wav").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line_and_the_answer_is_saved(tmp_path, offline_url):
    done = shell(f"talk {question_path('hello')} --out a.wav --url {offline_url} > /dev/full", tmp_path)
    lines = done.stderr.decode().splitlines()
    assert (
        done.returncode == 2 and len(lines) == 1 and "cannot write the output: No space left" in lines[0]
    ), lines
    assert (tmp_path / "a.wav").exists()


def test_without_stdin_the_demo_turn_is_held_as_without_a_terminal(tmp_path, offline_url):
    done = shell(f"--url {offline_url} <&-", tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"no terminal: holding one demo turn" in done.stdout


def test_input_that_is_not_utf_8_is_still_a_question(tmp_path, offline_url):
    (tmp_path / "in").write_bytes(b"caf\xe9?\n")
    done = shell(f"--json --url {offline_url} < in", tmp_path, PYTHONIOENCODING="utf-8:strict")
    assert done.returncode == 0 and b"caf\\ufffd?" in done.stdout, done.stderr


def test_output_in_cp1252_shows_what_it_can(tmp_path, answering_server):
    url = answering_server("tool \x1b[2J\x9b漢 ü \u202eend")
    done = shell(
        f"talk {question_path('hello')} --out a.wav --url {url}", tmp_path, PYTHONIOENCODING="cp1252:strict"
    )
    assert done.returncode == 0, done.stderr
    assert "answered: tool [2J? ü end".encode("cp1252") in done.stdout
    assert (tmp_path / "a.wav").exists() and np.fromfile(tmp_path / "a.wav", np.uint8).size > 44
