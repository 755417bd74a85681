"""Refused updates: what a server refused is taken back, and no later session loses anything to it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.client.settings_log import MAX_CHANGES, SettingsLog, fields_of
from realtime.protocol.dialect import merge_session
from tests import wire_turns as turns
from tests.client_bench import Bench, delivered, make
from tests.waiting import Log, until
from tests.wire_server import Peer, ScriptedServer, created, session_object


def refusal(update: dict, param: str | None = None, **fields: object) -> dict:
    return turns.error("no", "invalid_value", update["event_id"], param=param, **fields)


class StrictServer(ScriptedServer):
    """Answers every session.update: refuses one that holds a forbidden value anywhere, and echoes the rest."""

    def __init__(self, *forbidden: str) -> None:
        super().__init__(self._run)
        self.forbidden = forbidden
        self.sessions: list[dict] = []

    async def _run(self, peer: Peer) -> None:
        session = session_object()
        self.sessions.append(session)
        await peer.say(created())
        async for frame in peer.socket:
            event = json.loads(frame)
            peer.received.append(event)
            peer._news.set()
            if event["type"] == "session.update":
                if any(value in frame for value in self.forbidden):
                    await peer.say(refusal(event))
                else:
                    session.update(merge_session(session, event["session"]))
                    await peer.say({"type": "session.updated", "session": session})


async def test_a_refused_update_is_not_told_to_the_next_session():
    async with StrictServer("bad-voice") as server, make(server, instructions="Be kind.") as client:
        client.add_tool({"name": "look"}, print)
        log = Log(client, "error")
        client.update_session(voice="bad-voice")
        assert (await log.until("error")).caused_by == "session.update"
        assert client.session_config["instructions"] == "Be kind." and "audio" not in client.session_config
        server.peer.drop()
        await server.wait_for_peers(2)
        await until(lambda: server.sessions[-1]["instructions"] == "Be kind.")
        assert [tool["name"] for tool in server.sessions[-1]["tools"]] == ["look"]
        assert len(log.of("error")) == 1, "the next session was told only what the server takes"


async def test_the_value_before_a_refused_one_counts_again():
    bench = Bench(voice="marin")
    bench.client.update_session(voice="bad", instructions="x")
    bench.client.update_session(speed=1.2)
    (first, _second) = await bench.sent()
    bench.say(refusal(first))
    assert bench.client.session_config == {"audio": {"output": {"voice": "marin", "speed": 1.2}}}
    bench.say(refusal(first))  # said twice
    assert bench.client.session_config == {"audio": {"output": {"voice": "marin", "speed": 1.2}}}


async def test_an_update_that_seemed_accepted_is_taken_back_when_it_is_refused_after_all():
    bench = Bench()
    bench.client.update_session(voice="bad")
    (update,) = await bench.sent()
    bench.say({"type": "session.updated", "session": session_object()}, refusal(update))
    assert bench.client.session_config == {}


async def test_a_refusal_that_names_no_event_is_of_the_oldest_unanswered_update():
    bench = Bench()
    bench.client.update_session(voice="bad")
    bench.client.update_session(instructions="x")
    await bench.sent()
    bench.say(turns.error("no", "invalid_value", None, param="session.audio.output.voice"))
    assert bench.client.session_config == {"instructions": "x"}
    bench.say(turns.error("no", "invalid_value", None, param="item.id"), turns.error("no", "x", "event_TODO"))
    assert bench.client.session_config == {"instructions": "x"}


@pytest.mark.parametrize("resumed", [False, True])
async def test_a_whole_configuration_that_is_refused_is_told_field_by_field(resumed):
    async with StrictServer() as server:
        client = make(server, instructions="Be kind.", voice="bad-voice", turn_detection=None, tools=[])
        client.add_tool({"name": "look"}, print)
        server.forbidden = () if resumed else ("bad-voice",)
        log = Log(client, "error")
        async with client:
            if resumed:
                await until(lambda: server.sessions[0]["audio"]["output"]["voice"] == "bad-voice")
                server.forbidden = ("bad-voice",)  # the server has changed its mind
                server.peer.drop()
                await server.wait_for_peers(2)
            await log.until("error", 2)
            await until(lambda: server.sessions[-1]["tools"])
            session = server.sessions[-1]
            assert session["instructions"] == "Be kind." and session["audio"]["output"]["voice"] == "alloy"
            assert session["audio"]["input"]["turn_detection"] is None
            assert "output" not in client.session_config["audio"]
            await delivered(client, server.peer)
            assert len(log.of("error")) == 2


async def test_a_field_refused_alone_goes_back_to_its_earlier_value_unless_it_was_changed_since():
    bench = Bench(instructions="a")
    bench.client.update_session(voice="old")
    bench.client.update_session(voice="bad", speed=1.1)
    bench.client.update_session(voice="bad")
    await bench.sent()
    bench.session.lost(1006, "", by_server=False)
    bench.prelude = bench.session.begin(created(), resumed=True)
    whole = bench.session.encode(bench.prelude[0])[1]
    bench.say(refusal(whole))
    updates = {str(event["session"]): event for event in await bench.sent()}
    (voice,) = [event for text, event in updates.items() if "bad" in text]
    (speed,) = [event for text, event in updates.items() if "speed" in text]
    bench.say(refusal(voice))
    (again,) = await bench.sent()
    assert again["session"]["audio"] == {"output": {"voice": "old"}}
    bench.client.update_session(speed=1.3)
    bench.say(refusal(speed))
    assert len(await bench.sent()) == 1
    bench.say(refusal(again))
    assert await bench.sent() == []
    assert bench.client.session_config == {"instructions": "a", "audio": {"output": {"speed": 1.3}}}


async def test_one_bad_tool_takes_no_other_tool_with_it():
    async with StrictServer("bad-schema") as server, make(server) as client:
        client.add_tool({"name": "first"}, print)
        await until(lambda: server.sessions[0]["tools"])
        for name in ("good", "worse", "better"):
            parameters = {"type": "bad-schema" if name == "worse" else "object"}
            client.add_tool({"name": name, "parameters": parameters}, print)
        names = ["first", "good", "better"]
        await until(lambda: [tool["name"] for tool in server.sessions[0]["tools"]] == names)
        assert [tool["name"] for tool in client.session_config["tools"]] == names
        client.remove_tool("worse")
        client.add_tool({"name": "worse"}, print)
        await until(lambda: len(server.sessions[0]["tools"]) == 4)


async def test_a_bad_tool_alone_is_left_out_and_bad_given_tools_go_back():
    bench = Bench(tools=[{"name": "given"}])
    bench.session.encode(bench.prelude[0])
    bench.say({"type": "session.updated", "session": session_object()})
    bench.client.add_tool({"name": "bad"}, print)
    (update,) = await bench.sent()
    bench.say(refusal(update))
    (again,) = await bench.sent()
    assert [tool["name"] for tool in again["session"]["tools"]] == ["given"]
    bench.client.update_session(tools=[{"name": "other"}])
    (update,) = await bench.sent()
    bench.say(refusal(update))
    assert bench.client.session_config["tools"] == [{"name": "given"}]


async def test_given_tools_and_added_ones_are_tried_apart():
    bench = Bench(tools=[{"name": "given"}], instructions="x")
    bench.client.add_tool({"name": "added"}, print)
    bench.prelude = bench.session.begin(created(), resumed=False)
    bench.say(refusal(bench.session.encode(bench.prelude[0])[1]))
    *others, tools = sorted(await bench.sent(), key=lambda event: "tools" in event["session"])
    for _ in others:
        bench.say({"type": "session.updated", "session": session_object()})
    bench.say(refusal(tools))
    trials = {str(event["session"]["tools"]): event for event in await bench.sent()}
    bench.say(refusal(next(event for text, event in trials.items() if "given" in text)))
    assert await bench.sent() == []
    bench.say({"type": "session.updated", "session": session_object()})
    (last,) = await bench.sent()
    assert [tool["name"] for tool in last["session"]["tools"]] == ["added"]
    assert bench.client.session_config["instructions"] == "x"
    bench.client.reset()


async def test_tools_that_are_refused_though_each_was_accepted_are_given_up():
    bench = Bench()
    bench.client.add_tool({"name": "one"}, print)
    bench.client.add_tool({"name": "two"}, print)
    for _ in range(8):
        for event in await bench.sent():
            if len(event["session"]["tools"]) > 1:
                bench.say(refusal(event))
            else:
                bench.say({"type": "session.updated", "session": session_object()})
    assert await bench.sent() == []


async def test_a_refused_change_of_format_keeps_audio_in_the_servers_format():
    bench = Bench(input_audio_format="g711_ulaw", voice="bad")
    whole = bench.session.encode(bench.prelude[0])[1]
    bench.say(refusal(whole))
    assert bench.client.conversation.input_format.sample_rate == 24_000
    await bench.sent()  # now the field alone
    assert bench.client.conversation.input_format.sample_rate == 8_000


# The log

sessions = st.fixed_dictionaries(
    {},
    optional={
        "instructions": st.sampled_from("ab"),
        "tools": st.just([]),
        "audio": st.fixed_dictionaries(
            {},
            optional={
                "input": st.fixed_dictionaries({}, optional={"turn_detection": st.none()}),
                "output": st.fixed_dictionaries({}, optional={"voice": st.sampled_from("ab")}),
            },
        ),
    },
)


@given(st.lists(sessions, max_size=6), st.data())
def test_without_a_refused_change_the_log_is_as_if_it_had_never_been_made(changes, data):
    log = SettingsLog()
    for change in changes:
        log.add(change)
    if changes:
        refused = data.draw(st.integers(0, len(changes) - 1))
        assert log.take_back(changes[refused]) and not log.take_back({})
        changes = changes[:refused] + changes[refused + 1 :]
    expected: dict = {}
    for change in changes:
        expected = merge_session(expected, change)
    assert log.merged == expected
    assert set(fields_of(log.merged)) == {path for change in changes for path in fields_of(change)}


def test_a_log_is_bounded_and_a_session_of_any_shape_has_fields():
    log = SettingsLog()
    for number in range(3 * MAX_CHANGES):
        log.add({"instructions": str(number), "audio": 5})
    assert len(log._changes) == MAX_CHANGES
    assert fields_of({"audio": 5, "x": {}}) == {("audio",): {"audio": 5}, ("x",): {"x": {}}}
    assert fields_of({"audio": {"input": None}}) == {("audio", "input"): {"audio": {"input": None}}}
    assert log.take_back_field(("nothing",)) is None
