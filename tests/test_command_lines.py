"""Every command of ours in the README and on the pages is understood by the program, and the lines of a block run.

Blocks of the language sh run in test_docs.py and test_tutorial.py.
"""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import wavtools
from tests.audio_server import AudioServer
from tests.pages import DOCS, MARKDOWN, PAGES, environment, read

OURS = re.compile(r"(wavtools |python -m (realtime|wavtools)\b|realtime-console\b)")
# Pages for those who work in the repository.
OF_THE_REPOSITORY = ("architecture.md", "contributing.md", "CONTRIBUTING.md", "releasing.md", "changelog.md")
# No program takes this option: one that complains of it alone has understood the rest.
STRANGE = "--no-such-option"


def code_in(page: Path) -> Iterator[str]:
    """What stands in code type in the text, and the lines of blocks without a language."""
    for token in MARKDOWN.parse(read(page)):
        if token.type == "fence" and not token.info:
            yield from token.content.splitlines()
        for child in token.children or []:
            if child.type == "code_inline":
                yield child.content


def bare(line: str) -> str:
    """A command line without the brackets of optional parts and the remark behind it, N and HOST:PORT filled in."""
    line = re.split(r"\s{2,}", line.strip())[0]
    return re.sub(r" N\b", " 2", re.sub(r"[\[\]]", "", line)).replace("HOST:PORT", "127.0.0.1:8082")


def commands() -> list[str]:
    """The command lines of ours, each once, without those of the table of the console's verbs."""
    found = {
        bare(code): None
        for page in PAGES
        if page.name not in OF_THE_REPOSITORY
        for code in code_in(page)
        if OURS.match(code) and "VERB" not in code and "(" not in code and "…" not in code
    }
    return list(found)


def verbs_of_the_console() -> list[str]:
    """The commands in the table of other commands of the console."""
    table = read(DOCS / "console.md").split("\n## Other commands\n")[1].split("\n\n")[0].strip()
    cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    found = [bare(code) for cell in cells for code in re.findall(r"`([^`]+)`", cell)]
    return [f"wavtools console {code}" for code in found if not OURS.match(code)]


def program(command: str) -> list[str]:
    """The arguments that run *command* with this Python."""
    words = shlex.split(command)
    if words[0] == "python":
        return [sys.executable, *words[1:]]
    first = ["wavtools", "console"] if words[0] == "realtime-console" else ["wavtools"]
    return [sys.executable, "-m", *first, *words[1:]]


@pytest.mark.parametrize("command", [*commands(), *verbs_of_the_console()])
def test_a_command_in_the_text_is_understood_by_the_program(command, tmp_path):
    """It is given with an option that does not exist, so that it ends before it does anything."""
    words = program(command)
    if words[-1] != "--help":
        # In front of a name that only the program itself would look at.
        words.append(STRANGE)
    done = subprocess.run(
        words, cwd=tmp_path, env=environment(""), stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if words[-1] == "--help":
        assert done.returncode == 0 and done.stdout.startswith("usage: ")
        return
    assert done.returncode == 2 and "Traceback" not in done.stderr
    said = done.stderr.strip().splitlines()[-1]
    others = r"unrecognized arguments: --no-such-option\b|arguments are required|needs a verb"
    assert re.search(others, said), said


def test_commands_of_all_programs_are_found():
    text = "\n".join(commands() + verbs_of_the_console())
    for part in (
        "wavtools devices",
        "wavtools bench --input",
        "wavtools console talk",
        "python -m realtime.offline",
    ):
        assert part in text
    assert len(text.splitlines()) > 30


def test_no_page_shows_a_command_that_fails_after_pip():
    """`python -m console` works in the repository only."""
    for page in PAGES:
        if page.name not in OF_THE_REPOSITORY:
            assert "python -m console" not in read(page), page.name


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AudioServer]:
    server = AudioServer(tmp_path)
    yield server
    server.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="needs PulseAudio")
@pytest.mark.audio
def test_each_line_of_the_page_of_the_command_does_its_work(server, tmp_path):
    """`bench` has tests of its own: it takes half a minute."""
    folder = tmp_path / "work"
    folder.mkdir()
    tone = 0.3 * np.sin(np.arange(24_000, dtype=np.float32) / 9)
    for name in ("talk.mp3", "other.mp3"):
        wavtools.save(folder / "tone.wav", tone, 24_000)
        # Content decides, not the name: read as what it is.
        (folder / "tone.wav").rename(folder / name)
    (block,) = re.findall(r"^```\n(.*?)^```", read(DOCS / "command.md"), re.M | re.S)
    lines = [bare(line) for line in block.splitlines()]
    assert len(lines) == 10
    for line in lines:
        words = program(line)
        if line.startswith("wavtools bench"):
            continue
        process = subprocess.Popen(
            words, cwd=folder, env=server.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        if line.split()[1] in ("record", "meter"):
            time.sleep(2)
            process.send_signal(signal.SIGINT)
        printed, complaints = process.communicate(timeout=60)
        expected = {0, 1} if "doctor" in line else {0}
        assert process.returncode in expected, f"{line}: {complaints}"
        if line.split()[1] not in ("play",):
            assert printed.strip(), line
    assert wavtools.info(folder / "memo.wav").frames > 0
    assert (folder / "talk.png").read_bytes().startswith(b"\x89PNG")
