"""Collects from the source what our programs call their errors; tests/test_errors_page.py compares it with docs/errors.md.

    python tools/error_names.py      print a row for each name that the page does not have

Thread: main.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "errors.md"

# Where an error's code stands among the arguments of the calls that make errors
CODE_AT = {"RequestError": 0, "_Refused": 0, "Refusal": 0, "OpeningFailure": 1, "_send_error": 0}
CODE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+|[a-z]{5,}")
CLOSE_CODE = re.compile(r"1\d{3}|[34]\d{3}")


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func).rpartition(".")[2], node


def text_of(node: ast.AST | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def error_codes(tree: ast.AST, path: Path) -> Iterator[str]:
    """Codes in calls that make errors, after ``code=`` and ``"code":``, and the constants of error_codes.py."""
    for name, call in calls(tree):
        at = CODE_AT.get(name)
        if at is not None and len(call.args) > at:
            code = call.args[at]
            yield text_of(code) or ""
            if isinstance(code, ast.JoinedStr):
                # The checks of numbers
                yield from (f"{kind}{text_of(code.values[-1])}" for kind in ("integer", "decimal"))
        yield from (text_of(word.value) or "" for word in call.keywords if word.arg == "code")
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            yield from (text_of(value) or "" for key, value in pairs if text_of(key) == "code")
        elif isinstance(node, ast.Assign) and path.name == "error_codes.py":
            named = [ast.unparse(target) for target in node.targets]
            if isinstance(node.value, ast.Constant) or any("CODES" in name for name in named):
                yield from (
                    text_of(part) or "" for part in ast.walk(node.value) if isinstance(part, ast.Constant)
                )


def close_codes(tree: ast.AST, path: Path) -> Iterator[str]:
    """Constants whose names tell of close codes, and codes in calls of close()."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            names = [ast.unparse(target) for target in node.targets]
            if path.name == "close_codes.py" or any("CLOSE_" in n or n == "FATAL_CODES" for n in names):
                yield from (
                    ast.unparse(part) for part in ast.walk(node.value) if isinstance(part, ast.Constant)
                )
    for name, call in calls(tree):
        if name in ("close", "CloseEvent") and call.args:
            yield ast.unparse(call.args[0])


def error_sources(tree: ast.AST, path: Path) -> Iterator[str]:
    """What an ErrorEvent names as its source."""
    for name, call in calls(tree):
        if name == "ErrorEvent":
            yield text_of(call.args[1] if len(call.args) > 1 else None) or ""
            yield from (text_of(word.value) or "" for word in call.keywords if word.arg == "source")


def exceptions(tree: ast.Module, path: Path) -> Iterator[str]:
    """Public exception classes of errors.py, and of the modules that applications use."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name.endswith("Error") and not node.name.startswith("_"):
            yield node.name


def http_refusals(tree: ast.AST, path: Path) -> Iterator[str]:
    """Reasons of refused requests."""
    for name, call in calls(tree):
        if name == "RefusedError" and len(call.args) > 1:
            yield text_of(call.args[1]) or ""


def log_events(tree: ast.AST, path: Path) -> Iterator[str]:
    """Names of the events in the relay's log."""
    for name, call in calls(tree):
        if name == "record" and call.args and path.parent.name == "relay":
            yield text_of(call.args[0]) or ""


def client_events(tree: ast.AST, path: Path) -> Iterator[str]:
    """Events of the client that tell of a fault or an end."""
    for name, call in calls(tree):
        if name == "emit" and call.args:
            told = text_of(call.args[0]) or ""
            if re.search(r"error|close|failed|ended|lost|changed|cut|incomplete", told):
                yield told


def valid(name: str, pattern: re.Pattern[str]) -> bool:
    return pattern.fullmatch(name) is not None


def names(root: Path = ROOT) -> dict[str, set[str]]:
    """Every name, by its kind."""
    kinds: dict[str, tuple[Callable[..., Iterator[str]], str, re.Pattern[str]]] = {
        "code": (error_codes, "", CODE),
        "close code": (close_codes, "", CLOSE_CODE),
        "source": (error_sources, "", re.compile(r"[a-z]+")),
        "exception": (exceptions, "errors.py", re.compile(r"[A-Z]\w+")),
        "HTTP refusal": (http_refusals, "", re.compile(r"[a-z_]+")),
        "log event": (log_events, "", re.compile(r"[a-z_.]+")),
        "client event": (client_events, "", re.compile(r"[a-z_.]+")),
    }
    found: dict[str, set[str]] = {kind: set() for kind in kinds}
    for path in sorted((root / "src" / "realtime").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for kind, (collect, only, pattern) in kinds.items():
            if not only or (path.name == only and path.parent.name == "realtime"):
                found[kind] |= {name for name in collect(tree, path) if valid(name, pattern)}
    return found


def rows(page: Path = PAGE) -> dict[str, list[str]]:
    """The rows of the page's tables: each name in the first column, and the other cells."""
    found: dict[str, list[str]] = {}
    for line in page.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        if line.startswith("|") and len(cells) > 2:
            for name in re.findall(r"`([^`]+)`", cells[0]):
                found[name] = cells[1:]
    return found


def missing(root: Path = ROOT) -> list[str]:
    """A row to fill in for each name that the page does not have."""
    there = rows(root / "docs" / "errors.md")
    return [
        f"| `{name}` | ({kind}) | |"
        for kind, all_of in names(root).items()
        for name in sorted(all_of - there.keys())
    ]


def main() -> int:
    lines = missing()
    print("\n".join(lines))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
