"""``demo``: the guided minute succeeds without key, network and sound, as lines and on the screen."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from console import demo
from console.demo import demo_call, demo_on
from console.keys import Key
from console.screen.app import RealtimeConsole
from console.settings import Settings
from tests.audio_server import no_server_environment
from tests.console.programs import run_console
from tests.console.screens import WIDE, until
from tests.console.test_welcome import AtUrl

pytestmark = pytest.mark.server

SILENT = Settings(input="null", output="null", url="ws://ignored", voice="ignored")


@pytest.fixture(scope="module", autouse=True)
def as_lines(tmp_path_factory):
    """A demo in a process of its own, which speaks in real time while the other tests of this module run."""
    environment = no_server_environment(tmp_path_factory.mktemp("lines"))
    with ThreadPoolExecutor() as beside:
        yield beside.submit(run_console, "demo", "--plain", env=environment)


@pytest.fixture
def call(offline_url, monkeypatch):
    monkeypatch.setattr(demo, "HEARD_SECONDS", 0.5)
    call = demo_call(SILENT)
    call.endpoint = AtUrl(offline_url)
    return call


async def test_on_the_screen_every_step_happens_and_it_ends_on_a_success(call):
    results = []

    async def guide(call):
        results.append(await demo_on(call))

    app = RealtimeConsole(call, guide=guide)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: results, seconds=90)
        model = call.model
        assert results == [True] and model.notices[-1].text.startswith("demo: all 4 steps worked")
        steps = [notice.text for notice in model.notices if notice.text.startswith("demo ")]
        assert [text.split(":")[1].strip() for text in steps] == ["ask", "tool", "interrupt", "hear again"]
        assert model.place.name == "Toronto" and model.place.sample and model.place.temperature is not None
        cut = [row for row in model.transcript if row.heard_samples is not None]
        assert len(cut) == 1 and 0 < cut[0].heard_samples < cut[0].received
        assert next(iter(row for row in model.transcript if row.role == "user")).audio.any()
        # It stays connected: the user goes on
        assert model.state == "connected"


async def test_a_step_that_does_not_end_is_said(call, monkeypatch):
    monkeypatch.setattr(demo, "STEP_SECONDS", 0.0)
    try:
        assert not await demo_on(call)
        assert call.model.notices[-1].text == "demo 1 of 4 stopped: ask did not end"
    finally:
        await call.close()


def test_a_demo_asks_nobody_but_the_offline_server():
    call = demo_call(SILENT)
    assert call.endpoint.offline and not call.endpoint.key and call.settings.voice is None
    assert call.settings.input == "null"
    assert isinstance(call.endpoint.key, Key)


def test_without_a_terminal_it_prints_lines_and_exits_with_0(as_lines):
    done = as_lines.result()
    assert done.returncode == 0, done.stderr
    assert "demo: all 4 steps worked" in done.stdout
    assert "a sample" in done.stdout and "| (cut after " in done.stdout
