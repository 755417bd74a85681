"""tools/requirements.py reads pyproject.toml as text: it finds what a TOML parser finds."""

from __future__ import annotations

import subprocess
import sys

import tomli

from tests.pages import ROOT
from tools.requirements import PROJECT, main, read_lists, requirements


def test_all_extras_are_read_as_a_toml_parser_reads_them():
    text = PROJECT.read_text("utf-8")
    project = tomli.loads(text)["project"]
    assert read_lists(text) == {**project["optional-dependencies"], "": project["dependencies"]}


def test_extras_of_ours_are_followed_and_nothing_stands_twice():
    found = requirements(["console", "offline"], read_lists(PROJECT.read_text("utf-8")))
    assert len(found) == len(set(found))
    assert not any(item.startswith("wavtools") for item in found)
    assert {"numpy", "websockets", "textual", "onnxruntime"} <= {item.split(">")[0] for item in found}


def test_an_extra_that_does_not_exist_is_named(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["requirements.py", "consle"])
    assert main() == 2
    assert "consle" in capsys.readouterr().err


def test_it_is_a_program():
    done = subprocess.run(
        [sys.executable, "tools/requirements.py", "formats"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[:2] == ["numpy>=1.24", "miniaudio>=1.61"]
