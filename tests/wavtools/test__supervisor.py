"""Audio servers that die, freeze or lose sinks: streams go on by themselves, and every sample is accounted for.

Each test runs a program that plays a counting ramp (or records) against a private PulseAudio server, does something to
the server, and asks the program what became of it. WAVTOOLS_SOAK=1 runs the long forms (`make soak`).
"""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from tests.audio_server import AudioServer

pytestmark = [pytest.mark.audio, pytest.mark.timeout(600)]

SOAK = bool(os.environ.get("WAVTOOLS_SOAK"))
KILLS = 50 if SOAK else 5
FAULTS = 20 if SOAK else 2

PROGRAM = """
    import json, os, sys, threading, time
    import numpy as np, wavtools

    events = []
    kind = sys.argv[1]
    if kind == "play":
        stream = wavtools.WavStreamPlayer(24_000, on_event=events.append)
        stream.connect()
        queued = 24_000 * 300
        stream.add_16bit_pcm((np.arange(queued) % 30_000 + 1).astype(np.int16), "ramp")
    else:
        stream = wavtools.WavRecorder(24_000, keep_seconds=1, on_event=events.append)
        stream.begin()
        stream.record()

    def state():
        stats = stream.stats
        report = {
            "events": [e.kind for e in events],
            "callbacks": stats.callbacks,
            "fds": len(os.listdir("/proc/self/fd")),
            "threads": len(os.listdir("/proc/self/task")),
        }
        if kind == "play":
            receipt = stream.get_track_sample_offset()
            report |= {
                "offset": receipt.offset, "queued": receipt.queued, "total": queued,
                "played": stats.frames_played, "replayed": stats.frames_replayed,
            }
        else:
            report |= {"captured": stats.frames_captured, "dropped": stats.frames_dropped}
        return report

    for line in sys.stdin:
        started = time.monotonic()
        if line.strip() == "close":
            stream.disconnect() if kind == "play" else stream.end()
            print(json.dumps({"seconds": time.monotonic() - started}))
            break
        report = state()
        report["seconds"] = time.monotonic() - started
        print(json.dumps(report))
"""


class Program:
    def __init__(self, server: AudioServer, kind: str) -> None:
        self._process = server.popen(PROGRAM, kind)

    def ask(self, what: str = "state") -> dict:
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def wait_for_callbacks(self, seconds: float = 10) -> dict:
        """Wait until the device calls (again)."""
        before = self.ask()["callbacks"]
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(0.02)
            state = self.ask()
            if state["callbacks"] > before + 3:
                return state
        raise AssertionError(f"no callbacks within {seconds} s: {state}")

    def wait_for_event(self, kind: str, count: int = 1, seconds: float = 10) -> dict:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            state = self.ask()
            if state["events"].count(kind) >= count:
                return state
            time.sleep(0.02)
        raise AssertionError(f"no {kind!r} within {seconds} s: {state}")

    def close(self) -> None:
        answer = self.ask("close")
        assert answer["seconds"] < 1.5
        assert self._process.wait(10) == 0

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


@pytest.fixture(params=["play", "record"])
def program(request, audio_server):
    program = Program(audio_server, request.param)
    program.wait_for_callbacks()
    yield program
    program.kill()


def test_a_killed_server_is_survived_again_and_again(program, audio_server):
    """One "lost" and one "restored" each time; nothing of the queue is lost, at most one device buffer is repeated."""
    before = program.ask()
    for i in range(1, KILLS + 1):
        audio_server.kill()
        program.wait_for_event("lost", i)
        audio_server.start()
        program.wait_for_event("restored", i)
        state = program.wait_for_callbacks()
        assert state["events"] == ["lost", "restored"] * i
        if "offset" in state:
            assert state["offset"] + state["queued"] == state["total"]
            # The program reads one a moment after the other.
            assert abs(state["played"] - state["offset"]) <= 4_800
            # A device holds 30 ms.
            assert 0 < state["replayed"] <= i * 720
        else:
            assert state["dropped"] == 0
    time.sleep(0.5)
    after = program.ask()
    assert after["fds"] <= before["fds"] + 1
    assert after["threads"] <= before["threads"] + 1
    program.close()


