"""The live meter shows what is recorded or played, stops with it, and needs no notebook."""

from __future__ import annotations

import gc
import importlib.util
import math
import re
import subprocess
import sys

import numpy as np
import pytest

import wavtools
from tests.waiting import until_blocking
from wavtools.notebook import meter

RATE = 24_000
# RMS -9 dBFS, peak -6 dBFS.
TONE = (16_384 * np.sin(2 * np.pi * 600 * np.arange(RATE) / RATE)).astype(np.int16)


@pytest.fixture
def device():
    return wavtools.OfflineDevice(RATE)


def test_the_meter_shows_the_level_and_peak_of_what_is_recorded(device):
    with wavtools.WavRecorder(device=device) as recorder, meter(recorder) as level:
        assert level.level_db == level.peak_db == -math.inf
        device.capture(TONE)
        until_blocking(lambda: level.peak_db > -20)
        until_blocking(lambda: level.level_db == pytest.approx(-9.03, abs=0.1))
        assert level.peak_db == pytest.approx(-6.02, abs=0.01)


def test_the_meter_shows_what_is_played(device):
    with wavtools.WavStreamPlayer(device=device) as player, meter(player) as level:
        player.add_16bit_pcm(TONE)
        device.render(RATE // 2)
        until_blocking(lambda: level.level_db == pytest.approx(-9.03, abs=0.1))
        player.interrupt()
        device.render(RATE)
        until_blocking(lambda: level.level_db < -60)


def test_the_meter_stops_with_the_recorder(device):
    with wavtools.WavRecorder(device=device) as recorder:
        level = meter(recorder)
        assert level.is_running
    until_blocking(lambda: not level.is_running)
    assert "stopped" in repr(level)
    level.stop()


def test_the_meter_stops_with_the_player(device):
    with wavtools.WavStreamPlayer(device=device) as player:
        level = meter(player)
    until_blocking(lambda: not level.is_running)


def test_the_meter_keeps_no_recorder_alive(device):
    recorder = wavtools.WavRecorder(device=device)
    recorder.begin()
    level = meter(recorder)
    del recorder
    until_blocking(lambda: gc.collect() >= 0 and not level.is_running)
    # The device is free again.
    with wavtools.WavRecorder(device=device):
        pass


def test_a_meter_may_be_stopped_twice_and_leaves_the_recorder_alone(device):
    with wavtools.WavRecorder(device=device) as recorder:
        recorder.record()
        with meter(recorder) as level:
            pass
        level.stop()
        device.capture(TONE)
        np.testing.assert_array_equal(recorder.end().pcm, TONE)
        recorder.begin()


def test_what_cannot_be_measured_is_refused(device):
    with pytest.raises(TypeError, match="measures a WavRecorder or a WavStreamPlayer, not WavFile"):
        meter(wavtools.WavPacker.pack(TONE, RATE))
    with pytest.raises(wavtools.StateError, match=r"call .begin\(\) first"):
        meter(wavtools.WavRecorder(device=device))
    with pytest.raises(wavtools.StateError, match=r"call .connect\(\) first"):
        meter(wavtools.WavStreamPlayer(device=device))


def test_the_newest_samples_come_last(device):
    with wavtools.WavRecorder(device=device) as recorder:
        assert not recorder.get_waveform().any()
        device.capture(TONE[:10_000])
        until_blocking(lambda: recorder.get_waveform()[-1])
        until_blocking(
            lambda: np.array_equal(recorder.get_waveform(), TONE[1_808:10_000] / np.float32(32768))
        )
    with wavtools.WavStreamPlayer(device=device) as player:
        player.add_16bit_pcm(TONE)
        device.render(10_000)
        np.testing.assert_array_equal(player.get_waveform(), TONE[1_808:10_000] / np.float32(32768))


def test_an_analyser_gives_back_its_samples():
    analyser = wavtools.spectrum.Analyser(64)
    assert analyser.float_time_domain_data().tolist() == [0.0] * 64
    analyser.push(np.arange(100, dtype=np.float32))
    analyser.push(np.arange(100, 103, dtype=np.float32))
    assert analyser.float_time_domain_data().tolist() == list(range(39, 103))


def test_a_terminal_gets_one_line(device, capsys):
    with wavtools.WavRecorder(device=device) as recorder, meter(recorder, line=True) as level:
        device.capture(TONE)
        until_blocking(lambda: level.peak_db > -20)
        level.stop()
        shown = capsys.readouterr().err
    assert shown.count("\n") == 1 and shown.endswith("\n")
    last = shown[:-1].split("\r")[-1]
    assert re.fullmatch(r"\[[#|-]{40}\] +(-inf|-[\d.]+) dBFS, peak +-6.0 ", last), last
    # -6 dB of -60: nine tenths.
    assert last.index("|") == 36


def test_nothing_is_drawn_where_there_is_no_terminal():
    code = """
import wavtools
with wavtools.WavStreamPlayer(device=wavtools.OfflineDevice(24_000)) as player:
    with wavtools.notebook.meter(player) as level:
        print(level)
import sys
print("IPython" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "<LiveMeter -inf dBFS, peak -inf dBFS>\nFalse\n"
    assert done.stderr == ""


def test_a_meter_whose_terminal_is_gone_still_measures():
    code = """
import os, sys, threading, time, numpy, wavtools
threading.excepthook = lambda info: print("on a thread:", info)
device = wavtools.OfflineDevice(24_000)
with wavtools.WavStreamPlayer(device=device) as player:
    reader, writer = os.pipe()
    sys.stderr = os.fdopen(writer, "w")
    level = wavtools.notebook.meter(player, line=True)
    os.close(reader)
    time.sleep(0.2)
    player.add_16bit_pcm(numpy.full(9_000, 16_384, "int16"))
    device.render(9_000)
    while level.peak_db < -10:
        time.sleep(0.01)
    print(level.is_running)
    level.stop()
sys.stdout.flush()
os._exit(0)
"""
    # Pieces of the line that were never written are given up.
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "True\n")


@pytest.mark.skipif(importlib.util.find_spec("IPython") is None, reason="IPython is not installed")
def test_a_notebook_shows_a_bar_that_moves():
    code = """
import numpy as np
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config
settings = Config()
settings.HistoryManager.enabled = False
shell = InteractiveShell.instance(config=settings)
with capture_output() as captured:
    shell.run_cell('''
import time, wavtools, numpy
device = wavtools.OfflineDevice(24_000)
recorder = wavtools.WavRecorder(device=device)
recorder.begin()
level = wavtools.notebook.meter(recorder)
level
''')
    shell.run_cell('''
device.capture(numpy.full(4_000, 16_384, "int16"))
while level.peak_db < -10:
    time.sleep(0.01)
recorder.end()
while level.is_running:
    time.sleep(0.01)
level.stop()
''')
shown = [one.data["text/html"] for one in captured.outputs if "text/html" in one.data]
print(shown[0], shown[-1], sep="\\n")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    first, last = done.stdout.splitlines()[-2:]
    assert (
        first.startswith('<div role="meter"') and 'aria-valuenow="-60.0"' in first and "stopped" not in first
    )
    assert "peak -6.0 dBFS, stopped" in last and "left:90.0%" in last
