"""Ending a session from inside a tool, and after the farewell."""

from __future__ import annotations

import asyncio
import threading

import pytest

from realtime import RealtimeClient, StateError, VoiceSession, hang_up
from tests import wire_turns as turns
from tests.client_bench import connected, delivered
from tests.waiting import Log, until
from wavtools import OfflineDevice, WavRecorder, WavStreamPlayer

CALL = turns.function_call("end_call", "{}")


@pytest.mark.parametrize(
    "how", ["at once", "in another task", "returned by a plain tool", "from a thread", "reset"]
)
async def test_a_tool_that_disconnects_runs_to_its_end(client, server, how):
    steps: list[str] = []
    loop = asyncio.get_running_loop()

    async def end_call():
        if how == "at once":
            await client.disconnect()
        elif how == "reset":
            client.reset()
        else:
            await asyncio.wait_for(asyncio.create_task(client.disconnect()), 5)
        await asyncio.sleep(0)
        steps.append("after")

    def plain():
        if how == "from a thread":
            asyncio.run_coroutine_threadsafe(client.disconnect(), loop).result(5)
            steps.append("after")
            return None
        return end_call()

    client.add_tool({"name": "end_call"}, plain if "thread" in how or "plain" in how else end_call)
    log = Log(client, "close", "error")
    peer = await connected(client, server)
    await peer.say(*CALL)
    await until(lambda: steps)
    assert client.state == "disconnected" and (how == "reset" or log.names() == ["close"])
    assert not client._session.turns.toolbox.running


async def test_other_tools_end_with_the_session(client, server):
    ended: list[str] = []

    async def waits():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    client.add_tool({"name": "waits"}, waits)
    client.add_tool({"name": "end_call"}, client.disconnect)
    peer = await connected(client, server)
    await peer.say(*turns.function_call("waits", "{}", "call_0", "item_0", "resp_0"), *CALL)
    await until(lambda: ended)
    assert client.state == "disconnected"


@pytest.mark.parametrize("plain", [True, False])
async def test_the_farewell_is_heard_before_the_connection_is_closed(client, server, plain):
    async def end_call():
        await hang_up(after="answer")
        return "Say goodbye."

    def end_call_in_a_thread():
        hang_up()
        return "Say goodbye."

    client.add_tool({"name": "end_call"}, end_call_in_a_thread if plain else end_call)
    log = Log(client)
    peer = await connected(client, server)
    await peer.say(*CALL)
    assert (await peer.expect("conversation.item.create"))["item"]["output"] == "Say goodbye."
    await peer.expect("response.create")
    loop = asyncio.get_running_loop()
    began = loop.time()
    await peer.say(*turns.audio_answer("goodbye", turns.tone(4_800), "item_bye", "resp_bye"))
    await log.until("close")
    # The answer of 0.2 s came at once, and lasts that long.
    assert loop.time() - began >= 0.2
    assert log.of("conversation.item.completed")[-1].item.id == "item_bye" and not log.of("error")


async def test_a_voice_session_plays_the_farewell_to_its_end(server):
    client = RealtimeClient(api_key="", url=server.url)
    device = OfflineDevice(sample_rate=24_000)
    player = WavStreamPlayer(device=device)
    log = Log(client)
    async with VoiceSession(client, WavRecorder(device=device), player, mode="manual"):
        client.add_tool({"name": "end_call"}, lambda: str(hang_up()))
        await server.peer.say(*CALL)
        await server.peer.expect("response.create")
        await server.peer.say(*turns.audio_answer("goodbye", turns.tone(4_800), "item_bye", "resp_bye"))
        await log.until("conversation.item.completed", 2)
        device.render(2_400)
        await delivered(client, server.peer)
        assert client.state == "connected"
        while client.state != "disconnected":
            device.render(480)
            await asyncio.sleep(0.01)
    assert client.playback is None


async def test_the_last_sample_of_a_farewell_is_played_in_50_of_50(server):
    device = OfflineDevice(sample_rate=24_000)
    player = WavStreamPlayer(device=device)
    client = RealtimeClient(api_key="", url=server.url)
    client.add_tool({"name": "end_call"}, lambda: str(hang_up(after="farewell")))
    for turn in range(50):
        farewell = turns.tone(1_200 + 7 * turn)
        played: list[int] = []
        async with VoiceSession(client, WavRecorder(device=device), player, mode="manual"):
            peer = await server.wait_for_peers(turn + 1)
            await peer.say(*CALL)
            await peer.expect("response.create")
            # The end of the answer comes long before its end is heard.
            await peer.say(*turns.audio_answer("goodbye", farewell, "item_bye", "resp_bye"))
            while client.state != "disconnected":
                played += device.render(240).tolist()
                await asyncio.sleep(0.001)
        assert [sample for sample in played if sample] == farewell.tolist()


