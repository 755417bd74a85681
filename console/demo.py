"""``demo``: a guided minute with the offline server: ask by voice, use a tool, interrupt, hear it again.

It does what a user would do, through the same `Call`, and says each step before it takes it. Questions are recorded or
typed, the weather is a sample, and nothing leaves this machine.

Thread: the event loop's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from . import PROGRAM
from .call import Call
from .endpoint import Endpoint
from .errors import ProgramError, UserError
from .keys import Key
from .plain import JsonView, PlainView
from .plain_words import plain_words
from .settings import Settings

__all__ = ["demo_call", "demo_lines", "demo_on"]

STEP_SECONDS = 60.0
POLL_SECONDS = 0.05
# The long answer is heard for so long before it is interrupted
HEARD_SECONDS = 4.0
CHUNK_SECONDS = 0.1


def demo_call(settings: Settings) -> Call:
    """Return the call of a demo: offline, in manual mode, with the devices of *settings*."""
    settings = replace(settings, offline=True, url=None, mode="manual", voice=None)
    return Call(settings, Endpoint(offline=True, key=Key("", "nowhere")))


async def demo_on(call: Call) -> bool:
    """Show everything on *call*; True if every step succeeded. What went wrong is a notice."""
    if not await call.connect():
        return False
    steps = (
        ("ask: a recorded question is spoken into the session", _ask),
        ("tool: the model calls get_weather; offline it gives a sample", _use_a_tool),
        ("interrupt: a long answer is cut, exactly where it was heard", _interrupt),
        ("hear again: every item keeps its audio", _hear_again),
    )
    for number, (what, step) in enumerate(steps, 1):
        call.model.notice("info", f"demo {number} of {len(steps)}: {what}")
        try:
            await step(call)
        except asyncio.TimeoutError:
            call.model.notice(
                "error", f"demo {number} of {len(steps)} stopped: {what.split(':')[0]} did not end"
            )
            return False
    call.model.notice("info", f"demo: all {len(steps)} steps worked. Your turn: {PROGRAM}")
    return True


async def demo_lines(call: Call, as_json: bool) -> int:
    """Hold the demo and print it as lines; returns the exit status 0.

    Raises
    ------
    UserError
        There is no server to talk to.
    ProgramError
        A step failed.
    """
    view = JsonView(call) if as_json else PlainView(call)
    showing = asyncio.create_task(demo_on(call))
    try:
        while not showing.done():
            call.tick()
            view.draw()
            await asyncio.sleep(POLL_SECONDS)
        view.draw()
        if not await showing:
            error = UserError if call.client is None else ProgramError
            raise error(plain_words(call.model.notices[-1].text))
    finally:
        showing.cancel()
        await call.close()
    return 0


async def _until(done: Callable[[], bool]) -> None:
    """Wait until *done*. Raises asyncio.TimeoutError after STEP_SECONDS."""
    deadline = time.monotonic() + STEP_SECONDS
    while not done():
        if time.monotonic() > deadline:
            raise asyncio.TimeoutError
        await asyncio.sleep(POLL_SECONDS)


async def _answered(call: Call, turns: int) -> None:
    """Wait until an answer after the first *turns* turns was heard to its end."""
    await _until(lambda: len(call.model.turns) > turns and not call.model.answering and not call.is_audible())


async def _ask(call: Call) -> None:
    from realtime.offline import question_path
    from wavtools import read_wav

    question, turns, client = read_wav(question_path("hello")), len(call.model.turns), call.client
    samples, step = question.pcm, int(question.sample_rate * CHUNK_SECONDS)
    for start in range(0, len(samples), step):
        client.append_input_audio(samples[start : start + step])
        await asyncio.sleep(CHUNK_SECONDS)
    client.create_response()
    await _answered(call, turns)


async def _use_a_tool(call: Call) -> None:
    turns = len(call.model.turns)
    call.send_text("What is the weather in Toronto?")
    await _until(lambda: call.model.place.temperature is not None)
    await _answered(call, turns)


async def _interrupt(call: Call) -> None:
    call.send_text("Tell me a long story.")
    await _until(call.is_audible)
    await asyncio.sleep(HEARD_SECONDS)
    await call.interrupt()
    await _until(lambda: any(row.heard_samples is not None for row in call.model.transcript))


async def _hear_again(call: Call) -> None:
    model = call.model
    model.selected = next(row.id for row in model.transcript if row.role == "assistant" and len(row.audio))
    model.revision += 1
    await call.play()
    await _until(lambda: model.playback.item_id is None)
