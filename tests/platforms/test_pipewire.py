"""PipeWire: samples, interrupts, and restarts of the server, of its session manager and of all of it.

Programs connect through pipewire-pulse. WAVTOOLS_SOAK=1 runs more of it.
"""

from __future__ import annotations

import json
import os
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
        print(json.dumps([receipt.offset + receipt.queued, len(os.listdir("/proc/self/fd")), events]))
    player.disconnect()
"""


class Playing:
    """A program that plays through the server, and its state when asked."""

    def __init__(self, server: PipeWireServer) -> None:
        self.process = server.popen(PROGRAM, 0)
        self.open_files = self.state(1)[0]

    def state(self, seconds: float) -> tuple[int, list[str]]:
        """Open descriptors and events, as soon as another loss was survived, or after *seconds*."""
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        total, open_files, events = json.loads(self.process.stdout.readline())
        assert total == 24_000 * 300
        return open_files, events

    def end(self) -> None:
        self.process.communicate(timeout=30)
        assert self.process.returncode == 0


@pytest.mark.parametrize("parts", [("pipewire-pulse",), PipeWireServer.PARTS])
def test_restarts_are_survived_with_no_descriptor_more(server, parts):
    playing = Playing(server)
    for count in range(1, RESTARTS + 1):
        server.kill(*parts)
        server.start()
        open_files, events = playing.state(20)
        restored = [event for event in events if event in ("lost", "restored")]
        assert restored == ["lost", "restored"] * count
        assert open_files <= playing.open_files + SPARE
    playing.end()


def test_restarts_of_the_session_manager_alone_are_survived(cards):
    """Its cards are gone with it, so the device is lost though the server answers, and opens again."""
    playing = Playing(cards)
    for count in range(1, RESTARTS + 1):
        cards.kill("wireplumber")
        time.sleep(1)
        cards.start()
        open_files, events = playing.state(20)
        assert events.count("lost") == events.count("restored") == count, events
        assert open_files <= playing.open_files + SPARE
    playing.end()


def test_while_the_session_manager_is_away_no_connections_pile_up(cards):
    """Devices do not open then; they do when it is back."""
    playing = Playing(cards)
    cards.kill("wireplumber")
    open_files, events = playing.state(AWAY_SECONDS)
    assert "lost" in events
    # The attempt of the moment has a connection of its own.
    assert open_files <= playing.open_files + SPARE + 8
    cards.start()
    open_files, events = playing.state(30)
    assert events.count("restored") == events.count("lost")
    assert open_files <= playing.open_files + SPARE
    playing.end()


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
