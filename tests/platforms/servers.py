"""Servers of other audio systems than PulseAudio, each for one test: JACK, PipeWire, and ALSA through its pulse plugin.

Also what a test expects of every system: all samples heard, kills survived.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import numpy as np

from tests.audio_server import AudioServer
from tests.conftest import require_program
from tests.wavtools.test__device import record_monitor


def environment(folder: Path, **more: str) -> dict[str, str]:
    """What a server and its programs run with: everything of theirs in *folder*."""
    kept = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    return kept | {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)} | more


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} within {seconds:g} s")
        time.sleep(0.02)


def output_of(command: list[str], env: dict[str, str]) -> str:
    return subprocess.run(command, env=env, capture_output=True, text=True).stdout


def kill(process: subprocess.Popen[bytes]) -> None:
    """End it as a crash does."""
    process.kill()
    process.wait()


def hear_a_ramp_and_interrupts(server: AudioServer, heard: Path, interrupts: int) -> None:
    """Play every int16 value and interrupt at random moments: the monitor recorded what the receipts report."""
    recording = record_monitor(server, "speaker", heard, 48_000)
    result = server.python(
        """
        import random, sys, time, numpy as np, wavtools
        with wavtools.WavStreamPlayer(48_000) as player:
            player.add_16bit_pcm(np.arange(-32768, 32768).astype(np.int16), "ramp")
            player.wait_until_idle()
            print(player.get_track_sample_offset().offset)
            for i in range(int(sys.argv[1])):
                player.add_16bit_pcm(np.arange(1, 24_001, dtype=np.int16), f"t{i}")
                time.sleep(random.uniform(0.05, 0.25))
                print(player.interrupt().offset)
                time.sleep(0.12)
            time.sleep(0.5)
        """,
        interrupts,
    )
    recording.terminate()
    recording.wait()
    ramp, *offsets = [int(line) for line in result.stdout.split()] or [0]
    assert (ramp, len(offsets)) == (65_536, interrupts), result
    got = np.fromfile(heard, np.int16)
    cut = [np.arange(1, offset + 1, dtype=np.int16) for offset in offsets]
    expected = np.concatenate([np.arange(-32768, 32768).astype(np.int16), *cut])
    np.testing.assert_array_equal(got[got != 0], expected[expected != 0])


def survive_kills(server: AudioServer, kills: int) -> None:
    """Kill the server again and again under a player: it is told, plays on, and loses nothing of its queue."""
    program = server.popen("""
        import sys, numpy as np, wavtools
        player = wavtools.WavStreamPlayer(24_000, on_event=lambda event: print(event.kind))
        player.connect()
        player.add_16bit_pcm(np.ones(24_000 * 120, np.int16))
        print("playing")
        sys.stdin.readline()
        receipt = player.get_track_sample_offset()
        print(receipt.offset + receipt.queued)
        player.disconnect()
    """)
    assert program.stdout.readline().strip() == "playing"
    for _ in range(kills):
        server.kill()
        told = program.stdout.readline().strip()
        # ALSA says that it stopped before it ends.
        if told == "suspended":
            told = program.stdout.readline().strip()
        assert told == "lost"
        server.start()
        assert program.stdout.readline().strip() == "restored"
    rest, _ = program.communicate("\n", timeout=30)
    assert rest.split() == [str(24_000 * 120)]
    assert program.returncode == 0


def wait_for_a_frozen_server(server: AudioServer) -> None:
    """Stop the server's process for longer than a program waits, and let it go on: the player plays on."""
    program = server.popen("""
        import sys, numpy as np, wavtools
        player = wavtools.WavStreamPlayer(24_000, on_event=lambda event: print(event.kind))
        player.connect()
        player.add_16bit_pcm(np.ones(24_000 * 60, np.int16))
        print("playing")
        sys.stdin.readline()
        calls = player.stats.callbacks
        while player.stats.callbacks <= calls + 3:
            pass
        print("plays")
        player.disconnect()
    """)
    assert program.stdout.readline().strip() == "playing"
    server.process.send_signal(signal.SIGSTOP)
    time.sleep(1.5)
    server.process.send_signal(signal.SIGCONT)
    rest, _ = program.communicate("\n", timeout=30)
    assert rest.split()[-1] == "plays"
    assert program.returncode == 0


