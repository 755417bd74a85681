"""Which failed tests may run again, and that each rerun is printed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROGRAM = """
import pathlib
import pytest

COUNT = pathlib.Path(__file__).with_name("count")

def fails_once(name):
    path = COUNT.with_name(name)
    first = not path.exists()
    path.touch()
    assert not first, f"{name} came first"

@pytest.mark.server
def test_marked():
    fails_once("marked")

@pytest.fixture
def offline_url():
    return "ws://127.0.0.1:1"

def test_with_fixture(offline_url):
    fails_once("with fixture")

def test_plain():
    fails_once("plain")
"""
CONFTEST = """
import tests.reruns
from tests.reruns import mark_by_fixture, mark_reruns, print_reruns

tests.reruns.DELAY_SECONDS = 0

def pytest_collection_modifyitems(items):
    mark_by_fixture(items)
    mark_reruns(items)

def pytest_terminal_summary(terminalreporter):
    print_reruns(terminalreporter)
"""


def run(folder: Path, **environment: str) -> str:
    (folder / "test_sample.py").write_text(PROGRAM)
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    server\n    audio\n")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "WAVTOOLS_"))}
    env |= {"PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False).stdout


def test_only_a_marked_test_runs_again_and_its_rerun_is_printed(tmp_path):
    output = run(tmp_path, WAVTOOLS_RERUNS="1")
    assert "1 failed, 2 passed, 2 rerun" in output
    assert "RERUN test_sample.py::test_marked: " in output
    assert "RERUN test_sample.py::test_with_fixture: " in output  # the fixture marks it
    assert "RERUN test_sample.py::test_plain" not in output


def test_no_test_runs_again_unless_it_is_asked_for(tmp_path):
    output = run(tmp_path)
    assert "3 failed" in output and "RERUN" not in output
