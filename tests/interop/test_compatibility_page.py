"""docs/compatibility.md names the versions that are installed, and no others."""

from __future__ import annotations

import json
import re

from tests.interop.installed import SCRIPTS

PAGE = SCRIPTS.parents[1] / "docs" / "compatibility.md"


def pinned() -> set[tuple[str, str]]:
    lines = [
        line for name in ("clients.txt", "server.txt") for line in (SCRIPTS / name).read_text().splitlines()
    ]
    python = {tuple(line.split("==")) for line in lines if not line.startswith("#")}
    return python | set(json.loads((SCRIPTS / "package.json").read_text())["dependencies"].items())


def test_the_page_has_the_pinned_versions() -> None:
    rows = re.findall(r"^\| `([^`]+)`[^|]*\| ([\d.]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(pinned())
