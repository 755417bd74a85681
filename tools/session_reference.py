"""Fills the column of values in docs/session.md from the schema of a session, and names fields that lack a row.

    python tools/session_reference.py

The schema is the one that checks sessions, in the client and in the offline server; its checks are closures, whose
variables are read here. A row begins with the field's place in code type, such as `turn_detection.threshold`. Its second
cell is written; its third one is the author's.

Thread: main.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/session.md"
sys.path[:0] = [str(ROOT / "src")]

from realtime.protocol.dialect import PLACES  # noqa: E402
from realtime.protocol.schema import Nullable  # noqa: E402
from realtime.protocol.session_schema import REALTIME, TRANSCRIBING  # noqa: E402

__all__ = ["PAGE", "fields", "filled", "main", "rows"]

# Where the client takes a field under a shorter name than the session object has.
_SHORT = {".".join(place): keyword for keyword, place in PLACES.items() if place[0] == "audio"}
_NUMBERS = {"integer": "whole number", "decimal": "number"}


def variables(check: Any) -> dict[str, Any]:
    """What a check was made with."""
    return dict(inspect.getclosurevars(check).nonlocals) if inspect.isfunction(check) else {}


def describe(check: Any) -> str:
    """The values that *check* takes, in Python's terms."""
    if isinstance(check, Nullable):
        return f"{describe(check.inner)}, or `None`"
    made = variables(check)
    if "values" in made:
        return ", ".join(f'`"{value}"`' for value in made["values"])
    if "least" in made:
        least, most = made["least"], made["most"]
        if least == most:
            return f"{least}"
        return f"{_NUMBERS[made['name']]} from {least:g} to {most:.10g}"
    if "variants" in made:
        return "dict"
    if "checks" in made:
        return " or ".join(describe(one) for one in reversed(made["checks"]))
    if "key" in made:
        return f"dict of at most {made['most']} entries"
    if "of" in made:
        most = f" of at most {made['longest']}" if made["longest"] else ""
        return f"list{most}: {describe(made['of'])}"
    if "fields" in made:
        return "dict"
    if "longest" in made:
        return f"text of at most {made['longest']} characters" if made["longest"] else "text"
    return "`True` or `False`" if check.__name__ == "boolean" else "any value"


def fields(check: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Every field below *check*: its place and its values."""
    if isinstance(check, Nullable):
        check = check.inner
    made = variables(check)
    if "variants" in made:
        yield f"{place}.type", ", ".join(f'`"{name}"`' for name in made["variants"])
        for variant in made["variants"].values():
            yield from (one for one in fields(variant, place) if one[0] != f"{place}.type")
    elif "checks" in made:
        for one in made["checks"]:
            yield from fields(one, place)
    elif "fields" in made:
        for name, inner in made["fields"].items():
            inside = f"{place}.{name}".lstrip(".")
            inside = _SHORT.get(inside, inside)
            yield inside, describe(inner)
            yield from fields(inner, inside)
    elif "of" in made and "key" not in made:
        yield from fields(made["of"], f"{place}[]")


def rows() -> dict[str, str]:
    """All fields of a session, conversing or transcribing: place and values."""
    found: dict[str, list[str]] = {}
    for schema in (REALTIME, TRANSCRIBING):
        for name, check in schema.items():
            for place, values in [(name, describe(check)), *fields(check, name)]:
                told = found.setdefault(place, [])
                if not any(other.startswith(values) for other in told):
                    told[:] = [other for other in told if not values.startswith(other)] + [values]
    return {place: " or ".join(values) for place, values in found.items()}


def filled(page: str) -> str:
    """The text of the page with the values of the schema."""
    known = rows()

    def row(match: re.Match[str]) -> str:
        values = known.get(match["place"])
        return match[0] if values is None else f"| `{match['place']}` | {values} |"

    return re.sub(r"^\| `(?P<place>[\w.\[\]]+)` \|[^|\n]*\|", row, page, flags=re.M)


def main() -> int:
    """Write the page anew; return 1 if a field has no row."""
    page = filled(PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(page, encoding="utf-8")
    lacking = [place for place in rows() if f"| `{place}` |" not in page]
    for place in lacking:
        print(f"no row: | `{place}` | |")
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
