"""The recorder's reference on a real audio server: the microphone is the monitor of the speaker, a perfect echo path."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.audio_server import AudioServer

# Plays noise and records the monitor; measures how much later each half second of `played` comes in `raw`.
PROGRAM = """
import json, sys, threading, time
import numpy as np
from wavtools import WavRecorder, WavStreamPlayer

RATE, SECONDS, ACTION = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
events, chunks = [], []
player = WavStreamPlayer(RATE)
recorder = WavRecorder(RATE, device="speaker.monitor", reference=player, on_event=lambda event: events.append(event.kind))
player.connect()
recorder.begin()
noise = np.random.default_rng(1).standard_normal(int(RATE * (SECONDS + 10)))
sound = (np.convolve(noise, [0.2, 0.3, 0.2], "same") * 6000).clip(-32768, 32767).astype(np.int16)
player.add_16bit_pcm(sound, "a")
recorder.record(chunks.append, RATE // 10)
for step in range(4):
    time.sleep(SECONDS / 4)
    if step == 1 and ACTION == "interrupt":
        player.interrupt()
        player.add_16bit_pcm(sound, "b")
    elif step == 1 and ACTION == "speaker":
        player.use_device("speaker")
    elif step == 1 and ACTION == "microphone":
        recorder.use_device("speaker.monitor")
    elif step == 1 and ACTION == "server":
        print("kill", flush=True)
        sys.stdin.readline()
recorder.pause()
echo, stats = recorder.echo, recorder.stats
recorder.end()
lateness = max(stats.worst_lateness_seconds, player.stats.worst_lateness_seconds)
player.disconnect()
raw = np.concatenate([chunk.raw for chunk in chunks]).astype(float)
played = np.concatenate([chunk.played for chunk in chunks]).astype(float)
half, size = RATE // 2, 1 << (3 * RATE).bit_length()
found = []
for k in range(half, len(raw) - 2 * half, half):
    a, b = played[k : k + half], raw[k : k + 2 * half]
    c = np.fft.irfft(np.fft.rfft(b, size) * np.conj(np.fft.rfft(a, size)))
    d = int(np.argmax(c))
    d -= size if d > size // 2 else 0
    found.append((d / RATE, float(np.abs(raw[k + d : k + d + half] - a).max()) if k + d >= 0 else 1e9))
print(json.dumps({
    "found": found, "resets": echo.resets, "slips": echo.slips, "lateness": lateness, "events": events,
    "frames": [chunk.frame for chunk in chunks], "lengths": [len(chunk.mono) for chunk in chunks],
    "times": [chunk.time for chunk in chunks],
}), flush=True)
"""
# A device of 30 ms that is called later than this may run dry: then the echo path itself changes.
BUSY_SECONDS = 0.015
TRIES = 3


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AudioServer]:
    server = AudioServer(tmp_path)
    yield server
    server.stop()


def run(server: AudioServer, rate: int, seconds: float, action: str) -> dict[str, Any]:
    process = server.popen(PROGRAM, rate, seconds, action)
    assert process.stdin is not None
    assert process.stdout is not None
    line = process.stdout.readline()
    if line.strip() == "kill":
        server.kill()
        server.start()
        process.stdin.write("\n")
        process.stdin.flush()
        line = process.stdout.readline()
    process.communicate(timeout=30)
    result: dict[str, Any] = json.loads(line)
    # Every captured frame came once.
    frame = result["frames"][0]
    for number, length in zip(result["frames"], result["lengths"], strict=True):
        assert number == frame
        frame += length
    return result


def undisturbed(server: AudioServer, rate: int, seconds: float, action: str) -> dict[str, Any]:
    """A run in which the machine had time: no late callback, and the server left nothing out."""
    for _ in range(TRIES):
        result = run(server, rate, seconds, action)
        if result["lateness"] < BUSY_SECONDS and result["slips"] == 0:
            return result
    late, slips = result["lateness"] * 1000, result["slips"]
    pytest.skip(
        f"the machine is too busy: callbacks came {late:.0f} ms late, and {slips} times audio ran dry"
    )


@pytest.mark.parametrize("rate", [48_000, 24_000])
def test_played_is_what_a_monitor_hears_after_a_constant_delay(server: AudioServer, rate: int) -> None:
    result = undisturbed(server, rate, 10, "nothing")
    delays = [delay for delay, _ in result["found"]]
    assert max(delays) - min(delays) < 0.001
    # The echo comes after the frame that causes it.
    assert min(delays) >= 0
    if rate == 48_000:
        # The server changes no sample at its own rate: what is left is nothing.
        assert max(difference for _, difference in result["found"]) == 0


@pytest.mark.parametrize("action", ["interrupt", "speaker", "microphone"])
def test_played_stays_aligned_after(server: AudioServer, action: str) -> None:
    result = undisturbed(server, 48_000, 6, action)
    delays = [delay for delay, _ in result["found"]]
    settled = delays[-3:]
    assert max(settled) - min(settled) < 0.001
    assert min(settled) >= 0
    assert result["resets"] == (action != "interrupt")


def test_a_lost_server_resets_the_canceller_and_is_a_gap_in_time_not_in_frame(server: AudioServer) -> None:
    result = run(server, 48_000, 8, "server")
    assert {"lost", "restored"} <= set(result["events"])
    assert result["resets"] >= 1
    times = result["times"]
    steps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert max(steps) > 0.1 + 0.05
