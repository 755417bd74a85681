"""VoiceSession, its ends and its threads: whatever happens in between, everything is closed and told."""

from __future__ import annotations

import asyncio
import threading

import pytest

from realtime import ConnectionLostError, RealtimeClient, StateError
from realtime.voice import devices
from tests import wire_turns as turns
from tests.canary import KEY
from tests.voice_rig import Rig
from tests.waiting import until


async def test_a_tool_that_stops_the_voice_session_closes_everything(server):
    rig = Rig(server)
    voice = rig.session(mode="vad")
    steps: list[str] = []

    async def end_call():
        await voice.stop()
        steps.append("stopped")

    await voice.start()
    rig.client.add_tool({"name": "end_call"}, end_call)
    await server.peer.say(*turns.function_call("end_call", "{}"))
    await until(lambda: steps)
    assert rig.recorder.get_status() == "ended" and rig.client.state == "disconnected"
    rig.player.connect()  # it was disconnected
    rig.player.disconnect()


async def test_a_stop_that_is_cancelled_closes_everything_all_the_same(server):
    rig = Rig(server)
    voice = rig.session(mode="vad")
    await voice.start()
    stopping = asyncio.create_task(voice.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    await voice.stop()
    assert rig.recorder.get_status() == "ended" and rig.client.state == "disconnected"


async def test_a_start_waits_for_the_stop_before_it(server):
    rig = Rig(server)
    voice = rig.session(mode="vad")
    await voice.start()
    stopping = asyncio.create_task(voice.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    await voice.start()
    assert rig.recorder.get_status() == "recording" and rig.client.is_connected()
    await voice.stop()
    assert rig.recorder.get_status() == "ended"


async def test_a_device_that_fails_or_blocks_does_not_keep_the_others_open(server, monkeypatch):
    monkeypatch.setattr(devices, "CLOSE_SECONDS", 0.05)
    rig = Rig(server)
    release = threading.Event()
    end, disconnect = rig.recorder.end, rig.player.disconnect
    monkeypatch.setattr(rig.recorder, "end", lambda: end() and 1 / 0)
    monkeypatch.setattr(rig.player, "disconnect", lambda: (release.wait(), disconnect()))
    voice = rig.session(mode="vad")
    await voice.start()
    with pytest.raises(ZeroDivisionError):
        await voice.stop()
    assert rig.client.state == "disconnected"
    release.set()


async def test_a_device_that_does_not_close_is_named(monkeypatch):
    monkeypatch.setattr(devices, "CLOSE_SECONDS", 0.01)
    release = threading.Event()
    with pytest.raises(TimeoutError, match="the output did not close within"):
        await devices.Devices().close("output", release.wait)
    release.set()


async def test_a_failed_start_raises_its_own_exception_though_closing_fails(server, monkeypatch):
    rig = Rig(server)

    def broken():
        raise OSError("no microphone")

    monkeypatch.setattr(rig.recorder, "begin", broken)
    disconnect = rig.player.disconnect
    monkeypatch.setattr(rig.player, "disconnect", lambda: disconnect() or 1 / 0)
    with pytest.raises(OSError, match="no microphone"):
        await rig.session(mode="vad").start()
    assert rig.of("error")[0].source == "voice"


async def test_a_key_whose_press_failed_can_be_pressed_again(server, monkeypatch):
    rig = Rig(server)
    async with rig.session(mode="manual") as voice:
        record = rig.recorder.record
        monkeypatch.setattr(rig.recorder, "record", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await voice.talk()
        assert not voice.talking
        monkeypatch.setattr(rig.recorder, "record", record)
        await voice.talk()
        assert voice.talking and rig.recorder.get_status() == "recording"


async def test_a_background_task_of_the_session_that_fails_is_told(server, monkeypatch):
    rig = Rig(server)
    async with rig.session(mode="vad"):
        monkeypatch.setattr(rig.player, "get_track_sample_offset", lambda: 1 / 0)
        await server.peer.say(*turns.audio_begin(), turns.audio_delta(turns.tone(480)))
        await until(lambda: rig.of("error"))
        assert "watching the player failed: ZeroDivisionError" in rig.of("error")[0].message
        pause = rig.recorder.pause
        monkeypatch.setattr(rig.recorder, "pause", lambda: 1 / 0)
        await server.peer.close(4000, "over")
        await until(lambda: any("pausing the microphone" in event.message for event in rig.of("error")))
        monkeypatch.setattr(rig.recorder, "pause", pause)


async def test_devices_open_while_every_thread_of_the_executor_is_blocked(server):
    release = threading.Event()
    blocked = [asyncio.create_task(asyncio.to_thread(release.wait)) for _ in range(40)]
    rig = Rig(server)
    async with rig.session(mode="manual") as voice:
        await asyncio.wait_for(voice.talk(), 10)
        assert rig.recorder.get_status() == "recording"
    release.set()
    await asyncio.gather(*blocked)


async def test_a_player_that_cannot_tell_is_not_waited_for():
    assert await devices.Devices().played(object()) is False


async def test_a_plain_tool_may_interrupt_and_send_text(server):
    rig = Rig(server)
    cuts: list = []

    async def cut(event):
        cuts.append(event)

    rig.client.on("voice.cut", cut)
    async with rig.session(mode="manual") as voice:
        rig.client.add_tool({"name": "hush"}, lambda: voice.send_text("typed") and "done")
        peer = server.peer
        await peer.say(*turns.audio_answer("one", turns.tone(4_800), "item_1", "resp_1"))
        await until(lambda: rig.of("conversation.updated"))
        rig.device.render(240)
        await peer.say(*turns.function_call("hush", "{}", "call_1", "item_2", "resp_2"))
        await until(lambda: cuts)
        await until(lambda: len(peer.of_type("conversation.item.create")) == 2)
        assert not rig.of("error")


async def test_waiting_for_the_end_of_a_session_ends_when_it_stops(server):
    rig = Rig(server)
    voice = rig.session(mode="vad")
    with pytest.raises(StateError, match="call start"):
        await voice.wait_until_ended()
    for _ in range(2):
        await voice.start()
        waiting = asyncio.create_task(voice.wait_until_ended())
        await asyncio.sleep(0)
        assert not waiting.done()
        await voice.stop()
        await waiting
        assert rig.recorder.get_status() == "ended"
    # It has ended already.
    await voice.wait_until_ended()


async def test_waiting_for_the_end_of_an_idle_session_ends(server):
    rig = Rig(server)
    async with rig.session(mode="vad", idle_timeout=0.05) as voice:
        await voice.wait_until_ended()
    assert rig.client.state == "disconnected"


@pytest.mark.parametrize("reason", ["go away", ""])
async def test_waiting_for_the_end_raises_when_the_connection_has_ended_for_good(server, reason):
    rig = Rig(server)
    rig.client = RealtimeClient(api_key=KEY, url=server.url, reconnect=False)
    async with rig.session(mode="vad") as voice:
        await server.peer.close(4000, reason)
        with pytest.raises(ConnectionLostError, match="code 4000") as caught:
            await voice.wait_until_ended()
        assert caught.value.code == 4000 and reason in str(caught.value)
