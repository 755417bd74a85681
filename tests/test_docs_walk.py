"""Runs the steps of docs/contributing.md in a copy of the tree: build, break, repair, measure."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from tests import early
from tests.conftest import require_program
from tests.pages import BLOCKS, ROOT, Shell, environment, stand_ins

PARTS = ["src", "tests", "benchmarks", "examples", "docs", "build/cython", ".gitignore"]
PARTS += ["setup.py", "pyproject.toml", "Makefile", "README.md"]

# A `make` whose build target compiles for real, but only the module that the page changes.
MAKE = """case "$*" in
build)
    find build -name "*.so" ! -name "pcm.*" -exec touch {} +
    exec "PYTHON" setup.py --quiet build_ext --inplace ;;
*) exec /usr/bin/env -u MAKEFLAGS make-itself --dry-run "$@" ;;
esac""".replace("PYTHON", sys.executable)


def copy_tree(folder: Path) -> None:
    """Copy the tree, with its build results, to *folder*."""
    built = [path.relative_to(ROOT) for path in (ROOT / "build").glob("lib.*")]
    for part in [*PARTS, *built]:
        if (ROOT / part).is_dir():
            ignore = shutil.ignore_patterns("__pycache__", "node_modules")
            shutil.copytree(ROOT / part, folder / part, ignore=ignore)
        elif (ROOT / part).exists():
            shutil.copy2(ROOT / part, folder / part)


def walk(folder: Path) -> list[str]:
    """Run the blocks of the page one after another; returns what each of the first five printed."""
    require_program("git", "git")
    tree = folder / "repository"
    copy_tree(tree)
    env = environment("", tree) | {"PATH": stand_ins(folder / "bin", make=MAKE), "HOME": str(folder)}
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    as_somebody = "git -c user.name=somebody -c user.email=somebody@example.org"

    def run(code: str, expect: int = 0) -> str:
        with Shell(code, tree, env, folder / "complaints") as shell:
            return shell.end(timeout=300, expect={expect})

    run(f"git init -q; git add src; {as_somebody} commit -q -m 'as it was'")
    build, find, spoil, mend, measure, *rest = [
        block.code for block in BLOCKS if block.page == "contributing.md"
    ]
    printed = [run(build), run(find), run(spoil, expect=1), run(mend), run(measure)]
    for code in rest:
        run(code)
    return printed


@pytest.mark.early.with_args(walk)
@pytest.mark.skipif(sys.platform == "win32", reason="the shell blocks are for a POSIX shell")
@pytest.mark.timeout(400)
def test_a_kernel_is_broken_noticed_mended_and_measured():
    _, found, spoilt, mended, measured = early.result(walk)
    assert "32768" in found
    failed = re.search(r"^(\d+) failed", spoilt, re.M)
    assert failed and int(failed[1]) > 30
    assert re.search(r"^\d+ passed", mended, re.M)
    assert "PCM16 to float32, 480 samples: wavtools" in measured and "NumPy" in measured
