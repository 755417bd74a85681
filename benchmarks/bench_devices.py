"""The cost of a call while a device thread runs (P9), and of imports (P14).

    python -m benchmarks.bench_devices

Interrupts race with a real device thread (the null backend's, 10 ms periods). Imports are timed inside fresh
interpreters that have imported NumPy already, ours and the peers in turn.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import numpy as np

from benchmarks.sections import machine, write_section
from wavtools import WavStreamPlayer

INTERRUPTS = 10_000
IMPORT_ROUNDS = 15
IMPORTS = {
    "wavtools": "import wavtools",
    "wavtools, recorder and player": "from wavtools import WavRecorder, WavStreamPlayer",
    "wavtools, and a device opened": (
        "import wavtools; p = wavtools.WavStreamPlayer(device='null'); p.connect(); p.disconnect()"
    ),
    "pyminiaudio": "import miniaudio",
    "sounddevice": "import sounddevice",
}


def interrupt_times(fade_ms: float = 0) -> list[float]:
    """Seconds of each of INTERRUPTS calls, each on a queue of 50 ms, at changing moments of the device's period."""
    times = []
    audio = np.ones(1_200, np.int16)
    with WavStreamPlayer(24_000, device="null") as player:
        for i in range(INTERRUPTS):
            player.add_16bit_pcm(audio, f"t{i}")
            if i % 10 == 0:
                time.sleep(0.0037)
            begin = time.perf_counter()
            player.interrupt(fade_ms)
            times.append(time.perf_counter() - begin)
    return times


def test_interrupt(benchmark):
    """The same call, measured by pytest-benchmark."""
    with WavStreamPlayer(24_000, device="null") as player:
        count = iter(range(10**9))

        def queue() -> None:
            player.add_16bit_pcm(np.ones(1_200, np.int16), f"t{next(count)}")

        benchmark.pedantic(player.interrupt, setup=queue, rounds=200)


def import_times() -> dict[str, float]:
    """Median seconds of each import, after NumPy's own."""
    times: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for _ in range(IMPORT_ROUNDS):
        for name, statement in IMPORTS.items():
            code = f"import numpy, time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
            if done.returncode == 0:
                times[name].append(float(done.stdout))
    return {name: statistics.median(found) for name, found in times.items() if found}


def main() -> None:
    lines = [
        "## P9 and P14: interrupts and imports\n",
        f"`python -m benchmarks.bench_devices` on {machine()}.\n",
        f"{INTERRUPTS} interrupts while a device thread runs at 10 ms periods. The original needs 2.7 ms in the median, "
        "172 ms at worst. Errors of the offset: none in the test suite's 10 000 on OfflineDevice.\n",
        "| | median µs | 99 % | worst |\n|---|---:|---:|---:|",
    ]
    for name, fade_ms in (("interrupt()", 0.0), ("interrupt(fade_ms=20)", 20.0)):
        times = sorted(interrupt_times(fade_ms))
        figures = times[len(times) // 2], times[len(times) * 99 // 100], times[-1]
        lines.append(f"| {name} | " + " | ".join(f"{figure * 1e6:.1f}" for figure in figures) + " |")
    lines += ["", f"Import after NumPy's own, median of {IMPORT_ROUNDS} fresh interpreters:", ""]
    lines += ["| | ms |", "|---|---:|"]
    lines += [f"| {name} | {seconds * 1000:.0f} |" for name, seconds in import_times().items()]
    write_section("devices, P9 and P14", lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
