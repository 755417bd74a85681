"""A program that speaks aloud and listens: plays clips on command through WavStreamPlayer and records with WavRecorder.

    python -m tests.echo.phone OPTIONS_JSON

It runs in a room (tests/room.py) as a process of its own. Options are the fields of `PhoneOptions`. Commands are lines on
standard input, each answered by a line of JSON: ``play FILE``, ``interrupt``, ``cancel on``, ``cancel off``, ``state``.
When its input ends it writes everything that it recorded to ``out``.

Thread: the main thread; chunks arrive on the recorder's delivery thread.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tests.echo.cancellers import make_canceller
from wavtools import DuplexDevice, WavRecorder, WavStreamPlayer

__all__ = ["PhoneOptions"]


@dataclass(frozen=True)
class PhoneOptions:
    """How the program is set up.

    Attributes
    ----------
    out : str
        File for what was recorded, .npz: mono, raw, played (int16), frame and time of each chunk, and events.
    rate : int
        Hz, of the session.
    devices : "separate" or "duplex"
        Two devices with time stamps, or one with one callback.
    canceller : str or None
        Which canceller works in the recorder, see tests/echo/cancellers.py; None for none.
    speakers : int
        1, or 2 for a stereo player.
    reference : bool
        True to tell the recorder of the player; a duplex device knows it anyway.
    """

    out: str
    rate: int = 24_000
    devices: str = "separate"
    canceller: str | None = None
    speakers: int = 1
    reference: bool = True


class Phone:
    """The player, the recorder, and all chunks."""

    def __init__(self, options: PhoneOptions) -> None:
        self.options = options
        self.chunks: list[Any] = []
        self.events: list[dict[str, Any]] = []
        device = DuplexDevice(output_channels=options.speakers) if options.devices == "duplex" else None
        self.player = WavStreamPlayer(
            options.rate, channels=options.speakers, device=device, on_event=self._told
        )
        extra: dict[str, Any] = {"reference": self.player} if options.reference and device is None else {}
        if options.canceller is not None:
            extra["echo_canceller"] = make_canceller(options.canceller, options.rate)
        self.recorder = WavRecorder(options.rate, device=device, keep_seconds=0, on_event=self._told, **extra)
        self.player.connect()
        self.recorder.begin()
        self.recorder.record(self.chunks.append, options.rate // 100)

    def _told(self, event: Any) -> None:
        self.events.append({"time": time.monotonic(), "kind": str(event.kind)})

    def obey(self, name: str, value: str = "") -> dict[str, Any]:
        """Carry out one command; the answer."""
        if name == "play":
            samples = np.load(value)
            offset = self.player.add_16bit_pcm(samples, value)
            return {"time": time.monotonic(), "frames": len(samples), "ok": offset is not None}
        if name == "interrupt":
            self.player.interrupt()
            return {"time": time.monotonic()}
        if name == "cancel":
            self.recorder.cancelling = value == "on"
            return {"time": time.monotonic()}
        if name == "state":
            echo = getattr(self.recorder, "echo", None)
            return {"time": time.monotonic(), "echo": None if echo is None else asdict(echo)}
        raise ValueError(f"no such command: {name}")

    def end(self) -> None:
        """Stop, and write what was recorded."""
        self.recorder.end()
        self.player.disconnect()
        chunks = self.chunks
        tapes = {
            name: np.concatenate([getattr(chunk, name) for chunk in chunks])
            for name in ("mono", "raw", "played")
            if getattr(chunks[0], name, None) is not None
        }
        if tapes["raw"].ndim > 1:
            tapes["raw"] = tapes["raw"].astype(np.float32).mean(axis=1).astype(np.int16)
        np.savez(
            self.options.out,
            frame=np.array([chunk.frame for chunk in chunks]),
            time=np.array([chunk.time for chunk in chunks]),
            events=np.array(json.dumps(self.events)),
            **tapes,
        )


def main() -> None:
    phone = Phone(PhoneOptions(**json.loads(sys.argv[1])))
    print(json.dumps({"time": time.monotonic()}), flush=True)
    for line in sys.stdin:
        print(json.dumps(phone.obey(*line.strip().split(maxsplit=1))), flush=True)
    phone.end()


if __name__ == "__main__":
    main()
