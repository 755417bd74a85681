"""Make a release, or check one: version, changelog section and tag must agree before anything is published.

    python tools/release.py 0.2.0            check, then write version and changelog, commit and tag (make release)
    python tools/release.py --check v0.2.0   only check that the checkout is the release of this tag; CI does so

Nothing leaves the machine: docs/releasing.md says what to push. Exit status 1 and one line for each problem.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSION_FILE = Path("src/wavtools/_version.py")
CHANGELOG = Path("CHANGELOG.md")
SEMVER = re.compile(r"\d+\.\d+\.\d+")


def git(root: Path, *arguments: str) -> str:
    """Output of a git command; SystemExit with its words where it fails."""
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def stated_version(root: Path) -> str:
    """The version that the code states."""
    found = re.search(r'__version__ = "(.+)"', (root / VERSION_FILE).read_text(encoding="utf-8"))
    return found.group(1) if found else ""


def sections(root: Path) -> list[tuple[str, str]]:
    """(heading, text) of each version in the changelog, newest first."""
    text = (root / CHANGELOG).read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)$", text, flags=re.M)[1:]
    return [(head.strip(), body.strip()) for head, body in zip(parts[::2], parts[1::2], strict=True)]


def problems_before(root: Path, version: str) -> list[str]:
    """Why *version* cannot be made from this checkout now."""
    found = []
    if not SEMVER.fullmatch(version):
        found.append(f"{version!r} is not a version; write it as 0.2.0")
    if git(root, "status", "--porcelain"):
        found.append("the checkout has changes; commit or stash them first")
    if f"v{version}" in git(root, "tag").split():
        found.append(f"the tag v{version} exists")
    heads = sections(root)
    if not heads or heads[0][0] != "Unreleased" or not heads[0][1]:
        found.append(f"{CHANGELOG} has nothing under '## Unreleased'; write what changes")
    if any(head.split(" - ")[0] == version for head, _ in heads):
        found.append(f"{CHANGELOG} has a section {version}")
    return found


def problems_of(root: Path, tag: str) -> list[str]:
    """Why this checkout is not the release of *tag*."""
    version = tag.removeprefix("v")
    found = []
    if tag == version or not SEMVER.fullmatch(version):
        found.append(f"the tag {tag!r} is not of the form v0.2.0")
    if stated_version(root) != version:
        found.append(f"{VERSION_FILE} says {stated_version(root)}, the tag {version}")
    released = [(head, body) for head, body in sections(root) if head != "Unreleased"]
    if not released or released[0][0].split(" - ")[0] != version:
        newest = released[0][0] if released else "none"
        found.append(f"the newest section of {CHANGELOG} is {newest!r}, the tag {version}")
    elif not released[0][1]:
        found.append(f"the section {version} of {CHANGELOG} is empty")
    return found


def make(root: Path, version: str) -> None:
    """Write version and changelog, commit and tag."""
    path = root / VERSION_FILE
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(f'"{stated_version(root)}"', f'"{version}"'), encoding="utf-8")
    path = root / CHANGELOG
    text = path.read_text(encoding="utf-8")
    heading = f"## Unreleased\n\n## {version} - {date.today().isoformat()}"
    path.write_text(text.replace("## Unreleased", heading, 1), encoding="utf-8")
    git(root, "commit", "--quiet", "-m", f"Release {version}", str(VERSION_FILE), str(CHANGELOG))
    git(root, "tag", "-a", f"v{version}", "-m", f"wavtools {version}")


def main(arguments: list[str], root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description="Make a release, or check one.")
    parser.add_argument("version", help="as 0.2.0; with --check a tag, as v0.2.0")
    parser.add_argument("--check", action="store_true", help="check only, change nothing")
    options = parser.parse_args(arguments)
    check = problems_of if options.check else problems_before
    found = check(root, options.version)
    for problem in found:
        print(f"release: {problem}", file=sys.stderr)
    if found:
        return 1
    if options.check:
        print(f"{options.version}: version, changelog and tag agree")
        return 0
    make(root, options.version)
    found = problems_of(root, f"v{options.version}")
    assert not found, found
    print(f"made v{options.version}; to publish it: git push --follow-tags")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
