"""Another distribution writes into the folder of `realtime`: both orders of installation are told, with the remedy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

import realtime
from realtime import name_clash

OURS = Path(realtime.__file__).parent


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder of packages in which the other distribution lies over ours."""
    folder = tmp_path / "realtime"
    shutil.copytree(OURS, folder, ignore=shutil.ignore_patterns("__pycache__", "*.onnx"))
    (folder / "_async").mkdir()
    (folder / "_async" / "__init__.py").touch()
    return tmp_path


def run(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    # Not measured: it runs a copy of the source.
    rest = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    environment = {**rest, "PYTHONPATH": os.pathsep.join((str(folder), str(OURS.parent)))}
    # An editable installation comes before every folder.
    editable = (
        "sys.meta_path[:] = [finder for finder in sys.meta_path if 'editable' not in repr(finder).lower()]"
    )
    program = f"import sys; {editable}; {program}"
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)


def test_ours_was_installed_last_and_warns(shared):
    done = run(shared, "import realtime; print(realtime.RealtimeClient.__name__)")
    assert done.stdout == "RealtimeClient\n", done.stderr
    assert "RuntimeWarning: the package 'realtime' of Supabase" in done.stderr
    assert "pip install --force-reinstall --no-deps wavtools" in done.stderr


@pytest.mark.parametrize("part", ["offline", "relay"])
def test_the_other_was_installed_last_and_our_parts_say_so(shared, part):
    (shared / "realtime" / "__init__.py").write_text("__version__ = '2.34.1'\n")
    done = run(shared, f"import realtime.{part}")
    assert done.returncode == 1
    assert "ImportError: the package 'realtime' of Supabase has replaced wavtools' realtime" in done.stderr
    assert "pip uninstall --yes realtime" in done.stderr


def test_both_are_told_in_this_process_too(monkeypatch):
    with pytest.warns(RuntimeWarning, match="Supabase"):
        name_clash.warn_of_other()
    name_clash.check_ours()
    monkeypatch.setitem(sys.modules, "realtime", types.ModuleType("realtime"))
    with pytest.raises(ImportError, match="has replaced"):
        name_clash.check_ours()
