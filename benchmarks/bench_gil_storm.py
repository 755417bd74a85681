"""Does the audio stutter when Python is busy? The sink's output is recorded and searched for gaps.

    python -m benchmarks.bench_gil_storm [SECONDS]

A counting ramp is played at 48 kHz with periods of 10 ms into a null sink of a private PulseAudio server, while Python
threads of the same process spin, and, in the harder storm, the collector walks 1.5 million objects. The sink's monitor
is recorded by another process: runs of silence inside the ramp are gaps, whatever the player believes. The peers play
the same ramp from their own callbacks: pyminiaudio's generator, and sounddevice (PortAudio through ALSA's pulse
plugin). Each variant runs in a process of its own, one after another.

Linux with pulseaudio, pulseaudio-utils; for sounddevice also libportaudio2 and libasound2-plugins.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.sections import machine, write_section
from tests.audio_server import AudioServer

RATE = 48_000
PERIOD = 480
LONGEST_VALUE = 30_000  # the ramp counts 1..30000 over and over: never zero

COMMON = """
import gc, os, sys, threading, time
import numpy as np

seconds, storm = float(sys.argv[1]), sys.argv[2]
ramp = (np.arange(int(48_000 * seconds)) % 30_000 + 1).astype(np.int16)
stop = False

def spin():
    while not stop:
        sum(range(1000))

def start_storm():
    if storm == "calm":
        return
    if storm == "4 threads and the collector":
        global ballast
        ballast = [[i] for i in range(1_500_000)]
        def collect():
            while not stop:
                gc.collect()
        threading.Thread(target=collect, daemon=True).start()
    for _ in range(4 if storm.startswith("4") else 1):
        threading.Thread(target=spin, daemon=True).start()
"""

PROGRAMS = {
    "wavtools": COMMON
    + """
import wavtools
player = wavtools.WavStreamPlayer(48_000)
player.connect()
start_storm()
player.add_16bit_pcm(ramp)
player.wait_until_idle()
stop = True
time.sleep(0.5)
print("underruns reported:", player.stats.underruns, "real-time priority:", player.stats.realtime_priority)
player.disconnect()
""",
    "wavtools, its echo cancelled meanwhile": COMMON
    + """
import wavtools
player = wavtools.WavStreamPlayer(48_000)
recorder = wavtools.WavRecorder(
    48_000, device="speaker.monitor", echo_canceller="native", reference=player, keep_seconds=0
)
player.connect()
recorder.begin()
recorder.record(lambda chunk: None, 480)
start_storm()
player.add_16bit_pcm(ramp)
player.wait_until_idle()
stop = True
time.sleep(0.5)
print("captured frames dropped:", recorder.stats.frames_dropped, "slips:", recorder.echo.slips)
recorder.end()
player.disconnect()
""",
    "wavtools, fed 0.5 s ahead from a Python thread": COMMON
    + """
import wavtools
player = wavtools.WavStreamPlayer(48_000)
player.connect()
start_storm()
sent, begin = 0, time.monotonic()
while sent < len(ramp):
    due = int((time.monotonic() - begin + 0.5) * 48_000)
    if due > sent:
        player.add_16bit_pcm(ramp[sent:due])
        sent = due
    time.sleep(0.02)
player.wait_until_idle()
stop = True
time.sleep(0.5)
player.disconnect()
""",
    "pyminiaudio, generator": COMMON
    + """
import miniaudio
def stream():
    position = 0
    wanted = yield b""
    while position < len(ramp):
        wanted = yield ramp[position : position + wanted].tobytes()
        position += wanted
    while True:
        wanted = yield bytes(2 * wanted)
device = miniaudio.PlaybackDevice(
    output_format=miniaudio.SampleFormat.SIGNED16, nchannels=1, sample_rate=48_000, buffersize_msec=10,
    backends=[miniaudio.Backend.PULSEAUDIO], thread_prio=miniaudio.ThreadPriority.REALTIME,
)
generator = stream()
next(generator)
start_storm()
device.start(generator)
time.sleep(seconds * 1.3 + 1)
stop = True
device.close()
""",
    "sounddevice, callback": COMMON
    + """
import sounddevice
position = 0
def callback(out, frames, when, status):
    global position
    part = ramp[position : position + frames]
    out[: len(part), 0] = part
    out[len(part) :] = 0
    position += frames
stream = sounddevice.OutputStream(
    samplerate=48_000, channels=1, dtype="int16", blocksize=480, callback=callback, device="pulse", latency=0.02
)
start_storm()
with stream:
    time.sleep(seconds * 1.3 + 1)
