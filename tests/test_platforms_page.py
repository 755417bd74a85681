"""docs/platforms.md says what the records say; the wheels that are configured are what pyproject.toml claims."""

from __future__ import annotations

import datetime
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.platforms.records import SYSTEMS, version_of
from tools import platforms_page

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WHEELS = PROJECT["tool"]["cibuildwheel"]
CLASSIFIERS = PROJECT["project"]["classifiers"]
VERSIONS = re.findall(r"Python :: (3\.\d+)", "\n".join(CLASSIFIERS))
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))


def test_the_page_says_what_the_records_say():
    text = platforms_page.PAGE.read_text(encoding="utf-8")
    assert text == platforms_page.page(text, platforms_page.load()), "run tools/platforms_page.py"


@pytest.mark.parametrize("file", sorted(platforms_page.RECORDS.glob("*.json")), ids=lambda file: file.stem)
def test_a_record_names_its_test_its_date_and_what_was_seen(file):
    record = json.loads(file.read_text(encoding="utf-8"))
    assert datetime.date.fromisoformat(record["date"]) >= datetime.date(2026, 1, 1)
    assert record["system"] and platforms_page.seen(record)
    if record["how"] == "by hand":
        return
    source = ROOT / record["how"]
    if "passed" in record:
        assert record["system"] == SYSTEMS[source.stem][0]
    names = {name for outcome in ("passed", "failed", "skipped") for name in record.get(outcome, {})}
    missing = {name for name in names if f"def {name}(" not in source.read_text(encoding="utf-8")}
    assert not missing, "the tests changed: run make platforms"


def test_every_module_of_the_platform_tests_is_a_system():
    modules = {file.stem for file in (ROOT / "tests" / "platforms").glob("test_*.py")}
    assert modules == set(SYSTEMS)


def test_a_failure_and_a_skip_are_told_on_the_page():
    record = {
        "system": "S|T",
        "versions": {"a": "1"},
        "how": "tests/x.py",
        "form": "short",
        "date": "2026-01-02",
    }
    record |= {
        "passed": {"test_a_b": ["one", "two"]},
        "failed": {"test_c": [""]},
        "skipped": {"test_d": [""]},
    }
    line = platforms_page.row({**record, "figures": {"lateness, ms": "0.4"}})
    assert line == (
        "| S/T | a 1 | `tests/x.py`, short form | 2026-01-02 "
        "| a b (one, two). **failed**: c. not run: d. lateness, ms 0.4 |\n"
    )


MODULE = """
import pytest
def test_one(record_property):
    record_property("lateness, ms", 0.4)
@pytest.mark.parametrize("case", ["a", "b"])
def test_two(case):
    assert case == "a"
def test_three():
    pytest.skip("no server")
"""


@pytest.mark.parametrize("chosen, written", [("test_jack.py", True), ("test_jack.py::test_one", False)])
def test_a_whole_run_of_a_module_writes_its_record(tmp_path, chosen, written):
    (tmp_path / "test_jack.py").write_text(MODULE)
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "platforms" / "conftest.py").read_text())
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "WAVTOOLS_RECORDS": str(tmp_path / "records")}
    environment.pop("WAVTOOLS_SOAK", None)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        f"--rootdir={tmp_path}",
        chosen,
    ]
    subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True)
    file = tmp_path / "records" / "jack.json"
    assert file.exists() == written
    if written:
        record = json.loads(file.read_text())
        assert record["passed"] == {"test_one": [""], "test_two": ["a"]}
        assert (record["failed"], record["skipped"]) == ({"test_two": ["b"]}, {"test_three": [""]})
        assert (record["figures"], record["form"]) == ({"lateness, ms": "0.4"}, "short")


def test_versions_of_packages_that_are_missing_are_left_out():
    assert version_of("pytest")
    assert version_of("no-such-package-anywhere") == ""


def test_wheels_are_built_for_every_python_that_the_classifiers_name():
    names = {f"cp{version.replace('.', '')}-*" for version in VERSIONS}
    free = any(one.startswith("Programming Language :: Python :: Free Threading") for one in CLASSIFIERS)
    assert set(WHEELS["build"]) == names | ({"cp314t-*"} if free else set())
    assert VERSIONS[0] == PROJECT["project"]["requires-python"].removeprefix(">=")


def test_wheels_are_built_for_every_system_that_the_classifiers_name():
    named = {one.rpartition(" :: ")[2] for one in CLASSIFIERS if one.startswith("Operating")}
    assert named == {"Linux", "MacOS", "Windows"}
    runners = WORKFLOW["jobs"]["wheels"]["strategy"]["matrix"]["os"]
    assert {one.partition("-")[0] for one in runners} == {"ubuntu", "macos", "windows"}
    # One machine for each processor: CIBW_ARCHS is auto64 there.
    processors = [WHEELS[system]["archs"] for system in ("linux", "macos", "windows")]
    assert sum(map(len, processors)) == len(runners)
    assert ("ubuntu-24.04-arm" in runners, "windows-11-arm" in runners) == (True, "ARM64" in processors[2])


def test_musl_is_built_and_only_what_numpy_has_no_wheels_for_is_left_out():
    """musllinux is built because nothing skips it."""
    assert WHEELS["skip"] == ["*-win32", "cp310-win_arm64"]
    for kind in ("manylinux", "musllinux"):
        for processor in WHEELS["linux"]["archs"]:
            assert WHEELS["linux"][f"{kind}-{processor}-image"].startswith(kind)


def test_every_wheel_is_tested_and_none_is_published_untested():
    assert WHEELS["test-command"].endswith("tools/check_installed.py")
    assert WHEELS["test-extras"] == ["test"]
    assert set(WORKFLOW["jobs"]["publish"]["needs"]) == set(WORKFLOW["jobs"]) - {"publish"}
    # Each interpreter that is free-threaded here is tested there, too.
    steps = WORKFLOW["jobs"]["free-threaded"]["steps"]
    assert [one["with"]["python-version"] for one in steps if "with" in one] == ["3.14t"]
