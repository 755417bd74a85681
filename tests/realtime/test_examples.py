"""Each example runs, as a user would run it, against the offline server."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from websockets.asyncio.client import connect

import realtime
from realtime.offline import question_path

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
# Where the packages are, in the repository or installed
SOURCE = Path(realtime.__file__).parents[1]


def environment(url: str, **more: str) -> dict[str, str]:
    path = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OPENAI_", "AZURE_"))}
    return {**clean, "PYTHONPATH": path, "OPENAI_BASE_URL": url, "PYTHONUNBUFFERED": "1", **more}


def run(name: str, url: str, *arguments: str, stdin: str = "", **more: str) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        env=environment(url, **more),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_every_example_is_tested_here():
    tested = Path(__file__).read_text(encoding="utf-8")
    for path in EXAMPLES.glob("*.py"):
        assert f'"{path.name}"' in tested


def test_quickstart(offline_url):
    assert run("quickstart.py", offline_url, "Hello there").strip()


def test_recording_without_hardware(tmp_path):
    """It needs no server; the folder's other tests have what it takes to run a script."""
    recording = tmp_path / "tone.wav"
    assert run("record_offline.py", "", str(recording)).endswith(" samples at 16000 Hz\n")
    with wave.open(str(recording)) as file:
        assert (file.getframerate(), file.getnframes()) == (16_000, 16_000)


def test_an_agent_of_your_own_in_the_console(offline_url, tmp_path):
    environment_of_one = environment(offline_url, HOME=str(tmp_path), REALTIME_CONSOLE_OUTPUT="null")
    done = subprocess.run(
        [sys.executable, "-m", "console", "--plain", "--mode", "manual", str(EXAMPLES / "my_agent.py")],
        env=environment_of_one,
        cwd=ROOT,
        input="Hello there\n",
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    assert "you:       Hello there" in done.stdout
    assert "assistant: " in done.stdout


def test_streaming_audio_from_a_file(offline_url, tmp_path):
    answer = tmp_path / "answer.wav"
    said = run("stream_file.py", offline_url, str(question_path()), str(answer))
    assert said.startswith("user: ") and "assistant: " in said
    with wave.open(str(answer)) as file:
        assert file.getframerate() == 24_000 and file.getnframes() > 2_400


def test_tools(offline_url):
    said = run("tools.py", offline_url, "What is the weather in Rome?")
    assert said.startswith("[get_weather Rome at ") and len(said.splitlines()) == 2


def test_push_to_talk(offline_url):
    said = run("push_to_talk.py", offline_url, "null", stdin="\n\nq\n")
    assert "Enter to talk" in said and "listening" in said


def test_azure(offline_url):
    address = offline_url.replace("ws://", "http://")
    said = run(
        "azure.py",
        offline_url,
        AZURE_OPENAI_ENDPOINT=address,
        AZURE_OPENAI_API_KEY="test",
        AZURE_OPENAI_DEPLOYMENT="gpt-realtime",
    )
    assert said.strip()


async def test_telephone_bridge(offline_url):
    """A call: spoken mu-law goes in, spoken mu-law comes out, a second utterance clears what is queued."""
    pcm = pytest.importorskip("wavtools.pcm")
    bridge = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLES / "telephone_bridge.py"),
        "--port",
        "0",
        env=environment(offline_url),
        stdout=subprocess.PIPE,
    )
    try:
        first = (await asyncio.wait_for(bridge.stdout.readline(), 30)).decode()
        url = first.removeprefix("listening on ").strip()
        t = np.arange(8_000) / 8_000
        tone = (8_000 * np.sin(2 * np.pi * 300 * t) * (1 + np.sin(2 * np.pi * 5 * t))).astype(np.int16)
        spoken = np.concatenate([tone, np.zeros(8_000, np.int16)])
        async with connect(url) as phone:
            await phone.send(json.dumps({"event": "start", "start": {"streamSid": "MZ1"}}))

            async def speak() -> None:
                for start in range(0, len(spoken), 160):
                    payload = base64.b64encode(pcm.ulaw_encode(spoken[start : start + 160])).decode()
                    await phone.send(json.dumps({"event": "media", "media": {"payload": payload}}))

            await speak()
            heard = 0
            while heard < 8_000:
                event = json.loads(await asyncio.wait_for(phone.recv(), 30))
                assert event["streamSid"] == "MZ1"
                if event["event"] == "media":
                    heard += len(base64.b64decode(event["media"]["payload"]))
                elif event["event"] == "mark":
                    await phone.send(json.dumps(event))
            await speak()
            while json.loads(await asyncio.wait_for(phone.recv(), 30))["event"] != "clear":
                pass
            await phone.send(json.dumps({"event": "stop"}))
    finally:
        with contextlib.suppress(ProcessLookupError):
            bridge.kill()
        await bridge.wait()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("quickstart.py", ()),
        ("tools.py", ()),
        ("azure.py", ()),
        ("stream_file.py", (str(question_path()), "answer.wav")),
    ],
)
def test_an_example_shows_why_an_answer_failed(name, arguments, tmp_path):
    from realtime.offline import start_server_process

    with start_server_process("--voice", "standin", "--fault", "failed=insufficient_quota") as server:
        azure = {
            "AZURE_OPENAI_ENDPOINT": server.url.replace("ws:", "http:").partition("/v1")[0],
            "AZURE_OPENAI_API_KEY": "k",
            "AZURE_OPENAI_DEPLOYMENT": "gpt-realtime",
        }
        done = subprocess.run(
            [sys.executable, str(EXAMPLES / name), *arguments],
            env=environment(server.url, **azure),
            capture_output=True,
            text=True,
            timeout=90,
            cwd=tmp_path,
        )
    assert "insufficient_quota" in done.stderr
    assert "Traceback" not in done.stderr


def test_push_to_talk_shows_why_an_answer_failed():
    from realtime.offline import start_server_process

    with start_server_process("--voice", "standin", "--fault", "failed=insufficient_quota") as server:
        program = subprocess.Popen(
            [sys.executable, str(EXAMPLES / "push_to_talk.py"), "null"],
            env=environment(server.url),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert program.stdin is not None and program.stdout is not None
        program.stdin.write("\n\n")
        program.stdin.flush()
        for line in program.stdout:
            if line.startswith("no answer:"):
                break
        program.communicate("q\n", timeout=30)
    assert "insufficient_quota" in line and program.returncode == 0
