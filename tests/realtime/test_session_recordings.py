"""Session: recordings drive the client to the right sends, and 3000 disturbed ones break nothing."""

from __future__ import annotations

import asyncio
import random

import numpy as np
import pytest

from tests import wire_turns as turns
from tests.client_bench import Bench
from tests.waiting import until
from tests.wire_recordings import disturb, recordings

RECORDINGS = recordings()


async def test_3000_disturbed_recordings_raise_nothing_and_the_next_turn_works():
    rng = random.Random(20261122)
    names = list(RECORDINGS)
    escaped: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: escaped.append(context))
    calls: list[int] = []
    for number in range(3_000):
        bench = Bench(turn_detection=None)
        bench.client.add_tool({"name": "look"}, look := _Look(calls))
        bench.client.append_input_audio(turns.tone(12_000))
        bench.client.create_response()
        await bench.sent()
        for event in disturb(RECORDINGS[rng.choice(names)], rng):
            bench.say(event)
        if number % 50 == 0:
            await asyncio.sleep(0.002)
        # A clean turn: the user's text is sent, and its answer arrives whole. A response whose end was lost is
        # given up after a while.
        item_id = bench.client.send_user_message_content("and now?")
        bench.turns.response_event(0.0)
        bench.turns._check_stall()
        create = next(event for event in await bench.sent() if event.get("item", {}).get("id") == item_id)
        bench.say(
            *turns.echo(create), *turns.audio_answer("a clean turn", turns.tone(480), "clean", "resp_clean")
        )
        answer = bench.client.conversation.get_item("clean")
        assert (answer.status, answer.formatted.transcript) == ("completed", "a clean turn")
        np.testing.assert_array_equal(answer.formatted.audio, turns.tone(480))
        assert bench.client.conversation.get_item(item_id).status == "completed"
        assert not bench.turns.response_active or bench.turns._sequencer.active != "resp_clean"
        assert {event.source for event in bench.of("error")} <= {"wire", "server", "tool"}
        assert look.most_at_once <= 2
        bench.turns.stop()
    await until(lambda: len(asyncio.all_tasks()) == 1)
    assert not escaped


class _Look:
    """A tool that counts its calls."""

    def __init__(self, calls: list[int]) -> None:
        self.calls = calls
        self.most_at_once = 0

    async def __call__(self, **arguments: object) -> str:
        self.calls.append(1)
        return "seen"


@pytest.mark.parametrize("name", RECORDINGS)
async def test_a_recording_drives_the_client_to_the_right_sends(name):
    bench = Bench()
    bench.client.add_tool({"name": "look"}, lambda **arguments: "seen")
    await bench.sent()
    bench.say(*RECORDINGS[name])
    await bench.tools_end()
    types = [(event["type"], event.get("item", {}).get("output")) for event in await bench.sent()]
    output, ask = ("conversation.item.create", "seen"), ("response.create", None)
    expected = {"function call": [output, ask], "two calls": [output, output, ask]}
    assert types == expected.get(name, [])
    assert not bench.of("error")
    assert len(bench.of("response.failed")) == (name == "failed")
