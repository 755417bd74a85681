"""VoiceSession with the real recorder and player on devices without hardware, against a scripted server."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from realtime import ConfigurationError, ConnectError, RealtimeClient, StateError, VoiceSession
from realtime.voice.devices import make_player, make_recorder
from tests import wire_turns as turns
from tests.canary import KEY
from tests.voice_rig import Rig
from tests.waiting import until
from wavtools import OfflineDevice, WavRecorder, WavStreamPlayer


def heard_by(peer) -> np.ndarray:
    data = b"".join(base64.b64decode(event["audio"]) for event in peer.of_type("input_audio_buffer.append"))
    return np.frombuffer(data, "<i2")


async def test_push_to_talk_sends_every_sample_and_then_asks(server):
    rig = Rig(server)
    async with rig.session(mode="manual") as voice:
        peer = server.peer
        update = await peer.expect("session.update")
        assert update["session"]["audio"]["input"]["turn_detection"] is None
        await rig.speak(turns.tone(2_400, 20_000))  # the key is up: nobody hears this
        await voice.talk()
        await voice.talk()  # a key that repeats
        assert voice.talking
        spoken = turns.tone(12_345)
        await rig.speak(spoken)
        assert await voice.release() and not await voice.release()
        await peer.expect("response.create")
        np.testing.assert_array_equal(heard_by(peer), spoken)
        assert peer.types()[-2:] == ["input_audio_buffer.commit", "response.create"]


async def test_what_was_said_can_be_thrown_away_and_is_no_part_of_the_next_turn(server):
    rig = Rig(server)
    async with rig.session(mode="manual") as voice:
        peer = server.peer
        await voice.talk()
        await rig.speak(turns.tone(12_000))
        assert not await voice.release(send=False) and not voice.talking
        await peer.expect("input_audio_buffer.clear")
        assert not await voice.release(send=False)  # nothing more to throw away
        await voice.talk()
        await rig.speak(turns.tone(4_800))
        assert await voice.release()
        await peer.expect("response.create")
        told = [kind for kind in peer.types() if kind.startswith(("input_audio_buffer.c", "response"))]
        assert told == ["input_audio_buffer.clear", "input_audio_buffer.commit", "response.create"]
        before = peer.types().index("input_audio_buffer.clear")
        assert peer.types()[:before].count("input_audio_buffer.append") == 50
        await voice.talk()
        await rig.client.disconnect()
        assert not await voice.release(send=False)  # nobody holds anything


async def test_an_answer_is_played_to_the_sample_and_its_first_sample_is_timed(server):
    rig = Rig(server)
    async with rig.session(mode="manual"):
        answer = turns.tone(9_600)
        await server.peer.say(*turns.audio_answer("yes", answer))
        await until(
            lambda: (
                len(rig.client.conversation)
                and rig.client.conversation.get_items()[0].received_samples == 9_600
            )
        )
        played = rig.device.render(12_000)
        np.testing.assert_array_equal(played[:9_600], answer)
        assert not played[9_600:].any()
        await until(lambda: rig.of("timings") and rig.of("timings")[-1].first_sample is not None)


async def test_barge_in_tells_the_server_to_the_sample_what_was_heard(server):
    rig = Rig(server)
    async with rig.session(mode="vad"):
        peer = server.peer
        await peer.say(*turns.audio_begin(), turns.audio_delta(turns.tone(48_000)))
        await until(
            lambda: len(rig.client.conversation) and rig.client.conversation.get_items()[0].received_samples
        )
        rig.device.render(12_024)
        await peer.say(*turns.speech("item_2")[:1])
        truncate = await peer.expect("conversation.item.truncate")
        assert (truncate["item_id"], truncate["audio_end_ms"]) == ("item_answer", 501)
        assert "response.cancel" not in peer.types()
        cut = rig.of("voice.cut")[0]
        assert (cut.receipt.offset, cut.item.id) == (12_024, "item_answer")
        assert not rig.device.render(2_400).any()
        # What still comes of the interrupted answer is not played.
        await peer.say(turns.audio_delta(turns.tone(4_800)))
        await peer.say(*turns.user_text("x", "marker"))
        await until(lambda: rig.client.conversation.get_item("marker") is not None)
        assert not rig.device.render(2_400).any()


async def test_an_interruption_by_key_cancels_in_either_mode(server):
    for number, mode in enumerate(("vad", "manual"), 1):
        rig = Rig(server)
        async with rig.session(mode=mode) as voice:
            peer = await server.wait_for_peers(number)
            await peer.say(*turns.audio_begin(), turns.audio_delta(turns.tone(48_000)))
            await until(
                lambda rig=rig: (
                    len(rig.client.conversation) and rig.client.conversation.get_items()[0].received_samples
                )
            )
            rig.device.render(2_400)
            assert voice.interrupt().offset == 2_400
            assert (await peer.expect("response.cancel"))["response_id"] == "resp_1"
            assert (await peer.expect("conversation.item.truncate"))["audio_end_ms"] == 100


async def test_answers_that_were_queued_behind_are_told_as_unheard(server):
    rig = Rig(server)
    async with rig.session(mode="manual") as voice:
        peer = server.peer
        await peer.say(*turns.audio_answer("one", turns.tone(4_800), "item_1", "resp_1"))
        await peer.say(*turns.audio_answer("two", turns.tone(4_800), "item_2", "resp_2"))
        await until(
            lambda: (
                rig.client.conversation.get_item("item_2") is not None
                and rig.client.conversation.get_item("item_2").status == "completed"
            )
        )
        rig.device.render(2_400)
        voice.interrupt()
        await peer.expect("conversation.item.truncate")
        await peer.expect("conversation.item.truncate")
        told = {
            event["item_id"]: event["audio_end_ms"] for event in peer.of_type("conversation.item.truncate")
        }
        assert told == {"item_1": 100, "item_2": 0}


async def test_talking_interrupts_and_so_does_text(server):
    rig = Rig(server)
    async with rig.session(mode="manual") as voice:
        peer = server.peer
        await peer.say(*turns.audio_begin(), turns.audio_delta(turns.tone(48_000)))
        await until(
            lambda: len(rig.client.conversation) and rig.client.conversation.get_items()[0].received_samples
        )
        rig.device.render(240)
        await voice.talk()
        await peer.expect("conversation.item.truncate")
        await voice.release()
        assert voice.send_text("typed")
        assert (await peer.expect("conversation.item.create"))["item"]["content"][0]["text"] == "typed"


async def test_the_mode_changes_at_any_time(server):
    rig = Rig(server, turn_detection={"type": "server_vad", "threshold": 0.7})
    async with rig.session() as voice:
        peer = server.peer
        assert voice.mode == "vad" and rig.recorder.get_status() == "recording"
        with pytest.raises(StateError, match="set_mode"):
            await voice.talk()
        await voice.set_mode("manual")
        assert rig.recorder.get_status() == "paused"
        await peer.expect("input_audio_buffer.clear")
        await voice.set_mode("vad")
        await voice.set_mode("vad")
        updates = [
            event["session"]["audio"]["input"]["turn_detection"] for event in peer.of_type("session.update")
        ]
        await until(lambda: len(peer.of_type("session.update")) == 3)
        updates = [
            event["session"]["audio"]["input"]["turn_detection"] for event in peer.of_type("session.update")
        ]
        assert updates == [
            {"type": "server_vad", "threshold": 0.7},
            None,
            {"type": "server_vad", "threshold": 0.7},
        ]
        with pytest.raises(ValueError, match="mode"):
            await voice.set_mode("loud")


async def test_a_mode_that_the_client_has_already_is_not_set_again(server):
    rig = Rig(server, turn_detection={"type": "semantic_vad", "eagerness": "low"})
    async with rig.session(mode="vad"):
        await rig.speak(turns.tone(480))
        await server.peer.expect("input_audio_buffer.append")
        (update,) = server.peer.of_type("session.update")
        detection = update["session"]["audio"]["input"]["turn_detection"]
        assert detection == {"type": "semantic_vad", "eagerness": "low"}


async def test_a_change_of_mode_while_talking_sends_what_was_said(server):
    rig = Rig(server)
    async with rig.session(mode="manual") as voice:
        await voice.talk()
        await rig.speak(turns.tone(4_800))
        await voice.set_mode("vad")
        await server.peer.expect("input_audio_buffer.commit")


async def test_a_muted_microphone_is_silent(server):
    rig = Rig(server)
    async with rig.session(mode="vad") as voice:
        voice.mute()
        await rig.speak(turns.tone(2_400))
        await until(lambda: len(heard_by(server.peer)) == 2_400)
        assert not heard_by(server.peer).any()
        voice.mute(False)
        await rig.speak(turns.tone(2_400))
        await until(lambda: len(heard_by(server.peer)) == 4_800)
        assert heard_by(server.peer)[2_400:].all()


async def test_a_muted_microphone_in_manual_mode_sends_nothing(server):
    rig = Rig(server)
    async with rig.session(mode="manual") as voice:
        voice.mute()
        await voice.talk()
        await rig.speak(turns.tone(2_400))
        await voice.release()
        await server.peer.expect("response.create")
        assert len(heard_by(server.peer)) == 0


async def test_without_interrupt_response_speech_does_not_stop_playback(server):
    rig = Rig(server, turn_detection={"type": "server_vad", "interrupt_response": False})
    async with rig.session():
        await server.peer.say(*turns.audio_begin(), turns.audio_delta(turns.tone(48_000)))
        await server.peer.say(*turns.speech("item_2")[:1], *turns.user_text("x", "marker"))
        await until(lambda: rig.client.conversation.get_item("marker") is not None)
        assert rig.device.render(480).any() and not rig.of("voice.cut")


async def test_starting_twice_and_calling_before_the_start_name_the_call(server):
    rig = Rig(server)
    voice = rig.session(mode="manual")
    with pytest.raises(StateError, match=r"start\(\)"):
        await voice.talk()
    assert voice.mode == "manual"
    async with voice:
        with pytest.raises(StateError, match=r"stop\(\)"):
            await voice.start()
    await voice.stop()


async def test_a_failed_start_closes_what_was_opened(server):
    rig = Rig(server)
    await server.stop()
    voice = rig.session(mode="vad")
    with pytest.raises(ConnectError):
        await voice.start()
    assert rig.recorder.get_status() == "ended" and rig.client.state == "disconnected"
    rig.player.connect()  # it was disconnected
    rig.player.disconnect()


async def test_another_rate_than_the_sessions_is_refused(server):
    client = RealtimeClient(api_key=KEY, url=server.url)
    device = OfflineDevice()
    voice = VoiceSession(client, WavRecorder(8_000, device=device), WavStreamPlayer(device=device))
    with pytest.raises(ConfigurationError, match=r"8000 Hz.*24000 Hz"):
        await voice.start()
    with pytest.raises(ValueError, match="mode"):
        VoiceSession(client, mode="loud")


async def test_the_end_of_the_connection_stops_the_microphone(server):
    rig = Rig(server)
    async with rig.session(mode="vad"):
        await server.peer.close(4000, "over")
        await until(lambda: rig.recorder.get_status() == "paused")
        assert rig.of("close")[0].code == 4000


async def test_a_full_player_is_reported_and_counted(server, monkeypatch):
    rig = Rig(server)

    def full(pcm, track_id="default"):
        raise BufferError("no room")

    monkeypatch.setattr(rig.player, "add_16bit_pcm", full)
    async with rig.session(mode="manual") as voice:
        await server.peer.say(*turns.audio_begin(), turns.audio_delta(turns.tone(480)))
        await until(lambda: rig.of("error"))
        assert rig.of("error")[0].source == "player" and voice.unplayed_samples == 480


async def test_interrupting_without_a_connection_still_stops_playback(server):
    rig = Rig(server)
    async with rig.session(mode="manual") as voice:
        await server.peer.say(*turns.audio_begin(), turns.audio_delta(turns.tone(4_800)))
        await until(
            lambda: len(rig.client.conversation) and rig.client.conversation.get_items()[0].received_samples
        )
        await rig.client.disconnect()
        rig.device.render(240)
        assert voice.interrupt().offset == 240
        assert not rig.device.render(240).any()


async def test_a_session_without_devices_given_makes_its_own(server):
    client = RealtimeClient(api_key=KEY, url=server.url)
    voice = VoiceSession(client, mode="manual")
    made = make_player(8_000), make_recorder(16_000)
    assert [one.sample_rate for one in made] == [8_000, 16_000]
    assert voice.recorder is None


async def test_a_connected_client_is_used_as_it_is(server):
    rig = Rig(server)
    await rig.client.connect()
    async with rig.session(mode="manual") as voice:
        assert len(server.peers) == 1
        rig.client.clear_event_handlers()  # its own included: stopping still works
        assert voice.mode == "manual"
    assert rig.client.state == "disconnected"


async def test_an_answer_that_never_sounds_is_not_watched_for_ever(server, monkeypatch):
    from realtime.voice import timing as module

    monkeypatch.setattr(module, "FIRST_SAMPLE_PATIENCE", 0.02)
    rig = Rig(server)
    async with rig.session(mode="manual") as voice:
        await server.peer.say(*turns.audio_begin(), turns.audio_delta(turns.tone(480)))
        await until(lambda: voice._first_sample._task is not None and voice._first_sample._task.done())
        assert not rig.of("timings")


async def test_disconnecting_leaves_the_microphone_to_the_application(server):
    rig = Rig(server)
    async with rig.session(mode="vad"):
        await until(lambda: rig.recorder.get_status() == "recording")
        await rig.client.disconnect()
        await rig.speak(np.ones(960, np.int16))
        await until(lambda: rig.client.stats.input_samples_dropped == 960)
        assert rig.recorder.get_status() == "recording" and not rig.of("error")


async def test_the_end_of_the_connection_finds_a_microphone_that_rests(server):
    rig = Rig(server)
    async with rig.session(mode="manual") as voice:
        await server.peer.close(1008, "no")
        await until(lambda: voice._closing is not None and voice._closing.done())
        assert rig.recorder.get_status() == "paused"
        assert [event.source for event in rig.of("error")] == ["connection"]


async def test_talking_into_a_microphone_that_the_application_closed_raises_nothing(server):
    rig = Rig(server)
    async with rig.session(mode="manual") as voice:
        rig.recorder.end()
        await voice.talk()
        assert rig.recorder.get_status() == "ended" and not rig.of("error")


async def until_known(rig: Rig, item_id: str) -> None:
    await until(lambda: rig.client.conversation.get_item(item_id) is not None)


@pytest.mark.parametrize("known", [0, 1, 3])
async def test_nothing_plays_after_an_interrupt_before_the_first_delta(server, known):
    """The answer was asked for, has begun, or has its item; then half a second of it arrives."""
    rig = Rig(server)
    async with rig.session(mode="manual") as voice:
        peer = server.peer
        voice.send_text("tell me")
        await peer.expect("response.create")
        await peer.say(*turns.audio_begin()[:known], *turns.user_text("x", "marker"))
        await until_known(rig, "marker")
        voice.interrupt()
        await peer.expect("response.cancel")
        await peer.say(*turns.audio_begin()[known:], turns.audio_delta(turns.tone(12_000)))
        await peer.say(*turns.audio_end("unheard", status="cancelled"), *turns.user_text("y", "end"))
        await until_known(rig, "end")
        assert not rig.device.render(24_000).any()
        await peer.expect("conversation.item.truncate")


async def test_under_vad_nothing_of_an_answer_plays_after_speech_began_before_its_first_delta(server):
    rig = Rig(server)
    async with rig.session(mode="vad"):
        peer = server.peer
        await peer.say(*turns.audio_begin(), *turns.speech("item_2")[:1])
        await peer.say(turns.audio_delta(turns.tone(12_000)), *turns.user_text("x", "marker"))
        await until_known(rig, "marker")
        assert not rig.device.render(24_000).any() and "response.cancel" not in peer.types()
        await peer.say(*turns.audio_end("unheard", status="cancelled"))
        await peer.say(*turns.audio_answer("heard", turns.tone(480), "item_3", "resp_2"))
        await until(lambda: rig.device.render(480).any())
