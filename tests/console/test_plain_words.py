"""--plain has words of its own: no notice that it prints names a key of the screen."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import console
from console.plain_words import plain_words

# What only holds where keys are pressed
SCREEN = re.compile(
    r"\bpress\b|\bspace\b|\btap\b|\bctrl\+|\(a: |\b[a-z/]: (enter|plays|filters)|\b[a-z] (plays|quits|filters)\b"
)


def texts(path: Path) -> set[str]:
    """The strings of a module that are no docstrings; the changing parts of an f-string are left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {
        ast.get_docstring(node, clean=False)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
    }
    found = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            found.add("".join(part.value if isinstance(part, ast.Constant) else "N" for part in node.values))
    return found - docs


@pytest.mark.parametrize(
    "name", ["call", "session", "echo_choice", "replay", "playback", "endpoint", "demo", "plain"]
)
def test_no_notice_of_plain_names_a_key_of_the_screen(name):
    path = Path(console.__file__).parent / f"{name}.py"
    found = texts(path) - {"tap", "this is a tap: it changes nothing of what passes"}
    left = [text for text in found if SCREEN.search(plain_words(text)) and "Enter" not in text]
    assert left == []


def test_the_words_still_say_what_to_do():
    assert plain_words("not connected: press c") == "not connected: start again"
    assert (
        plain_words("connected: hold or tap space and speak, or type")
        == "connected: type a line, or v to speak"
    )
    assert plain_words("the server closed the connection (1011); press c to connect") == (
        "the server closed the connection (1011); start again to connect"
    )
    assert plain_words("cannot connect: refused") == "cannot connect: refused"
