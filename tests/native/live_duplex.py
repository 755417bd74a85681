"""A live duplex stream for ThreadSanitizer: `make tsan` names this file; the plain suite has tests of its own.

Control threads queue, interrupt, read spectra and statistics as fast as they can while real device threads run: always
those of the null backend, those of PulseAudio where a server can be started.
"""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest

from wavtools import DuplexDevice, WavRecorder, WavStreamPlayer

SECONDS = float(os.environ.get("WAVTOOLS_TSAN_SECONDS", "10"))

PROGRAM = """
    import sys
    sys.path.insert(0, sys.argv[1])
    from tests.native.live_duplex import stress
    stress(None, float(sys.argv[2]))
"""


def stress(device: str | DuplexDevice | None, seconds: float) -> None:
    player = WavStreamPlayer(24_000, device=device)
    recorder = WavRecorder(16_000, device=device, keep_seconds=1)
    player.connect()
    recorder.begin()
    deadline = time.monotonic() + seconds

    def queue() -> None:
        i = 0
        while time.monotonic() < deadline:
            player.add_16bit_pcm(np.ones(600, np.int16), f"t{i}")
            time.sleep(0.004)
            i += 1

    def interrupt() -> None:
        i = 0
        while time.monotonic() < deadline:
            player.interrupt(fade_ms=(0, 5, 40)[i % 3])
            player.get_frequencies("voice")
            time.sleep(0.007)
            i += 1

    def record() -> None:
        while time.monotonic() < deadline:
            recorder.record(lambda chunk: None, chunk_size=160)
            time.sleep(0.02)
            recorder.clear()
            recorder.get_frequencies("voice")
            recorder.pause()
            assert player.stats and recorder.stats

    threads = [threading.Thread(target=work) for work in (queue, interrupt, record)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    player.disconnect()
    recorder.end()


def test_a_duplex_stream_on_the_null_backend():
    stress("null", SECONDS)


def test_a_duplex_stream_on_one_clock():
    stress(DuplexDevice("null", "null"), SECONDS)


@pytest.mark.audio
def test_a_duplex_stream_on_pulseaudio(audio_server):
    result = audio_server.python(PROGRAM, os.getcwd(), SECONDS, timeout=SECONDS * 5 + 60)  # noqa: PTH109
    assert result.returncode == 0, result.stderr
