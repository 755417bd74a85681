"""VoiceSession on a RemoteDevice: what the server is told of an answer that was cut far away, and when."""

from __future__ import annotations

import asyncio

import pytest

import wavtools
from realtime import RealtimeClient, VoiceSession
from realtime.voice import cuts
from tests import wire_turns as turns
from tests.canary import KEY
from tests.remote_peer import Peer, World
from tests.waiting import until
from wavtools import _remote_link


class Rig:
    """A voice session whose devices are 25 ms away, in virtual time."""

    def __init__(self, server, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = World()
        monkeypatch.setattr(_remote_link, "monotonic", lambda: self.world.now)
        self.device = wavtools.RemoteDevice()
        self.peer = Peer(self.world, self.device, delay=0.025, mic_rate=24_000)
        self.client = RealtimeClient(api_key=KEY, url=server.url)
        self.told: list = []
        self.client.on("voice.cut", self.told.append)

    def session(self, **options: object) -> VoiceSession:
        return VoiceSession(self.client, device=self.device, echo="off", **{"mode": "manual", **options})

    async def answer(self, server, seconds: float = 0.7, **ids: str) -> None:
        """The server makes an answer of two seconds, and *seconds* pass at the peer."""
        await server.peer.say(*turns.audio_begin(**ids), turns.audio_delta(turns.tone(48_000), **ids))
        item_id = ids.get("item_id", "item_answer")
        await until(
            lambda: (
                (item := self.client.conversation.get_item(item_id)) is not None
                and item.received_samples == 48_000
            )
        )
        self.world.run(seconds)


@pytest.fixture
def rig(server, monkeypatch):
    return Rig(server, monkeypatch)


async def test_the_server_hears_of_the_cancellation_at_once_and_of_the_exact_place_later(server, rig):
    async with rig.session() as voice:
        await rig.answer(server)
        receipt = voice.interrupt()
        assert not receipt.settled
        await server.peer.expect("response.cancel")
        assert "conversation.item.truncate" not in server.peer.types() and not rig.told
        rig.world.run(0.2)
        told = await server.peer.expect("conversation.item.truncate")
        exact = receipt.wait_until_settled(0)
        assert exact.offset == len(rig.peer.heard) > 0
        assert told["audio_end_ms"] == exact.offset * 1000 // 24_000
        await until(lambda: rig.told)
        assert rig.told[0].receipt == exact and rig.told[0].item.id == "item_answer"


async def test_an_estimate_is_sent_when_the_peer_does_not_answer(server, rig, monkeypatch):
    monkeypatch.setattr(cuts, "SETTLING_SECONDS", 0.01)
    async with rig.session() as voice:
        await rig.answer(server)
        receipt = voice.interrupt()
        told = await server.peer.expect("conversation.item.truncate")
        assert told["audio_end_ms"] == receipt.offset * 1000 // 24_000
        assert rig.told[0].receipt == receipt and not receipt.settled


async def test_a_text_that_interrupts_is_sent_after_the_truncation(server, rig):
    async with rig.session() as voice:
        await rig.answer(server)
        voice.send_text("Stop, I meant tomorrow.")
        await server.peer.expect("conversation.item.create")
        kinds = server.peer.types()
        assert kinds.index("conversation.item.truncate") < kinds.index("conversation.item.create")
        rig.world.run(0.2)
        await asyncio.sleep(0.05)
        assert server.peer.types().count("conversation.item.truncate") == 1
        assert len(rig.told) == 1


async def test_a_short_press_is_answered_after_the_truncation(server, rig):
    async with rig.session() as voice:
        await rig.answer(server)
        await voice.talk()
        rig.peer.speak(turns.tone(4_800))
        rig.world.run(0.03)
        await voice.release()
        await server.peer.expect("conversation.item.truncate")
        await server.peer.expect("input_audio_buffer.commit")


async def test_a_session_that_ends_waits_for_no_place(server, rig):
    async with rig.session() as voice:
        await rig.answer(server)
        voice.interrupt()
    assert not rig.told
    rig.world.run(0.3)
    await asyncio.sleep(0.01)
    assert not rig.told


async def test_the_microphone_of_the_peer_is_what_the_server_hears(server, rig):
    async with rig.session() as voice:
        rig.world.run(0.1)
        await voice.talk()
        spoken = turns.tone(4_800)
        rig.peer.speak(spoken)
        rig.world.run(0.1)
        await voice.release()
        await server.peer.expect("response.create")
        assert "input_audio_buffer.append" in server.peer.types()


async def test_device_stands_for_input_and_output_and_not_beside_them():
    client = RealtimeClient(api_key=KEY)
    device = wavtools.RemoteDevice()
    with pytest.raises(ValueError, match="give input or device, not both"):
        VoiceSession(client, device=device, input="null")
    with pytest.raises(ValueError, match="give output or device, not both"):
        VoiceSession(client, device=device, output="null")
    with pytest.raises(ValueError, match="device is for the recorder"):
        VoiceSession(client, wavtools.WavRecorder(), device=device)
