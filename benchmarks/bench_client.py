"""The client's section of RESULTS.md: an audio delta (P10), the microphone (P11), voice to voice (P13).

    python -m benchmarks.bench_client

P10, P11 and P13 without devices come from pytest-benchmark over the bench_client_*.py beside this file, ours and the
peer in one run; P13 with devices from bench_client_room.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import bench_client_room
from benchmarks.sections import machine, write_section

FOLDER = Path(__file__).parent
MODULES = ("bench_client_delta.py", "bench_client_append.py", "bench_client_voice.py")
PEERS = ("openai", "sounddevice", "websockets", "orjson")
TURNS = 30


def pytest_medians() -> dict[str, tuple[float, float]]:
    """(median, smallest) seconds of each case, by its name."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            f"--benchmark-json={report}",
        ]
        subprocess.run([*command, *(str(FOLDER / name) for name in MODULES)], check=True)
        cases = json.loads(report.read_text(encoding="utf-8"))["benchmarks"]
    times = {}
    for case in cases:
        per_round = case["extra_info"].get("deltas_per_round", 1)
        stats = case["stats"]
        module = case["fullname"].rpartition("/")[2].partition(".py")[0].rpartition("_")[2]
        times[f"{module} {case['name']}"] = (stats["median"] / per_round, stats["min"] / per_round)
    return times


def verdict(figure: float, bound: float) -> str:
    return "met" if figure <= bound else "**missed**"


def main() -> None:
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    times = pytest_medians()
    delta, sdk_delta = times["delta test_ours"], times["delta test_openai_sdk"]
    first, last = times["append test_append[minute_1]"], times["append test_append[minute_60]"]
    path, sdk_path = times["voice test_ours"], times["voice test_openai_sdk_with_blocks"]
    rows = [
        ("P10 one audio delta of 200 ms, ours / openai", delta[0] / sdk_delta[0], 1 / 8),
        ("P11 append after 60 min / after 1 min", last[0] / first[0], 1.1),
    ]
    rooms = {}
    for program in bench_client_room.PROGRAMS:
        rooms[program], _ = bench_client_room.measure(program, TURNS)
    ours, peer = (statistics.median(found) for found in rooms.values())
    rows.append(("P13 voice to voice through a sound system, ours / peer", ours / peer, 1 / 3))

    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PEERS)
    lines = [
        "## P10, P11 and P13: the client\n",
        f"`python -m benchmarks.bench_client` on {machine()}; {versions}; load average before: {load:.1f}. Ours and the "
        "peer in one run.\n",
        "| goal | figure | wanted | |\n|---|---:|---:|---|",
        *(
            f"| {name} | {figure:.2f} | ≤ {bound:.2f} | {verdict(figure, bound)} |"
            for name, figure, bound in rows
        ),
        "\n| | median | smallest |\n|---|---:|---:|",
    ]
    for name, pair, scale, unit in (
        ("P10 ours: parsed, in the conversation, handlers called, queued in a player", delta, 1e6, "µs"),
        ("P10 openai: parsed, decoded, in a deque", sdk_delta, 1e6, "µs"),
        ("P11 one second of microphone in 50 chunks, minute 1", first, 1e6, "µs"),
        ("P11 the same, minute 60", last, 1e6, "µs"),
        ("P13 without devices, ours", path, 1e3, "ms"),
        ("P13 without devices, openai and a queue", sdk_path, 1e3, "ms"),
    ):
        lines.append(f"| {name} | {pair[0] * scale:.1f} {unit} | {pair[1] * scale:.1f} {unit} |")
    lines += [
        f"\nP13 through PulseAudio, {TURNS} turns of each, from recordings of the room and the speaker, without the "
        "server's own time:\n",
        "| | answered | median ms | smallest | 90 % | largest |\n|---|---:|---:|---:|---:|---:|",
    ]
    for program, found in rooms.items():
        ordered = sorted(found)
        figures = statistics.median(ordered), ordered[0], ordered[len(ordered) * 9 // 10], ordered[-1]
        cells = " | ".join(f"{figure * 1e3:.1f}" for figure in figures)
        lines.append(f"| {program} | {len(found)} of {TURNS} | {cells} |")
    lines += ["", NOTES]
    write_section("client", lines)
    print("\n".join(lines))


NOTES = """Notes:

- P10: the peer does less: it parses the event, and the program decodes it into a deque. Of our 9 µs on the machine of the
  committed figures 3.5 are orjson and pybase64 over 13 kB of text, 1.5 the player's queue, and the rest Python:
  conversation, events, handlers. The queue's memory (28 MB) is touched by `connect()`, which takes some 20 ms there:
  page by page, while deltas arrived, it was 4 of 12 µs. Tried without gain: huge pages (stalls of 2 to 4 ms), a shorter
  way for a delta that follows another of its track, NumPy's dtype as an object.
- P11: 1.1 is what is taken for flat; runs on the machine of the committed figures gave 1.07 to 1.13. After an hour each
  chunk lets one older than `keep_input_seconds` go, some 0.4 µs, which the first minute does not; it grows no further. The
  audio that is kept is bounded, and the benchmark asserts it.
- P13 through a sound system: the sound server's own buffers are in both figures. The peer runs at PortAudio's "low"
  latency with blocks of 20 ms. Ours was 39.6 ms; of the difference, some 7 ms are callbacks of whatever size the server
  wants instead of whole periods, 8 ms capture periods of 5 instead of 10 ms, 5 ms chunks of 10 instead of 20 ms, and
  the rest a delivery thread that wakes when a callback is due. Periods of 5 ms on the way out gained no more and left
  gaps on a busy machine.
- P13 without devices is software alone; the peer's loop polls its queue, ours is woken."""


if __name__ == "__main__":
    main()
