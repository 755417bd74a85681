"""Clients of other projects, with nothing changed but the address, hold four turns: directly and through the relay.

`make interop` installs them under build/interop (with an environment and node_modules of their own) and runs these tests.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest

from realtime.offline import question_path
from realtime.offline.models.clips import TEXTS
from tests.relay_process import RelayProcess

pytestmark = pytest.mark.models

HERE = Path(__file__).parent
INSTALLED = HERE.parents[1] / "build" / "interop"
PYTHON = INSTALLED / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())


def absent(reason: str) -> NoReturn:
    """Fails under `make interop`, which installs the clients; skips elsewhere."""
    if os.environ.get("WAVTOOLS_INTEROP"):
        pytest.fail(reason)
    pytest.skip(reason)


def run(program: str | Path, script: Path, url: str) -> dict[str, Any]:
    done = subprocess.run(
        [program, script, url, question_path("hello")],
        capture_output=True,
        text=True,
        timeout=100,
        env={name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "PYTHON"))},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


# These clients set tools and most of the session: the relay's policy must allow that.
POLICY = """
[clients]
session_fields = [
    "audio", "include", "input_audio_format", "input_audio_transcription", "instructions", "max_output_tokens",
    "max_response_output_tokens", "modalities", "output_audio_format", "output_modalities", "parallel_tool_calls",
    "speed", "temperature", "tool_choice", "tools", "tracing", "turn_detection", "type", "voice",
]
"""
SCRIPTS = [
    "client_agents.py",
    "client_agents_js.mjs",
    "client_livekit.py",
    "client_mastra.mjs",
    "client_openai.py",
    "client_pipecat.py",
    "client_pydantic_ai.py",
    "client_reference_beta.mjs",
    "client_semantic_kernel.py",
]


@pytest.mark.timeout(200)
@pytest.mark.parametrize("script", SCRIPTS)
def test_foreign_client_holds_four_turns(script: str, offline_voice_url: str) -> None:
    hold_four_turns(script, offline_voice_url)


@pytest.mark.timeout(200)
@pytest.mark.parametrize("script", SCRIPTS)
def test_foreign_client_holds_four_turns_through_the_relay(
    script: str, offline_voice_url: str, tmp_path: Path
) -> None:
    policy = tmp_path / "relay.toml"
    policy.write_text(POLICY)
    # The clients send "offline" as their API key.
    arguments = [
        "--port",
        "0",
        "--upstream",
        offline_voice_url,
        "--token",
        "offline",
        "--policy",
        str(policy),
    ]
    with RelayProcess(*arguments) as relay:
        hold_four_turns(script, relay.url)
    assert relay.log.count('"session.opened"') == 1, relay.log


def hold_four_turns(script: str, url: str) -> None:
    if script.endswith(".py"):
        if not PYTHON.exists():
            absent("the Python clients are not installed; run: make interop")
        result = run(PYTHON, HERE / script, url)
    else:
        node = shutil.which("node")
        if node is None or not (INSTALLED / "node_modules").is_dir():
            absent("the Node clients are not installed; install Node 20 and run: make interop")
        # Node looks for modules from the folder of the script.
        copy = shutil.copy(HERE / script, INSTALLED)
        result = run(node, Path(copy), url)
    assert result["text"] == "You said: The cat is on the mat."
    assert words(result["heard"]) == words(TEXTS["hello"])
    assert result["spoken"] == "Hello! I am fine, thank you. How can I help you?"
    assert result["samples"] > 3 * 24_000
    assert result["call"] == ["get_weather", {"location": "Paris"}]
    assert result["answer"] == "In Paris the temperature is 12 degrees."
    assert result["cancelled"] == "cancelled"
