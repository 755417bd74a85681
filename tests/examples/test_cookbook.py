"""The fifteen programs of the cookbook: each has its section, and twelve of them have ten lines or fewer."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.examples.programs import EXAMPLES, NAMES, ROOT, count_lines, source_of

COOKBOOK = (ROOT / "docs/cookbook.md").read_text(encoding="utf-8")
# Title of the section -> its program
PROGRAMS = {
    "Record": "record.py",
    "Play a file": "play.py",
    "Level meter": "level_meter.py",
    "Push to talk with a tool": "push_to_talk.py",
    "Resample a file": "resample_file.py",
    "Transcribe the microphone": "transcribe.py",
    "Telephone": "telephone_bridge.py",
    "Text chat": "chat.py",
    "A kiosk that restarts itself": "kiosk.py",
    "FastAPI": "web_app.py",
    "Notebook": "notebook.ipynb",
    "Microphone to any websocket": "microphone_to_websocket.py",
    "Stereo call with transcript": "stereo_call.py",
    "Two conversations at once": "two_conversations.py",
    "Spectrogram": "spectrogram.py",
}
SHORT, MOST_LINES = 12, 10
SECTIONS = dict(part.split("\n", 1) for part in COOKBOOK.split("\n## ")[1:])


def test_the_cookbook_has_a_section_for_each_of_the_fifteen_programs():
    assert list(SECTIONS) == [*PROGRAMS, "More programs"]
    assert len(PROGRAMS) == 15


def test_every_other_example_is_named_at_the_end():
    named = set(re.findall(r"`(\w+\.py)`", SECTIONS["More programs"]))
    assert named == set(NAMES) - set(PROGRAMS.values())


def test_twelve_of_the_programs_have_ten_lines_or_fewer():
    """A line of code is neither blank, nor a comment, nor of a docstring."""
    lines = {name: count_lines(source_of(name)) for name in PROGRAMS.values()}
    assert sum(count <= MOST_LINES for count in lines.values()) >= SHORT, lines
    assert max(lines.values()) <= 16, lines


def test_lines_of_code_are_counted():
    code = '"""A\n\nb."""\n\nx = 1  # one\n# two\n\n\ndef f():\n    """Three."""\n    return (\n        x\n    )\n'
    assert count_lines(code) == 5


@pytest.mark.parametrize("title", PROGRAMS)
def test_a_section_says_what_the_program_does_how_to_run_it_and_what_to_change(title):
    name, section = PROGRAMS[title], SECTIONS[title]
    what, _, rest = section.strip().partition("\n\n```")
    assert what.endswith((".", ":"))
    assert re.search(r"^Run: .*`", rest, re.M) and re.search(r"^Change: ", rest, re.M)
    (run,) = re.findall(r"^Run: (?:.*?\n\n|.*)", rest + "\n\n", re.M | re.S)
    assert name.removesuffix(".py") in run
    if name.endswith(".ipynb"):
        (code,) = re.findall(r"```python\n(.*?)```", section, re.S)
        assert code.strip() == source_of(name).strip()
    else:
        assert f"```{{literalinclude}} ../examples/{name}\n:language: python\n```" in section
        # The program itself says how it is run.
        usage = ast.get_docstring(ast.parse(source_of(name))) or ""
        commands = re.findall(r"^ *((?:python|uvicorn|curl) .*?)(?:  +#.*)?$", usage, re.M)
        assert (
            commands
            and commands[0].split(" ")[:2]
            == re.findall(r"`((?:python|uvicorn) [^`]*)`", run)[0].split(" ")[:2]
        )


def test_every_example_is_run_by_a_test():
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    ran = set(re.findall(r'(?:run|Program|command)\(\s*"([\w.]+)"', tests))
    assert ran == set(NAMES)


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(".py")])
def test_an_example_begins_with_a_docstring_and_names_no_private_thing(name):
    source = source_of(name)
    assert ast.get_docstring(ast.parse(source))
    assert not re.search(r"\b(?:wavtools|realtime|client|voice|recorder)\._", source)
    assert (EXAMPLES / name).stat().st_size < 2_000
