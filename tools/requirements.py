"""Prints what extras of this project need, one requirement a line: for an environment that gets the project itself later.

    python tools/requirements.py console offline

It reads pyproject.toml as text, so that it needs no package and runs on Python 3.10.

Thread: main.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def read_lists(text: str) -> dict[str, list[str]]:
    """The extras, and the dependencies as "": each a list of requirements."""
    table = text.split("[project.optional-dependencies]")[1].split("\n[")[0]
    found = {
        name: _strings(items)
        for name, items in re.findall(r"^(\w+) = \[(.*?)\]$", table, re.DOTALL | re.MULTILINE)
    }
    needed = re.search(r"^dependencies = \[(.*?)\]$", text, re.DOTALL | re.MULTILINE)
    assert needed is not None
    return {**found, "": _strings(needed[1])}


def _strings(items: str) -> list[str]:
    without_comments = re.sub(r'#[^"\n]*(?=\n|$)', "", items)
    return re.findall(r'"([^"]+)"', without_comments)


def requirements(extras: list[str], lists: dict[str, list[str]]) -> list[str]:
    """What these extras need, without repeats; extras of ours that they name are looked up."""
    found: dict[str, None] = dict.fromkeys(lists[""])
    for extra in extras:
        for item in lists[extra]:
            ours = re.fullmatch(r"wavtools\[([\w,]+)\]", item)
            found.update(dict.fromkeys(requirements(ours[1].split(","), lists) if ours else [item]))
    return list(found)


def main() -> int:
    """Print the requirements of the extras that the command line names."""
    lists = read_lists(PROJECT.read_text("utf-8"))
    unknown = [extra for extra in sys.argv[1:] if extra not in lists]
    if unknown:
        print(f"requirements.py: no such extra: {', '.join(unknown)}", file=sys.stderr)
        return 2
    print("\n".join(requirements(sys.argv[1:], lists)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
