"""The process of a simulated room: reads the loudspeaker's monitor, computes the echo, plays the microphone's sink.

    python -m tests.room_process SETTINGS_JSON [TRUTH_FILE]

Real-time priority throughout: the room is no part of what is tested and must not be late. It reports how late its
blocks came (tests/room.py decides whether a run counts). Commands are lines on standard input, each answered by a line
of JSON: ``near FILE``, ``delay MS``, ``move SEED``, ``settle``, ``report``. It ends when its input ends, and writes
TRUTH_FILE then:
the microphone's signal and the part of it that a person said.

Thread: the main thread; another one reads the commands.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import queue
import resource
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np

from tests.room_acoustics import BLOCKS_PER_SECOND, Acoustics, RoomSettings

# Zeros before the first block: the queue from which the microphone's sink is fed while a block is late
QUEUE_BLOCKS = 8
# Blocks until parec and pacat run evenly
SETTLING_BLOCKS = 50
ROOM_PRIORITY, PIPE_PRIORITY = 35, 38
# A process of real-time priority that computes for so long without waiting is ended: it would stop the machine.
RUNAWAY_MICROSECONDS = 500_000


class RoomProcess:
    """The loop over blocks of 10 ms, and what commands may change."""

    def __init__(self, settings: RoomSettings, truth: str | None) -> None:
        self.settings = settings
        self.acoustics = Acoustics(settings)
        self.truth = truth
        self.commands: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        # Arrival of each block, less the time at which it was due by count
        self.arrivals: list[float] = []
        # The first block whose lateness counts
        self.counted_from = SETTLING_BLOCKS
        self.microphone: list[np.ndarray] = []
        self.person: list[np.ndarray] = []
        # What a person still has to say, and whether the answer to the command is due
        self._near = np.zeros(0, np.float32)
        self._near_begins = False
        self._rng = np.random.default_rng(settings.seed)

    def block(self, data: bytes) -> bytes:
        """One block of the microphone for one of the loudspeaker."""
        settings = self.settings
        played = np.frombuffer(data, np.int16).reshape(-1, settings.speakers).astype(np.float32) / 32768
        heard = self.acoustics.echo(played)
        heard += self._rng.standard_normal(len(heard), np.float32) * np.float32(
            10 ** (settings.noise_db / 20)
        )
        near = np.zeros_like(heard)
        said = self._near[: len(near)]
        near[: len(said)] = said
        self._near = self._near[len(said) :]
        samples = np.clip(np.rint((heard + near) * 32767), -32768, 32767).astype(np.int16)
        if self.truth is not None:
            self.microphone.append(samples)
            self.person.append((near * 32767).astype(np.int16))
        return samples.tobytes()

    def run(self, source: Any, sink: Any) -> None:
        """Pass blocks on until the commands end."""
        size = 2 * self.settings.block * self.settings.speakers
        sink.write(bytes(2 * self.settings.block * QUEUE_BLOCKS))
        while len(data := source.read(size)) == size:
            self.arrivals.append(time.monotonic() - len(self.arrivals) / BLOCKS_PER_SECOND)
            out = self.block(data)
            leaves = time.monotonic()
            sink.write(out)
            if self._near_begins:
                self._near_begins = False
                self.answer(time=leaves, frame=(len(self.arrivals) - 1) * self.settings.block)
            while not self.commands.empty():
                line = self.commands.get()
                if line is None:
                    return
                self.obey(*line.split(maxsplit=1))

    def obey(self, name: str, value: str = "") -> None:
        if name == "near":
            self._near = np.load(value).astype(np.float32) / 32768
            self._near_begins = True
        elif name == "delay":
            self.acoustics.delay_ms = float(value)
            self.answer()
        elif name == "move":
            self.acoustics.move(int(value))
            self.answer()
        elif name == "settle":
            self.counted_from = len(self.arrivals) + SETTLING_BLOCKS
            self.answer()
        elif name == "report":
            settled = np.array(self.arrivals[self.counted_from :] or [0.0])
            late_ms = (settled - settled.min()) * 1000
            self.answer(
                blocks=len(self.arrivals), late=int(np.sum(late_ms > 25)), worst_ms=float(late_ms.max())
            )

    def answer(self, **values: float) -> None:
        print(json.dumps(values), flush=True)

    def read_commands(self) -> None:
        for line in sys.stdin:
            self.commands.put(line.strip())
        self.commands.put(None)


def be_prompt(pid: int, priority: int) -> None:
    """Give a process real-time priority, and end it if it should spin."""
    resource.prlimit(pid, resource.RLIMIT_RTTIME, (RUNAWAY_MICROSECONDS, RUNAWAY_MICROSECONDS))
    os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(priority))


def main() -> None:
    settings = RoomSettings(**json.loads(sys.argv[1]))
    room = RoomProcess(settings, sys.argv[2] if len(sys.argv) > 2 else None)
    # Everything that the loop needs is loaded before it has to be in time.
    room.block(bytes(2 * settings.block * settings.speakers))
    room.microphone.clear()
    room.person.clear()
    form = ["--raw", "--format=s16le", f"--rate={settings.rate}"]
    listen = ["parec", "-d", "speaker.monitor", "--latency-msec=10", f"--channels={settings.speakers}", *form]
    speak = ["pacat", "-d", "room", "--latency-msec=20", "--channels=1", *form]
    with (
        subprocess.Popen(speak, stdin=subprocess.PIPE, bufsize=0) as sink,
        subprocess.Popen(listen, stdout=subprocess.PIPE) as source,
    ):
        threading.Thread(target=room.read_commands, daemon=True).start()
        gc.collect()
        gc.disable()
        be_prompt(sink.pid, PIPE_PRIORITY)
        be_prompt(source.pid, PIPE_PRIORITY)
        be_prompt(0, ROOM_PRIORITY)
        room.answer()
        # The audio server may be killed by a test.
        with contextlib.suppress(BrokenPipeError):
            room.run(source.stdout, sink.stdin)
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        if room.truth is not None:
            np.savez(
                room.truth, microphone=np.concatenate(room.microphone), person=np.concatenate(room.person)
            )
        source.kill()
        sink.kill()


if __name__ == "__main__":
    main()
