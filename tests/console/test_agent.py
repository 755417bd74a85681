"""Your own agent in the console: objects and files, saved again and again, with errors and without."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

import console
from console.agent import AgentCall, FileSource, ObjectSource
from console.agent_file import AgentFile
from console.errors import UserError
from console.places import place_of
from console.screen.agent import AgentConsole
from console.settings import Settings
from console.transcript import ItemRow
from realtime import RealtimeClient
from tests.audio_server import no_server_environment
from tests.console.programs import run_console
from tests.console.screens import NARROW, WIDE, assert_snapshot, say, screen_text, until, until_shown
from tests.terminal import ROOT, Terminal

pytestmark = pytest.mark.server

AGENT = """
from realtime import RealtimeClient

client = RealtimeClient(instructions="You sell tea.", turn_detection=None)

@client.tool
def price(name: str) -> str:
    "The price of a tea."
    print("asked for", name)
    return "3 dollars"
"""


@pytest.fixture(autouse=True)
def clean_process(monkeypatch):
    """The environment and the modules as they were: agents change both."""
    monkeypatch.setenv("OPENAI_BASE_URL", "")
    monkeypatch.setenv("OPENAI_API_KEY", "")
    modules, path = set(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith(("console_agent", "helper_")):
            del sys.modules[name]


def settings_for(url: str) -> Settings:
    return Settings(url=url, input="null", output="null")


def call_of(source: ObjectSource, url: str) -> AgentCall:
    call = AgentCall(settings_for(url), source)

    async def no_devices() -> None:
        """Keep the devices of this machine out of the screen."""

    call.refresh_devices = no_devices  # type: ignore[method-assign]
    return call


def save(path: Path, text: str) -> None:
    """As editors save: under another name first."""
    partial = path.with_suffix(".tmp")
    partial.write_text(text)
    os.utime(partial, ns=(save.clock, save.clock))  # type: ignore[attr-defined]
    save.clock += 1_000_000_000  # type: ignore[attr-defined]
    partial.replace(path)


save.clock = 1_000_000_000_000_000_000  # type: ignore[attr-defined]


async def test_an_agent_is_shown_with_its_own_tools_and_instructions_alone(offline_url, tmp_path):
    path = tmp_path / "my_agent.py"
    save(path, AGENT)
    call = call_of(FileSource(path), offline_url)
    app = AgentConsole(call)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: call.model.state == "connected")
        assert list(call.client.tools) == ["price"]
        assert call.client.session["instructions"] == "You sell tea."
        assert call.model.talk.mode == "manual"
        await say(pilot, "Hello there")
        await until(pilot, lambda: any(row.role == "assistant" and row.text for row in call.model.transcript))
        assert "my_agent.py · " in screen_text(app)


async def test_a_saved_file_keeps_the_screen_and_opens_a_new_session(offline_url, tmp_path):
    path = tmp_path / "my_agent.py"
    save(path, AGENT)
    call = call_of(FileSource(path), offline_url)
    app = AgentConsole(call)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: call.model.state == "connected")
        first = call.client
        await say(pilot, "Hello there")
        await until(pilot, lambda: any(row.role == "assistant" and row.text for row in call.model.transcript))
        save(path, AGENT.replace("tea", "coffee"))
        await until_shown(pilot, "my_agent.py was read again", "Hello there")
        assert call.client is not first
        assert not first.is_connected()
        assert call.client.session["instructions"] == "You sell coffee."
        assert any(row.role == "session" for row in call.model.transcript)


async def test_an_error_in_the_file_is_shown_with_its_line_and_the_next_save_recovers(offline_url, tmp_path):
    path = tmp_path / "my_agent.py"
    save(path, "x = 1\nraise RuntimeError('no tea')\n")
    call = call_of(FileSource(path), offline_url)
    app = AgentConsole(call)
    async with app.run_test(size=WIDE) as pilot:
        await until_shown(pilot, "my_agent.py:2: RuntimeError: no tea")
        save(path, AGENT)
        await until(pilot, lambda: call.model.state == "connected")
        client = call.client
        for broken, shown in (
            ("def f(:\n", "my_agent.py:1: SyntaxError"),
            ("\n\nimport helper_missing\n", "my_agent.py:3: ModuleNotFoundError"),
            ("\nraise SystemExit(3)\n", "my_agent.py:2: SystemExit"),
            ("client = 5\n", "my_agent.py: client is of type int; it must be a RealtimeClient"),
            ("agent = 5\n", "defines neither client nor make_client()"),
        ):
            save(path, broken)
            await until_shown(pilot, shown)
            assert "Traceback" not in screen_text(app)
            assert client.is_connected(), broken
        save(path, AGENT.replace("tea", "milk"))
        await until(pilot, lambda: call.client is not None and call.client is not client)
        await until(pilot, lambda: call.model.state == "connected")
        assert call.client.session["instructions"] == "You sell milk."


async def test_a_module_beside_the_file_is_read_again_too(offline_url, tmp_path):
    path, helper = tmp_path / "my_agent.py", tmp_path / "helper_words.py"
    save(helper, "TEXT = 'You sell tea.'\n")
    save(
        path,
        "import helper_words\nfrom realtime import RealtimeClient\n\ndef make_client():\n"
        "    return RealtimeClient(instructions=helper_words.TEXT, turn_detection='server_vad')\n",
    )
    call = call_of(FileSource(path), offline_url)
    app = AgentConsole(call)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: call.model.state == "connected")
        assert call.client.session["instructions"] == "You sell tea."
        assert call.model.talk.mode == "vad"
        save(helper, "TEXT = 'You sell coffee.'\n")
        await until_shown(pilot, "my_agent.py was read again")
        assert call.client.session["instructions"] == "You sell coffee."


async def test_a_client_that_is_connected_again_shows_each_event_once(offline_url):
    client = RealtimeClient(turn_detection=None)
    call = call_of(ObjectSource(client), offline_url)
    for session in (1, 2):
        await call.connect()
        assert call.client is client
        created = [row for row in call.model.events.rows if row.type == "session.created"]
        assert sum(row.count for row in created) == session
        await call.disconnect()
    await call.close()


async def test_a_tool_that_raises_is_told_with_its_line(offline_url, tmp_path):
    path = tmp_path / "my_agent.py"
    save(path, AGENT.replace('return "3 dollars"', "return 1 / 0"))
    call = call_of(FileSource(path), offline_url)
    await call.connect()
    tool = call.client.tools["price"]
    try:
        tool.handler(name="tea")
    except ZeroDivisionError as error:
        from realtime import ErrorEvent

        assert place_of(error) == "my_agent.py:10"
        call.model.on_error(ErrorEvent("the tool price failed", "tool", exception=error))
    assert call.model.notices[-1].text == "my_agent.py:10: the tool price failed"
    await call.close()


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_the_screen_of_an_agent_has_its_tools_with_their_calls(tmp_path, size):
    client = RealtimeClient()

    @client.tool
    def price(tea: str) -> str:
        """The price of a tea."""
        return tea

    @client.tool
    def stock(tea: str) -> int:
        """How much there is."""
        return len(tea)

    call = call_of(ObjectSource(client), "ws://127.0.0.1:9")
    app = AgentConsole(call)
    async with app.run_test(size=size) as pilot:
        await until_shown(pilot, "cannot connect")
        call.client = client
        for number, (role, text) in enumerate(
            [("function", 'price({"tea": "green"})'), ("output", '"3 dollars"'), ("function", "price({})")]
        ):
            row = ItemRow(f"i{number}", role)
            row.text = text
            call.model.transcript.add(row)
        call.model.notices.clear()
        call.model.revision += 1
        await pilot.press("3")
        await until_shown(pilot, "price  ×2", "How much there is.")
        await assert_snapshot(pilot, "agent-tools")


async def test_a_model_calls_a_tool_of_the_agent_and_the_pane_shows_it(offline_url, tmp_path):
    path = tmp_path / "my_agent.py"
    tool = AGENT.replace("def price(name: str)", "def get_weather(location: str)").replace(
        "name)", "location)"
    )
    save(path, tool.replace("3 dollars", "12 degrees"))
    call = call_of(FileSource(path), offline_url)
    app = AgentConsole(call)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: call.model.state == "connected")
        await say(pilot, "What is the weather in Paris?")
        await until_shown(pilot, "get_weather  ×1", "→ 12 degrees")
        assert any(row.source == "stdout" for row in app.model.events.rows)


async def test_what_the_agent_prints_is_an_event(offline_url, tmp_path):
    path = tmp_path / "my_agent.py"
    save(path, AGENT + "\nprint('tea is ready')\n")
    app = AgentConsole(call_of(FileSource(path), offline_url))
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: any(row.source == "stdout" for row in app.model.events.rows))
        row = next(row for row in app.model.events.rows if row.source == "stdout")
        assert "tea is ready" in row.payload


async def test_tools_and_session_are_added_to_what_the_client_has(offline_url):
    async def make() -> RealtimeClient:
        client = RealtimeClient(instructions="You sell tea.")
        client.tool(price)
        return client

    def price(name: str) -> str:
        """The price of a tea."""
        return name

    def stock(name: str) -> int:
        """How much there is."""
        return len(name)

    call = call_of(ObjectSource(make, tools=[price, stock], session={"voice": "marin"}), offline_url)
    await call.connect()
    assert list(call.client.tools) == ["price", "stock"]
    assert call.model.server.voice == "marin"
    await call.close()


@pytest.mark.parametrize("source", [5, lambda: 5, lambda: 1 / 0])
async def test_what_is_no_client_is_a_notice(offline_url, source):
    call = call_of(ObjectSource(source), offline_url)
    assert not await call.connect()
    assert "cannot connect: " in call.model.notices[-1].text
    assert (
        "must be a RealtimeClient" in call.model.notices[-1].text
        or "test_agent.py:" in call.model.notices[-1].text
    )


def test_run_refuses_a_setting_that_does_not_exist_and_a_file_that_the_console_runs(tmp_path):
    with pytest.raises(TypeError, match="no setting 'colour'"):
        console.run(RealtimeClient(), colour="red")
    file = AgentFile(_written(tmp_path, "import console\nconsole.run(None)\n"))
    with pytest.raises(UserError, match=r"my_agent.py:2: RuntimeError: .* __name__ == '__main__'"):
        import asyncio

        asyncio.run(file.read())


def _written(folder: Path, text: str) -> Path:
    path = folder / "my_agent.py"
    path.write_text(text)
    return path


def test_a_python_file_in_place_of_a_verb_is_an_agent_that_answers_a_pipe(offline_url, tmp_path):
    path = _written(tmp_path, AGENT)
    env = no_server_environment(tmp_path)
    done = run_console("--plain", "--url", offline_url, path, env=env, stdin="Hello there\n")
    assert done.returncode == 0, done.stderr
    assert "you:       Hello there" in done.stdout
    assert "assistant: " in done.stdout
    missing = run_console(tmp_path / "none.py", env=env)
    assert missing.returncode == 2
    assert "is no file" in missing.stderr
    assert len(missing.stderr.splitlines()) == 1


def test_console_run_shows_a_client_in_a_terminal(offline_url, tmp_path):
    script = _written(
        tmp_path,
        f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nimport console\nfrom realtime import RealtimeClient\n\n"
        "if __name__ == '__main__':\n"
        "    client = RealtimeClient(instructions='You sell tea.', turn_detection=None)\n"
        f"    sys.exit(console.run(client, url={offline_url!r}, input='null', output='null'))\n",
    )
    env: dict[str, Any] = no_server_environment(tmp_path)
    with Terminal(f"{sys.executable} {script}", env, tmp_path) as terminal:
        terminal.wait_for(lambda screen: "● connected" in screen and "your client · " in screen)
        terminal.keys("C-q")
        terminal.wait_for(lambda screen: "exit-status 0" in screen)