stop = True
""",
}
STORMS = ["1 thread", "4 threads and the collector"]


@dataclass
class Heard:
    """Gaps of the recording as (start, length) in frames, relative to the first sound."""

    gaps: list[tuple[int, int]]
    frames: int
    note: str

    @property
    def silence_ms(self) -> float:
        return sum(length for _, length in self.gaps) * 1000 / RATE


def gaps_in(recording: np.ndarray) -> tuple[list[tuple[int, int]], int]:
    """Runs of silence between the first and the last sound."""
    sound = np.flatnonzero(recording)
    if len(sound) == 0:
        return [], 0
    inside = recording[sound[0] : sound[-1] + 1] == 0
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.view(np.int8), [0]])))
    pairs = [(int(begin), int(end - begin)) for begin, end in edges.reshape(-1, 2)]
    return pairs, len(inside)


def run(program: str, storm: str, seconds: float) -> Heard:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # ALSA's default goes to the private server, for PortAudio.
        (folder / ".asoundrc").write_text(
            "pcm.!default pulse\npcm.pulse { type pulse }\nctl.pulse { type pulse }\n"
        )
        server = AudioServer(folder)
        raised = raise_priority(server.process.pid)
        monitor = folder / "heard.raw"
        record = ["parec", "--device=speaker.monitor", "--format=s16le", f"--rate={RATE}", "--channels=1"]
        with monitor.open("wb") as out:
            recorder = subprocess.Popen([*record, "--latency-msec=50"], env=server.env, stdout=out)
        raised &= raise_priority(recorder.pid)
        done = subprocess.run(
            [sys.executable, "-c", PROGRAMS[program], str(seconds), storm],
            env=server.env,
            capture_output=True,
            text=True,
            timeout=seconds * 20 + 120,
        )
        recorder.terminate()
        recorder.wait()
        server.stop()
        gaps, frames = gaps_in(np.fromfile(monitor, np.int16))
    note = done.stdout.strip() if done.returncode == 0 else f"failed: {done.stderr.strip().splitlines()[-1]}"
    return Heard(gaps, frames, note if raised else f"{note} (the rig got no real-time priority)".strip())


def raise_priority(pid: int) -> bool:
    """Give server and recorder real-time priority where allowed, so that the rig itself has no gaps."""
    try:
        os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(5))
    except (OSError, AttributeError):
        return False
    return True


def plot(results: dict[tuple[str, str], Heard], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(STORMS), 1, figsize=(9, 5.5), sharex=True, layout="constrained")
    for axis, storm in zip(axes, STORMS, strict=True):
        for row, program in enumerate(PROGRAMS):
            heard = results[program, storm]
            spans = [(begin / RATE, max(length / RATE, 0.02)) for begin, length in heard.gaps]
            axis.broken_barh([(0, heard.frames / RATE)], (row - 0.3, 0.6), color="#cfe8cf")
            axis.broken_barh(spans, (row - 0.3, 0.6), color="#b22222")
        axis.set_yticks(range(len(PROGRAMS)), list(PROGRAMS))
        axis.set_title(f"Storm: {storm}; red is silence where there should be sound")
        axis.invert_yaxis()
    axes[-1].set_xlabel("seconds of recording")
    figure.savefig(path, dpi=110)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    results = {}
    for storm in STORMS:
        for program in PROGRAMS:
            results[program, storm] = heard = run(program, storm, seconds)
            print(
                f"{storm} | {program}: {len(heard.gaps)} gaps, {heard.silence_ms:.0f} ms; {heard.note}",
                flush=True,
            )
    plot(results, Path(__file__).parent / "gil_storm.png")
    lines = [
        "## P8: sound while Python is busy\n",
        f"`python -m benchmarks.bench_gil_storm {seconds:g}` on {machine()}; load average before: "
        f"{os.getloadavg()[0]:.1f}. {seconds:g} s of a ramp at 48 kHz, periods of 10 ms asked for; gaps are runs of "
        "silence in the recording of the sink's monitor. One run of each.\n",
        "| | " + " | ".join(f"{storm}: gaps | silence ms" for storm in STORMS) + " |",
        "|---|" + "---:|---:|" * len(STORMS),
    ]
    for program in PROGRAMS:
        cells = [f"{len(results[program, s].gaps)} | {results[program, s].silence_ms:.0f}" for s in STORMS]
        lines.append(f"| {program} | " + " | ".join(cells) + " |")
    notes = sorted({f"{program}: {heard.note}" for (program, _), heard in results.items() if heard.note})
    lines += ["", *(f"- {note}" for note in notes), "", "![gaps over time](gil_storm.png)"]
    write_section("devices, P8", lines)


if __name__ == "__main__":
    main()
