"""Measures what a tap adds to the way of an event (P14): through the tap and its screen, and directly.

    python -m benchmarks.bench_tap [--events 2000]

A server answers each event with one of the same size, and the time from sending to receiving is measured on one clock.
Small events and audio deltas of 100 ms go through the tap 50 times a second, as in a conversation; direct and tapped
connections take turns, so both see the same machine. The tap is the real command in a terminal (a pty of 132 x 44) whose
screen draws what passes. What is added is the difference of the medians; both ways of an answer pass through the tap.

Thread: main; the server has a process of its own, and the pty is read in a thread.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import pty
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.sections import machine, write_section

ROOT = Path(__file__).parent.parent
COLUMNS, ROWS = 132, 44
PACE_SECONDS = 0.02
START_SECONDS = 30.0
GOAL_MS = 2.0
EVENTS = {
    "a small event": {"type": "response.output_audio_transcript.delta", "item_id": "i", "delta": "a word "},
    "100 ms of audio": {"type": "response.output_audio.delta", "item_id": "i", "delta": "A" * 6400},
}
SERVER = """
import asyncio
from websockets.asyncio.server import serve
async def echo(peer):
    async for message in peer:
        await peer.send(message)
async def main():
    async with serve(echo, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()
asyncio.run(main())
"""


@contextmanager
def server() -> Iterator[str]:
    """A server that answers each message with itself."""
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"ws://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextmanager
def tap_in_a_terminal(upstream: str) -> Iterator[str]:
    """The command ``tap`` with its screen; yields the address that it shows."""
    import fcntl
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    with tempfile.TemporaryDirectory() as home:
        process = subprocess.Popen(
            [sys.executable, "-m", "console", "tap", "--listen", "127.0.0.1:0", "--upstream", upstream],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=ROOT,
            env={**os.environ, "HOME": home, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(theirs)
        found: list[str] = []
        shown = threading.Event()

        def read() -> None:
            text = ""
            while True:
                try:
                    data = os.read(ours, 65536)
                except OSError:
                    return
                if not data:
                    return
                if not found:
                    text += data.decode("utf-8", "replace")
                    address = re.search(r"connect to (ws://127\.0\.0\.1:\d+)", text)
                    if address:
                        found.append(address[1])
                        shown.set()

        threading.Thread(target=read, daemon=True).start()
        try:
            if not shown.wait(START_SECONDS):
                raise SystemExit("the tap did not show its address")
            yield found[0]
        finally:
            process.terminate()
            process.wait()
            os.close(ours)


async def round_trip(connection: ClientConnection, text: str) -> float:
    """Milliseconds from sending *text* to its answer."""
    begun = time.perf_counter()
    await connection.send(text)
    await connection.recv()
    return (time.perf_counter() - begun) * 1e3


async def measure(direct: str, tapped: str, count: int) -> dict[str, tuple[list[float], list[float]]]:
    """Round trips in milliseconds, for each kind of event: directly, and through the tap."""
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in EVENTS}
    async with connect(direct, compression=None) as one, connect(tapped, compression=None) as other:
        for name, event in EVENTS.items():
            text = json.dumps(event)
            for number in range(count):
                for connection, into in ((one, times[name][0]), (other, times[name][1])):
                    took = await round_trip(connection, text)
                    # The first ones warm up
                    if number >= count // 20:
                        into.append(took)
                    await asyncio.sleep(PACE_SECONDS / 2)
    return times


def report(times: dict[str, tuple[list[float], list[float]]]) -> list[str]:
    """The section of RESULTS.md."""
    lines = [
        "## The tap: what it adds to an event's way",
        "",
        f"{machine()}. Round trip of an event to a server that answers with the same, in milliseconds; the tap's screen",
        f"draws it meanwhile. Goal: at most {GOAL_MS:g} ms added, median.",
        "",
        "| event | direct, median | tapped, median | added | added at p95 | goal |",
        "|---|---|---|---|---|---|",
    ]
    for name, (direct, tapped) in times.items():
        medians = statistics.median(direct), statistics.median(tapped)
        tails = [statistics.quantiles(values, n=20)[-1] for values in (direct, tapped)]
        added = medians[1] - medians[0]
        met = "met" if added <= GOAL_MS else "missed"
        lines.append(
            f"| {name} | {medians[0]:.2f} | {medians[1]:.2f} | {added:.2f} | {tails[1] - tails[0]:.2f} | {met} |"
        )
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=2000, help="events of each kind (default: %(default)s)")
    parser.add_argument("--dry", action="store_true", help="print the section, do not write RESULTS.md")
    arguments = parser.parse_args()
    with server() as direct, tap_in_a_terminal(direct) as tapped:
        lines = report(asyncio.run(measure(direct, tapped, arguments.events)))
    print("\n".join(lines))
    if not arguments.dry:
        write_section("tap", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
