"""Our own programs fit together with their defaults: each client program with each server, one test for every pair."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator

import pytest

from console.__main__ import main as console_main
from realtime import RealtimeClient, VoiceSession
from realtime.offline import question_path
from tests.audio_server import no_server_environment
from tests.console.programs import run_console
from tests.examples.programs import EXAMPLES, environment, run
from tests.examples.test_telephone import hold_a_call
from tests.relay_process import RelayProcess
from tests.terminal import Terminal, clean_environment, console_command
from wavtools import OfflineDevice, WavRecorder, WavStreamPlayer, read_wav

# Asks for nothing of a server, or takes a call (see below), or has an address that no relay serves, or needs a sound card
# or another program, such as the console. All run in tests/examples against the offline server, as the others do.
ELSEWHERE = {
    "azure.py",
    "kiosk.py",
    "level_meter.py",
    "microphone_to_websocket.py",
    "my_agent.py",
    "play.py",
    "record.py",
    "record_offline.py",
    "resample_file.py",
    "spectrogram.py",
    "stereo_call.py",
    "telephone_bridge.py",
    "transcribe.py",
    "web_app.py",
}


@pytest.fixture(scope="module")
def relay_url(offline_url) -> Iterator[str]:
    """A relay with its default policy before an offline server with its defaults."""
    with RelayProcess("--port", "0", "--upstream", offline_url) as relay:
        yield relay.url


@pytest.fixture(params=["offline", "relay"])
def url(request, offline_url, relay_url) -> str:
    return {"offline": offline_url, "relay": relay_url}[request.param]


def test_talk(url, tmp_path):
    done = run_console(
        "talk", question_path("hello"), "--out", tmp_path / "a.wav", "--url", url, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    assert "heard:    (speech, " in done.stdout and "answered: I can tell" in done.stdout
    assert read_wav(tmp_path / "a.wav").duration > 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("view", ["--json", "--plain"])
def test_the_console_in_lines(url, view, tmp_path):
    done = run_console(view, "--url", url, env=no_server_environment(tmp_path), stdin="Hello, how are you?\n")
    assert done.returncode == 0, done.stderr
    if view == "--json":
        entries = [json.loads(line) for line in done.stdout.splitlines()]
        assert any(entry.get("item", {}).get("role") == "assistant" for entry in entries)
        assert not [e for e in entries if e.get("notice", {}).get("level") == "error"]
        assert not [e for e in entries if e.get("event", {}).get("type") == "error"]
    else:
        assert "assistant: " in done.stdout and "error:" not in done.stdout


def test_the_screen(url, tmp_path):
    env = clean_environment(no_server_environment(tmp_path))
    with Terminal(console_command("--url", url), env, tmp_path) as terminal:
        terminal.wait_for("press c to connect")
        terminal.keys("c")
        terminal.wait_for("● connected")
        terminal.keys("t")
        terminal.type("hello")
        terminal.wait_for("I can tell that you spoke")
        assert "error!" not in terminal.screen()
        terminal.quit()


def test_doctor_finds_the_endpoint(url, tmp_path):
    done = run_console("doctor", "--url", url, env=no_server_environment(tmp_path))
    assert "ok       endpoint: " in done.stdout, done.stdout


def test_the_demo_turn_of_the_console_with_its_own_offline_server(tmp_path, monkeypatch, capsys):
    for name in os.environ.keys() - clean_environment(os.environ).keys():
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", None)
    assert console_main(["--offline"]) == 0
    assert read_wav(tmp_path / "answer.wav").duration > 1


async def test_the_client(url):
    async with RealtimeClient(api_key="", url=url, instructions="Be brief.") as client:
        errors: list[object] = []
        client.on("server.error", errors.append)
        client.send_user_message_content("Hello")
        while (item := await client.wait_for_next_completed_item(timeout=60)).role != "assistant":
            pass
        assert item.formatted.transcript or item.formatted.text
        assert not errors


async def test_a_client_is_told_what_the_relay_left_out(relay_url):
    told = []
    client = RealtimeClient(api_key="", url=relay_url, instructions="Be a pirate.", voice="marin")
    client.add_tool({"name": "f", "description": "", "parameters": {"type": "object"}}, lambda: "x")
    client.on("error", told.append)
    async with client:
        await client.wait_for_next("server.session.updated", timeout=10)
        assert [(event.code, event.caused_by) for event in told] == [("not_allowed", "session.update")]
        assert "instructions, tools" in told[0].message
        assert client.session["audio"]["output"]["voice"] == "marin"


@pytest.mark.parametrize("mode", ["manual", "vad"])
async def test_a_voice_session(url, mode):
    question = read_wav(question_path("hello"))
    microphone = OfflineDevice(question.sample_rate, question.channel_count)
    speaker = OfflineDevice(24_000)
    recorder = WavRecorder(24_000, device=microphone, keep_seconds=0)
    player = WavStreamPlayer(24_000, device=speaker)
    client = RealtimeClient(api_key="", url=url, instructions="Be brief.")
    async with VoiceSession(client, recorder, player, mode=mode) as voice:
        if mode == "manual":
            await voice.talk()
        await asyncio.to_thread(microphone.capture, question.pcm)
        if mode == "manual":
            await voice.release()
        else:
            await asyncio.to_thread(microphone.capture, question.pcm * 0)
        while (item := await client.wait_for_next_completed_item(timeout=60)).role != "assistant":
            pass
        assert item.formatted.transcript


COMMANDS = {
    "quickstart.py": (["Hello there"], ""),
    "stream_file.py": ([str(question_path()), "answer.wav"], ""),
    "tools.py": (["What is the weather in Rome?"], ""),
    "push_to_talk.py": (["null"], "\n\n"),
    "chat.py": ([], "Hello\n"),
    "two_conversations.py": ([], ""),
}


def test_every_example_has_its_pairs_here():
    assert {path.name for path in EXAMPLES.glob("*.py")} == COMMANDS.keys() | ELSEWHERE


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_an_example_through_a_relay_with_its_defaults(name, relay_url, tmp_path):
    arguments, stdin = COMMANDS[name]
    assert run(name, *arguments, env=environment(relay_url), cwd=tmp_path, stdin=stdin).strip()


async def test_the_telephone_bridge_through_a_relay_with_its_defaults(relay_url, tmp_path):
    await hold_a_call(relay_url, tmp_path)
