"""VoiceSession's devices, idle timeout and microphone chunks; its playback volume without a player."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from realtime import VoiceSession
from realtime.voice.volume import Loudness
from tests import wire_turns as turns
from tests.voice_rig import Rig
from tests.waiting import until
from wavtools import OfflineDevice


async def test_input_and_output_choose_the_devices_of_the_session(server):
    rig = Rig(server)
    microphone, loudspeaker = OfflineDevice(sample_rate=24_000), OfflineDevice(sample_rate=24_000)
    for echo in ("auto", "off"):
        voice = VoiceSession(rig.client, mode="manual", echo=echo, input=microphone, output=loudspeaker)
        async with voice:
            peer = await server.wait_for_peers(1 + (echo == "off"))
            await voice.talk()
            microphone.capture(turns.tone(4_800))
            await voice.release()
            await peer.expect("input_audio_buffer.append")
            await peer.say(*turns.audio_answer("yes", turns.tone(4_800)))
            await until(lambda peer=peer: len(rig.client.conversation.get_items()))
            await until(lambda: rig.client.conversation.get_items()[-1].received_samples == 4_800)
            np.testing.assert_array_equal(loudspeaker.render(4_800), turns.tone(4_800))


def test_a_device_beside_a_recorder_or_player_of_the_applications_own_is_refused(client):
    rig = OfflineDevice()
    with pytest.raises(
        ValueError, match="input is for the recorder that the session makes: give yours its device="
    ):
        VoiceSession(client, object(), None, input=rig)
    with pytest.raises(ValueError, match="or leave player out"):
        VoiceSession(client, None, object(), output="null")


@pytest.mark.parametrize("seconds", [0, -1, "5", float("nan")])
def test_an_idle_timeout_that_is_no_time_is_refused(client, seconds):
    with pytest.raises(ValueError, match="idle_timeout must be"):
        VoiceSession(client, idle_timeout=seconds)


async def test_when_nobody_speaks_for_the_idle_timeout_the_session_says_so_and_stops(server):
    rig = Rig(server)
    rig.client.on("voice.idle", lambda event: rig.events.append(("voice.idle", event)))
    voice = rig.session(mode="vad", idle_timeout=0.05)
    await voice.start()
    await until(lambda: rig.client.state == "disconnected")
    assert rig.of("voice.idle")[0].seconds == 0.05
    await voice.stop()
    assert rig.recorder.get_status() == "ended" and not rig.of("error")


async def test_a_session_that_is_stopped_before_is_not_idle(server):
    rig = Rig(server)
    rig.client.on("voice.idle", lambda event: rig.events.append(("voice.idle", event)))
    async with rig.session(idle_timeout=0.2) as voice:
        # Nothing says how turns are found: push to talk.
        assert voice.mode == "manual"
    await asyncio.sleep(0.4)
    assert not rig.of("voice.idle")


async def test_whoever_speaks_keeps_the_session_open(server):
    rig = Rig(server)
    rig.client.on("voice.idle", lambda event: rig.events.append(("voice.idle", event)))
    async with rig.session(mode="manual", idle_timeout=0.3) as voice:
        peer = server.peer
        # The user, the answer that is requested, and the answer that is played
        await voice.talk()
        await asyncio.sleep(0.5)
        await voice.release(send=False)
        rig.client.create_response()
        await asyncio.sleep(0.5)
        await peer.say(*turns.audio_answer("yes", turns.tone(4_800)))
        await until(lambda: not rig.client.busy)
        await asyncio.sleep(0.5)
        assert rig.client.state == "connected" and not rig.of("voice.idle")
        rig.device.render(9_600)
        await until(lambda: rig.of("voice.idle"))


async def test_every_chunk_of_the_microphone_is_shown_also_while_it_is_muted(server):
    rig, shown = Rig(server), []
    async with rig.session(
        mode="vad", on_chunk=lambda chunk: shown.append((threading.current_thread(), chunk.mono.copy()))
    ) as voice:
        await rig.speak(turns.tone(4_800))
        await until(lambda: len(shown) == 20)
        voice.mute()
        assert voice.muted
        await rig.speak(turns.tone(2_400, 4_800))
        await until(lambda: len(shown) == 30)
    np.testing.assert_array_equal(np.concatenate([mono for _, mono in shown]), turns.tone(7_200))
    assert threading.main_thread() not in {thread for thread, _ in shown}


async def test_an_on_chunk_that_raises_is_reported_once_and_recording_goes_on(server):
    def on_chunk(chunk):
        raise asyncio.CancelledError("no more")

    rig = Rig(server)
    async with rig.session(mode="vad", on_chunk=on_chunk):
        await rig.speak(turns.tone(4_800))
        await server.peer.expect("input_audio_buffer.append")
        await until(lambda: server.peer.types().count("input_audio_buffer.append") == 20)
        await until(lambda: rig.of("error"))
        assert "on_chunk failed: CancelledError: no more" in rig.of("error")[0].message
    assert len(rig.of("error")) == 1 and rig.of("error")[0].source == "voice"


async def coroutine(chunk): ...


def generator(chunk):
    yield


@pytest.mark.parametrize(
    ("function", "message"),
    [(coroutine, "must be a plain function"), (generator, "must be a plain function"), (3, "not int")],
)
def test_an_on_chunk_that_is_no_plain_function_is_refused(client, function, message):
    with pytest.raises(TypeError, match=message):
        VoiceSession(client, on_chunk=function)


def test_a_session_without_a_player_plays_nothing():
    loudness = Loudness()
    loudness.lower()
    loudness.queued("item_1", 480)
    assert not loudness.playing
    loudness.restore()
