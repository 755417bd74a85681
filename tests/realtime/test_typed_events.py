"""What type checkers find in a program: a wrong attribute of an event, a keyword that does not exist."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
from realtime import CloseEvent, ItemUpdatedEvent, RealtimeClient, ToolContext, ToolResult

client = RealtimeClient(instructions="Be kind.", turn_detection=None, voice="ash", modalities=["text"])
client.update_session(turn_detection={"type": "server_vad", "threshold": 0.5}, model="m")
client.on("conversation.updated", lambda event: print(event.item))
client.on("server.response.done", lambda event: print(event.response))
client.on("app.saved")(print)


@client.on("close")
def closed(event: CloseEvent) -> None:
    print(event.code)


@client.tool
def look(context: ToolContext, words: str) -> ToolResult:
    return ToolResult(words, respond=False)


client.on("voice.cut", lambda event: print(event.receipt, event.item))
client.on("voice.echo", lambda event: print(event.action))
client.on("voice.idle", lambda event: print(event.seconds + 1))
client.on("interruption.false", lambda event: print(event.item_id))
client.on("budget.reached", lambda event: print(event.cost))
client.on("voice.*", print)


async def main() -> None:
    event = await client.wait_for_next("conversation.updated")
    print(event.item)


# Mistakes
client.on("conversation.updated", lambda event: print(event.itm))  # expected
client.on("conversation.updatd", print)  # expected
client.on("close", lambda event: print(event.cod))  # expected
client.on_next("usage", lambda event: print(event.tokens))  # expected
client.on("voice.cut", lambda event: print(event.reciept))  # expected
client.on("voice.echo", lambda event: print(event.actions))  # expected
client.on("voice.idle", lambda event: print(event.second))  # expected
client.on("interruption.false", lambda event: print(event.item))  # expected
client.on("budget.reached", lambda event: print(event.costs))  # expected
client.update_session(instruction="Be kind.")  # expected
RealtimeClient(instruction="Be kind.")  # expected
RealtimeClient(turnDetection=None)  # expected


@client.on("conversation.updated")  # expected
def shown(event: CloseEvent) -> None: ...


async def wrong() -> None:
    event = await client.wait_for_next("conversation.updated")
    print(event.itm)  # expected
"""


def lines_with_errors(command: list[str], path: Path) -> set[int]:
    env = {**os.environ, "MYPYPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-m", *command, str(path)], cwd=path.parent, env=env, capture_output=True, text=True
    )
    found = re.findall(rf"{re.escape(path.name)}:(\d+):.*error", done.stdout)
    assert found, done.stdout + done.stderr
    return {int(number) for number in found}


@pytest.mark.parametrize("checker", ["mypy", "basedpyright"])
def test_type_checkers_find_wrong_attributes_and_keywords(tmp_path, checker):
    if importlib.util.find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed")
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    expected = {number for number, line in enumerate(PROGRAM.split("\n"), 1) if "# expected" in line}
    if checker == "mypy":
        cache = str(ROOT / ".mypy_cache" / "programs")
        command = ["mypy", "--config-file", "", "--cache-dir", cache, "--follow-imports", "silent"]
    else:
        (tmp_path / "pyrightconfig.json").write_text(
            json.dumps({"typeCheckingMode": "standard", "extraPaths": [str(ROOT / "src")]})
        )
        command = ["basedpyright", "--project", str(tmp_path / "pyrightconfig.json")]
        command += ["--pythonpath", sys.executable]
    assert lines_with_errors(command, path) == expected


def test_the_typed_names_are_those_that_exist():
    source = (ROOT / "src/realtime/client/typed_events.py").read_text(encoding="utf-8")
    from realtime.client.event_names import KNOWN

    typed = set(re.findall(r'"([a-z_.]+)"', source))
    assert typed >= KNOWN and "conversation.updatd" not in typed
