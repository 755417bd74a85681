"""Native devices, on a private PulseAudio server with null sinks."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tests.audio_server import AudioServer, no_server_environment, run_python
from wavtools import WavStreamPlayer, _device

pytestmark = [pytest.mark.audio, pytest.mark.timeout(1200)]

# `make soak` runs the long forms.
SOAK = bool(os.environ.get("WAVTOOLS_SOAK"))
CYCLES = 1000 if SOAK else 20
INTERRUPTS = 200 if SOAK else 20
EXITS = 40 if SOAK else 2


def record_monitor(server: AudioServer, sink: str, path: Path, rate: int) -> subprocess.Popen[bytes]:
    command = ["parec", f"--device={sink}.monitor", "--format=s16le", f"--rate={rate}", "--channels=1"]
    with path.open("wb") as out:
        return subprocess.Popen([*command, "--latency-msec=20"], env=server.env, stdout=out)


def test_devices_are_listed_with_ids_names_rates_and_the_default_first(audio_server):
    result = audio_server.python("""
        import wavtools
        for d in wavtools.WavStreamPlayer.list_devices() + wavtools.WavRecorder.list_devices():
            print(d.id, d.default, *d.sample_rates, *d.channels)
    """)
    assert result.stdout.splitlines() == [
        "speaker True 48000 1",
        "room False 48000 1",
        "room.monitor True 48000 1",
        "speaker.monitor False 48000 1",
    ], result.stderr


def test_every_int16_sample_reaches_the_speaker_once_and_bit_for_bit(audio_server, tmp_path):
    """The server may insert silence; all samples arrive in order and unchanged."""
    heard = tmp_path / "heard.raw"
    recording = record_monitor(audio_server, "speaker", heard, 48_000)
    result = audio_server.python("""
        import time, numpy as np, wavtools
        pcm = np.concatenate([np.arange(1, 32768), np.arange(-32768, 0)]).astype(np.int16)
        player = wavtools.WavStreamPlayer(48_000)
        player.connect()
        player.add_16bit_pcm(pcm, "ramp")
        player.wait_until_idle()
        time.sleep(0.5)
        print(player.get_track_sample_offset().offset, player.stats.frames_played)
    """)
    recording.terminate()
    recording.wait()
    assert result.stdout.split() == ["65535", "65535"], result.stderr
    got = np.fromfile(heard, np.int16)
    np.testing.assert_array_equal(
        got[got != 0], np.concatenate([np.arange(1, 32768), np.arange(-32768, 0)]).astype(np.int16)
    )


def test_every_sample_of_the_microphone_is_recorded_once_and_bit_for_bit(audio_server, tmp_path):
    spoken = np.concatenate([np.arange(1, 32768), np.arange(-32768, 0)]).astype(np.int16)
    (tmp_path / "spoken.raw").write_bytes(spoken.tobytes())
    result = audio_server.python(
        """
        import subprocess, sys, numpy as np, wavtools
        recorder = wavtools.WavRecorder(48_000)
        recorder.begin()
        recorder.record()
        play = ["pacat", "--device=room", "--format=s16le", "--rate=48000", "--channels=1", "--raw", sys.argv[1]]
        subprocess.run(play, check=True)
        wav = recorder.end()
        assert recorder.stats.frames_dropped == 0
        wav.pcm.tofile(sys.argv[2])
        """,
        tmp_path / "spoken.raw",
        tmp_path / "recorded.raw",
    )
    assert result.returncode == 0, result.stderr
    got = np.fromfile(tmp_path / "recorded.raw", np.int16)
    np.testing.assert_array_equal(got[got != 0], spoken)


def test_the_player_is_asked_for_sound_when_the_server_wants_it_and_not_by_the_period(audio_server):
    result = audio_server.python("""
        import time, wavtools
        with wavtools.WavStreamPlayer(24_000) as player, wavtools.WavRecorder(24_000) as recorder:
            time.sleep(0.5)
            before = player.stats.callbacks, recorder.stats.callbacks
            time.sleep(1)
            print(player.stats.callbacks - before[0], recorder.stats.callbacks - before[1])
            print(player.stats.latency_seconds, recorder.stats.latency_seconds)
    """)
    callbacks, latencies = result.stdout.splitlines()
    asked, captured = map(int, callbacks.split())
    # Called once for each playback period, it would be 100. Capture has periods of 5 ms.
    assert asked > 150, result.stdout
    assert captured > 150, result.stdout
    assert latencies == "0.03 0.03"


def test_an_interrupts_offset_is_what_the_monitor_recorded(audio_server, tmp_path):
    """Interrupts at random moments: the monitor recorded exactly the samples that the receipts report."""
    heard = tmp_path / "heard.raw"
    recording = record_monitor(audio_server, "speaker", heard, 48_000)
    result = audio_server.python(
        """
        import random, sys, time, numpy as np, wavtools
        player = wavtools.WavStreamPlayer(48_000)
        player.connect()
        for i in range(int(sys.argv[1])):
            player.add_16bit_pcm(np.arange(1, 24_001, dtype=np.int16), f"t{i}")
            time.sleep(random.uniform(0.05, 0.25))
            print(player.interrupt().offset)
            time.sleep(0.12)
        time.sleep(0.5)
    """,
        INTERRUPTS,
        timeout=300,
    )
    recording.terminate()
    recording.wait()
    offsets = [int(line) for line in result.stdout.split()]
    assert len(offsets) == INTERRUPTS, result.stderr
    got = np.fromfile(heard, np.int16)
    got = got[got != 0]
    expected = [np.arange(1, offset + 1, dtype=np.int16) for offset in offsets]
    np.testing.assert_array_equal(got, np.concatenate(expected))


@pytest.mark.parametrize("wanted", ["speaker", "Null"])
def test_a_device_is_chosen_by_id_and_an_ambiguous_name_is_refused(audio_server, wanted):
    result = audio_server.python(
        """
        import sys, wavtools
        try:
            with wavtools.WavStreamPlayer(device=sys.argv[1]) as player:
                print(player.stats.latency_seconds > 0)
        except wavtools.DeviceError as error:
            print(error)
        """,
        wanted,
    )
    expected = {
        "speaker": "True\n",
        "Null": "'Null' fits 2 output devices ('Null Output' with id 'speaker', "
        "'Null Output' with id 'room')",
    }
    assert result.stdout.startswith(expected[wanted]), result.stderr


def test_a_device_is_chosen_by_its_entry_or_index_and_the_list_prints_as_a_table(audio_server):
    result = audio_server.python(
        """
        import numpy, wavtools
        devices = wavtools.WavStreamPlayer.list_devices()
        print(devices)
        for wanted in (devices[1], 1, numpy.int64(0)):
            with wavtools.WavStreamPlayer(device=wanted) as player:
                print(player.stats.latency_seconds > 0)
        for wanted in (9, -1, 1.0, True, [], b"room"):
            try:
                wavtools.WavStreamPlayer(device=wanted).connect()
            except (wavtools.DeviceError, TypeError) as error:
                print(type(error).__name__, error)
        """
    )
    kinds = "device must be None, an id, a name, an entry or an index of list_devices(), an OfflineDevice, a DuplexDevice"
    kinds += " or a RemoteDevice"
    assert result.stdout.splitlines() == [
        "     name         channels  Hz     id",
        "0 *  Null Output  1         48000  speaker",
        "1    Null Output  1         48000  room",
        "* is the default device of PulseAudio",
        *["True"] * 3,
        "DeviceError there is no device 9; list_devices() has 2",
        "DeviceError there is no device -1; list_devices() has 2",
        *[f"TypeError {kinds}, not {wanted}" for wanted in ("1.0", "True", "[]", "b'room'")],
    ], result.stderr


@pytest.mark.parametrize(
    "offered, channels",
    [
        ((), 1),
        ((1,), 1),
        ((2,), 2),
        ((6,), 6),
        ((32,), 8),
        ((1, 2, 3, 4, 5), 2),
        ((1, 4), 1),
        ((4, 6), 4),
        ((16, 32), 8),
    ],
)
def test_a_recording_has_the_devices_channels_and_at_most_two_where_it_offers_a_choice(offered, channels):
    """ALSA's plugins offer 1 to 5, whatever is behind them."""
    assert _device.default_channels(offered) == channels