async def test_hanging_up_after_seconds_and_in_any_case_after_its_timeout(client, server):
    await connected(client, server)
    await hang_up(client, after=0.02)
    assert client.state == "disconnected"
    await hang_up(client)
    await client.connect()
    peer = await server.wait_for_peers(2)
    await peer.say(*turns.response_created())
    await until(lambda: client._session.turns.response_active)
    await client.hang_up(timeout=0.05)
    assert client.state == "disconnected"


async def test_a_player_that_never_ends_does_not_hold_up_hanging_up(client, server):
    async def forever():
        await asyncio.Event().wait()
        return True

    async def unknown():
        return False

    await connected(client, server)
    client.playback = unknown
    await hang_up(client)
    assert client.state == "disconnected"
    await client.connect()
    client.playback = forever
    await hang_up(client, timeout=0.05)
    assert client.state == "disconnected"


async def test_hanging_up_leaves_the_next_connection_alone(client, server):
    await connected(client, server)
    arranged = hang_up(client, after=0.05)
    await client.disconnect()
    await client.connect()
    await arranged
    assert client.is_connected()


async def test_an_answer_without_sound_is_not_waited_for(client, server):
    peer = await connected(client, server)
    await peer.say(*turns.text_answer("bye"), *turns.user_text("bye", "item_last"))
    await until(lambda: client.conversation.get_item("item_last") is not None)
    await hang_up(client)
    assert client.state == "disconnected"


async def test_an_interrupted_farewell_is_over(client, server):
    peer = await connected(client, server)
    await peer.say(*turns.audio_begin(), turns.audio_delta(turns.tone(480_000)))
    await until(lambda: len(client.conversation) and client.conversation.get_items()[0].received_samples)
    client.cancel_response(client.conversation.get_items()[0].id, 240)
    await peer.say(*turns.response_done(status="cancelled"))
    await asyncio.wait_for(_awaited(hang_up(client)), 5)
    assert client.state == "disconnected"


async def _awaited(arranged):
    await arranged


async def test_a_failure_of_hanging_up_is_told(client, server, monkeypatch):
    async def broken():
        raise RuntimeError("cannot say")

    await connected(client, server)
    log = Log(client, "error")
    client.playback = broken
    await hang_up(client)
    assert "cannot say" in (await log.until("error")).message


async def test_hanging_up_says_what_is_wrong(client):
    with pytest.raises(StateError, match="call it in a tool, or pass the client"):
        hang_up()
    for after in ("soon", -1, float("nan"), True, None):
        with pytest.raises(ValueError, match='after must be "farewell" or seconds'):
            hang_up(client, after=after)
    with pytest.raises(ValueError, match="timeout must be seconds"):
        hang_up(client, timeout=-1)


# Calls of other threads


async def test_a_plain_tool_may_call_the_client_from_its_thread(client, server):
    here = threading.get_ident()
    seen: list = []
    client.on("client.conversation.item.create", lambda event: seen.append(threading.get_ident()))

    def work():
        client.update_session(voice="marin")
        client.add_tool({"name": "late"}, print)
        client.remove_tool("late")
        client.on("app.x", print)
        client.off("app.x", print)
        item_id = client.create_item({"type": "message", "role": "user", "content": []})
        client.send("input_audio_buffer.clear")
        client.create_response()
        with pytest.raises(ValueError, match="not registered"):
            client.off("app.x", print)
        return item_id

    client.add_tool({"name": "end_call"}, work)
    log = Log(client, "error")
    peer = await connected(client, server)
    await peer.say(*CALL)
    await peer.expect("response.create")
    await until(lambda: len(seen) == 2)
    assert set(seen) == {here} and not log.events


async def test_a_call_from_a_thread_does_not_outlive_its_loop(monkeypatch):
    from realtime.client import home_loop
    from realtime.client.home_loop import HomeLoop

    monkeypatch.setattr(home_loop, "PATIENCE", 0.01)
    home = HomeLoop()
    assert home.is_here
    home.settle()
    assert home.is_here
    there: list = []

    def work():
        there.append(home.is_here)
        for function in (lambda: 5, lambda: 1 / 0):
            try:
                there.append(home.call(function))
            except Exception as error:
                there.append(type(error))

    thread = threading.Thread(target=work)
    thread.start()
    # The loop is blocked meanwhile: neither call may run later.
    thread.join()
    assert there == [False, StateError, StateError]
    await asyncio.sleep(0)
    await asyncio.to_thread(work)
    assert there[3:] == [False, 5, ZeroDivisionError]


def test_a_call_after_the_end_of_its_loop_is_refused():
    from realtime.client.home_loop import HomeLoop

    home = HomeLoop()

    async def settle():
        home.settle()

    asyncio.run(settle())
    assert home.is_here
    with pytest.raises(StateError, match="has ended"):
        home.call(print)
