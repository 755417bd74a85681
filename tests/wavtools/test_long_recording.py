"""Hours into a file: memory stays flat, and whenever the recorder is killed the file is whole. WAVTOOLS_SOAK=1: 6 hours."""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

import pytest

from tests import long_recording
from wavtools import WavReader, WavWriter

SOAK = bool(os.environ.get("WAVTOOLS_SOAK"))
SECONDS = 6 * 3600 if SOAK else 900
# What Python's allocator keeps varies by about 1 MB; 6 hours of audio are 1 GB.
GROWTH_BYTES = 4 << 20


@pytest.mark.timeout(1800)
def test_memory_stays_flat_for_hours_and_every_frame_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "take.wav"
    figures = long_recording.run(path, SECONDS)
    memory = figures["memory"]
    print(f"{SECONDS} s of audio: {figures['written']} frames, memory {memory[0]} to {memory[-1]} bytes")
    assert (figures["kept"], figures["unwritten"], figures["dropped"]) == (0, 0, 0)
    assert figures["written"] == SECONDS * long_recording.RATE
    assert long_recording.check(path) == SECONDS * long_recording.RATE
    assert max(memory) - memory[0] < GROWTH_BYTES


@pytest.mark.parametrize("seed", range(10))
def test_a_killed_recorder_leaves_a_readable_file(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "take.wav"
    child = long_recording.start(path, 24 * 3600)
    try:
        time.sleep(random.Random(seed).uniform(0, 0.3))
    finally:
        child.kill()
        child.communicate()
    if sys.platform != "win32":
        assert child.returncode == -9
    frames = long_recording.check(path)
    # The file can be continued, too.
    with WavWriter(path, append=True) as writer:
        assert writer.frames == frames
        writer.write(long_recording.signal(frames, 1000))
    assert long_recording.check(path) == frames + 1000
    with WavReader(path, strict=True) as reader:
        assert len(reader) == frames + 1000