def record_through_kills(server: AudioServer, kills: int) -> None:
    """Kill the server again and again under a recorder: it is told, captures on, and drops nothing."""
    program = server.popen(
        """
        import sys, time, wavtools
        recorder = wavtools.WavRecorder(24_000, on_event=lambda event: print(event.kind))
        recorder.begin()
        recorder.record()
        print("recording")
        for _ in range(int(sys.argv[1])):
            sys.stdin.readline()
            calls = recorder.stats.callbacks
            while recorder.stats.callbacks <= calls + 3:
                time.sleep(0.01)
            print("captures")
        sys.stdin.readline()
        print(recorder.stats.frames_dropped)
        recorder.quit()
    """,
        kills,
    )

    def told() -> str:
        """The next line that every audio system prints."""
        while (line := program.stdout.readline().strip()) in ("suspended", "resumed", "rerouted"):
            pass
        return line

    assert told() == "recording"
    for _ in range(kills):
        server.kill()
        assert (line := told()) == "lost", line
        server.start()
        assert (line := told()) == "restored", line
        program.stdin.write("\n")
        program.stdin.flush()
        assert (line := told()) == "captures", line
    rest, _ = program.communicate("\n", timeout=30)
    # An event may come between.
    assert [word for word in rest.split() if word.isdigit()] == ["0"], rest
    assert program.returncode == 0


def play_and_record_on_one_device(server: AudioServer, input: str, output: str) -> None:
    """A duplex device: what was played lies beside what was captured, each sample once and in order."""
    result = server.python(
        """
        import sys, time, numpy as np, wavtools
        device = wavtools.DuplexDevice(input=sys.argv[1], output=sys.argv[2])
        player, recorder = (make(48_000, device=device) for make in (wavtools.WavStreamPlayer, wavtools.WavRecorder))
        chunks = []
        recorder.begin()
        player.connect()
        recorder.record(chunks.append, chunk_size=480)
        time.sleep(0.3)
        player.add_16bit_pcm(np.arange(1, 24_001, dtype=np.int16))
        player.wait_until_idle()
        time.sleep(0.3)
        recorder.end()
        player.disconnect()
        played = np.concatenate([chunk.played for chunk in chunks])
        print(np.array_equal(played[played != 0], np.arange(1, 24_001)), recorder.stats.frames_dropped)
        """,
        input,
        output,
    )
    assert result.stdout.split() == ["True", "0"], result


class JackServer(AudioServer):
    """jackd with its dummy driver: two ports each way, which programs may connect to each other."""

    def __init__(self, folder: Path, *, realtime: bool = False) -> None:
        self._priority = "--realtime" if realtime else "--no-realtime"
        self._jackd = require_program("jackd", "jackd2")
        require_program("jack_lsp", "jack-example-tools")
        self.folder = folder
        self._name = f"test-{uuid4().hex[:8]}"
        self.env = environment(
            folder,
            JACK_DEFAULT_SERVER=self._name,
            JACK_NO_AUDIO_RESERVATION="1",
            JACK_NO_START_SERVER="1",
            WAVTOOLS_BACKENDS="jack",
            PULSE_SERVER=f"unix:{folder / 'nobody'}",
        )
        self._preload = {name: value for name, value in os.environ.items() if name == "LD_PRELOAD"}
        self.start()

    def start(self) -> None:
        # Synchronous: the driver waits for its clients, so that a busy machine drops no period.
        command = [self._jackd, "-n", self._name, self._priority, "-S", "-d", "dummy", "-r", "48000"]
        with (self.folder / "server.log").open("wb") as log:
            self.process = subprocess.Popen([*command, "-p", "512"], env=self.env, stdout=log, stderr=log)
        wait_for(lambda: "system:playback_1" in output_of(["jack_lsp"], self.env), "JACK did not answer")

    def kill(self) -> None:
        kill(self.process)


class AlsaServer(AudioServer):
    """A PulseAudio server that programs reach through ALSA's plugin for it."""

    def __init__(self, folder: Path, rate: int = 48_000) -> None:
        super().__init__(folder, rate)
        (folder / ".asoundrc").write_text("pcm.!default { type pulse }\nctl.!default { type pulse }\n")
        self.env |= {"WAVTOOLS_BACKENDS": "alsa"}


SINKS = ("speaker", "room")


# Makes the null sinks in the session manager, as that makes the nodes of sound cards.
CARDS_SCRIPT = """
sinks = {{}}
for _, name in ipairs({{ "{names}" }}) do
  local node = Node("adapter", {{
    ["factory.name"] = "support.null-audio-sink", ["node.name"] = name, ["node.description"] = name,
    ["media.class"] = "Audio/Sink", ["audio.position"] = "MONO", ["audio.channels"] = 1, ["audio.rate"] = 48000,
  }})
  node:activate(Feature.Proxy.BOUND)
  table.insert(sinks, node)
end
""".format(names='", "'.join(SINKS))
# A sink that outlives WirePlumber 0.4 keeps its next start from linking any stream; so no such sink is made.
DUMMY_SINK = '{ cmd = "load-module" args = "module-always-sink"'


