"""Fixtures of the console's tests."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess

import pytest

from console import keys, settings
from console.__main__ import main
from tests.console.servers import ThreadedServer, spoken
from tests.terminal import clean_environment


@pytest.fixture(autouse=True)
def pilot_without_pauses(monkeypatch):
    """Textual's Pilot waits after each key until the process idles, up to a second; moving bars never let it idle.

    The messages of a key are handled in order without that wait, and the tests wait for what they expect.
    """

    async def wait_for_idle(*_: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr("textual.app.wait_for_idle", wait_for_idle)
    monkeypatch.setattr("textual.pilot.wait_for_idle", wait_for_idle)


@pytest.fixture(autouse=True)
def all_colours(monkeypatch):
    """A terminal of all colours, wherever the tests run."""
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def run_here(capsys, monkeypatch):
    """Runs the console's main() in this process, which saves the start of an interpreter.

    Gives what the process would: exit status and output. There is no terminal, as in `run_console`.
    """
    for name in os.environ.keys() - clean_environment(os.environ).keys():
        monkeypatch.delenv(name)
    monkeypatch.setenv("REALTIME_CONSOLE_SAVE", "no")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        try:
            status = main([*map(str, arguments)])
        except SystemExit as error:
            status = error.code
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, status, out, err)

    return run


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder whose subfolder config is the user's config folder; there is no keyring."""
    monkeypatch.setattr(settings, "config_folder", lambda: tmp_path / "config")
    monkeypatch.setattr(keys, "config_folder", lambda: tmp_path / "config")
    monkeypatch.setattr(keys, "_keyring_get", lambda: "")
    monkeypatch.setattr(keys, "_keyring_set", lambda value: False)
    (tmp_path / "config").mkdir()
    return tmp_path


@pytest.fixture
def serve():
    """Starts a `ThreadedServer` whose answers are given; returns it."""
    running = []

    def start(answers):
        running.append(ThreadedServer(answers))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def silent_server(serve):
    """A server that opens sessions and says nothing more."""
    return serve(lambda event: [])


@pytest.fixture
def answering_server(serve):
    """Starts a server that answers a spoken question with a text; returns its address."""
    return lambda text: serve(spoken(text)).url
