"""An hour of conversation at 50 times its speed through model and screen: ``python -m tests.console.soak [minutes]``.

Prints memory after each tenth, how many frames a second the screen kept up (it asks for 20), and how long the longest
frame took. No assertion: figures to look at. The bounds themselves are asserted in test_session.py.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import time
from pathlib import Path

from console.screen.app import RealtimeConsole
from tests.console.fakes import answer, timings, updated, wire
from tests.console.test_screen import make_call

SPEED = 50.0
TURN_SECONDS = 10.0


def resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


async def soak(minutes: float) -> None:
    call = make_call()
    model, app = call.model, RealtimeConsole(call)
    frames: list[float] = []
    frame = app._frame

    def timed_frame() -> None:
        began = time.perf_counter()
        frame()
        frames.append(time.perf_counter() - began)

    app._frame = timed_frame  # type: ignore[method-assign]
    turns = int(minutes * 60 / TURN_SECONDS)
    async with app.run_test(size=(132, 44)):
        model.set_state("connected")
        began, behind = time.monotonic(), 0.0
        for turn in range(turns):
            start = turn * TURN_SECONDS
            item = answer(f"a{turn}", "")
            for step in range(100):  # of 100 ms
                for _ in range(5):
                    model.on_wire(
                        wire("client", start + step / 10, type="input_audio_buffer.append", audio="A" * 1280)
                    )
                if step >= 40:
                    item.content[0]["transcript"] += "word "
                    item.refresh()
                    model.on_wire(wire("server", start, type="response.output_audio.delta", delta="A" * 6400))
                    model.on_wire(
                        wire("server", start, type="response.output_audio_transcript.delta", delta="word ")
                    )
                    model.on_updated(updated(item, "word "))
                level = (step % 10) / 10
                call.microphone_bars = tuple((level + i / 10) % 1 for i in range(10))
                due = began + (start + step / 10) / SPEED
                behind = max(behind, time.monotonic() - due)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            item.status = "completed"
            model.on_updated(updated(item))
            model.on_timings(timings(item.id, 0.0, 0.3), time.time(), 0.3)
            if (turn + 1) % max(1, turns // 10) == 0:
                gc.collect()
                took = time.monotonic() - began
                print(
                    f"{(turn + 1) * TURN_SECONDS / 60:5.1f} min  {resident_mib():6.1f} MiB  {model.events.total} events"
                    f"  {len(frames) / took:.1f} frames/s  longest {max(frames) * 1000:.0f} ms"
                    f"  median {sorted(frames)[len(frames) // 2] * 1000:.1f} ms  most behind {behind:.2f} s",
                    flush=True,
                )


if __name__ == "__main__":
    asyncio.run(soak(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0))
