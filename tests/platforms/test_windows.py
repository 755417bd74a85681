"""Windows' Python under wine: real devices through WASAPI, and the packages with their own tests.

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
# Files below tests/ that run in Windows' Python, too.
SHORT = [
    "wavtools/test_pcm",
    "wavtools/test__fine_clock",
    "realtime/test_command_line",
    "realtime/test_relay_upstream",
]
KERNELS = [
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
LONG = [
    *(f"wavtools/test_{name}" for name in KERNELS),
    *(
        f"{folder}/{path.stem}"
        for folder in ("realtime", "console")
        for path in sorted((ROOT / "tests" / folder).glob("test_*.py"))
    ),
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


def test_the_latency_is_what_the_device_holds(server):
    """The periods of the open device, not those that were asked for."""
    result = server.python("""
        import wavtools
        from wavtools import _device

        def told(device, format, read=_device.held_seconds):
            print(held := read(device, format))
            return held

        _device.held_seconds = told
        with wavtools.WavStreamPlayer() as player, wavtools.WavRecorder() as recorder:
            print(player.stats.latency_seconds)
            print(recorder.stats.latency_seconds)
    """)
    played, recorded, *stated = map(float, result.stdout.split())
    assert stated == [played, recorded], result
    assert 0.01 <= played <= 0.1 and 0.01 <= recorded <= 0.1


def test_chunk_times_have_no_steps_of_the_systems_clock(server):
    """Chunks of 1 ms: Windows' own clock gives some 15 of them the same time."""
    result = server.python("""
        import time, wavtools
        times = []
        with wavtools.WavRecorder(48_000) as recorder:
            recorder.record(lambda chunk: times.append(chunk.time), chunk_size=48)
            while len(times) < 1_000:
                time.sleep(0.1)
            now = time.monotonic()
        print(len(set(times)), len(times), now - times[-1] < 1)
    """)
    distinct, total, recent = result.stdout.split()
    assert int(distinct) == int(total) >= 1_000 and recent == "True", result


@pytest.mark.parametrize("name", sorted({*SHORT, *LONG}) if SOAK else SHORT)
def test_the_modules_own_tests_pass(name):
    environment = {**os.environ, "WINEPREFIX": str(WINDOWS / "prefix"), "WINEDEBUG": "-all"}
    command = [
        "wine",
        WINDOWS / "python.exe",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--timeout=240",
    ]
    done = subprocess.run(
        [*command, Path("tests") / f"{name}.py"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    # 5: no test of the file runs here.
    assert done.returncode in (0, 5), done.stdout[-3000:]
