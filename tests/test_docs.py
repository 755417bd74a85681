"""The Python blocks of the README and the docs are programs that work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S))
]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_python_block_runs(block, offline_url, tmp_path):
    """Conversations are held with the offline server, on silent devices, and last a second instead of a minute."""
    if "VoiceSession(client" in block:
        block = block.replace("RealtimeClient(", f"RealtimeClient(url={offline_url!r}, ").replace(
            "sleep(60)", "sleep(1)"
        )
        block = (
            "import wavtools\n"
            "for device in (wavtools.WavRecorder, wavtools.WavStreamPlayer):\n"
            "    device.__init__.__kwdefaults__['device'] = 'null'\n" + block
        )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_of_the_repository_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_file_that_the_architecture_names_exists():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    folders = [
        ROOT / "src",
        ROOT / "src/wavtools",
        ROOT / "src/wavtools/_native",
        ROOT / "src/realtime",
        ROOT,
    ]
    for name in set(re.findall(r"\b((?:\w+/)?\w+\.(?:py|pyx|h|c|inc))\b", text)):
        assert any((folder / name).exists() for folder in folders), name
