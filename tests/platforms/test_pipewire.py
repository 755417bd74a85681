"""PipeWire: samples, interrupts, and restarts of the server, of its session manager and of all of it.

Programs connect through pipewire-pulse. WAVTOOLS_SOAK=1 runs more of it. How long sound was away is a figure of the record.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time

import pytest

from tests.platforms.servers import (
    PipeWireServer,
    hear_a_ramp_and_interrupts,
    play_and_record_on_one_device,
    record_through_kills,
    wait_for,
)

pytestmark = [pytest.mark.audio, pytest.mark.timeout(600)]

SOAK = bool(os.environ.get("WAVTOOLS_SOAK"))
RESTARTS = 5 if SOAK else 1
INTERRUPTS = 20 if SOAK else 5
AWAY_SECONDS = 60 if SOAK else 5
# Descriptors that a library of the server may open once, whenever.
SPARE = 2


@pytest.fixture
def server(tmp_path):
    server = PipeWireServer(tmp_path)
    try:
        server.choose_defaults()
        yield server
    finally:
        server.stop()


@pytest.fixture
def cards(tmp_path):
    """A server whose sinks come and go with the session manager."""
    server = PipeWireServer(tmp_path, cards=True)
    try:
        server.choose_defaults()
        yield server
    finally:
        server.stop()


def test_every_int16_sample_and_every_interrupt_is_heard_bit_for_bit(server, tmp_path):
    hear_a_ramp_and_interrupts(server, tmp_path / "heard.raw", INTERRUPTS)


def test_a_recording_has_as_many_frames_as_asked_for(server):
    result = server.python("""
        import wavtools
        wav = wavtools.record(0.5, sample_rate=48_000)
        print(len(wav.pcm), wavtools.WavRecorder.list_devices()[0].backend)
    """)
    assert result.stdout.split() == ["24000", "PulseAudio"], result


LATENCY = """
    import sys, time, numpy as np, wavtools
    player, recorder = wavtools.WavStreamPlayer(48_000), wavtools.WavRecorder(48_000, device="speaker.monitor")
    heard = []

    def listen(chunk):
        loud = np.flatnonzero(chunk.mono)
        if len(loud):
            heard.append(chunk.time + loud[0] / 48_000)

    player.connect()
    recorder.begin()
    recorder.record(listen, chunk_size=480)
    delays = []
    for _ in range(int(sys.argv[1])):
        heard.clear()
        sent = time.monotonic()
        player.add_16bit_pcm(np.full(2_400, 8_000, np.int16))
        while not heard:
            time.sleep(0.01)
        delays.append(heard[0] - sent)
        time.sleep(0.3)
    print(player.stats.latency_seconds, recorder.stats.latency_seconds, np.median(delays))
    player.add_16bit_pcm(np.ones(48_000 * 60, np.int16))
    sys.stdin.readline()
"""


def test_the_latency_is_what_the_servers_streams_may_hold(server, record_property):
    """The server tells the greatest length of both streams in bytes of 32-bit floats."""
    program = server.popen(LATENCY, INTERRUPTS)
    *stated, heard = map(float, program.stdout.readline().split())
    described = server.pactl("list", "sink-inputs") + server.pactl("list", "source-outputs")
    program.communicate("\n", timeout=30)
    lengths = re.findall(r'pulse.attr.maxlength = "(\d+)"', described)
    assert [int(length) / 4 / 48_000 for length in lengths] == stated == [0.03, 0.03]
    record_property("a sample is heard in the speaker's monitor after", f"{heard * 1000:.0f} ms")


def test_a_duplex_device_plays_every_sample_beside_what_it_captures(server):
    play_and_record_on_one_device(server, "speaker.monitor", "speaker")


def test_a_recorder_survives_a_killed_server_again_and_again(server):
    record_through_kills(server, RESTARTS)


PROGRAM = """
    import json, os, sys, time, numpy as np, wavtools
    events = []
    player = wavtools.WavStreamPlayer(24_000, on_event=lambda event: events.append(event.kind))
    player.connect()
    player.add_16bit_pcm(np.ones(24_000 * 300, np.int16))
    for line in sys.stdin:
        # Until the device calls and has been restored as often as it was lost; or a while, whatever it does.
        calls, deadline = player.stats.callbacks, time.monotonic() + float(line)
        while time.monotonic() < deadline:
            time.sleep(0.02)
            settled = events.count("lost") == events.count("restored") == int(sys.argv[1]) + 1
            if settled and player.stats.callbacks > calls + 3:
                sys.argv[1] = str(int(sys.argv[1]) + 1)
                break
        receipt = player.get_track_sample_offset()
        total, open_files = receipt.offset + receipt.queued, len(os.listdir("/proc/self/fd"))
        print(json.dumps([total, open_files, events, time.monotonic()]))
    player.disconnect()
