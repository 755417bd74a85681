"""The verbs that need devices, as processes against a real PulseAudio server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import wavtools
from tests.audio_server import AudioServer

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="needs PulseAudio"),
    pytest.mark.audio,
]


@pytest.fixture
def server(tmp_path):
    server = AudioServer(tmp_path)
    yield server
    server.stop()


def start(server: AudioServer, *arguments: object) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "wavtools", *map(str, arguments)]
    return subprocess.Popen(line, env=server.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(server: AudioServer, *arguments: object, status: int = 0, timeout: float = 60) -> str:
    process = start(server, *arguments)
    out, err = process.communicate(timeout=timeout)
    assert process.returncode == status, err
    return out


def test_devices_are_a_table_and_json(server):
    table = run(server, "devices")
    assert "microphones" in table and "speakers" in table and "speaker" in table
    lists = json.loads(run(server, "devices", "--json"))
    assert {info["id"] for info in lists["speakers"]} == {"speaker", "room"}


def test_what_is_played_is_recorded(server, tmp_path):
    tone = (8_000 * np.sin(2 * np.pi * 440 * np.arange(72_000) / 48_000)).astype(np.int16)
    wavtools.save(tmp_path / "tone.wav", tone, 48_000)
    recording = start(
        server, "record", tmp_path / "heard.wav", "--seconds", "2", "--device", "speaker.monitor"
    )
    time.sleep(0.7)
    run(server, "play", tmp_path / "tone.wav")
    out, err = recording.communicate(timeout=30)
    assert recording.returncode == 0, err
    assert "2.00 s, 48000 Hz" in out
    heard = wavtools.load(tmp_path / "heard.wav", "int16").pcm
    assert len(heard) == 96_000
    assert np.abs(heard).max() == 8_000


def test_ctrl_c_is_the_way_to_end_a_recording(server, tmp_path):
    recording = start(server, "record", tmp_path / "heard.wav")
    deadline = time.monotonic() + 20
    while not (tmp_path / "heard.wav").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    recording.send_signal(signal.SIGINT)
    out, err = recording.communicate(timeout=30)
    assert (recording.returncode, err) == (0, "")
    assert out.startswith(str(tmp_path / "heard.wav"))
    assert wavtools.info(tmp_path / "heard.wav").frames > 0


def test_a_recording_ends_after_speech(server, tmp_path):
    noise = np.random.default_rng(0).normal(0, 6_000, 48_000).clip(-32_000, 32_000).astype(np.int16)
    wavtools.save(tmp_path / "noise.wav", noise, 48_000)
    recording = start(server, "record", tmp_path / "heard.wav", "--until-silence", "0.5")
    time.sleep(1.0)
    run(server, "play", tmp_path / "noise.wav", "--device", "room")
    assert recording.wait(30) == 0
    recording.communicate()
    assert 1.0 < wavtools.info(tmp_path / "heard.wav").duration < 10


def test_recording_into_a_folder_that_is_missing_is_told(server, tmp_path):
    process = start(server, "record", tmp_path / "none" / "a.wav", "--seconds", "1")
    _, err = process.communicate(timeout=30)
    assert process.returncode == 2 and "no such folder" in err and err.count("\n") == 1


def test_the_meter_says_the_level(server):
    lines = run(server, "meter", "--seconds", "1.2").splitlines()
    assert lines and all("dBFS" in line for line in lines)


def test_the_doctor_finds_a_healthy_machine(server):
    out = run(server, "doctor")
    assert out.endswith("all is well\n") and "PulseAudio" in out


def test_the_doctor_says_what_to_mend(tmp_path):
    nothing = {
        **os.environ,
        "XDG_RUNTIME_DIR": str(tmp_path),
        "HOME": str(tmp_path),
        "WAVTOOLS_BACKENDS": "pulseaudio",
    }
    done = subprocess.run(
        [sys.executable, "-m", "wavtools", "doctor"], env=nothing, capture_output=True, text=True
    )
    assert done.returncode == 1 and "\n! microphone" in done.stdout and "Traceback" not in done.stderr


# --- bench


def bench(server: AudioServer, folder: Path, *arguments: object) -> dict:
    out = folder / "bench.json"
    run(server, "bench", "--calm", "--no-kernels", "--json", out, *arguments, timeout=120)
    return json.loads(out.read_text())["paths"][0]


def test_bench_hears_the_loopback(server, tmp_path):
    path = bench(server, tmp_path, "--seconds", "4", "--input", "speaker.monitor")
    assert path["heard"]["sweeps"] == path["heard"]["expected"] == 8
    assert 0 < path["heard"]["round_trip"] < 0.2
    assert sum(path["output_lateness"]) > 100


def test_bench_names_a_gap_that_was_made(server, tmp_path):
    def freeze() -> None:
        time.sleep(3.5)
        os.kill(server.process.pid, signal.SIGSTOP)
        time.sleep(0.25)
        os.kill(server.process.pid, signal.SIGCONT)

    thread = threading.Thread(target=freeze)
    thread.start()
    path = bench(server, tmp_path, "--seconds", "8", "--input", "speaker.monitor")
    thread.join()
    assert path["heard"]["gaps"]
    assert max(path["worst_output"], path["worst_input"]) > 0.15


def test_bench_without_a_loopback_says_so(server, tmp_path):
    out = run(server, "bench", "--calm", "--no-kernels", "--seconds", "2", timeout=60)
    assert "not heard" in out and "choose a loopback with --input" in out


def test_bench_measures_delay_and_drift_of_the_room(tmp_path):
    """Two rooms whose delays differ by 80 ms: the round trips differ by as much; 100 ppm are 100 ppm."""
    from tests.room import LateError, Room, RoomSettings, counted, require_real_time

    require_real_time()

    def measured(settings: RoomSettings, name: str, seconds: int = 4) -> dict:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        with Room(folder, settings) as room:
            figures = bench(room.server, folder, "--seconds", seconds)["heard"]
            room.watch()
        if figures["gaps"]:
            raise LateError(f"the program was late: {figures['gaps']}")
        return figures

    near = counted(lambda: measured(RoomSettings(delay_ms=40.0), "near"))
    far = counted(lambda: measured(RoomSettings(delay_ms=120.0), "far"))
    drifting = counted(lambda: measured(RoomSettings(delay_ms=40.0, drift_ppm=100.0), "drifting", 10))
    assert far["round_trip"] - near["round_trip"] == pytest.approx(0.08, abs=0.001)
    assert drifting["drift_ppm"] == pytest.approx(100, abs=5)
