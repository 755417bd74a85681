"""A release is made only where version, changelog and tag agree, and CI publishes no other."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
CHANGELOG = (
    "# Changelog\n\n## Unreleased\n\n### Added\n- a thing\n\n## 0.1.0 - 2026-01-01\n\n### Added\n- all\n"
)


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("release", ROOT / "tools/release.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


release = load()


def git(root: Path, *arguments: str) -> str:
    name = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    return subprocess.run(
        ["git", *name, *arguments], cwd=root, check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A small repository with a version, a changelog and one commit."""
    for variable in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{variable}_NAME", "Somebody")
        monkeypatch.setenv(f"GIT_{variable}_EMAIL", "somebody@example.org")
    (tmp_path / "src/wavtools").mkdir(parents=True)
    (tmp_path / "src/wavtools/_version.py").write_text('__version__ = "0.1.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "Begin")
    return tmp_path


def test_a_release_writes_version_changelog_and_tag_that_agree(checkout, capsys):
    assert release.main(["0.2.0"], checkout) == 0
    assert '"0.2.0"' in (checkout / "src/wavtools/_version.py").read_text()
    (unreleased, nothing), (head, body), *_ = release.sections(checkout)
    assert (unreleased, nothing) == ("Unreleased", "")
    assert head.startswith("0.2.0 - 20") and "a thing" in body
    assert git(checkout, "tag").split() == ["v0.2.0"]
    assert git(checkout, "status", "--porcelain") == ""
    assert release.main(["--check", "v0.2.0"], checkout) == 0
    assert "agree" in capsys.readouterr().out


@pytest.mark.parametrize("version", ["2", "v0.2.0", "0.2", "0.2.0-beta"])
def test_what_is_not_a_version_is_refused(checkout, capsys, version):
    assert release.main([version], checkout) == 1
    assert "is not a version" in capsys.readouterr().err
    assert git(checkout, "tag") == ""


def test_changes_a_taken_tag_and_an_empty_section_are_refused(checkout, capsys):
    git(checkout, "tag", "v0.1.0")
    (checkout / "CHANGELOG.md").write_text(CHANGELOG.replace("### Added\n- a thing\n\n", ""))
    assert release.main(["0.1.0"], checkout) == 1
    said = capsys.readouterr().err
    for problem in (
        "has changes",
        "the tag v0.1.0 exists",
        "nothing under '## Unreleased'",
        "has a section 0.1.0",
    ):
        assert problem in said
    assert '"0.1.0"' in (checkout / "src/wavtools/_version.py").read_text()


@pytest.mark.parametrize("tag", ["v0.1.1", "0.1.0", "vx"])
def test_a_tag_that_disagrees_with_version_or_changelog_is_not_published(checkout, capsys, tag):
    assert release.main(["--check", tag], checkout) == 1
    assert "release: " in capsys.readouterr().err


def test_an_empty_section_is_not_published(checkout, capsys):
    (checkout / "CHANGELOG.md").write_text(CHANGELOG.replace("### Added\n- all\n", ""))
    assert release.main(["--check", "v0.1.0"], checkout) == 1
    assert "is empty" in capsys.readouterr().err


def test_the_workflow_checks_the_tag_before_it_publishes():
    workflow = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    publish = workflow.split("\n  publish:\n")[1]
    assert publish.index("tools/release.py --check") < publish.index("gh-action-pypi-publish")