"""


class Playing:
    """A program that plays through the server, and its state when asked."""

    def __init__(self, server: PipeWireServer) -> None:
        self.process = server.popen(PROGRAM, 0)
        # Monotonic time of the last answer
        self.told_at = 0.0
        self.open_files = self.state(1)[0]

    def state(self, seconds: float) -> tuple[int, list[str]]:
        """Open descriptors and events, as soon as another loss was survived, or after *seconds*."""
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        total, open_files, events, self.told_at = json.loads(self.process.stdout.readline())
        assert total == 24_000 * 300
        return open_files, events

    def end(self) -> None:
        self.process.communicate(timeout=30)
        assert self.process.returncode == 0


def span(seconds: list[float]) -> str:
    """The shortest and the longest of some times, for the record. Sound that was back before its server: 0."""
    shortest, longest = (f"{max(0.0, extreme):.2f}" for extreme in (min(seconds), max(seconds)))
    return f"{shortest} s" if shortest == longest else f"{shortest} to {longest} s"


@pytest.mark.parametrize(
    "parts", [("pipewire-pulse",), ("pipewire",), PipeWireServer.PARTS], ids=["pulse", "pipewire", "all"]
)
def test_restarts_are_survived_with_no_descriptor_more(server, parts, record_property):
    playing = Playing(server)
    silent = []
    for count in range(1, RESTARTS + 1):
        server.kill(*parts)
        server.start()
        back = time.monotonic()
        open_files, events = playing.state(20)
        silent.append(playing.told_at - back)
        restored = [event for event in events if event in ("lost", "restored")]
        assert restored == ["lost", "restored"] * count
        assert open_files <= playing.open_files + SPARE
    playing.end()
    name = "all of PipeWire" if parts == PipeWireServer.PARTS else parts[0]
    record_property(f"sound back after {RESTARTS} restarts of {name}", span(silent))


def test_restarts_of_the_session_manager_alone_are_survived(cards, record_property):
    """Its cards are gone with it, so the device is lost though the server answers, and opens again."""
    playing = Playing(cards)
    silent = []
    for count in range(1, RESTARTS + 1):
        cards.kill("wireplumber")
        time.sleep(1)
        cards.start()
        back = time.monotonic()
        open_files, events = playing.state(20)
        silent.append(playing.told_at - back)
        assert events.count("lost") == events.count("restored") == count, events
        assert open_files <= playing.open_files + SPARE
    playing.end()
    record_property(f"sound back after {RESTARTS} restarts of the session manager", span(silent))


def test_while_the_session_manager_is_away_no_connections_pile_up(cards, record_property):
    """Devices do not open then; they do when it is back."""
    playing = Playing(cards)
    cards.kill("wireplumber")
    open_files, events = playing.state(AWAY_SECONDS)
    assert "lost" in events
    # The attempt of the moment has a connection of its own.
    assert open_files <= playing.open_files + SPARE + 8
    cards.start()
    back = time.monotonic()
    open_files, events = playing.state(30)
    assert events.count("restored") == events.count("lost")
    assert open_files <= playing.open_files + SPARE
    playing.end()
    name = f"sound back after the session manager was away for {AWAY_SECONDS} s"
    record_property(name, span([playing.told_at - back]))


def test_a_default_that_is_moved_takes_the_stream_along_and_a_sink_that_is_gone_leaves_it_on_another(server):
    module = server.pactl("load-module", "module-null-sink", "sink_name=extra", "channels=1").strip()
    playing = Playing(server)
    server.pactl("set-default-sink", "extra")
    wait_for(lambda: server.sink_of_stream() == "extra", "the stream stays on the old default")
    server.pactl("unload-module", module)
    wait_for(lambda: server.sink_of_stream() in ("speaker", "room"), "the stream is on no sink")
    _, events = playing.state(1)
    assert events.count("lost") == events.count("restored")
    playing.end()


@pytest.mark.parametrize("part", ["pipewire-pulse", "pipewire"])
def test_a_frozen_server_is_waited_for(server, part):
    playing = Playing(server)
    server.parts[part].send_signal(signal.SIGSTOP)
    _, events = playing.state(1.5)
    assert events[-1:] == ["suspended"]
    server.parts[part].send_signal(signal.SIGCONT)
    _, events = playing.state(2)
    assert events[-1] in ("resumed", "restored")
    assert events.count("lost") == events.count("restored")
    playing.end()