def let_the_session_manager_make_sinks(folder: Path) -> None:
    """Write the configuration for that into *folder*."""
    for name, text in (
        ("main.lua.d/60-cards.lua", 'load_script("cards.lua")'),
        ("scripts/cards.lua", CARDS_SCRIPT),
    ):
        path = folder / "wireplumber" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    usual = Path("/usr/share/pipewire/pipewire-pulse.conf").read_text()
    (folder / "pipewire").mkdir()
    (folder / "pipewire" / "pipewire-pulse.conf").write_text(usual.replace(DUMMY_SINK, "#{"))


class PipeWireServer(AudioServer):
    """pipewire, pipewire-pulse and wireplumber, with null sinks; ``parts`` holds their processes by name.

    With *cards*, the sinks are the session manager's, and vanish with it as sound cards do; else pipewire-pulse's.
    """

    PARTS = ("pipewire", "wireplumber", "pipewire-pulse")

    def __init__(self, folder: Path, *, cards: bool = False) -> None:
        self._cards = cards
        if cards:
            let_the_session_manager_make_sinks(folder)
        for program, package in zip(self.PARTS, ("pipewire", "wireplumber", "pipewire-pulse"), strict=True):
            require_program(program, package)
        require_program("dbus-daemon", "dbus-daemon")
        self.folder = folder
        self.env = environment(
            folder,
            XDG_CONFIG_HOME=str(folder),
            XDG_STATE_HOME=str(folder / "state"),
            PULSE_RUNTIME_PATH=str(folder / "pulse"),
            PULSE_SERVER=f"unix:{folder / 'pulse' / 'native'}",
            DBUS_SESSION_BUS_ADDRESS=f"unix:path={folder / 'bus'}",
        )
        self._preload = {name: value for name, value in os.environ.items() if name == "LD_PRELOAD"}
        (folder / "pulse").mkdir(mode=0o700)
        bus = ["dbus-daemon", "--session", "--nofork", f"--address=unix:path={folder / 'bus'}"]
        self._bus = subprocess.Popen(bus, env=self.env, stderr=subprocess.DEVNULL)
        wait_for((folder / "bus").exists, "no message bus")
        self.parts: dict[str, subprocess.Popen[bytes]] = {}
        self.start()

    def start(self) -> None:
        """Start the parts that do not run, and wait until the sinks are there."""
        for name in self.PARTS:
            if name not in self.parts:
                with (self.folder / f"{name}.log").open("wb") as log:
                    self.parts[name] = subprocess.Popen([name], env=self.env, stdout=log, stderr=log)
                if name == "pipewire":
                    wait_for((self.folder / "pipewire-0").exists, "no PipeWire")
        wait_for(lambda: "Server Name" in output_of(["pactl", "info"], self.env), "no pipewire-pulse")
        for name in () if self._cards else SINKS:
            if name not in self._sinks():
                options = ["rate=48000", "channels=1", "format=s16le"]
                self.pactl("load-module", "module-null-sink", f"sink_name={name}", *options)
        wait_for(lambda: all(name in self._sinks() for name in SINKS), "no sinks")
        self.process = self.parts["pipewire"]

    def sink_of_stream(self) -> str:
        """Name of the sink of the only stream; empty without one."""
        fields = output_of(["pactl", "list", "short", "sink-inputs"], self.env).split()
        names = dict(line.split()[:2] for line in self._sinks().splitlines())
        return names.get(fields[1], "") if fields else ""

    def choose_defaults(self) -> None:
        """Make "speaker" and the monitor of "room" the default devices, once the session manager is there."""
        for kind, name in (("sink", "speaker"), ("source", "room.monitor")):
            command = ["pactl", f"set-default-{kind}", name]
            wait_for(
                lambda command=command: not subprocess.run(command, env=self.env).returncode, "no default"
            )

    def _sinks(self) -> str:
        return output_of(["pactl", "list", "short", "sinks"], self.env)

    def kill(self, *names: str) -> None:
        """End these parts, or all; start() starts them again, as a service manager does."""
        for name in names or self.PARTS:
            kill(self.parts.pop(name))
        if "pipewire" not in self.parts:
            # The session manager ends by itself then.
            if "wireplumber" in self.parts:
                self.parts.pop("wireplumber").wait(10)
            for socket in self.folder.glob("pipewire-0*"):
                socket.unlink()

    def stop(self) -> None:
        for process in [*self.parts.values(), self._bus]:
            process.send_signal(signal.SIGCONT)
            kill(process)
