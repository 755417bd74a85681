"""Room: a simulated room between a loudspeaker and a microphone, for programs that speak aloud.

A private PulseAudio server has the sinks "speaker", the default output, and "room", whose monitor is the default input.
A process of its own (tests/room_process.py) plays into "room" what a microphone would hear of "speaker": the echo with the
delay, reverberation, distortion and drift of the room, noise, and on command a person who speaks there.

The rig runs with real-time priority and watches itself: a run in which a block came late does not count. It is repeated,
and skipped in the end, never failed (`counted`). Without the right to real-time priority tests are skipped.

Thread: the test's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.audio_server import AudioServer
from tests.conftest import require_program
from tests.room_acoustics import RoomSettings
from wavtools.resample import resample

__all__ = ["LateError", "Room", "RoomSettings", "Watch", "counted", "require_real_time"]

ROOT = Path(__file__).parent.parent
# The queue of the rig between the room's process and the microphone, about
QUEUE_SECONDS = 0.1
# A block that came later than this has emptied the queue, or nearly so.
LATE_MS = 60.0
# Devices come back about one second after a crash; the room must be there then.
BACK_SECONDS = 1.0
SERVER_PRIORITY = 30

T = TypeVar("T")


@dataclass(frozen=True)
class Watch:
    """What the room saw of itself.

    Attributes
    ----------
    blocks : int
        Blocks of 10 ms since it began.
    late : int
        Blocks that came more than 25 ms late.
    worst_ms : float
        The latest block.
    """

    blocks: int
    late: int
    worst_ms: float

    @property
    def counts(self) -> bool:
        """True if every block was in time."""
        return self.worst_ms <= LATE_MS


class LateError(RuntimeError):
    """The machine was too busy for the rig: the run says nothing."""


def require_real_time() -> None:
    """Skip the test where this process may not give real-time priority, or a program of the rig is missing."""
    if not hasattr(os, "sched_setscheduler"):
        pytest.skip("the room needs Linux: real-time priorities and PulseAudio")
    for name in ("pulseaudio", "pactl", "parec", "pacat"):
        require_program(name, "pulseaudio" if name == "pulseaudio" else "pulseaudio-utils")
    probe = "import os; os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(38))"
    if subprocess.run([sys.executable, "-c", probe], capture_output=True).returncode:
        pytest.skip("the room needs real-time priority: run as root, or raise the limit rtprio to 38")


def counted(run: Callable[[], T], times: int = 3) -> T:
    """What *run* returns; where it raises LateError it runs again, and after *times* of these the test is skipped."""
    for _ in range(times):
        try:
            return run()
        except LateError as error:
            reason = str(error)
    pytest.skip(f"the machine is too busy for the room: {reason}, {times} times in a row")


class _Server(AudioServer):
    """An audio server whose threads that handle streams are never late."""

    options = ("--realtime=yes", "--high-priority=no")

    def start(self) -> None:
        super().start()
        # The threads of the sinks take real-time priority themselves; the main thread does not.
        os.sched_setscheduler(self.process.pid, os.SCHED_RR, os.sched_param(SERVER_PRIORITY))


class Room:
    """An audio server with a room in it. Programs run in it with ``env`` as their environment.

    Parameters
    ----------
    folder : Path
        An empty folder for the server's socket and the clips.
    settings : RoomSettings
        Which room.
    truth : bool
        True to keep the microphone's signal and the part of it that a person said; `truth` returns both.
    """

    def __init__(self, folder: Path, settings: RoomSettings | None = None, truth: bool = False) -> None:
        self.settings = settings or RoomSettings()
        self.folder = folder
        self._keep = truth
        self._clips = 0
        self.server = _Server(folder, self.settings.rate, self.settings.speakers)
        self.env = {**self.server.env, "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))}
        try:
            self._start()
        except BaseException:
            self.server.stop()
            raise

    def _start(self) -> None:
        command = [sys.executable, "-m", "tests.room_process", json.dumps(vars(self.settings))]
        if self._keep:
            command.append(str(self._truth_file))
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._answer()

    def __enter__(self) -> Room:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the room and the server. Idempotent."""
        self._end_process()
        self.server.stop()

    def _end_process(self) -> None:
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    @property
    def pid(self) -> int:
        """Process id of the room's process."""
        return self._process.pid

    @property
    def _truth_file(self) -> Path:
        return self.folder / "truth.npz"

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise LateError(f"the room's process ended by {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    # What happens in the room

    def say(self, samples: NDArray[np.int16], rate: int = 24_000, gain_db: float = 0.0) -> tuple[float, int]:
        """Let a person speak now.

        Parameters
        ----------
        samples : ndarray of int16, shape (frames,)
            What is said.
        rate : int
            Hz, of *samples*.
        gain_db : float
            Level at the microphone, relative to *samples*.

        Returns
        -------
        tuple
            When the first sample left the room's process, in seconds of time.monotonic(), and its frame on the room's clock;
            the microphone has it about 0.1 s later.
        """
        self._clips += 1
        path = self.folder / f"near-{self._clips}.npy"
        loud = np.asarray(np.rint(samples * 10 ** (gain_db / 20)), np.int16)
        np.save(path, loud if rate == self.settings.rate else resample(loud, rate, self.settings.rate))
        self._send(f"near {path}")
        answer = self._answer()
        return answer["time"], answer["frame"]

    def set_delay(self, delay_ms: float) -> None:
        """Let the path jump to another delay."""
        self._send(f"delay {delay_ms}")
        self._answer()

    def move(self, seed: int) -> None:
        """Let the loudspeaker stand elsewhere, at the same distance."""
        self._send(f"move {seed}")
        self._answer()

    def crash(self) -> None:
        """Kill the audio server, start it again at once, and the room with it.

        Raises
        ------
        LateError
            the room came back so late that a microphone without echo would be judged
        """
        self.watch()
        self.server.kill()
        self._end_process()
        begun = time.monotonic()
        self.server.start()
        self._start()
        if time.monotonic() - begun > BACK_SECONDS:
            raise LateError(
                f"the room came back {time.monotonic() - begun:.1f} s after its server was killed"
            )

    def switch_speaker(self) -> None:
        """Make a second loudspeaker the default output, at the same place: the room hears that one from now on."""
        self.watch()
        settings = self.settings
        self.server.pactl(
            "load-module",
            "module-null-sink",
            "sink_name=other",
            "norewinds=1",
            "format=s16le",
            f"rate={settings.rate}",
            f"channels={settings.speakers}",
        )
        listeners = json.loads(self.server.pactl("--format=json", "list", "source-outputs"))
        (ears,) = (one for one in listeners if one["properties"].get("application.name") == "parec")
        self.server.pactl("move-source-output", str(ears["index"]), "other.monitor")
        self.server.pactl("set-default-sink", "other")
        # Where it is recorded from another sink, all later blocks come some 50 ms later.
        self._send("settle")
        self._answer()

    # What the room knows

    def watch(self) -> Watch:
        """How late blocks were since the room began.

        Raises
        ------
        LateError
            too late: the run does not count
        """
        self._send("report")
        seen = Watch(**self._answer())
        if not seen.counts:
            raise LateError(
                f"a block of the room was {seen.worst_ms:.0f} ms late, {seen.late} more than 25 ms"
            )
        return seen

    def truth(self) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        """End the room; return the microphone's signal and the part of it that a person said, at the room's rate."""
        self.close()
        with np.load(self._truth_file) as kept:
            return kept["microphone"], kept["person"]
