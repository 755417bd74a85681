"""The examples that talk to a model: each runs as a user would run it, against the offline server."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
import wave

import pytest
from websockets.asyncio.server import serve

from realtime.offline import OfflineServer, SessionOptions, question_path
from realtime.offline.models.interfaces import Voice
from realtime.offline.models.standin import PrerenderedSpeech
from tests.examples.programs import Program, command, environment, run
from tests.offline_models import HearsSpeech, WishfulEars
from tests.waiting import until_blocking
from wavtools import load, read_wav

pytestmark = pytest.mark.audio

SPOKEN = "I can tell that you spoke"


def test_quickstart(offline_url, tmp_path):
    assert run("quickstart.py", "Hello there", env=environment(offline_url), cwd=tmp_path).strip()


def test_stream_file(offline_url, tmp_path):
    said = run("stream_file.py", question_path(), "answer.wav", env=environment(offline_url), cwd=tmp_path)
    assert said.startswith("user: ") and "assistant: " in said
    with wave.open(str(tmp_path / "answer.wav")) as file:
        assert file.getframerate() == 24_000 and file.getnframes() > 2_400


def test_tools(offline_url, tmp_path):
    said = run("tools.py", "What is the weather in Rome?", env=environment(offline_url), cwd=tmp_path)
    assert said.startswith("[get_weather Rome at ") and len(said.splitlines()) == 2


def test_the_agent_is_opened_in_the_console_and_its_tool_is_called(offline_url, tmp_path):
    path = command("my_agent.py")[-1]
    console = [sys.executable, "-m", "wavtools", "console", "--plain", path]
    done = subprocess.run(
        console,
        env=environment(offline_url),
        cwd=tmp_path,
        input="Please call price.\n",
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    assert "price({" in done.stdout and "not on sale" in done.stdout


def test_azure(offline_url, tmp_path):
    azure = {
        "AZURE_OPENAI_ENDPOINT": offline_url.replace("ws://", "http://"),
        "AZURE_OPENAI_API_KEY": "test",
        "AZURE_OPENAI_DEPLOYMENT": "gpt-realtime",
    }
    assert run("azure.py", env=environment(offline_url, **azure), cwd=tmp_path).strip()


def test_chat(offline_url, tmp_path):
    with Program("chat.py", env=environment(offline_url), cwd=tmp_path) as program:
        program.wait_for("you: ")
        program.type("My name is Ada")
        assert len(program.wait_for("\nyou: ")) > len("\nyou: ")
        program.type("Hello")
        program.wait_for("\nyou: ")
        # Ctrl+D
        program.end()


def test_chat_ends_with_ctrl_c_while_it_waits_for_a_line(offline_url, tmp_path):
    with Program("chat.py", env=environment(offline_url), cwd=tmp_path) as program:
        program.wait_for("you: ")
        program.interrupt()


def test_two_conversations(offline_url, tmp_path):
    said = run("two_conversations.py", env=environment(offline_url), cwd=tmp_path).splitlines()
    assert sorted(line.partition(":")[0] for line in said) == ["a pirate", "a pirate", "a poet"]


def test_push_to_talk(offline_url, room, tmp_path):
    with Program("push_to_talk.py", env=room.environment(offline_url), cwd=tmp_path) as program:
        program.wait_for("Enter to talk. ")
        program.type("")
        program.wait_for("Enter to send. ")
        room.say()
        program.type("")
        program.wait_for("user: (speech, ")
        program.wait_for(f"assistant: {SPOKEN}")
        program.interrupt()


async def test_push_to_talk_calls_its_tool(tmp_path):
    voice = Voice(HearsSpeech, WishfulEars, PrerenderedSpeech)

    def wish(url: str) -> None:
        with Program("push_to_talk.py", "null", env=environment(url), cwd=tmp_path) as program:
            program.wait_for("Enter to talk. ")
            program.type("")
            program.wait_for("Enter to send. ")
            # More than a server refuses to take for a turn
            time.sleep(0.3)
            program.type("")
            program.wait_for("The lights are on\n")
            program.wait_for("assistant: The switch lights tool says: done.\n")
            assert "user: Please call switch lights.\n" in program.interrupt()

    async with OfflineServer(voice=voice, options=SessionOptions(pace=0), log=lambda line: None) as server:
        await asyncio.to_thread(wish, server.url)


def test_push_to_talk_without_a_sound_card(offline_url, tmp_path):
    said = run("push_to_talk.py", "null", env=environment(offline_url), cwd=tmp_path, stdin="\n\n")
    assert "Enter to talk. Listening. Enter to send. Enter to talk. " in said


def converse(program: Program, room) -> None:
    """Say something to a program that listens, and see the answer."""
    until_blocking(room.listens, 30)
    room.say()
    program.wait_for(f"assistant: {SPOKEN}")


def test_kiosk(offline_url, room, tmp_path):
    with Program("kiosk.py", env=room.environment(offline_url), cwd=tmp_path) as program:
        converse(program, room)
        program.interrupt()


def test_kiosk_starts_again_by_itself(room, tmp_path):
    env = room.environment("ws://127.0.0.1:1")
    with Program("kiosk.py", env=env, cwd=tmp_path) as program:
        program.wait_for("; starting again")
        program.wait_for("; starting again")
        program.interrupt()


def test_stereo_call(offline_url, room, tmp_path):
    with Program(
        "stereo_call.py", "call.wav", "call.txt", env=room.environment(offline_url), cwd=tmp_path
    ) as program:
        converse(program, room)
        # The answer is heard.
        until_blocking(lambda: abs(read_wav(tmp_path / "call.wav").pcm[:, 1]).max() > 1_000)
        program.interrupt()
    call = load(tmp_path / "call.wav")
    assert call.channel_count == 2 and abs(call.pcm[:, 0]).max() > 0.1
    lines = (tmp_path / "call.txt").read_text().splitlines()
    assert lines[0].startswith("user: (speech, ") and lines[1].startswith(f"assistant: {SPOKEN}")


def test_transcribe(offline_url, room, tmp_path):
    with Program("transcribe.py", env=room.environment(offline_url), cwd=tmp_path) as program:
        until_blocking(room.listens, 30)
        room.say()
        program.wait_for("(speech, ")
        program.wait_for("\n")
        program.interrupt()


async def test_microphone_to_websocket(room, tmp_path):
    sizes = []

    async def receive(websocket):
        async for message in websocket:
            sizes.append(len(message))

    async with serve(receive, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with Program("microphone_to_websocket.py", url, env=room.environment(), cwd=tmp_path) as program:
            while len(sizes) < 20:
                await asyncio.sleep(0.01)
                assert program.process.poll() is None
            await asyncio.to_thread(program.interrupt)
    # The last message is what was left.
    assert set(sizes[:20]) == {640}


def test_microphone_to_websocket_without_a_server(tmp_path):
    with Program(
        "microphone_to_websocket.py", "ws://127.0.0.1:1", env=environment(), cwd=tmp_path
    ) as program:
        assert "127.0.0.1" in program.end(expect=1)


def test_notebook(offline_url, room, tmp_path):
    pytest.importorskip("IPython")
    env = room.environment(offline_url, IPYTHONDIR=str(tmp_path))
    take, loudness, answer = json.loads(run("notebook.ipynb", env=env, cwd=tmp_path))
    assert "<audio" in take[0][1] and "inf" in loudness[0][1]
    assert SPOKEN in answer[0][1] and "<audio" in answer[1][1]


# ------------------------------------------------------------------------------------------------------------ the web

web = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("fastapi", "uvicorn")),
    reason="needs fastapi and uvicorn",
)


def serving(program: Program) -> str:
    """Address of the web service that the program has started."""
    program.wait_for("running on ")
    return program.wait_for(" ").strip()


def post(url: str, body: bytes) -> tuple[int, bytes]:
    request = urllib.request.Request(f"{url}/ask", body, {"Content-Type": "audio/wav"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@web
def test_web_app(offline_url, tmp_path):
    with Program("web_app.py", "--port", 0, env=environment(offline_url), cwd=tmp_path) as program:
        url = serving(program)
        status, answer = post(url, question_path().read_bytes())
        assert status == 200 and read_wav(answer).duration > 1
        status, answer = post(url, b"no sound at all")
        assert status == 422 and b"not an audio file" in answer
        program.interrupt()
