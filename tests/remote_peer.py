"""A peer of a RemoteDevice in virtual time: an audio clock of its own, and a network with delay and jitter.

It is written from docs/remote-protocol.md alone, with code of its own for the frames, so that it checks the host's.

Thread: the test's.
"""

from __future__ import annotations

import heapq
import json
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

HEADER = struct.Struct("<BBHId")
HELLO, OPENED, PLAY, CUT, CUT_DONE, REPORT, PING, PONG, MIC, GAIN, BYE = range(1, 12)
QUANTUM = 128


class World:
    """Virtual time, in seconds, and what is to happen when."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._count = 0

    def at(self, time: float, call: Callable[[], object]) -> None:
        self._count += 1
        heapq.heappush(self._events, (max(time, self.now), self._count, call))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self._events and self._events[0][0] <= end:
            time, _, call = heapq.heappop(self._events)
            self.now = time
            call()
        self.now = end


class Way:
    """One direction of a network: ordered, with a delay and exponential jitter, both in seconds."""

    def __init__(self, world: World, delay: float, jitter: float, seed: int) -> None:
        self._world = world
        self._delay, self._jitter = delay, jitter
        self._random = random.Random(seed)
        self._last = 0.0
        self.cut = False

    def send(self, call: Callable[[], object]) -> None:
        late = self._random.expovariate(1 / self._jitter) if self._jitter else 0.0
        # Like TCP: what is sent later does not arrive earlier.
        self._last = max(self._last, self._world.now + self._delay + late)
        self._world.at(self._last, lambda: None if self.cut else call())


@dataclass
class Cut:
    number: int
    stop: int
    resume: int
    fade: int


# More than 20 attributes: a whole page in one place, and what a test looks at.
class Peer:
    """The other side, with everything that it played.

    Parameters
    ----------
    world : World
    device : wavtools.RemoteDevice
    delay, jitter : float
        Seconds, of each way.
    burst : int
        Quanta that the audio system takes at a time.
    mic_rate : int
        Hz, of its microphone.
    """

    def __init__(
        self,
        world: World,
        device: Any,
        *,
        delay: float = 0.0,
        jitter: float = 0.0,
        burst: int = 2,
        mic_rate: int = 48_000,
        mic: dict[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        self.world = world
        self.down = Way(world, delay, jitter, seed)
        self.up = Way(world, delay, jitter, seed + 1)
        self.heard = np.zeros(0, np.int16)
        # (time, number of samples played until then) at each quantum
        self.clock: list[tuple[float, int]] = []
        self.stops: list[tuple[int, int]] = []
        self.hellos: list[dict[str, Any]] = []
        self.gains: list[float] = []
        self.byes: list[tuple[int, str]] = []
        self.closed: list[tuple[int, str]] = []
        self.most_held = 0
        self.suspended = False
        self.speaker: dict[str, Any] | None = None
        self.microphone: dict[str, Any] | None = None
        self.mic = {"rate": mic_rate, "channels": 1, "latency": 0.02, "name": "Test", **(mic or {})}
        self._mic_position = 0
        self._burst = burst
        self._alive = True
        self._open_speaker()
        self.link = device.accept(
            lambda frame: self.down.send(lambda: self._receive(frame)),
            lambda code, reason: self.closed.append((code, reason)),
        )
        self._tick()

    # The wire

    def _post(
        self, type: int, stream: int, aux: int, position: float, payload: bytes = b"", flags: int = 0
    ) -> None:
        frame = HEADER.pack(type, flags, stream, aux, position) + payload
        self.up.send(lambda: self.link.receive(frame))

    def _receive(self, frame: bytes) -> None:
        if not self._alive:
            return
        type, _, stream, aux, position = HEADER.unpack_from(frame)
        payload = frame[HEADER.size :]
        ours = self.speaker is not None and stream == self.speaker["stream"]
        if type == HELLO:
            self._hello(json.loads(payload))
        elif type == PLAY and ours:
            samples = np.frombuffer(payload, "<i2")
            assert position == self._end, f"PLAY at {position}, expected {self._end}"
            assert 0 < len(samples) <= 4800
            self._queue = np.concatenate([self._queue, samples])
            self._end += len(samples)
            self.most_held = max(self.most_held, len(self._queue))
            assert self.speaker is not None and len(self._queue) <= self.speaker["window"] + self._doomed()
        elif type == CUT and ours:
            resume, fade = struct.unpack("<dI", payload)
            self._cuts.append(Cut(aux, int(position), int(resume), fade))
            self._end = int(resume)
            assert len(self._cuts) <= 64
        elif type == GAIN:
            self.gains.append(position)
        elif type == PING:
            # The audio thread answers, with its next quantum.
            self._pings.append((aux, position))
        elif type == BYE:
            self.byes.append((aux, payload.decode()))
            self._alive = False

    def _hello(self, content: dict[str, Any]) -> None:
        self.hellos.append(content)
        assert content["version"] == 1
        wanted = content["speaker"]
        if wanted is None or self.speaker is None or wanted["stream"] != self.speaker["stream"]:
            self.speaker = wanted
            self._open_speaker()
        wanted = content["microphone"]
        if wanted is None or self.microphone is None or wanted["stream"] != self.microphone["stream"]:
            self.microphone, self._mic_position = wanted, 0
        self.opened()

    def opened(self, **more: Any) -> None:
        """Send OPENED."""
        speaker = microphone = None
        if self.speaker is not None:
            speaker = {"stream": self.speaker["stream"], "latency": 0.03, "suspended": self.suspended}
        if self.microphone is not None:
            microphone = {"stream": self.microphone["stream"], **self.mic}
        content = {"version": 1, "name": "Test peer", "speaker": speaker, "microphone": microphone, **more}
        self._post(OPENED, 0, 1, 0, json.dumps(content).encode())

    def leave(self) -> None:
        """The connection breaks; the page is gone."""
        self._alive = False
        self.up.cut = self.down.cut = True
        self.link.detach()

    def speak(self, samples: Any, skip: int = 0) -> None:
        """Capture int16 samples (frames,) or (frames, channels), after a hole of *skip* frames."""
        assert self.microphone is not None
        self._mic_position += skip
        samples = np.asarray(samples, "<i2")
        self._post(MIC, self.microphone["stream"], 0, self._mic_position, samples.tobytes())
        self._mic_position += len(samples)

    # The audio thread

    def _open_speaker(self) -> None:
        self._queue = np.zeros(0, np.int16)
        self._position = self._end = 0
        self._cuts: list[Cut] = []
        self._starved = 0
        self._pings: list[tuple[int, float]] = []
        self._quanta = 0
        self._was_dry = True

    def _doomed(self) -> int:
        """What it holds of sound that a cut takes away."""
        return sum(cut.resume - min(max(cut.stop, self._position), cut.resume) for cut in self._cuts)

    def _tick(self) -> None:
        if not self._alive:
            return
        rate = 24_000 if self.speaker is None else self.speaker["rate"]
        for _ in range(self._burst):
            self._render()
        self.world.at(self.world.now + self._burst * QUANTUM / rate, self._tick)

    def _render(self) -> None:
        for aux, position in self._pings:
            self._post(PONG, 0, aux, position)
        self._pings.clear()
        if self.speaker is None:
            return
        room = 0 if self.suspended else QUANTUM
        before = self._position
        room = self._play_to_cuts(room)
        count = 0 if self._cuts else min(room, len(self._queue))
        self._hear(count)
        dry = self._position == before and not self._cuts
        if dry and not self._was_dry:
            self._starved += 1
        self._quanta += 1
        if (self._quanta % 2 == 0 or dry != self._was_dry) and not self.suspended:
            stream = self.speaker["stream"]
            self._post(REPORT, stream, self._starved, self._position, struct.pack("<d", 0.03), flags=int(dry))
        self._was_dry = dry
        self.clock.append((self.world.now, len(self.heard)))

    def _play_to_cuts(self, room: int) -> int:
        """Carry out the cuts that are due in a quantum of *room* frames; returns the frames left."""
        assert self.speaker is not None
        while self._cuts:
            cut = self._cuts[0]
            count = min(room, max(0, cut.stop - self._position))
            self._hear(count)
            room -= count
            if self._position < cut.stop and not self.suspended:
                break
            self._cuts.pop(0)
            self.stops.append((cut.number, self._position))
            self._post(CUT_DONE, self.speaker["stream"], cut.number, self._position)
            held = self._queue[: cut.resume - self._position]
            faded = held[: cut.fade]
            ramp = 1 - np.arange(len(faded)) / max(1, len(faded))
            self.heard = np.concatenate([self.heard, (faded * ramp).astype(np.int16)])
            self._queue = self._queue[len(held) :]
            self._position = cut.resume
        return room

    def _hear(self, count: int) -> None:
        self.heard = np.concatenate([self.heard, self._queue[:count]])
        self._queue = self._queue[count:]
        self._position += count
