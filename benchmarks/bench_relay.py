"""P12: our relay against a minimal Node relay of the original's shape, same load, same run, alternating.

    python -m benchmarks.bench_relay [--sessions 60] [--seconds 8] [--rounds 3]

The load: each session sends 50 messages a second each way, 20 ms of PCM16 at 24 kHz in base64 in each. One process is
client and upstream server of all sessions, so that one clock stamps both ends; both relays get the very same bytes.

Measured from outside, of the relay's process: processor time (user and system) for a session, which gives sessions on a
core; resident memory for a session; and the delay of each message through the relay, minus nothing. The delay of the
load generator alone (client connected to upstream directly) stands beside it.

Needs node and npm; the first run fetches `ws` from the npm registry.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.client import ClientProtocol
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from benchmarks.sections import machine, write_section
from realtime.relay.socket import QUIET, WebSocket

FOLDER = Path(__file__).parent / "relay_node"
ROOT = Path(__file__).parent.parent
INTERVAL_SECONDS = 0.020
AUDIO = base64.b64encode(random.Random(12).randbytes(960)).decode()
CREATED = json.dumps({"type": "session.created", "session": {"type": "realtime", "audio": {}}}).encode()
PID = str(os.getpid())


@dataclass
class Delays:
    """Seconds from one end to the other, by direction; recorded while `on`."""

    on: bool = False
    up: list[float] = field(default_factory=list)
    down: list[float] = field(default_factory=list)


def up_frame() -> bytes:
    stamp = time.perf_counter_ns()
    return f'{{"type":"input_audio_buffer.append","event_id":"t{stamp}","audio":"{AUDIO}"}}'.encode()


def down_frame() -> bytes:
    stamp = time.perf_counter_ns()
    return (
        f'{{"type":"response.output_audio.delta","event_id":"t{stamp}","response_id":"resp_1","item_id":"item_1",'
        f'"output_index":0,"content_index":0,"delta":"{AUDIO}"}}'
    ).encode()


def delay_of(payload: bytes) -> float:
    start = payload.index(b'"event_id":"t') + 13
    return (time.perf_counter_ns() - int(payload[start : payload.index(b'"', start)])) / 1e9


class End:
    """One end of a session: sends every 20 ms, and records the delay of each message that arrives."""

    def __init__(self, load: Load, upstream: bool) -> None:
        self.load = load
        self.upstream = upstream
        self.socket: WebSocket | None = None
        self.timer: asyncio.TimerHandle | None = None

    def on_connected(self, socket: WebSocket) -> None:
        self.socket = socket

    def on_handshake(self, socket: WebSocket, event: Any) -> None:
        if self.upstream:
            protocol = socket.protocol
            assert isinstance(protocol, ServerProtocol)
            socket.respond(protocol.accept(event))
            socket.send(CREATED)
            self.load.upstreams.append(self)
        else:
            self.load.clients.append(self)

    def on_message(self, socket: WebSocket, payload: bytes) -> None:
        if self.load.delays.on and b'"event_id":"t' in payload:
            (self.load.delays.up if self.upstream else self.load.delays.down).append(delay_of(payload))

    def on_writable(self, socket: WebSocket, writable: bool) -> None: ...

    def on_closed(self, socket: WebSocket, code: int, reason: str) -> None:
        if self.timer is not None:
            self.timer.cancel()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self.next = loop.time() + random.random() * INTERVAL_SECONDS
        self.timer = loop.call_at(self.next, self.tick, loop)

    def tick(self, loop: asyncio.AbstractEventLoop) -> None:
        assert self.socket is not None
        self.socket.send(down_frame() if self.upstream else up_frame())
        self.next += INTERVAL_SECONDS
        self.timer = loop.call_at(self.next, self.tick, loop)


class Load:
    """Both ends of all sessions."""

    def __init__(self) -> None:
        self.delays = Delays()
        self.clients: list[End] = []
        self.upstreams: list[End] = []

    async def listen(self) -> int:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: WebSocket(ServerProtocol(logger=QUIET), End(self, True)), "127.0.0.1", 0
        )
        self.server = server
        return int(server.sockets[0].getsockname()[1])

    async def connect(self, url: str, sessions: int) -> None:
        loop = asyncio.get_running_loop()
        uri = parse_uri(url)
        for _ in range(sessions):
            protocol = ClientProtocol(uri, logger=QUIET)
            _, socket = await loop.create_connection(
                lambda protocol=protocol: WebSocket(protocol, End(self, False)), uri.host, uri.port
            )
            protocol.send_request(protocol.connect())
            socket.flush()
        while len(self.clients) < sessions or len(self.upstreams) < sessions:
            await asyncio.sleep(0.01)

    async def run(self, seconds: float, warm: float, sample: Any) -> tuple[Any, Any, float]:
        """Talk; *sample* is called at the beginning and at the end of the measured part."""
        loop = asyncio.get_running_loop()
        for end in (*self.clients, *self.upstreams):
            end.start(loop)
        await asyncio.sleep(warm)
        before, started = sample(), time.perf_counter()
        self.delays.on = True
        await asyncio.sleep(seconds)
        self.delays.on = False
        return before, sample(), time.perf_counter() - started

    async def close(self) -> None:
        for end in (*self.clients, *self.upstreams):
            if end.timer is not None:
                end.timer.cancel()
            if end.socket is not None:
                end.socket.abort()
        self.server.close()
        await self.server.wait_closed()


@dataclass
class Result:
    """One round of one relay."""

    cpu_seconds: float  # of a session, in a second
    memory_bytes: float  # of a session
    p50: float
    p99: float
    messages: int

    @property
    def sessions_per_core(self) -> float:
        return 1 / self.cpu_seconds


def command(name: str, upstream: str) -> list[str]:
    if name == "node":
        return ["node", str(FOLDER / "relay.mjs"), upstream]
    return [sys.executable, "-m", "realtime.relay", "--port", "0", "--upstream", upstream, "--policy", POLICY]


POLICY = str(Path(__file__).parent / "relay_node" / "open.toml")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmRSS")


async def measure(name: str, sessions: int, seconds: float) -> Result:
    load = Load()
    port = await load.listen()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "NODE_ENV": "production"}
    process = subprocess.Popen(  # noqa: ASYNC220 - before the load begins
        command(name, f"ws://127.0.0.1:{port}/v1/realtime"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    try:
        assert process.stdout is not None
        line = await asyncio.to_thread(process.stdout.readline)
        url = line.removeprefix("listening on ").strip()
        await asyncio.sleep(0.5)
        empty = memory_bytes(process.pid)
        await load.connect(url, sessions)
        before, after, elapsed = await load.run(seconds, 2.0, lambda: cpu_seconds(process.pid))
        full = memory_bytes(process.pid)
    finally:
        await load.close()
        process.terminate()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]
    both = sorted(load.delays.up + load.delays.down)
    return Result(
        (after - before) / elapsed / sessions,
        (full - empty) / sessions,
        both[len(both) // 2],
        both[int(len(both) * 0.99)],
        len(both),
    )


async def measure_direct(sessions: int, seconds: float) -> tuple[float, float]:
    """p50 and p99 of the load generator connected to itself."""
    load = Load()
    port = await load.listen()
    await load.connect(f"ws://127.0.0.1:{port}/v1/realtime", sessions)
    await load.run(seconds, 1.0, lambda: None)
    await load.close()
    both = sorted(load.delays.up + load.delays.down)
    return both[len(both) // 2], both[int(len(both) * 0.99)]


def report(sessions: int, seconds: float, rounds: int) -> list[str]:
    import uvloop

    results: dict[str, list[Result]] = {"ours": [], "node": []}
    direct = []
    for _ in range(rounds):
        direct.append(uvloop.run(measure_direct(sessions, min(seconds, 4))))
        for name in results:
            results[name].append(uvloop.run(measure(name, sessions, seconds)))
            one = results[name][-1]
            print(
                f"{name}: {one.sessions_per_core:.0f} sessions/core, p50 {one.p50 * 1e3:.2f} ms, "
                f"p99 {one.p99 * 1e3:.2f} ms, "
                f"{one.memory_bytes / 1024:.0f} KiB/session, {one.messages} messages",
                file=sys.stderr,
            )

    def median(name: str, what: str) -> float:
        return statistics.median(getattr(result, what) for result in results[name])

    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    version = json.loads((FOLDER / "node_modules" / "ws" / "package.json").read_text())["version"]
    idle50, idle99 = (statistics.median(column) for column in zip(*direct, strict=True))
    rows = [
        ("sessions on one core", "sessions_per_core", 1, "{:.0f}", True),
        ("added delay, median (ms)", "p50", 1e3, "{:.2f}", False),
        ("added delay, 99 % (ms)", "p99", 1e3, "{:.2f}", False),
        ("memory of a session (KiB)", "memory_bytes", 1 / 1024, "{:.0f}", False),
    ]
    lines = [
        "## P12: the relay against a Node relay of the original's shape",
        "",
        f"{sessions} sessions, 50 messages/s each way, 20 ms of audio each; {rounds} rounds of {seconds:g} s, "
        f"alternating; medians. {machine()} with uvloop {uvloop.__version__}, Node {node} with "
        f"ws {version}, {os.cpu_count()} cores shared with the load generator, load average {os.getloadavg()[0]:.1f}.",
        f"The generator alone: median {idle50 * 1e3:.2f} ms, 99 % {idle99 * 1e3:.2f} ms; subtracted from the delays.",
        "",
        "| | ours | Node | ratio |",
        "|---|---|---|---|",
    ]
    for title, what, scale, shape, more_is_better in rows:
        floor = idle50 if what == "p50" else idle99 if what == "p99" else 0.0
        ours, theirs = (max(median(name, what) - floor, 1e-9) * scale for name in ("ours", "node"))
        ratio = ours / theirs if more_is_better else theirs / ours
        lines.append(f"| {title} | {shape.format(ours)} | {shape.format(theirs)} | {ratio:.2f} |")
    lines += [
        "",
        "The goal is twice the sessions on a core, and no more delay at 99 %. Sessions on a core are 1 over the processor "
        "time that a session takes of the relay's process, read from /proc; Node's includes its helper threads. Ours "
        "matches audio and checks every other message against its policy, Node's parses, "
        "dispatches and writes anew, as the original does, and checks nothing.",
    ]
    return lines


def main() -> int:
    p = argparse.ArgumentParser(description="P12: the relay against a Node relay of the original's shape.")
    p.add_argument("--sessions", type=int, default=60)
    p.add_argument("--seconds", type=float, default=8)
    p.add_argument("--rounds", type=int, default=3)
    arguments = p.parse_args()
    if shutil.which("node") is None or shutil.which("npm") is None:
        print("needs node and npm", file=sys.stderr)
        return 2
    if not (FOLDER / "node_modules" / "ws").is_dir():
        subprocess.run(["npm", "install", "--silent"], cwd=FOLDER, check=True)
    lines = report(arguments.sessions, arguments.seconds, arguments.rounds)
    print("\n".join(lines))
    write_section("relay", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