def test_a_frozen_server_hangs_nothing_and_is_waited_for(program, audio_server):
    for i in range(1, (10 if SOAK else 1) + 1):
        audio_server.process.send_signal(signal.SIGSTOP)
        state = program.wait_for_event("suspended", i)
        assert state["seconds"] < 1
        audio_server.process.send_signal(signal.SIGCONT)
        program.wait_for_event("resumed", i)
        program.wait_for_callbacks()
    assert "lost" not in program.ask()["events"]
    program.close()


def test_closing_while_the_server_is_frozen_ends_within_a_second(program, audio_server):
    audio_server.process.send_signal(signal.SIGSTOP)
    program.wait_for_event("suspended")
    program.close()


def test_opening_on_a_frozen_server_says_so_within_a_second(audio_server):
    audio_server.process.send_signal(signal.SIGSTOP)
    result = audio_server.python("""
        import time, wavtools
        for call in (wavtools.WavStreamPlayer().connect, wavtools.WavRecorder().begin, wavtools.WavRecorder.list_devices):
            started = time.monotonic()
            try:
                call()
            except wavtools.DeviceError as error:
                print(time.monotonic() - started < 1.2, error)
    """)
    assert result.stdout.count("True the audio server does not answer within 0.9 s") == 3, result


@pytest.mark.parametrize("kind", ["play"])
def test_a_suspended_sink_pauses_and_resumes_the_stream(audio_server, kind):
    program = Program(audio_server, kind)
    program.wait_for_callbacks()
    for i in range(1, FAULTS + 1):
        audio_server.pactl("suspend-sink", "speaker", "1")
        program.wait_for_event("suspended", i)
        time.sleep(1.5)
        audio_server.pactl("suspend-sink", "speaker", "0")
        program.wait_for_event("resumed", i)
        state = program.wait_for_callbacks()
        assert state["events"] == ["suspended", "resumed"] * i
        assert state["offset"] + state["queued"] == state["total"]
    program.close()
    program.kill()


def test_an_unloaded_sink_moves_the_stream_and_playback_goes_on(audio_server):
    program = Program(audio_server, "play")
    program.wait_for_callbacks()
    for i in range(1, FAULTS + 1):
        module = audio_server.pactl(
            "load-module", "module-null-sink", f"sink_name=extra{i}", "norewinds=1"
        ).strip()
        audio_server.pactl("set-default-sink", f"extra{i}")
        program_input = audio_server.pactl("list", "short", "sink-inputs").split()[0]
        audio_server.pactl("move-sink-input", program_input, f"extra{i}")
        program.wait_for_callbacks()
        audio_server.pactl("set-default-sink", "speaker")
        audio_server.pactl("unload-module", module)
        state = program.wait_for_callbacks()
        assert state["offset"] + state["queued"] == state["total"]
    assert "rerouted" in program.ask()["events"]
    program.close()
    program.kill()


def test_the_last_sink_gone_is_waited_out(audio_server):
    program = Program(audio_server, "play")
    program.wait_for_callbacks()
    for i in range(1, FAULTS + 1):
        for line in audio_server.pactl("list", "short", "modules").splitlines():
            if "module-null-sink" in line:
                audio_server.pactl("unload-module", line.split()[0])
        time.sleep(1.5)
        audio_server.pactl("load-module", "module-null-sink", "sink_name=speaker", "norewinds=1")
        audio_server.pactl("set-default-sink", "speaker")
        state = program.wait_for_callbacks(seconds=20)
        assert state["offset"] + state["queued"] == state["total"], i
    program.close()
    program.kill()
