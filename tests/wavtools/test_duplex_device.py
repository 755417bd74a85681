"""DuplexDevice: what was played is aligned with what was captured, to the sample."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from wavtools import DuplexDevice, OfflineDevice, StateError, WavRecorder, WavStreamPlayer
from wavtools.resample import resample

RATE = 24_000


def ramp(count: int, start: int = 1) -> np.ndarray:
    return np.arange(start, start + count, dtype=np.int16)


@pytest.mark.parametrize("channels", [1, 2])
def test_what_was_played_lies_beside_what_was_heard_to_the_sample(channels):
    """Underruns, an interrupt and a pause: the reference is what came out of the speaker at the same frames."""
    device = OfflineDevice(RATE, channels, duplex=True)
    player, recorder = WavStreamPlayer(RATE, device=device), WavRecorder(RATE, device=device)
    player.connect()
    recorder.begin()
    chunks, spoken, heard = [], [], []
    recorder.record(chunks.append, chunk_size=333)
    for i, action in enumerate(["play", "", "", "play", "interrupt", "", "play", ""]):
        if action == "play":
            player.add_16bit_pcm(ramp(700, 1000 * i + 1), f"t{i}")
        elif action == "interrupt":
            player.interrupt()
        microphone = ramp(500, 500 * i + 1)
        spoken.append(microphone)
        out = device.exchange(microphone)
        heard.append(out if channels == 1 else out[:, 0])
    recorder.end()
    player.disconnect()
    np.testing.assert_array_equal(np.concatenate([c.mono for c in chunks]), np.concatenate(spoken))
    np.testing.assert_array_equal(np.concatenate([c.played for c in chunks]), np.concatenate(heard))
    assert np.concatenate(heard).any()
    assert chunks[0].raw.shape == ((333,) if channels == 1 else (333, 2))


def test_the_reference_is_resampled_with_the_microphone():
    device = OfflineDevice(48_000, duplex=True)
    player, recorder = WavStreamPlayer(RATE, device=device), WavRecorder(RATE, device=device)
    player.connect()
    recorder.begin()
    chunks = []
    recorder.record(chunks.append)
    tone = (np.sin(np.arange(4_800) * 0.1) * 8_000).astype(np.int16)
    player.add_16bit_pcm(tone)
    speaker = device.exchange(np.zeros(9_600, np.int16))
    recorder.end()
    player.disconnect()
    played = np.concatenate([c.played for c in chunks])
    np.testing.assert_allclose(played.astype(int), resample(speaker, 48_000, RATE), atol=1)


def test_the_stored_file_has_the_microphone_only():
    device = OfflineDevice(RATE, duplex=True)
    with WavRecorder(RATE, device=device) as recorder:
        recorder.record()
        device.exchange(ramp(100))
        wav = recorder.end()
    assert wav.channel_count == 1
    np.testing.assert_array_equal(wav.pcm.reshape(-1), ramp(100))


def test_the_two_kinds_of_offline_device_name_the_call_to_use():
    with pytest.raises(StateError, match="duplex=True"):
        OfflineDevice().exchange(ramp(1))
    with pytest.raises(StateError, match=r"\.exchange\(\)"):
        OfflineDevice(duplex=True).render(1)
    with pytest.raises(StateError, match=r"\.exchange\(\)"):
        OfflineDevice(duplex=True).capture(ramp(1))


def test_recorder_and_player_come_and_go_on_one_running_device():
    device = DuplexDevice("null", "null")
    recorder, player = WavRecorder(RATE, device=device), WavStreamPlayer(RATE, device=device)
    recorder.begin()
    chunks = []
    recorder.record(chunks.append, chunk_size=240)
    player.connect()
    player.add_16bit_pcm(np.full(2_400, 5_000, np.int16))
    assert player.wait_until_idle(10)
    player.disconnect()
    player.connect()
    player.add_16bit_pcm(np.full(2_400, -5_000, np.int16))
    assert player.wait_until_idle(10)
    threading.Event().wait(0.1)
    recorder.end()
    player.disconnect()
    played = np.concatenate([chunk.played for chunk in chunks])
    # The null clock runs at 48 kHz, so edges ring; the steady parts are exact.
    assert abs(int(played.max()) - 5_000) < 800
    assert abs(int(played.min()) + 5_000) < 800
    assert (played > 4_000).sum() == pytest.approx(2_400, abs=60)
    assert (played < -4_000).sum() == pytest.approx(2_400, abs=60)


def test_one_recorder_and_one_player_and_no_more():
    device = DuplexDevice("null", "null")
    with WavRecorder(device=device), pytest.raises(StateError, match=r"\.end\(\)"):
        WavRecorder(device=device).begin()
    with WavStreamPlayer(device=device), pytest.raises(StateError, match=r"\.disconnect\(\)"):
        WavStreamPlayer(device=device).connect()
    with WavStreamPlayer(device=device):
        pass


def test_a_clock_for_one_half_only_is_refused():
    with pytest.raises(ValueError, match="both or none"):
        DuplexDevice(input="null")


@pytest.mark.audio
def test_a_duplex_device_on_a_real_server_hears_what_it_plays(audio_server):
    """The speaker's own monitor as microphone: the reference and the recording hold the same samples, in order."""
    result = audio_server.python("""
        import time, numpy as np, wavtools
        device = wavtools.DuplexDevice(input="speaker.monitor", output="speaker")
        player = wavtools.WavStreamPlayer(48_000, device=device)
        recorder = wavtools.WavRecorder(48_000, device=device)
        chunks = []
        recorder.begin(); player.connect(); recorder.record(chunks.append, chunk_size=480)
        time.sleep(0.3)
        player.add_16bit_pcm(np.arange(1, 24_001, dtype=np.int16))
        player.wait_until_idle()
        time.sleep(0.7)
        recorder.end(); player.disconnect()
        played = np.concatenate([c.played for c in chunks]); heard = np.concatenate([c.mono for c in chunks])
        print(np.array_equal(played[played != 0], np.arange(1, 24_001)), (heard != 0).sum() >= 23_000)
        delay = np.flatnonzero(heard == 12_000)[0] - np.flatnonzero(played == 12_000)[0]
        print(0 < delay < 48_000)
    """)
    assert result.stdout.split() == ["True", "True", "True"], result


SLIP = """
import sys, threading
from wavtools import DuplexDevice, WavRecorder, WavStreamPlayer

slipped = threading.Event()

def tell(event):
    if event.kind == "slipped":
        slipped.set()

device = DuplexDevice("null", "null")
with WavStreamPlayer(24_000, device=device) as player:
    with WavRecorder(24_000, device=device, reference=player, on_event=tell) as recorder:
        recorder.record(lambda chunk: None)
        print("ready", flush=True)
        print(slipped.wait(20), recorder.echo.slips > 0, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be stopped and continued there")
def test_a_late_callback_of_a_duplex_device_is_told_as_slipped() -> None:
    with subprocess.Popen([sys.executable, "-c", SLIP], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for _ in range(3):
            # Both halves run once the device has called a few times.
            time.sleep(0.3)
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.2)
            process.send_signal(signal.SIGCONT)
        assert process.stdout.readline().split() == ["True", "True"]
