"""PulseAudio devices of every sample format, and devices that do not open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.audio_server import AudioServer

pytestmark = [pytest.mark.audio, pytest.mark.timeout(120)]

# Those that hold an int16 sample exactly. Of the others, the largest step between neighbouring levels.
EXACT = ["s16be", "s24le", "s24be", "s24-32le", "s24-32be", "s32le", "s32be", "float32le", "float32be"]
COARSE = {"u8": 256, "ulaw": 1024, "alaw": 1024}

PROGRAM = """
    import subprocess, sys, time
    from pathlib import Path
    import numpy as np, wavtools
    folder, sinks = Path(sys.argv[1]), sys.argv[2:]
    spec = ["--format=s16le", "--rate=48000", "--channels=1", "--raw", "--latency-msec=20"]

    for sink in sinks:
        with (folder / "heard").open("wb") as out:
            parec = subprocess.Popen(["parec", f"--device={sink}.monitor", *spec], stdout=out)
        while not (folder / "heard").stat().st_size:
            time.sleep(0.01)
        with wavtools.WavStreamPlayer(48_000, device=sink) as player:
            player.add_16bit_pcm(np.fromfile(folder / "ramp", np.int16))
            player.wait_until_idle()
            time.sleep(0.2)
        parec.terminate()
        parec.wait()
        (folder / "heard").rename(folder / f"{sink}.played")
        with wavtools.WavRecorder(48_000, device=f"{sink}.monitor") as recorder:
            recorder.record()
            subprocess.run(["pacat", f"--device={sink}", *spec, folder / "ramp"], check=True)
            recorder.end().pcm.tofile(folder / f"{sink}.recorded")
"""


def ramp(smallest: int = 1) -> np.ndarray:
    """Every fifth int16 value, and the extremes; none below *smallest*, so that silence can be told from it."""
    values = np.concatenate([[32_767], np.arange(1, 32_768, 5), np.arange(-32_768, 0, 5), [-1]])
    return values[np.abs(values) >= smallest].astype(np.int16)


def add_sink(server: AudioServer, name: str, format: str, channels: int = 1, rate: int = 48_000) -> None:
    options = {"sink_name": name, "format": format, "rate": rate, "channels": channels, "norewinds": 1}
    server.pactl("load-module", "module-null-sink", *(f"{key}={value}" for key, value in options.items()))


def through(
    server: AudioServer, folder: Path, sinks: list[str], played: np.ndarray
) -> list[tuple[str, np.ndarray]]:
    """Play into each sink with a player, and record it with a recorder: all that was heard."""
    played.tofile(folder / "ramp")
    result = server.python(PROGRAM, folder, *sinks, timeout=100)
    assert result.returncode == 0, result.stderr
    names = [f"{sink}.{way}" for sink in sinks for way in ("played", "recorded")]
    return [(name, np.fromfile(folder / name, np.int16)) for name in names]


def test_devices_of_every_exact_format_play_and_record_int16_bit_for_bit(audio_server, tmp_path):
    for format in EXACT:
        add_sink(audio_server, format, format)
    for name, heard in through(audio_server, tmp_path, EXACT, ramp()):
        # The server may insert silence.
        np.testing.assert_array_equal(heard[heard != 0], ramp(), name)


def test_devices_of_every_coarse_format_play_and_record_what_the_format_holds(audio_server, tmp_path):
    for format in COARSE:
        add_sink(audio_server, format, format)
    played = ramp(2_048)
    for name, heard in through(audio_server, tmp_path, list(COARSE), played):
        heard = heard[np.abs(heard.astype(int)) >= 1_024].astype(int)
        assert len(heard) == len(played), name
        assert np.abs(heard - played).max() <= COARSE[name.split(".")[0]], name


def test_an_odd_format_is_played_at_the_devices_own_rate_in_stereo_and_by_default(audio_server):
    add_sink(audio_server, "odd", "s24-32le", channels=2, rate=44_100)
    audio_server.pactl("set-default-sink", "odd")
    audio_server.pactl("set-default-source", "odd.monitor")
    result = audio_server.python("""
        import time, numpy as np, wavtools
        from wavtools import DuplexDevice
        for output, input in ((None, None), ("odd", "odd.monitor")):
            with (
                wavtools.WavStreamPlayer(24_000, device=output) as player,
                wavtools.WavRecorder(24_000, device=input) as recorder,
            ):
                recorder.record()
                time.sleep(0.1)
                player.add_16bit_pcm(np.full(4_800, 10_000, np.int16))
                player.wait_until_idle()
                time.sleep(0.2)
                wav = recorder.end()
                print(wav.pcm.shape[1], int(np.median(wav.pcm[np.abs(wav.pcm) > 5_000])))
        both = DuplexDevice("odd.monitor", "odd")
        with wavtools.WavStreamPlayer(24_000, device=both) as player, wavtools.WavRecorder(24_000, device=both):
            player.add_16bit_pcm(np.full(480, 10_000, np.int16))
            print(player.wait_until_idle(5))
    """)
    assert result.stdout.splitlines() == ["2 10000", "2 10000", "True"], result


def test_devices_that_do_not_open_leave_no_connection_behind(audio_server):
    """The server takes 64 connections."""
    result = audio_server.python("""
        import os
        from wavtools._context import connect_server
        from wavtools._miniaudio import BACKENDS, ffi, lib
        from wavtools._pulse_init import init_pulse_device
        context = connect_server(BACKENDS)
        for kind in (lib.ma_device_type_playback, lib.ma_device_type_capture):
            config = lib.ma_device_config_init(kind)
            nobody = ffi.new("ma_device_id *")
            ffi.buffer(nobody)[:7] = b"nobody\\0"
            config.playback.channels = config.capture.channels = 1
            config.sampleRate = 48_000
            config.playback.pDeviceID = config.capture.pDeviceID = nobody
            open_files = []
            for _ in range(100):
                device = ffi.new("ma_device *")
                assert init_pulse_device(context.pointer, ffi.addressof(config), device) != lib.MA_SUCCESS
                open_files.append(len(os.listdir("/proc/self/fd")))
            print(open_files[-1] - open_files[0])
        context.close()
    """)
    assert result.stdout.split() == ["0", "0"], result
