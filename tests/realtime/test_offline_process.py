"""The server as a process: first line, one-line errors with status 2, a clean stop, no orphans."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from realtime.offline import ServerStartError, question_path, start_server_process
from realtime.offline import __main__ as program
from realtime.offline.models.clips import clip_samples
from tests.offline_probe import open_probe, silence

COMMAND = [sys.executable, "-m", "realtime.offline"]


def refused(*arguments: str) -> str:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


def test_first_line_is_the_address() -> None:
    with subprocess.Popen([*COMMAND, "--voice", "standin"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert re.fullmatch(r"listening on ws://127\.0\.0\.1:\d+\n", process.stdout.readline())
        process.terminate()
        assert process.wait(10) == (0 if os.name == "posix" else process.returncode)


def test_taken_port_is_one_line_and_status_2() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"cannot listen on 127.0.0.1:{port}" in refused("--port", str(port), "--voice", "standin")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--port", "99999"), "'99999' is not a port"),
        (("--port", "x"), "'x' is not a port"),
        (("--dialect", "klingon"), "invalid choice: 'klingon'"),
        (("--no-such-option",), "unrecognized arguments"),
        (("--stt-model", "/no/such/folder"), "no Whisper model in /no/such/folder"),
        (("--key-env", "NO_SUCH_VARIABLE_HERE"), "NO_SUCH_VARIABLE_HERE is not set"),
        (("--pace", "nan"), "'nan' is not a valid number"),
        (("--pace", "fast"), "'fast' is not a valid number"),
        (("--workers", "0"), "'0' is not a valid number"),
        (("--llm-url", "http://127.0.0.1:1/v1"), "--llm-url needs --llm-model"),
        (("--llm-url", "ollama", "--llm-model", "m"), "expected an address such as"),
        (("--fault", "no_such_fault"), "no fault is named 'no_such_fault'"),
        (("--fault", "drop_at=soon"), "'soon' is not a number"),
    ],
)
def test_bad_arguments_are_one_line_and_status_2(arguments: tuple[str, ...], says: str) -> None:
    assert says in refused(*arguments)


def test_damaged_model_is_one_line_and_status_2(tmp_path: Path) -> None:
    pytest.importorskip("ctranslate2", reason="say: pip install 'wavtools[offline]'")
    (tmp_path / "model.bin").write_bytes(b"not a model")
    (tmp_path / "vocabulary.txt").write_text("a\n")
    done = subprocess.run(
        [*COMMAND, "--stt-model", str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "cannot load the Whisper model" in done.stderr.splitlines()[-1]


async def test_helper_gives_the_url_and_stops_the_server_with_its_workers() -> None:
    server = await asyncio.to_thread(start_server_process, "--voice", "standin")
    async with server:
        async with open_probe(server.url):
            pass
        workers = _children(server.pid)
    # stop may be called again.
    server.stop()
    await _gone([server.pid, *workers])


async def test_server_ends_when_its_parent_is_gone() -> None:
    program = (
        "from realtime.offline import start_server_process; import os;"
        "server = start_server_process('--voice', 'standin'); print(server.pid, flush=True); os._exit(9)"
    )
    run = [sys.executable, "-c", program]
    done = await asyncio.to_thread(subprocess.run, run, capture_output=True, text=True, timeout=60)
    await _gone([int(done.stdout)])


async def test_stopping_closes_sessions_with_1001() -> None:
    server = await asyncio.to_thread(start_server_process, "--voice", "standin")
    async with open_probe(server.url) as probe:
        await probe.send("response.create")
        await probe.until("response.created")
        await asyncio.to_thread(server.stop)
        with pytest.raises(ConnectionClosed):
            while True:
                await probe.next()
        assert probe.connection.close_code == 1001


def test_a_client_that_hangs_does_not_hold_up_the_stop() -> None:
    """The client does not answer the close; stop() would kill a server that waits for it: a status other than 0."""
    server = start_server_process("--voice", "standin")
    address = server.url.removeprefix("ws://").split(":")
    with socket.create_connection((address[0], int(address[1]))) as client:
        client.sendall(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        while b"session.created" not in client.recv(65536):
            pass
        server.stop()
    assert server._process.returncode == 0


async def test_sessions_beyond_the_limit_are_told_to_try_again() -> None:
    server = await asyncio.to_thread(start_server_process, "--voice", "standin", "--max-sessions", "2")
    async with server, open_probe(server.url), open_probe(server.url), connect(server.url) as third:
        with pytest.raises(ConnectionClosed):
            await third.recv()
        assert third.close_code == 1013


async def test_a_killed_worker_is_replaced() -> None:
    server = await asyncio.to_thread(start_server_process, "--voice", "standin", "--pace", "0")
    async with server, open_probe(server.url) as probe:
        for pid in _children(server.pid):
            os.kill(pid, 9)
        assert (await probe.say_text("Hello."))["status"] == "completed"
        await probe.append(clip_samples("hello"))
        await probe.append(silence(1.0))
        await probe.until("response.done")


async def test_workers_die_with_a_killed_server() -> None:
    server = await asyncio.to_thread(start_server_process, "--voice", "standin")
    workers = _children(server.pid)
    os.kill(server.pid, 9)
    await _gone(workers)
    server.stop()


def test_helper_raises_what_the_server_said() -> None:
    with pytest.raises(ServerStartError, match="no Whisper model in /no/such/folder"):
        start_server_process("--stt-model", "/no/such/folder")


def test_questions_are_bundled() -> None:
    assert question_path().is_file()
    assert question_path("hello").is_file()
    with pytest.raises(ValueError, match="expected one of weather, hello"):
        question_path("answer")


def test_bare_install_says_how_to_get_the_models() -> None:
    """Simulates an installation without models: a module that is None in sys.modules cannot be found."""
    bare = (
        "import sys; sys.modules.update(dict.fromkeys(['onnxruntime', 'ctranslate2']));"
        "from realtime.offline.__main__ import main; sys.exit(main(['--until-eof']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", bare], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and done.stdout.startswith("listening on ")
    assert "no models installed; run: pip install 'wavtools[offline]'" in done.stderr


def test_a_chat_endpoint_needs_httpx(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    monkeypatch.delitem(sys.modules, "realtime.offline.replies.chat_model", raising=False)
    arguments = ["--voice", "standin", "--llm-url", "http://127.0.0.1:1/v1", "--llm-model", "m"]
    assert program.main(arguments) == 2
    assert "run: pip install httpx" in capsys.readouterr().err


def test_what_is_written_to_it_does_not_end_it_but_the_end_does() -> None:
    command = [*COMMAND, "--voice", "standin", "--until-eof"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("hello\n")
        process.stdin.flush()
        assert process.stdout.readline().startswith("listening on ")
        assert process.stdout.readline() == "ready\n"
        process.stdin.close()
        assert process.wait(10) == 0


def test_an_input_that_cannot_be_read_has_ended() -> None:
    with open(os.devnull, "wb") as unreadable:  # noqa: PTH123 - a descriptor, not a text
        done = subprocess.run(
            [*COMMAND, "--voice", "standin", "--until-eof"], stdin=unreadable, capture_output=True, timeout=60
        )
    assert done.returncode == 0 and done.stdout.startswith(b"listening on ")


def test_an_input_that_ends_after_the_loop_disturbs_nobody() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    read, write = os.pipe()
    os.close(write)
    saved = os.dup(0)
    os.dup2(read, 0)
    try:
        program._await_eof(loop, asyncio.Event())
    finally:
        os.dup2(saved, 0)
        os.close(saved)
        os.close(read)


def test_ctrl_c_while_it_is_starting_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(program, "choose_voice", interrupted)
    # A background job ignores SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert program.main(["--voice", "standin"]) == 0
    finally:
        signal.signal(signal.SIGINT, before)


def test_helper_need_not_wait_for_the_models_nor_keep_what_is_said(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with start_server_process("--voice", "standin", wait_ready=False, quiet=False) as server:
        assert server.url.startswith("ws://127.0.0.1:")
    assert "loading energy gate, stand-in transcript" in capfd.readouterr().err


def test_helper_gives_up_a_server_that_does_not_come() -> None:
    with pytest.raises(ServerStartError, match="did not start within 0.001 s"):
        start_server_process("--voice", "standin", timeout=0.001)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGSTOP")
def test_helper_ends_a_server_that_hangs() -> None:
    server = start_server_process("--voice", "standin")
    os.kill(server.pid, signal.SIGSTOP)
    server.stop(timeout=0.2)
    assert server._process.returncode == -signal.SIGKILL


def _children(pid: int) -> list[int]:
    if sys.platform != "linux":
        pytest.skip("reads /proc to see the workers")
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                status = (entry / "stat").read_text()
            except OSError:
                continue
            if int(status.rpartition(")")[2].split()[1]) == pid:
                found.append(int(entry.name))
    # One worker for each of detection, recognition and synthesis.
    assert len(found) >= 3
    return found


async def _gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 10
    while any(_alive(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still running: {[pid for pid in pids if _alive(pid)]}"
        await asyncio.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
