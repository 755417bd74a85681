"""Transcription clients of other projects, with nothing changed but the address: directly and through the relay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime.offline import start_server_process
from realtime.offline.models.clips import TEXTS
from tests.interop.installed import SCRIPTS, absent
from tests.interop.test_interop import PYTHON, run, words
from tests.relay_process import RelayProcess

pytestmark = [pytest.mark.models, pytest.mark.timeout(200)]

CLIENTS = ["captions_livekit.py", "captions_openai.py"]
POLICY = '[clients]\nkinds = ["realtime", "transcription"]\n'


@pytest.fixture(scope="module")
def ga_voice_url() -> Iterator[str]:
    """Address of an offline server that refuses the beta protocol, and really hears."""
    with start_server_process("--voice", "models", "--dialect", "ga") as server:
        yield server.url


def caption(script: str, url: str) -> None:
    if not PYTHON.exists():
        absent("the Python clients are not installed; run: make interop")
    result = run(PYTHON, SCRIPTS / script, url)
    assert words(result["heard"]) == words(TEXTS["hello"]), result
    interim = words(result["interim"])
    assert interim and interim == words(TEXTS["hello"])[: len(interim)], result


@pytest.mark.parametrize("script", CLIENTS)
def test_a_foreign_client_reads_captions(script: str, ga_voice_url: str) -> None:
    caption(script, ga_voice_url)


@pytest.mark.parametrize("script", CLIENTS)
def test_a_foreign_client_reads_captions_through_the_relay(
    script: str, ga_voice_url: str, tmp_path: Path
) -> None:
    policy = tmp_path / "relay.toml"
    policy.write_text(POLICY)
    arguments = ["--port", "0", "--token", "offline", "--policy", str(policy)]
    with RelayProcess("--upstream", ga_voice_url, *arguments) as relay:
        caption(script, relay.url)
    assert relay.log.count('"session.opened"') == 1, relay.log
