"""The whole package on arm64 Linux: Debian's Python under qemu, our modules and miniaudio from the cross compiler.

`make platforms` runs this; it takes some minutes.
"""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from tests.conftest import require_program
from tests.platforms.debian_pythons import folder_of, output_of, run_tests

pytestmark = [
    pytest.mark.timeout(3600),
    pytest.mark.skipif(
        platform.machine() == "aarch64", reason="the other tests run on this processor already"
    ),
]
MODULES = [
    "pcm",
    "ring",
    "wav",
    "spectrum",
    "levels",
    "loudness",
    "resample",
    "stft",
    "gain",
    "voice_activity",
]
MODULES += ["encodings", "analysis", "player", "recorder"]
# Slowness is no fault there.
SLOW = ["-o", "timeout=1800", "-p", "tests.platforms.slow_machine"]


@pytest.fixture(scope="module")
def folder() -> Path:
    require_program("qemu-aarch64", "qemu-user")
    require_program("aarch64-linux-gnu-g++", "g++-aarch64-linux-gnu")
    return folder_of("trixie", "3.13", "arm64")


def test_the_package_is_built_and_imported(folder):
    code = "import platform, wavtools, realtime.client; print(platform.machine(), platform.python_version())"
    machine, version = output_of(folder, code).split()
    assert machine == "aarch64" and version.startswith("3.13.")


def test_the_null_device_plays_and_records(folder):
    code = """
import numpy as np, wavtools
with wavtools.WavStreamPlayer(24_000, device="null") as player:
    player.add_16bit_pcm(np.arange(12_000, dtype=np.int16))
    player.wait_until_idle()
    print(player.get_track_sample_offset().offset)
with wavtools.WavRecorder(24_000, device="null") as recorder:
    recorder.record()
    print(recorder.get_status())
"""
    offset, status = output_of(folder, code).split()
    assert (offset, status) == ("12000", "recording")


@pytest.mark.parametrize("module", MODULES)
def test_the_modules_own_tests_pass(folder, module, record_property):
    record_property(module, run_tests(folder, f"tests/wavtools/test_{module}.py", *SLOW))
