"""Clients of other projects, with nothing changed but the address, hold four turns: directly and through the relay.

The server behind the relay speaks the GA protocol alone, as today's vendor does. `make interop` installs the clients
under build/interop (with an environment and node_modules of their own) and runs these tests.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from realtime.offline import question_path, start_server_process
from realtime.offline.models.clips import TEXTS
from tests.conftest import require_program
from tests.interop.installed import INSTALLED, SCRIPTS, absent, python_of
from tests.relay_process import RelayProcess

pytestmark = [pytest.mark.models, pytest.mark.timeout(200)]

PYTHON = python_of(INSTALLED / "clients")


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())


def run(program: str | Path, script: Path, url: str, *more: str, **environment: str) -> dict[str, Any]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "PYTHON"))}
    done = subprocess.run(
        [program, script, url, question_path("hello"), *more],
        capture_output=True,
        text=True,
        timeout=100,
        env={**clean, **environment},
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
CLIENTS = [
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
# This one connects by TLS only.
OPENAI_JS = "client_openai_js.mjs"


@pytest.mark.parametrize("script", CLIENTS)
def test_foreign_client_holds_four_turns(script: str, offline_voice_url: str) -> None:
    hold_four_turns(script, offline_voice_url)


def test_foreign_client_holds_four_turns_by_tls() -> None:
    with start_server_process("--voice", "models", "--tls") as server:
        trust = str(server.certificate)
        hold_four_turns(OPENAI_JS, server.url, NODE_EXTRA_CA_CERTS=trust)
        hold_four_turns(OPENAI_JS, server.url, "secret", NODE_EXTRA_CA_CERTS=trust)


@pytest.mark.parametrize("script", CLIENTS)
def test_foreign_client_holds_four_turns_through_the_relay(
    script: str, ga_voice_url: str, relay_arguments: list[str]
) -> None:
    with RelayProcess("--upstream", ga_voice_url, *relay_arguments) as relay:
        hold_four_turns(script, relay.url)
    assert relay.log.count('"session.opened"') == 1, relay.log


def test_foreign_client_holds_four_turns_through_the_relay_by_tls(
    ga_voice_url: str, relay_arguments: list[str], certificate: tuple[str, str]
) -> None:
    tls = ["--tls-certificate", certificate[0], "--tls-key", certificate[1]]
    with RelayProcess("--upstream", ga_voice_url, *relay_arguments, *tls) as relay:
        hold_four_turns(OPENAI_JS, relay.url, NODE_EXTRA_CA_CERTS=certificate[0])
    assert relay.log.count('"session.opened"') == 1, relay.log


@pytest.fixture(scope="module")
def ga_voice_url() -> Iterator[str]:
    """Address of an offline server that refuses the beta protocol, and really hears and speaks."""
    with start_server_process("--voice", "models", "--dialect", "ga") as server:
        yield server.url


@pytest.fixture
def relay_arguments(tmp_path: Path) -> list[str]:
    """Options of a relay that admits these clients, which send "offline" as their API key."""
    policy = tmp_path / "relay.toml"
    policy.write_text(POLICY)
    return ["--port", "0", "--token", "offline", "--policy", str(policy)]


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    """A certificate for 127.0.0.1, and its key."""
    openssl = require_program("openssl", "openssl")
    command = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext"
    )
    names = ["subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([openssl, *command.split(), *names], cwd=tmp_path, check=True, capture_output=True)
    return str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")


def hold_four_turns(script: str, url: str, *more: str, **environment: str) -> None:
    if script.endswith(".py"):
        if not PYTHON.exists():
            absent("the Python clients are not installed; run: make interop")
        result = run(PYTHON, SCRIPTS / script, url, *more, **environment)
    else:
        node = shutil.which("node")
        if node is None or not (INSTALLED / "node_modules").is_dir():
            absent("the Node clients are not installed; install Node 20 and run: make interop")
        # Node looks for modules from the folder of the script.
        copy = shutil.copy(SCRIPTS / script, INSTALLED)
        result = run(node, Path(copy), url, *more, **environment)
    assert result["text"] == "You said: The cat is on the mat."
    assert words(result["heard"]) == words(TEXTS["hello"])
    assert result["spoken"] == "Hello! I am fine, thank you. How can I help you?"
    assert result["samples"] > 3 * 24_000
    assert result["call"] == ["get_weather", {"location": "Paris"}]
    assert result["answer"] == "In Paris the temperature is 12 degrees."
    assert result["cancelled"] == "cancelled"