def test_an_unknown_device_lists_the_known_ones(audio_server):
    result = audio_server.python("""
        import wavtools
        try:
            wavtools.WavRecorder(device="studio").begin()
        except wavtools.DeviceError as error:
            print(error)
    """)
    assert "no input device is called 'studio'; PulseAudio has: 'Monitor of Null Output'" in result.stdout


def test_without_an_audio_server_the_error_says_what_to_do_and_nothing_else_is_printed(tmp_path):
    result = run_python(
        """
        import wavtools
        for open_device in (wavtools.WavStreamPlayer().connect, wavtools.WavRecorder().begin):
            try:
                open_device()
            except wavtools.DeviceError as error:
                print(error)
        """,
        env=no_server_environment(tmp_path),
    )
    lines = result.stdout.splitlines()
    assert len(lines) == 2, result
    assert all("device='null' or an OfflineDevice" in line for line in lines)
    assert result.stderr == ""
    assert result.returncode == 0


EXIT = {
    "uncaught error": ("raise RuntimeError('user')", 1),
    "sys.exit": ("sys.exit(0)", 0),
    "dropped player": ("del player; gc.collect(); time.sleep(0.1)", 0),
    "SIGINT": (
        # A shell's background job ignores SIGINT unless it sets this handler.
        "signal.signal(signal.SIGINT, signal.default_int_handler); os.kill(os.getpid(), signal.SIGINT); time.sleep(5)",
        -signal.SIGINT,
    ),
    "SIGTERM": ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(5)", -signal.SIGTERM),
}


