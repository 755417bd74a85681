"""The tables of docs/architecture.md lead to real lines: each function exists in its file, and holds the quoted code.

A row is checked if one cell is a file: the cell before it is a function of that file, the cell after it code of its body.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.pages import DOCS, ROOT, read
from tests.structure_rules import functions, our_files
from tools.module_map import nodes

PAGE = read(DOCS / "architecture.md")
QUESTIONS = 10


class Hop(NamedTuple):
    function: str
    file: str
    code: tuple[str, ...]


def hops(page: str) -> Iterator[Hop]:
    for line in page.splitlines():
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for before, cell, after in zip(cells, cells[1:], cells[2:], strict=False):
            if file := re.fullmatch(r"`([\w/]+/[\w.]+\.(?:pyx|py|c|h|inc))`", cell):
                yield Hop(before.strip("*`"), file[1], tuple(re.findall(r"`([^`]+)`", after)))


def bodies(path: Path, function: str) -> list[str]:
    """The text of each function of that name; of `Class.method` only where the class has it."""
    owner, _, name = function.rpartition(".")
    text = read(path)
    lines = text.splitlines()
    return [
        "\n".join(lines[first - 1 : last])
        for found, first, last in functions(path.suffix, text)
        if found == name and (not owner or owner_of(path, text, first) == owner)
    ]


def owner_of(path: Path, text: str, line: int) -> str:
    """The class that encloses a line."""
    if path.suffix == ".py":
        classes = [node for node in nodes(text) if isinstance(node, ast.ClassDef)]
        around = [node for node in classes if node.lineno <= line <= (node.end_lineno or 0)]
        return around[-1].name if around else ""
    before = "\n".join(text.splitlines()[:line])
    starts = re.findall(r"^(?:(?:cdef )?class (\w+)|def |cdef (?!class))", before, re.M)
    return starts[-1] if starts else ""


def problem(hop: Hop, root: Path = ROOT) -> str:
    """What is untrue in a row, and where to look; "" if nothing is."""
    path = next((place / hop.file for place in (root / "src", root) if (place / hop.file).exists()), None)
    if path is None:
        return f"{hop.file} does not exist{hint(root, hop.function)}"
    found = bodies(path, hop.function)
    if not found:
        return f"{hop.function} is not in {hop.file}{hint(root, hop.function)}"
    if not hop.code:
        return f"the row of {hop.function} quotes no code"
    for code in hop.code:
        if not any(flat(code) in flat(body) for body in found):
            return f"{code!r} is not in {hop.function} of {hop.file}{holders(root, code)}"
    return ""


def flat(code: str) -> str:
    """Without white space and without the commas that the formatter adds: quotes may be broken into lines."""
    return re.sub(r",(?=[)\]}])", "", re.sub(r"\s+", "", code))


def hint(root: Path, function: str) -> str:
    name = function.rpartition(".")[2]
    places = [path for path in our_files(root, ["src"]) if bodies(path, name)]
    return f"; {name} is in {', '.join(path.relative_to(root).as_posix() for path in places) or 'no file'}"


def holders(root: Path, code: str) -> str:
    places = []
    for path in our_files(root, ["src"]):
        text = read(path)
        lines = text.splitlines()
        for name, first, last in functions(path.suffix, text):
            if flat(code) in flat("\n".join(lines[first - 1 : last])):
                places.append(f"{name} of {path.relative_to(root).as_posix()}")
    return f"; it is in {', '.join(places) or 'no function'}"


def section(title: str) -> str:
    return re.split(rf"^##+ {title}.*$", PAGE, maxsplit=1, flags=re.M)[1].split("\n## ")[0]


@pytest.mark.parametrize("hop", [pytest.param(hop, id=hop.function) for hop in hops(PAGE)])
def test_a_row_leads_to_its_line(hop):
    assert problem(hop) == ""


def test_every_table_of_hops_is_found():
    assert len(list(hops(section("The way of a sample")))) >= 15
    walk = [hop.function for hop in hops(section("The walk"))]
    assert {"VoiceSession._on_interrupted", "VoiceSession.talk", "wt_playback_commit"} <= set(walk)
    rows = section("Ten walks").splitlines()
    asked = [line for line in rows if re.match(r"\| \w.*\? \|", line)]
    assert len(asked) >= QUESTIONS
    assert len(list(hops(section("Ten walks")))) == len([line for line in rows if "| `" in line])


SOURCES = {
    "src/a/x.py": "class A:\n    def f(self):\n        go(1,\n           2)\n\n    def g(self):\n        stop()\n",
    "src/a/y.pyx": "cdef class A:\n    def f(self):\n        go()\n\n\ncdef int g(int x):\n    return x\n",
    "src/a/z.h": "static inline int f(int x)\n{\n    return x + 1;\n}\n\nint g(int x)\n{\n    return 3;\n}\n",
}


@pytest.mark.parametrize(
    "row, said",
    [
        ("| `A.f` | `a/x.py` | `go(1, 2)` |", ""),
        ("| `A.f` | `a/y.pyx` | `go()` |", ""),
        ("| why? | **`g`** | `a/y.pyx` | `return x` |", ""),
        ("| `f` | `a/z.h` | `x + 1` |", ""),
        ("| `A.f` | `a/x.py` | `stop()` |", "'stop()' is not in A.f of a/x.py; it is in g of src/a/x.py"),
        ("| `f` | `a/z.h` | `3` |", "'3' is not in f of a/z.h; it is in g of src/a/z.h"),
        ("| `B.f` | `a/x.py` | `go` |", "B.f is not in a/x.py; f is in src/a/x.py, src/a/y.pyx, src/a/z.h"),
        ("| `A.g` | `a/y.pyx` | `x` |", "A.g is not in a/y.pyx; g is in src/a/x.py, src/a/y.pyx, src/a/z.h"),
        ("| `f` | `a/w.py` | `go` |", "a/w.py does not exist; f is in src/a/x.py, src/a/y.pyx, src/a/z.h"),
        ("| `A.f` | `a/x.py` | words |", "the row of A.f quotes no code"),
    ],
)
def test_a_row_that_leads_nowhere_is_noticed(row, said, tmp_path):
    for name, text in SOURCES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (hop,) = hops(row)
    assert problem(hop, tmp_path) == said
