"""Raw events: what an application sends itself counts as if a method had sent it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import wire_turns as turns
from tests.client_bench import MANUAL, Bench, make
from tests.waiting import until
from tests.wire_server import ScriptedServer, created, session_object


def types(events: list[dict]) -> list[str]:
    return [event["type"] for event in events]


async def test_audio_sent_raw_is_committed_and_becomes_the_users_item():
    bench = Bench(**MANUAL)
    spoken = turns.tone(4_801)
    data = spoken.astype("<i2").tobytes()
    from base64 import b64encode

    for piece in (data[:3], data[3:4_001], data[4_001:]):  # cut within samples
        event_id = bench.client.send("input_audio_buffer.append", audio=b64encode(piece).decode())
    bench.client.create_response()
    sent = await bench.sent()
    assert types(sent) == [*["input_audio_buffer.append"] * 3, "input_audio_buffer.commit", "response.create"]
    assert sent[2]["event_id"] == event_id
    bench.say(*turns.committed())
    np.testing.assert_array_equal(bench.client.conversation.get_item("item_user").formatted.audio, spoken)


async def test_raw_audio_of_an_unfinished_turn_is_sent_to_the_next_session_once():
    async with ScriptedServer() as server, make(server, turn_detection=None) as client:
        client.send("input_audio_buffer.append", audio=turns.b64(turns.tone(4_800)))
        await server.peer.expect("input_audio_buffer.append")
        server.peer.drop()
        peer = await server.wait_for_peers(2)
        await until(client.is_connected)
        client.create_response()
        await peer.expect("response.create")
        assert peer.types() == [
            "session.update",
            "input_audio_buffer.append",
            "input_audio_buffer.commit",
            "response.create",
        ]


async def test_a_raw_commit_and_a_raw_clear_are_recorded():
    bench = Bench(**MANUAL)
    bench.client.append_input_audio(turns.tone(2_400))
    bench.client.send("input_audio_buffer.clear")
    bench.client.append_input_audio(turns.tone(4_800))
    bench.client.send("input_audio_buffer.commit")
    bench.client.create_response()
    assert types(await bench.sent())[-2:] == ["input_audio_buffer.commit", "response.create"]
    bench.say(*turns.committed())
    audio = bench.client.conversation.get_item("item_user").formatted.audio
    np.testing.assert_array_equal(audio, turns.tone(4_800))


async def test_audio_whose_clear_the_server_refused_belongs_to_the_next_turn():
    bench = Bench(**MANUAL)
    bench.client.append_input_audio(turns.tone(2_400))
    bench.client.clear_input_audio()
    *_, clear = await bench.sent()
    bench.say(turns.error("not implemented", "unknown_event", clear["event_id"]))
    bench.client.append_input_audio(turns.tone(2_400, 2_400))
    bench.client.create_response()
    await bench.sent()
    bench.say(*turns.committed())
    audio = bench.client.conversation.get_item("item_user").formatted.audio
    np.testing.assert_array_equal(audio, turns.tone(4_800))


async def test_audio_inside_a_raw_item_is_kept_with_it():
    bench = Bench()
    parts = [{"type": "input_audio", "audio": turns.b64(turns.tone(n, n))} for n in (240, 480)]
    item = {"type": "message", "role": "user", "content": parts}
    bench.client.send("conversation.item.create", item={**item, "id": "mine"})
    bench.client.create_item(
        {**item, "id": "other", "content": [*parts, {"type": "input_audio", "audio": "?"}]}
    )
    mine, other = await bench.sent()
    bench.say(*turns.echo(mine), *turns.echo(other))
    audio = bench.client.conversation.get_item("mine").formatted.audio
    np.testing.assert_array_equal(audio, [*turns.tone(240, 240), *turns.tone(480, 480)])
    bench.session.encode(mine)  # restored: its audio is known
    bench.client.send("conversation.item.create", item={**item, "id": "refused"})
    (refused,) = await bench.sent()
    bench.say(turns.error("no", "invalid_value", refused["event_id"]))
    assert "refused" not in bench.client.conversation._stashed


async def test_a_raw_truncation_is_what_was_heard():
    bench = Bench(**MANUAL)
    bench.say(*turns.audio_answer("one two three four", turns.tone(24_000)), *turns.user_text("x"))
    bench.client.send("conversation.item.truncate", item_id="item_answer", content_index=0, audio_end_ms=500)
    item = bench.client.conversation.get_item("item_answer")
    assert (item.audio_end_ms, item.heard_transcript, len(item.formatted.audio)) == (500, "one two", 12_000)
    bench.client.send("conversation.item.truncate", item_id="item_user", audio_end_ms=np.int64(5))
    assert [event["audio_end_ms"] for event in await bench.sent()] == [500, 5]


async def test_a_raw_cancellation_ends_the_answer_and_the_waiting_request():
    bench = Bench(**MANUAL)
    bench.say(*turns.audio_begin())
    bench.client.create_response()
    event_id = bench.client.send("response.cancel", event_id="mine")
    bench.say(turns.audio_delta(turns.tone(480)), *turns.audio_end("x", status="cancelled"))
    sent = await bench.sent()
    assert types(sent) == ["response.cancel", "conversation.item.truncate"]
    assert event_id == sent[0]["event_id"] == "mine"
    bench.client.send("response.cancel", response_id="resp_other")
    bench.say(
        *turns.audio_begin("late", "resp_other"), turns.audio_delta(turns.tone(480), "late", "resp_other")
    )
    assert not len(bench.client.conversation.get_item("late").formatted.audio)


async def test_a_raw_session_update_holds_for_later_sessions_until_it_is_refused():
    bench = Bench()
    session = {"type": "realtime", "audio": {"output": {"voice": "marin"}}}
    event_id = bench.client.send("session.update", session=session)
    assert bench.client.session_config == {"audio": {"output": {"voice": "marin"}}}
    (update,) = await bench.sent()
    assert update["event_id"] == event_id and update["session"] == session
    bench.say({"type": "session.updated", "session": session_object()})
    bench.session.lost(1006, "", by_server=False)
    (whole, *_) = bench.session.begin(created(), resumed=True)
    assert whole["session"]["audio"]["output"]["voice"] == "marin"
    bench.client.send("session.update", {"session": {"instructions": "bad"}})
    (update,) = await bench.sent()
    bench.say(turns.error("no", "invalid_value", update["event_id"]))
    assert "instructions" not in bench.client.session_config
    assert bench.client.send("session.update", session={}) != ""
    bench.client.add_tool({"name": "look"}, print)
    with pytest.raises(ValueError, match="remove_tool"):
        bench.client.send("session.update", session={"tools": [{"name": "look"}]})


async def test_a_raw_request_keeps_its_event_id_and_its_turn():
    bench = Bench()
    bench.client.send("response.create", response={"instructions": "x"}, event_id="mine")
    bench.client.send("response.create", response=None)
    (create,) = await bench.sent()
    assert create["event_id"] == "mine"


@pytest.mark.parametrize("send", ["delete_item", "send"])
async def test_an_item_whose_deletion_was_not_confirmed_is_not_restored(send):
    bench = Bench()
    bench.say(*turns.user_text("one", "a"), *turns.user_text("two", "b", "a"))
    delete = bench.client.delete_item if send == "delete_item" else None
    for item_id in ("a", "b", "unknown"):
        delete(item_id) if delete else bench.client.send("conversation.item.delete", item_id=item_id)
    events = await bench.sent()
    bench.say(turns.error("may not", "not_allowed", events[1]["event_id"]))
    bench.session.lost(1006, "", by_server=False)
    restored = [entry for entry in bench.session.begin(created(), resumed=True) if "item" in entry]
    assert [entry["item"]["id"] for entry in restored][:-1] == ["b"]
    assert [item.id for item in bench.client.conversation.get_items()] == ["b"]


async def test_a_raw_event_without_a_field_is_left_to_the_server():
    bench = Bench()
    for kind in ("conversation.item.truncate", "conversation.item.delete"):
        assert bench.client.send(kind)
    assert len(await bench.sent()) == 2
    with pytest.raises(TypeError, match="needs item="):
        bench.client.send("conversation.item.create")


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("input_audio_buffer.append", {"audio": "not base64!"}),
        ("input_audio_buffer.append", {"audio": "AAAAA"}),
        ("input_audio_buffer.append", {"audio": [1, 2]}),
        ("input_audio_buffer.append", {}),
        ("conversation.item.create", {"item": 5}),
        ("conversation.item.create", {"item": {"id": 5}}),
        ("conversation.item.create", {"item": {}, "previous_item_id": 5}),
        ("conversation.item.truncate", {"item_id": "a", "audio_end_ms": 500.0}),
        ("conversation.item.truncate", {"item_id": "a", "audio_end_ms": -1}),
        ("conversation.item.truncate", {"item_id": "a", "audio_end_ms": 1, "content_index": "x"}),
        ("conversation.item.truncate", {"item_id": 5, "audio_end_ms": 1}),
        ("conversation.item.delete", {"item_id": 5}),
        ("conversation.item.retrieve", {"item_id": ["a"]}),
        ("response.create", {"response": "x"}),
        ("response.cancel", {"response_id": 5}),
        ("session.update", {}),
        ("session.update", {"session": []}),
    ],
)
async def test_a_raw_event_that_no_server_takes_is_refused_at_the_call_and_changes_nothing(kind, fields):
    bench = Bench()
    bench.say(*turns.audio_answer("hello", turns.tone(24_000), "a"))
    with pytest.raises((TypeError, ValueError)):
        bench.client.send(kind, fields)
    assert await bench.sent() == []
    assert not bench.client.conversation.get_item("a").interrupted
    assert bench.client.session_config == {}


@given(st.lists(st.integers(0, 999), max_size=8), st.integers(0, 8))
def test_raw_and_sampled_audio_are_one_stream(sizes, raw):
    import asyncio

    async def run() -> None:
        bench = Bench(**MANUAL)
        spoken = turns.tone(sum(sizes))
        start = 0
        for number, size in enumerate(sizes):
            piece = spoken[start : start + size]
            start += size
            if number % 2 == raw % 2:
                bench.client.send("input_audio_buffer.append", audio=turns.b64(piece))
            else:
                bench.client.append_input_audio(piece)
        await bench.sent()
        heard = bench.client.conversation.input
        np.testing.assert_array_equal(heard.read(0, heard.end), spoken)

    asyncio.run(run())
