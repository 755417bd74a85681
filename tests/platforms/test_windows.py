"""Windows' Python under wine: real devices through WASAPI, and the compiled modules with their own tests.

The audio server is PulseAudio on Linux; wine's driver plays into it and records from it. WAVTOOLS_SOAK=1 runs more of it.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests import early
from tests.platforms.servers import hear_a_ramp_and_interrupts, survive_kills
from tests.platforms.wine_server import ROOT, WINDOWS, WineServer, build_windows_python

pytestmark = [pytest.mark.audio, pytest.mark.timeout(600), pytest.mark.early.with_args(build_windows_python)]

SOAK = bool(os.environ.get("WAVTOOLS_SOAK"))
INTERRUPTS = 20
KILLS = 5 if SOAK else 2
RAMP = np.concatenate([np.arange(1, 32768), np.arange(-32768, 0)]).astype(np.int16)
SHORT = ["pcm"]
LONG = [
    *SHORT,
    "ring",
    "wav",
    "resample",
    "spectrum",
    "analysis",
    "bands",
    "player",
    "recorder",
    "duplex_device",
    "load",
]


@pytest.fixture(scope="module", autouse=True)
def _windows() -> None:
    early.result(build_windows_python)


@pytest.fixture
def server(tmp_path):
    server = WineServer(tmp_path)
    yield server
    server.stop()


def test_devices_are_listed_with_readable_ids(server):
    result = server.python("""
        import wavtools
        for info in wavtools.WavStreamPlayer.list_devices():
            print(info.default, info.id)
    """)
    lines = result.stdout.splitlines()
    assert lines[0].startswith("True {0.0.0.00000000}.{"), result
    assert all(line.startswith("False {0.0.0.00000000}.{") for line in lines[1:])


def test_every_int16_sample_and_every_interrupt_is_heard_bit_for_bit(server, tmp_path):
    hear_a_ramp_and_interrupts(server, tmp_path / "heard.raw", INTERRUPTS)


def test_a_recording_is_exact(server):
    result = server.python("""
        import wavtools
        wav = wavtools.record(1.0, sample_rate=48_000)
        print(len(wav.pcm), wav.channel_count)
    """)
    assert result.stdout.split() == ["48000", "1"], result


def test_a_killed_server_is_survived_again_and_again(server):
    survive_kills(server, KILLS)


def test_a_failed_connect_leaves_the_callers_apartment_as_it_was(server):
    """Window toolkits live in a single-threaded apartment; losing it would break them."""
    result = server.python("""
        import ctypes, gc, wavtools
        ole32 = ctypes.WinDLL("ole32")
        ole32.CoInitializeEx(None, 2)

        def apartment():
            kind, qualifier = ctypes.c_int(-1), ctypes.c_int(-1)
            return ole32.CoGetApartmentType(ctypes.byref(kind), ctypes.byref(qualifier)), kind.value

        before = apartment()
        try:
            wavtools.WavStreamPlayer(device="nobody").connect()
        except wavtools.DeviceError as error:
            print("no output device is called 'nobody'" in str(error))
        gc.collect()
        with wavtools.WavStreamPlayer() as player, wavtools.WavRecorder() as recorder:
            recorder.record()
        wavtools.WavRecorder.list_devices()
        print(apartment() == before, before[0])
    """)
    assert result.stdout.split() == ["True", "True", "0"], result


@pytest.mark.parametrize("name", LONG if SOAK else SHORT)
def test_the_modules_own_tests_pass(name):
    environment = {**os.environ, "WINEPREFIX": str(WINDOWS / "prefix"), "WINEDEBUG": "-all"}
    command = ["wine", WINDOWS / "python.exe", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, Path("tests/wavtools") / f"test_{name}.py"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
