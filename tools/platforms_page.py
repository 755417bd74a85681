"""Writes the table of docs/platforms.md from the records in docs/data/platforms.

    make platforms                      run everything, write the records anew, and the page
    python tools/platforms_page.py      the page alone

A record is written by the tests (tests/platforms/records.py), or by hand for what a person ran: then "how" is "by hand",
and "seen" tells what was seen.

Thread: main.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["PAGE", "RECORDS", "load", "page", "row"]

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "platforms.md"
RECORDS = ROOT / "docs" / "data" / "platforms"
BEGIN = "<!-- Written from docs/data/platforms by tools/platforms_page.py: change the records, not this table. -->\n"
END = "<!-- End of the table. -->\n"
HEAD = "| system | version | how | date | what was seen |\n|---|---|---|---|---|\n"


def load(folder: Path = RECORDS) -> list[dict[str, Any]]:
    """All records: those of tests first, then what was run by hand."""
    records = [json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))]
    return sorted(records, key=lambda record: record["how"] == "by hand")


def sentences(tests: dict[str, list[str]]) -> list[str]:
    """The tests' names as text, each with its cases."""
    found = []
    for name, cases in tests.items():
        text = name.removeprefix("test_").replace("_", " ").replace("int16", "16-bit")
        named = [case for case in cases if case]
        found.append(f"{text} ({', '.join(named)})" if named else text)
    return found


def seen(record: dict[str, Any]) -> str:
    """What passed, what failed, what was not run, and the figures."""
    if "seen" in record:
        return str(record["seen"])
    parts = ["; ".join(sentences(record["passed"]))]
    parts += [f"**failed**: {'; '.join(sentences(record['failed']))}"] if record["failed"] else []
    parts += [f"not run: {'; '.join(sentences(record['skipped']))}"] if record["skipped"] else []
    parts += (
        [", ".join(f"{name} {value}" for name, value in record["figures"].items())]
        if record["figures"]
        else []
    )
    return ". ".join(part for part in parts if part)


def row(record: dict[str, Any]) -> str:
    """One line of the table."""
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items()) or record.get(
        "host", ""
    )
    how = record["how"] if record["how"] == "by hand" else f"`{record['how']}`"
    if record.get("form") == "short":
        how += ", short form"
    cells = [record["system"], versions, how, record["date"], seen(record)]
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |\n"


def page(text: str, records: list[dict[str, Any]]) -> str:
    """The page's text with its table written anew."""
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"{PAGE.name} has no place for the table: {BEGIN.strip()} ... {END.strip()}")
    return f"{before}{BEGIN}\n{HEAD}{''.join(row(record) for record in records)}\n{END}{after}"


def main() -> int:
    PAGE.write_text(page(PAGE.read_text(), load()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
