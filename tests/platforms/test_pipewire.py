"""PipeWire: samples, interrupts, and restarts of the server, of its session manager and of all of it.

Programs connect through pipewire-pulse. WAVTOOLS_SOAK=1 runs more of it.
"""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from tests.platforms.servers import PipeWireServer
from tests.wavtools.test__device import record_monitor

pytestmark = [pytest.mark.audio, pytest.mark.timeout(600)]

SOAK = bool(os.environ.get("WAVTOOLS_SOAK"))
RESTARTS = 5 if SOAK else 1
INTERRUPTS = 20 if SOAK else 5
# Descriptors that a library of the server may open once, whenever.
SPARE = 2


@pytest.fixture
def server(tmp_path):
    server = PipeWireServer(tmp_path)
    server.pactl("set-default-sink", "speaker")
    server.pactl("set-default-source", "room.monitor")
    yield server
    server.stop()


def test_every_int16_sample_and_every_interrupt_is_heard_bit_for_bit(server, tmp_path):
    heard = tmp_path / "heard.raw"
    recording = record_monitor(server, "speaker", heard, 48_000)
    result = server.python(
        """
        import random, sys, time, numpy as np, wavtools
        with wavtools.WavStreamPlayer(48_000) as player:
            player.add_16bit_pcm(np.arange(-32768, 32768).astype(np.int16), "ramp")
            player.wait_until_idle()
            for i in range(int(sys.argv[1])):
                player.add_16bit_pcm(np.arange(1, 24_001, dtype=np.int16), f"t{i}")
                time.sleep(random.uniform(0.05, 0.25))
                print(player.interrupt().offset)
                time.sleep(0.12)
            time.sleep(0.5)
        """,
        INTERRUPTS,
    )
    recording.terminate()
    recording.wait()
    offsets = [int(line) for line in result.stdout.split()]
    assert len(offsets) == INTERRUPTS, result
    got = np.fromfile(heard, np.int16)
    cut = [np.arange(1, offset + 1, dtype=np.int16) for offset in offsets]
    expected = np.concatenate([np.arange(-32768, 32768).astype(np.int16), *cut])
    np.testing.assert_array_equal(got[got != 0], expected[expected != 0])


def test_a_recording_has_as_many_frames_as_asked_for(server):
    result = server.python("""
        import wavtools
        wav = wavtools.record(0.5, sample_rate=48_000)
        print(len(wav.pcm), wavtools.WavRecorder.list_devices()[0].backend)
    """)
    assert result.stdout.split() == ["24000", "PulseAudio"], result


@pytest.mark.parametrize(
    "parts", [("pipewire-pulse",), ("wireplumber",), ("wireplumber", "pipewire-pulse"), PipeWireServer.PARTS]
)
def test_restarts_of_its_parts_are_survived_with_no_descriptor_more(server, parts):
    program = server.popen("""
        import json, os, sys, time, numpy as np, wavtools
        events = []
        player = wavtools.WavStreamPlayer(24_000, on_event=lambda event: events.append(event.kind))
        player.connect()
        player.add_16bit_pcm(np.ones(24_000 * 300, np.int16))
        for line in sys.stdin:
            calls, deadline = player.stats.callbacks, time.monotonic() + 20
            # A device that is still open, but not served any more, is lost after a second.
            quiet = time.monotonic() + 1.5
            while time.monotonic() < quiet or player.stats.callbacks < calls + 3:
                assert time.monotonic() < deadline, events
                time.sleep(0.02)
            receipt = player.get_track_sample_offset()
            print(json.dumps([receipt.offset + receipt.queued, len(os.listdir("/proc/self/fd")), events]))
        player.disconnect()
    """)

    def state() -> list:
        program.stdin.write("\n")
        program.stdin.flush()
        return json.loads(program.stdout.readline())

    _, open_files, _ = state()
    for _ in range(RESTARTS):
        server.kill(*parts)
        server.start()
        total, now, events = state()
        assert total == 24_000 * 300
        assert now <= open_files + SPARE, events
        assert events.count("lost") == events.count("restored"), events
    program.communicate(timeout=30)
    assert program.returncode == 0