@pytest.mark.parametrize("how", EXIT)
def test_ending_the_interpreter_while_playing_does_not_crash_or_hang(audio_server, how):
    statement, expected = EXIT[how]
    for i in range(EXITS):
        started = time.monotonic()
        result = audio_server.python(f"""
            import gc, os, random, signal, sys, time, numpy as np, wavtools
            player, recorder = wavtools.WavStreamPlayer(), wavtools.WavRecorder()
            player.connect()
            recorder.begin()
            recorder.record()
            player.add_16bit_pcm(np.ones(240_000, np.int16))
            time.sleep(random.uniform(0, 0.1))
            {statement}
        """)
        assert result.returncode == expected, (i, result.stderr)
        assert time.monotonic() - started < 20


def test_opening_and_closing_leaves_no_descriptor_or_thread_behind(audio_server):
    result = audio_server.python(
        """
        import os, sys, time, wavtools
        def cycle():
            with wavtools.WavStreamPlayer() as player, wavtools.WavRecorder() as recorder:
                recorder.record()
        def count():
            # A thread that has ended is listed for a moment longer.
            time.sleep(0.5)
            return [len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task")), resident()]
        def resident():
            return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
        cycles = int(sys.argv[1])
        for _ in range(max(3, cycles // 10)):
            cycle()
        before = count()
        for _ in range(cycles):
            cycle()
        after = count()
        print(before[:2] == after[:2], (after[2] - before[2]) / cycles)
    """,
        CYCLES,
        timeout=1000,
    )
    flat, kilobytes_per_cycle = result.stdout.split()
    assert flat == "True", result
    # Fewer cycles do not average out what the allocator keeps.
    if CYCLES >= 1000:
        assert float(kilobytes_per_cycle) <= 1


def test_a_device_is_closed_where_no_thread_can_be_started(monkeypatch):
    """CPython 3.12.0 and 3.12.1 start no thread in an atexit handler, and a device that runs on crashes the interpreter."""
    player = WavStreamPlayer(device="null")
    player.connect()
    assert len(_device._open_devices) == 1
    start = threading.Thread.start

    def refuse(thread):
        if thread.name == "wavtools-close":
            raise RuntimeError("can't create new thread at interpreter shutdown")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    callbacks = player.stats.callbacks
    player.disconnect()
    assert not _device._open_devices
    assert player.stats.callbacks - callbacks <= 2
