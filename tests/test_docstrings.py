"""The programs in docstrings run, like those of the other pages: the pages of modules show them."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

from tests.pages import ROOT, SILENT, environment, read

# Names that the programs take for granted. Models of the reader's own are stand-ins, devices are silent.
READER = (
    SILENT
    + """
import asyncio
from realtime import *
from realtime.offline import *
from realtime.offline.models.standin import EnergyActivity, PrerenderedSpeech, StandInTranscript
from realtime.prices import cost_of
from realtime.relay import *

MyActivity, MyEars, MyVoice = EnergyActivity, StandInTranscript, PrerenderedSpeech
open("relay.toml", "w").close()
client, policy, key = RealtimeClient(), load_policy("relay.toml"), find_key()
"""
)


def programs() -> Iterator[tuple[str, str]]:
    """(file, program): examples after ``>>>``, and indented blocks after a paragraph that ends in ``::``."""
    for path in sorted(file for kind in ("*.py", "*.pyx") for file in (ROOT / "src").rglob(kind)):
        for text in re.findall(r'"""(.*?)"""', read(path), re.S):
            for example in doctest.DocTestParser().get_examples(text):
                yield path.name, example.source
            for indented in re.findall(r"::\n\n((?: {4,}.*\n|\n)+)", text):
                yield f"{path.parent.name}", textwrap.dedent(indented)


@pytest.mark.parametrize(
    "program", [pytest.param(code, id=f"{name}-{i}") for i, (name, code) in enumerate(programs())]
)
def test_a_program_in_a_docstring_runs(program, offline_url, tmp_path):
    body = textwrap.indent(program.replace("sleep(60)", "sleep(0.5)"), "    ")
    done = subprocess.run(
        [sys.executable, "-c", f"{READER}\nasync def main():\n{body}\nasyncio.run(main())\n"],
        cwd=tmp_path,
        env=environment(offline_url) | {"OPENAI_API_KEY": "sk-example"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
