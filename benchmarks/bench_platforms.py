"""How punctual is playback on each audio system of this machine: lateness, round trip, and gaps while Python is busy?

    python -m benchmarks.bench_platforms [SECONDS]

Each system runs privately, with null sinks or a dummy driver: PulseAudio, PipeWire and JACK, and Windows' Python under
wine where `tools/windows_python.py` has made it in build/windows. A program plays a counting ramp and records it from the
speaker's monitor (on JACK from connected ports), first calm, then while four threads spin. Round trip: from a click's
queueing until it lies in the recording. Gaps: zeros inside the recorded ramp.

Linux with pulseaudio, pipewire, pipewire-pulse, wireplumber, dbus-daemon, jackd2 and jack-example-tools.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.sections import machine, write_section
from tests.audio_server import AudioServer
from tests.platforms.servers import JackServer, PipeWireServer
from tests.platforms.wine_server import WINDOWS, WineServer

CLICKS = 20

PROGRAM = """
import json, random, subprocess, sys, threading, time
import numpy as np, wavtools

seconds, storm, monitor = float(sys.argv[1]), sys.argv[2] == "storm", sys.argv[3]
player = wavtools.WavStreamPlayer(48_000)
player.connect()
recorder = wavtools.WavRecorder(48_000, device=monitor if monitor not in ("", "jack") else None)
recorder.begin()
if monitor == "jack":
    ports = subprocess.run(["jack_lsp"], capture_output=True, text=True).stdout.split()
    played = sorted(port for port in ports if "playback" in port and not port.startswith("system:"))
    captured = sorted(port for port in ports if "capture" in port and not port.startswith("system:"))
    for i, (source, target) in enumerate(zip(played, captured)):
        subprocess.run(["jack_disconnect", f"system:capture_{i + 1}", target], check=True)
        subprocess.run(["jack_connect", source, target], check=True)
stop = False

def spin():
    while not stop:
        sum(range(1000))

for _ in range(4 if storm else 0):
    threading.Thread(target=spin, daemon=True).start()

arrived = []
def listen(chunk):
    if len(arrived) < len(sent) and chunk.mono.any():
        arrived.append(time.perf_counter())

sent, trips = [], []
recorder.record(listen, chunk_size=48)
time.sleep(0.5)
for _ in range(int(sys.argv[4])):
    sent.append(time.perf_counter())
    player.add_16bit_pcm(np.full(96, 9_000, np.int16))
    time.sleep(random.uniform(0.2, 0.3))
    if len(arrived) == len(sent):
        trips.append(arrived[-1] - sent[-1])
    else:
        sent.pop()
recorder.clear()
player.add_16bit_pcm((np.arange(int(48_000 * seconds)) % 30_000 + 1).astype(np.int16))
player.wait_until_idle()
time.sleep(0.5)
stop = True
wav = recorder.end()
heard = wav.pcm if wav.pcm.ndim == 1 else wav.pcm[:, 0]
sound = np.flatnonzero(heard)
inside = heard[sound[0] : sound[-1] + 1] == 0 if len(sound) else np.zeros(0, bool)
stats = player.stats
print(json.dumps({
    "late": stats.worst_lateness_seconds,
    "priority": stats.realtime_priority, "trips": sorted(trips), "dropped": recorder.stats.frames_dropped,
    "gaps": int(np.count_nonzero(np.diff(inside.astype(np.int8)) == 1)), "silence": int(inside.sum()),
    "heard": len(sound),
}))
player.disconnect()
"""


def pipewire(folder: Path) -> PipeWireServer:
    server = PipeWireServer(folder)
    server.choose_defaults()
    return server


# The server, and where its programs hear the speaker.
SYSTEMS: dict[str, tuple[Callable[[Path], AudioServer], str]] = {
    "PulseAudio": (AudioServer, "speaker.monitor"),
    "PipeWire": (pipewire, "speaker.monitor"),
    "JACK": (JackServer, "jack"),
    "WASAPI, wine": (WineServer, "Monitor"),
}


def measure(system: str, storm: str, seconds: float) -> dict[str, Any]:
    """What the program printed; {"failed": the last line of its error} if it did not end well."""
    make, monitor = SYSTEMS[system]
    with tempfile.TemporaryDirectory() as name:
        server = make(Path(name))
        try:
            done = server.python(PROGRAM, seconds, storm, monitor, CLICKS, timeout=seconds * 3 + 60)
        finally:
            server.stop()
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or ["?"])[-1]}
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def row(system: str, storm: str, result: dict[str, Any]) -> str:
    if "failed" in result:
        return f"| {system} | {storm} | failed: {result['failed']} | | | |"
    trips = result["trips"]
    trip = f"{trips[len(trips) // 2] * 1000:.1f} / {trips[-1] * 1000:.1f}" if trips else "not heard"
    gaps = f"{result['gaps']} ({result['silence'] / 48:.1f} ms)"
    granted = {True: "yes", False: "no", None: "not seen"}[result["priority"]]
    figures = f"{result['late'] * 1000:.1f} | {trip} | {gaps} | {granted}"
    return f"| {system} | {storm} | {figures} |"


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    lines = [
        "## Audio systems: lateness, round trip, gaps\n",
        f"`python -m benchmarks.bench_platforms` on {machine()}; {seconds:g} s of sound each. Round trip: queueing a click "
        f"until the recorder's callback has it, {CLICKS} times. Storm: four spinning Python threads, which also delay that "
        "callback. Gaps: silence inside the recorded sound, whoever caused it.\n",
        "| system | Python | worst lateness, ms | round trip, median / worst, ms | gaps | real-time |",
        "|---|---|---:|---:|---:|---|",
    ]
    for system in SYSTEMS:
        if system.endswith("wine") and not (WINDOWS / "python.exe").exists():
            lines.append(f"| {system} | | not built: `tools/windows_python.py build/windows` | | | |")
            continue
        for storm in ("calm", "storm"):
            lines.append(row(system, storm, measure(system, storm, seconds)))
            print(lines[-1], flush=True)
    write_section("audio systems", lines)


if __name__ == "__main__":
    main()
