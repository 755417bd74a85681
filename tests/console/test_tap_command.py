"""The command ``tap``: its lines, its mistakes, and its end, which no client notices."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys

import pytest

from realtime import RealtimeClient
from tests.audio_server import no_server_environment
from tests.console.tapping import KEY
from tests.terminal import ROOT, Terminal, clean_environment

pytestmark = pytest.mark.terminal


@pytest.mark.parametrize("end", ["kill", "terminate"])
async def test_a_client_stays_connected_when_the_console_is_gone(offline_url, tmp_path, end):
    process = await asyncio.create_subprocess_exec(
        *[
            sys.executable,
            "-m",
            "console",
            "tap",
            "--json",
            "--listen",
            "127.0.0.1:0",
            "--upstream",
            offline_url,
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=clean_environment({"HOME": str(tmp_path)}),
    )
    assert process.stdout is not None
    url = json.loads(await process.stdout.readline())["listening"]
    client = RealtimeClient(url=url, api_key=KEY, reconnect=False)
    await client.connect()
    getattr(process, end)()
    async for _ in process.stdout:
        pass
    status = await process.wait()
    assert status == (-signal.SIGKILL if end == "kill" else 128 + signal.SIGTERM)
    answer = await client.ask("The cat is on the mat.")
    assert answer.transcript
    assert client.is_connected()
    # Nobody else can connect, and the process ends with its last client
    with pytest.raises(OSError, match="."):
        await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    await client.disconnect()


async def test_the_screen_shows_a_client_and_lets_it_stay_when_the_user_quits(offline_url, tmp_path):
    env = no_server_environment(tmp_path) | {"PYTHONPATH": str(ROOT)}
    command = f"{sys.executable} -m console tap --listen 127.0.0.1:0 --upstream {offline_url}"
    with Terminal(command, env, tmp_path) as terminal:
        shown = await asyncio.to_thread(terminal.wait_for, lambda screen: "let one connect to" in screen)
        url = re.search(r"ws://127\.0\.0\.1:\d+", shown.split("let one connect to")[1])
        assert url is not None
        client = RealtimeClient(url=url[0], api_key=KEY, reconnect=False)
        await client.connect()
        await client.ask("The cat is on the mat.")
        await asyncio.to_thread(
            terminal.wait_for, lambda screen: "The cat is on the mat." in screen and "response.done" in screen
        )
        terminal.keys("C-q")
        await asyncio.to_thread(
            terminal.wait_for,
            lambda screen: "1 client stays connected" in screen and "exit-status 0" in screen,
        )
        assert (await client.ask("And again.")).transcript
        await client.disconnect()


@pytest.mark.parametrize("view", ["--plain", "--json"])
async def test_the_tap_prints_what_passes_as_lines(offline_url, tmp_path, view):
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "console", view, "tap", "--listen", "127.0.0.1:0", "--upstream", offline_url],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=clean_environment({"HOME": str(tmp_path)}),
    )
    assert process.stdout is not None
    first = (await process.stdout.readline()).decode()
    url = json.loads(first)["listening"] if view == "--json" else first.split()[-1]
    client = RealtimeClient(url=url, api_key=KEY)
    await client.connect()
    await client.ask("The cat is on the mat.")
    await client.disconnect()
    lines: list[str] = []
    async for line in process.stdout:
        lines.append(line.decode())
        if "assistant:" in lines[-1] or ('"item": {' in lines[-1][:25] and '"assistant"' in lines[-1]):
            break
    process.terminate()
    rest = (await process.stdout.read()).decode()
    assert await process.wait() == 128 + signal.SIGTERM
    text = "".join(lines) + rest
    assert KEY not in text
    if view == "--json":
        entries = [json.loads(line) for line in lines]
        assert {entry["client"] for entry in entries} == {1}
        types = [entry["event"]["type"] for entry in entries if "event" in entry]
        assert types[:3] == ["tap.request", "tap.response", "session.created"]
        items = [entry["item"] for entry in entries if "item" in entry]
        assert [item["role"] for item in items[:1] + items[-1:]] == ["user", "assistant"]
    else:
        assert "#1 00:00.00 · tap tap.request  GET /?model=" in text
        assert "↑ client response.create" in text
        assert "#1 you:       The cat is on the mat." in text
        assert "#1 assistant: I can tell" in text
        assert "response.output_audio.delta ×" in text


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["--listen", "here"], "write it as HOST:PORT"),
        (["--upstream", "api.openai.com"], "write it as wss://HOST/v1/realtime"),
        (["--upstream", "wss://me:secret@host"], "may hold no password"),
        (["--listen", ":8082", "--upstream", "ws://localhost:8082"], "is the tap itself"),
        (["--tls-key", "k.pem"], "--tls-key needs --tls-certificate"),
        (["--tls-certificate", "none.pem"], "is no file"),
        (["--listen", "0.0.0.0:0"], "--insecure-no-tls"),
    ],
)
def test_a_wrong_argument_is_one_line_that_says_what_to_do(run_here, home, arguments, advice):
    done = run_here("tap", *arguments)
    assert done.returncode == 2
    assert advice in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "secret" not in done.stderr
