"""The files that a wheel installs. Runs only when tools/check_installed.py tests a wheel."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import wavtools

pytestmark = pytest.mark.skipif(
    not os.environ.get("WAVTOOLS_INSTALLED"), reason="tests an installed wheel; say: make wheels"
)

EXTENSIONS = (
    "_encodings",
    "_callbacks",
    "_states",
    "echo_native",
    "gain",
    "levels",
    "loudness",
    "pcm",
    "resample",
    "ring",
    "spectrum",
    "stft",
    "voice_activity",
)
SITE = Path(sysconfig.get_path("platlib"))


def installed() -> list[str]:
    """Paths of the files that came with the wheel, apart from compiled Python."""
    files = importlib.metadata.files("wavtools") or []
    return [file.as_posix() for file in files if file.suffix != ".pyc"]


def test_the_package_under_test_is_the_installed_one():
    assert Path(wavtools.__file__).resolve().is_relative_to(SITE.resolve())
    assert importlib.metadata.version("wavtools") == wavtools.__version__


def test_the_kernels_are_compiled():
    for name in EXTENSIONS:
        module = __import__(f"wavtools.{name}", fromlist=["__file__"])
        assert Path(module.__file__).suffix in (".so", ".pyd")


def test_nothing_else_is_installed_beside_the_three_packages():
    folders = {name.split("/")[0] for name in installed() if not name.startswith("../")}
    assert {name for name in folders if not name.endswith(".dist-info")} == {
        "wavtools",
        "realtime",
        "realtime_console",
    }


def test_sources_of_the_kernels_and_tests_stay_in_the_sdist():
    assert [name for name in installed() if name.endswith((".pyx", ".c", ".inc")) or "test" in name] == []


@pytest.mark.parametrize(
    "name",
    [
        "wavtools/py.typed",
        "realtime/py.typed",
        "wavtools/__init__.pxd",
        "wavtools/_native/spsc.h",
        "realtime/offline/models/hello.wav",
        "realtime_console/land.bin",
        "realtime_console/screen/screen.tcss",
        *[f"wavtools/{extension}.pyi" for extension in EXTENSIONS],
        # No module cimports these.
        *[
            f"wavtools/{extension}.pxd"
            for extension in EXTENSIONS
            if extension not in ("_callbacks", "_encodings")
        ],
    ],
)
def test_what_users_types_and_extensions_need_is_there(name):
    assert name in installed()
    assert (SITE / name).is_file()


def test_the_headers_are_where_get_include_says():
    assert (Path(wavtools.get_include()) / "spsc.h").is_file()
    assert SITE.resolve() in Path(wavtools.get_include()).resolve().parents


def test_an_example_records_resamples_and_writes_a_file(tmp_path):
    program = Path(__file__).parents[1] / "examples" / "record_offline.py"
    done = subprocess.run(
        [sys.executable, str(program), "tone.wav"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    tone = wavtools.read_wav(tmp_path / "tone.wav")
    assert (tone.sample_rate, len(tone.pcm)) == (16_000, 16_000)
    assert abs(int(abs(tone.pcm[1_000:-1_000]).max()) - 16_000) < 20
