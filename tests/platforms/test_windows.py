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
from tests.platforms.wine_server import ROOT, WINDOWS, WineServer, build_windows_python
from tests.wavtools.test__device import record_monitor

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


def test_every_int16_sample_reaches_the_speaker_once_and_bit_for_bit(server, tmp_path):
    heard = tmp_path / "heard.raw"
    recording = record_monitor(server, "speaker", heard, 48_000)
    result = server.python("""
        import time, numpy as np, wavtools
        pcm = np.concatenate([np.arange(1, 32768), np.arange(-32768, 0)]).astype(np.int16)
        with wavtools.WavStreamPlayer(48_000) as player:
            player.add_16bit_pcm(pcm, "ramp")
            player.wait_until_idle()
            time.sleep(0.5)
            print(player.get_track_sample_offset().offset, player.stats.underruns)
    """)
    recording.terminate()
    recording.wait()
    assert result.stdout.split() == ["65535", "0"], result
    got = np.fromfile(heard, np.int16)
    np.testing.assert_array_equal(got[got != 0], RAMP)


def test_an_interrupts_offset_is_what_the_monitor_recorded(server, tmp_path):
    heard = tmp_path / "heard.raw"
    recording = record_monitor(server, "speaker", heard, 48_000)
    result = server.python(
        """
        import random, sys, time, numpy as np, wavtools
        with wavtools.WavStreamPlayer(48_000) as player:
            for i in range(int(sys.argv[1])):
                player.add_16bit_pcm(np.arange(1, 24_001, dtype=np.int16), f"t{i}")
                time.sleep(random.uniform(0.05, 0.25))
                print(player.interrupt().offset)
                time.sleep(0.12)
            time.sleep(0.5)
        """,
        INTERRUPTS,
    )
    recording.terminate()
    recording.wait()
    offsets = [int(line) for line in result.stdout.split()]
    assert len(offsets) == INTERRUPTS, result
    got = np.fromfile(heard, np.int16)
    expected = [np.arange(1, offset + 1, dtype=np.int16) for offset in offsets]
    np.testing.assert_array_equal(got[got != 0], np.concatenate(expected))


def test_a_recording_is_exact(server):
    result = server.python("""
        import wavtools
        wav = wavtools.record(1.0, sample_rate=48_000)
        print(len(wav.pcm), wav.channel_count)
    """)
    assert result.stdout.split() == ["48000", "1"], result


def test_a_killed_server_is_survived_again_and_again(server):
    program = server.popen("""
        import sys, time, numpy as np, wavtools
        events = []
        player = wavtools.WavStreamPlayer(24_000, on_event=lambda event: print(event.kind))
        player.connect()
        player.add_16bit_pcm(np.ones(24_000 * 120, np.int16))
        print("playing")
        sys.stdin.readline()
        receipt = player.get_track_sample_offset()
        print(receipt.offset + receipt.queued)
        player.disconnect()
    """)
    assert program.stdout.readline().strip() == "playing"
    for _ in range(KILLS):
        server.kill()
        assert program.stdout.readline().strip() == "lost"
        server.start()
        assert program.stdout.readline().strip() == "restored"
    rest, _ = program.communicate("\n", timeout=30)
    assert rest.split() == [str(24_000 * 120)]
    assert program.returncode == 0


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
