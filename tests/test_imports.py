"""What is imported with each name of `realtime`: the table of docs/architecture.md, and what must not be imported."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs/architecture.md"
# Runs in a fresh interpreter: the modules that a statement imports after NumPy.
IMPORTED = """
import sys, numpy
before = set(sys.modules)
{statement}
print(*sorted(set(sys.modules) - before))
"""
# Made by compiled modules and by multiprocessing.
NO_PACKAGES = {"cython_runtime", "realtime"}
BASE = "import realtime"


def rows() -> dict[str, tuple[set[str], set[str]]]:
    """(other packages, our modules) by statement, as the page has them."""
    table = PAGE.read_text(encoding="utf-8").split("## What is imported")[1].split("\n## ")[0]
    found = {}
    for line in table.splitlines():
        if line.startswith("| `"):
            statement, *cells = (re.findall(r"`([^`]+)`", cell) for cell in line.split("|")[1:-1])
            found[statement[0]] = (set(cells[0]), set(cells[1]))
    return found


def modules(statement: str) -> set[str]:
    code = IMPORTED.format(statement=statement)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def packages(names: set[str]) -> set[str]:
    tops = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - NO_PACKAGES
    return {name for name in tops if not name.startswith("_")}


def rooms(names: set[str], known: set[str]) -> set[str]:
    """Our modules below `realtime`: a wing that is not in *known* counts as one."""
    ours = [name.split(".")[1:] for name in names if name.startswith("realtime.")]
    return {".".join(parts) if parts[0] in known else parts[0] for parts in ours}


@pytest.fixture(scope="module")
def base() -> set[str]:
    return modules(BASE)


@pytest.mark.parametrize("statement", rows())
def test_the_table_of_imports_is_current(statement, base):
    others, ours = rows()[statement]
    found = modules(statement)
    assert packages(found) == {name for name in others if importlib.util.find_spec(name) is not None}
    if statement == BASE:
        assert rooms(found, set()) == ours
    else:
        assert rooms(found - base, rooms(base, set())) == ours


def test_the_table_has_a_row_for_every_module_on_top():
    import realtime

    names = [statement.rpartition(" ")[2] for statement in rows() if statement.startswith("from realtime ")]
    homes = {getattr(realtime, name).__module__ for name in names}
    on_top = {getattr(realtime, name).__module__ for name in realtime.__all__} - modules(BASE)
    # One name of a wing stands for all of it.
    rooms_of = {".".join(home.split(".")[:2]) if "client" not in home else home for home in on_top}
    assert rooms_of == {".".join(home.split(".")[:2]) if "client" not in home else home for home in homes}


def test_importing_realtime_imports_no_websocket_library_and_no_module_on_top(base):
    assert not {"websockets", "importlib.metadata", "urllib.request", "email.message"} & base
    assert not {
        name for name in base if name.startswith(("realtime.voice", "realtime.offline", "realtime.relay"))
    }


def test_every_name_on_top_can_be_imported():
    code = "import realtime; [getattr(realtime, name) for name in realtime.__all__]; print(dir(realtime))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "'VoiceSession'" in done.stdout and "'hang_up'" in done.stdout


def test_a_log_record_of_a_client_that_never_connected_needs_no_websocket_library():
    code = """
import logging, sys
from realtime.protocol.redact import Redactor, logger_with
logging.basicConfig(stream=sys.stdout, format="%(message)s")
logger_with(Redactor(["sk-12345678"]), "x").warning("key %s", "sk-12345678")
print("websockets" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["key [key removed]", "False"]
