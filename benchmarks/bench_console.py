"""Measures the console's screen: an hour of conversation at 50 times its speed, and the time to the first paint (P14).

    python -m benchmarks.bench_console [--minutes 60] [--starts 9]

Each part runs in a process of its own and in a real terminal (a pty of 132 x 44 whose other end is read to the end), so
the figures include making and writing the escape sequences. Needs a POSIX system.

The hour: 50 microphone chunks a second and an answer of 6 s in every 10 s go through the session model while the screen
shows them and the bars of both sides move: 62 events in a second of conversation, 3100 in a second of real time. The
screen is meant to draw 20 frames a second; a frame counts when it has been written, and its interval is measured from the
frame before. Memory is resident memory of the process.

The first paint: from the end of Textual's import to the first written frame in which every pane is filled. The key is in
the environment: a keyring, if that package is installed, takes another 0.2 s.

Idle and connected: the screen with an open session of the offline server, microphone closed. The figure includes the
threads of both devices, the echo canceller, and the keep-alive of the connection.

Thread: the event loop of the measured process; the pty is read in a thread.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import gc
import itertools
import json
import os
import pty
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.sections import machine, write_section

ROOT = Path(__file__).parent.parent
COLUMNS, ROWS = 132, 44
# Frames a second
WANTED = 20
SPEED = 50.0
TURN_SECONDS, ANSWER_FROM, STEP = 10.0, 4.0, 0.1
# Base64 of 20 ms and of 100 ms
CHUNK, AUDIO = "A" * 1280, "A" * 6400
IDLE_SECONDS = 10.0
CONNECTED_SECONDS = 30.0
DEADLINE_SECONDS = 600.0

# The program whose first paint is measured; its argument is the file for the figures
FIRST_PAINT = """
import sys, time
import textual.app, textual.widgets
begun, busy = time.perf_counter(), time.process_time()
import asyncio
from console.call import Call
from console.screen.app import RealtimeConsole
from console.settings import Settings

class Timed(RealtimeConsole):
    def _painted(self):
        super()._painted()
        open(sys.argv[1], "w").write(str([time.perf_counter() - begun, time.process_time() - busy]))
        self.exit()

asyncio.run(Timed(Call(Settings(url="ws://127.0.0.1:9", input="null", output="null"))).run_async())
"""

# The program that is connected and idle, with two silent devices; its arguments: seconds, and the file for the figure
CONNECTED = """
import asyncio, gc, sys, time
from console.call import Call
from console.endpoint import Endpoint
from console.keys import Key
from console.screen.app import RealtimeConsole
from console.settings import Settings

async def run(seconds, out):
    settings = Settings(offline=True, input="null", output="null")
    app = RealtimeConsole(Call(settings, Endpoint(offline=True, key=Key("", "none"))))
    gc.freeze()
    ended = asyncio.create_task(app.run_async())
    while app.model.state != "connected":
        await asyncio.sleep(0.1)
    # Until the notices are gone and the devices are known to be silent
    await asyncio.sleep(12)
    cpu, began = time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    open(out, "w").write(str((time.process_time() - cpu) / (time.monotonic() - began)))
    app.exit()
    await ended

asyncio.run(run(float(sys.argv[1]), sys.argv[2]))
"""


def in_terminal(*arguments: object) -> Any:
    """Run Python in a pty; its last argument is a file, and the JSON that it writes there is returned."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    path = os.pathsep.join((str(ROOT), str(ROOT / "src")))
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "TERM": "xterm-256color",
        "OPENAI_API_KEY": "sk-benchmark",
    }
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "figures"
        command = [sys.executable, *map(str, arguments), str(out)]
        process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
        os.close(theirs)

        def drain() -> None:
            try:
                while os.read(ours, 1 << 16):
                    pass
            except OSError:
                # The process has ended
                pass

        reader = threading.Thread(target=drain)
        reader.start()
        try:
            status = process.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        reader.join()
        os.close(ours)
        if status or not out.exists():
            raise RuntimeError(f"the console did not run (status {status}); open it by hand to see why")
        return json.loads(out.read_text())


