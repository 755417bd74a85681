"""Measure each step of a spoken turn on the client's side of the network, and write the table to RESULTS.md.

    python -m benchmarks.bench_latency_budget

Linux with pulseaudio and pulseaudio-utils: devices are null sinks of a private server, which runs by the clock as a
sound card does. What a real card and its converters add comes on top.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.sections import machine, write_section
from realtime.voice.session import CHUNK_MS
from tests.audio_server import AudioServer
from wavtools import WavRecorder, WavStreamPlayer
from wavtools.resample import Resampler

RATE_HZ = 24_000
CHUNK = RATE_HZ * CHUNK_MS // 1000  # as VoiceSession sends
TURNS = 100


def delivery_ms() -> tuple[list[float], float]:
    """From the capture callback that brought a chunk's last sample to the user's callback; and the device's share."""
    waits = []

    def on_chunk(chunk) -> None:
        captured = chunk.time + len(chunk.mono) / RATE_HZ
        waits.append((time.monotonic() - captured) * 1000)

    with WavRecorder(RATE_HZ) as recorder:
        recorder.record(on_chunk, CHUNK)
        time.sleep(TURNS * CHUNK / RATE_HZ + 0.5)
        device = recorder.stats.latency_seconds * 1000
        recorder.end()
    return waits[10:], device


def first_sample_ms() -> tuple[list[float], float, float]:
    """Seconds from add_16bit_pcm until the running device takes the first sample; the device's share; lateness."""
    waits = []
    tone = np.ones(RATE_HZ, np.int16)
    with WavStreamPlayer(RATE_HZ) as player:
        time.sleep(0.3)
        for turn in range(TURNS):
            start, track = time.perf_counter(), f"turn-{turn}"
            player.add_16bit_pcm(tone, track)
            while (heard := player.get_track_sample_offset()).track_id != track or not heard.offset:
                time.sleep(0.0002)
            waits.append((time.perf_counter() - start) * 1000)
            player.interrupt()
            # Pauses of changing length keep the turns out of step with the periods.
            time.sleep(0.02 + 0.0071 * (turn % 3))
        stats = player.stats
    return waits, stats.latency_seconds * 1000, stats.worst_lateness_seconds * 1000


def round_trips_ms(turns: int = 7) -> list[float]:
    """From queueing a tone until a recorder on the same sink's monitor has it: both directions of a sound system."""
    from console.doctor import round_trip_seconds

    return [1000 * seconds for _ in range(turns) if (seconds := round_trip_seconds(None, "room")) is not None]


def row(step: str, values: list[float]) -> str:
    median, ninety = np.percentile(values, [50, 90])
    return f"| {step} | {median:.1f} | {ninety:.1f} | {max(values):.1f} |"


def fixed(step: str, value: float) -> str:
    return f"| {step} | {value:.1f} | {value:.1f} | {value:.1f} |"


def main() -> None:
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        server = AudioServer(Path(name))
        os.environ.update(server.env)
        try:
            delivered, input_ms = delivery_ms()
            started, output_ms, late = first_sample_ms()
            there_and_back = round_trips_ms()
        finally:
            server.stop()
    lag_in = Resampler(48_000, RATE_HZ).latency_seconds * 1000
    write_section(
        "latency budget",
        [
            "## The latency budget, step by step\n",
            f"`python -m benchmarks.bench_latency_budget` on {machine()}; null sinks of PulseAudio at 48 kHz, session at "
            f"24 kHz, {TURNS} trials; load average before: {load:.1f}.\n",
            "| step, ms | median | 90 % | worst |",
            "|---|---:|---:|---:|",
            fixed("the input device may hold, at most (`recorder.stats.latency_seconds`)", input_ms),
            fixed(f"a chunk fills: {CHUNK_MS} ms, and its first sample waits for the last", CHUNK_MS),
            fixed("the capture resampler looks ahead, 48 to 24 kHz", lag_in),
            row("from the capture callback to yours, resampler included", delivered),
            row("`add_16bit_pcm` to the device's taking the first sample", started),
            fixed("the output device may hold, at most (`player.stats.latency_seconds`)", output_ms),
            row("a tone there and back: queued, played, captured, delivered", there_and_back),
            "",
            f"The latest callback of the player came {late:.1f} ms late. The playback resampler adds nothing: it looks "
            "ahead into what is queued.",
        ],
    )
    print(*delivered[:3], started[:3], input_ms, output_ms, there_and_back, sep="\n")


if __name__ == "__main__":
    main()
