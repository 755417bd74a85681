"""A recording of hours at full speed: the child that records, and the parent that looks at its memory and its file.

By hand: ``python -m tests.long_recording 6`` records 6 hours of audio, about 1 GB, and prints the figures.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from wavtools import OfflineDevice, WavReader, WavRecorder

RATE = 24_000
# Not a divisor of any block: each place in the file has its own neighbourhood.
PERIOD = 29_989
# The queues of chunks and file fill in the first minutes.
WARM_UP_SECONDS = 180


def signal(start: int, count: int) -> np.ndarray:
    """The samples that the microphone hears."""
    return (np.arange(start, start + count) % PERIOD).astype(np.int16)


def memory_bytes() -> int:
    """What this process has in memory; where the system does not tell, the most that it had; 0 on Windows."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(one for one in status.read_text().splitlines() if one.startswith("VmRSS"))
        return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def record(path: str, seconds: int) -> None:
    """The child: records *seconds* of audio, without a clock, and prints what memory it took for each minute."""
    device = OfflineDevice(RATE)
    memory: list[int] = []
    with WavRecorder(RATE, device=device, record_to=path) as recorder:
        # Chunks that nobody takes: their number is bounded, too.
        recorder.record(chunk_size=480)
        print("began", flush=True)
        for second in range(seconds):
            device.capture(signal(second * RATE, RATE))
            if second % 60 == 0 and second >= WARM_UP_SECONDS:
                memory.append(memory_bytes())
        kept = recorder.end()
        stats = recorder.stats
    figures = {
        "memory": memory,
        "kept": kept.duration,
        "written": stats.frames_written,
        "unwritten": stats.frames_unwritten,
        "dropped": stats.frames_dropped,
    }
    print(json.dumps(figures), flush=True)


def start(path: Path, seconds: int) -> subprocess.Popen[str]:
    """Start the child; returns when it records."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.long_recording", "child", str(path), str(seconds)],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "began\n"
    return child


def run(path: Path, seconds: int) -> dict[str, Any]:
    """Record in a child, to the end; its figures."""
    child = start(path, seconds)
    out, _ = child.communicate()
    assert child.returncode == 0
    figures: dict[str, Any] = json.loads(out)
    return figures


def check(path: Path) -> int:
    """Frames of the file, all of which are the signal's first ones."""
    position = 0
    with WavReader(path) as reader:
        for block in reader.blocks(10 * RATE, dtype="int16"):
            samples = np.asarray(block).reshape(-1)
            np.testing.assert_array_equal(samples, signal(position, len(samples)))
            position += len(samples)
    return position


def main(hours: float) -> None:
    """Record, check and print."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "take.wav"
        began = time.monotonic()
        figures = run(path, round(hours * 3600))
        took = time.monotonic() - began
        memory = figures.pop("memory")
        print(f"{hours:g} h of audio in {took:.0f} s: {figures}, file {path.stat().st_size} bytes")
        print(f"memory after warm-up {memory[0]} bytes, at the end {memory[-1]}, most {max(memory)}")
        print(f"{check(path)} frames in the file, all as captured")


if __name__ == "__main__":
    if sys.argv[1] == "child":
        record(sys.argv[2], int(sys.argv[3]))
    else:
        main(float(sys.argv[1]))