def resident_mib() -> float:
    """Resident memory; 0 if the system has no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def inside(minutes: float, out: Path) -> None:
    """In the terminal: measure idle first, then the conversation; write the figures to *out*."""
    from console.call import Call
    from console.endpoint import Endpoint
    from console.keys import Key
    from console.screen.app import RealtimeConsole
    from console.settings import Settings

    written: list[float] = []
    figures: dict[str, Any] = {"minutes": minutes, "memory": [], "behind": 0.0}
    call = Call(Settings(input="null", output="null"), Endpoint(url="ws://127.0.0.1:9", key=Key("", "none")))

    class Counted(RealtimeConsole):
        def _display(self, screen: Any, renderable: Any) -> None:
            super()._display(screen, renderable)
            if renderable is not None:
                written.append(time.perf_counter())

    async def run() -> None:
        app = Counted(call)
        # As console/__main__.py does
        gc.freeze()
        ended = asyncio.create_task(app.run_async())
        await asyncio.sleep(3.0)
        written.clear()
        cpu = time.process_time()
        await asyncio.sleep(IDLE_SECONDS)
        figures["idle_frames"], figures["idle_cpu"] = len(written), (time.process_time() - cpu) / IDLE_SECONDS
        # There is no session: tick() would set the bars to silence
        app.call.tick = lambda: None  # type: ignore[method-assign]
        await converse(call, minutes, written, figures)
        app.exit()
        await ended

    asyncio.run(run())
    out.write_text(json.dumps(figures))


async def converse(call: Any, minutes: float, written: list[float], figures: dict[str, Any]) -> None:
    """Feed the model with *minutes* of conversation at SPEED; note frames, memory, delay and processor time."""
    from realtime import TimingsEvent

    model, turns = call.model, int(minutes * 60 / TURN_SECONDS)
    model.set_state("connected")
    await asyncio.sleep(1.0)
    gc.collect()
    figures["memory"].append(resident_mib())
    written.clear()
    began, cpu = time.perf_counter(), time.process_time()
    for turn in range(turns):
        await hold_turn(call, turn, began, figures)
        timings = TimingsEvent(item_id=f"a{turn}", speech_end=0.0, first_sample=0.3, answered=True)
        model.on_timings(timings, time.time(), 0.3)
        if (turn + 1) % max(1, turns // 10) == 0:
            figures["memory"].append(resident_mib())
    figures["cpu"] = (time.process_time() - cpu) / (time.perf_counter() - began)
    figures["intervals"] = [b - a for a, b in itertools.pairwise(written)]
    figures["events"], figures["rows"] = model.events.total, len(model.transcript)


async def hold_turn(call: Any, turn: int, began: float, figures: dict[str, Any]) -> None:
    """One turn: microphone chunks all the time, the answer from ANSWER_FROM on, bars that move."""
    from realtime import Delta, Event, Item, ItemUpdatedEvent, RealtimeEvent

    model = call.model

    def wire(source: str, at: float, **event: object) -> None:
        model.on_wire(RealtimeEvent(source, Event(event), at))

    item = Item(f"a{turn}", role="assistant")
    item.content = [{"type": "output_audio", "transcript": ""}]
    for step in range(int(TURN_SECONDS / STEP)):
        at = turn * TURN_SECONDS + step * STEP
        for _ in range(5):
            wire("client", at, type="input_audio_buffer.append", audio=CHUNK)
        if step * STEP >= ANSWER_FROM:
            item.content[0]["transcript"] += "word "
            item.refresh()
            wire("server", at, type="response.output_audio.delta", delta=AUDIO)
            wire("server", at, type="response.output_audio_transcript.delta", delta="word ")
            model.on_updated(ItemUpdatedEvent(item, Delta(transcript="word ")))
        call.microphone_bars = tuple((step + i) % 10 / 10 for i in range(10))
        call.speaker_bars = call.microphone_bars[::-1]
        due = began + at / SPEED
        figures["behind"] = max(figures["behind"], time.perf_counter() - due)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
    item.status = "completed"
    model.on_updated(ItemUpdatedEvent(item, None))


def report(hour: dict[str, Any], starts: list[list[float]], connected: float) -> Iterator[str]:
    intervals = sorted(hour["intervals"])
    memory = hour["memory"]

    def rate(share: float) -> float:
        return 1 / intervals[min(len(intervals) - 1, int(len(intervals) * share))]

    yield "# The console's screen\n"
    yield (
        f"`python -m benchmarks.bench_console` on {machine()}, Textual {version('textual')}, in a terminal of "
        f"{COLUMNS} x {ROWS}; load average of the machine meanwhile {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.\n"
    )
    yield "| what | figure | wanted |\n|---|---:|---:|"
    yield f"| {hour['minutes']:g} min at {SPEED:g} times the speed: events, items | {hour['events']}, {hour['rows']} | |"
    sizes = f"{memory[0]:.0f}, {memory[len(memory) // 2]:.0f}, {memory[-1]:.0f}"
    yield f"| memory at the start, in the middle, at the end (MiB) | {sizes} | bounded |"
    yield f"| frames a second, median | {rate(0.5):.1f} | {WANTED} |"
    yield f"| frames a second, mean | {len(intervals) / sum(intervals):.1f} | {WANTED} |"
    yield f"| frames a second, slowest 1 % | {rate(0.99):.1f} | |"
    yield f"| the events' worst delay (ms) | {hour['behind'] * 1000:.0f} | |"
    yield f"| processor, feeding of the model included (of a core) | {hour['cpu']:.0%} | |"
    idle = f"{hour['idle_frames']}, {hour['idle_cpu']:.1%}"
    yield f"| idle for {IDLE_SECONDS:g} s: frames, processor | {idle} | 0 |"
    yield f"| idle and connected for {CONNECTED_SECONDS:g} s, two silent devices: processor | {connected:.1%} | |"
    took, busy = zip(*starts, strict=True)
    yield f"| P14: first paint (s), median of {len(starts)} | {statistics.median(took):.2f} | ≤ 0.7 |"
    yield f"| P14: fastest, slowest (s) | {min(took):.2f}, {max(took):.2f} | |"
    yield f"| P14: its processor time (s), median | {statistics.median(busy):.2f} | |"


def main() -> None:
    parser = argparse.ArgumentParser(description="The console's screen, measured.")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--starts", type=int, default=9)
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside is not None:
        inside(arguments.minutes, arguments.inside)
        return
    # The first run compiles modules that are not compiled yet
    in_terminal("-c", FIRST_PAINT)
    starts = [in_terminal("-c", FIRST_PAINT) for _ in range(arguments.starts)]
    print("first paint:", " ".join(f"{took:.2f}" for took, _ in starts), flush=True)
    hour = in_terminal("-m", "benchmarks.bench_console", "--minutes", arguments.minutes, "--inside")
    connected = in_terminal("-c", CONNECTED, CONNECTED_SECONDS)
    lines = list(report(hour, starts, connected))
    print("\n".join(lines))
    write_section("console", lines)


if __name__ == "__main__":
    main()
