"""VoiceSession(interrupt="duck"): what interrupts an answer, and what only lowers it, against a scripted server."""

from __future__ import annotations

import asyncio
import contextlib

import numpy as np
import pytest

from realtime import VoiceSession
from realtime.voice import interruption as module
from realtime.voice.interruption import has_words
from realtime.voice.speech import SpeechWatch
from tests import wire_turns as turns
from tests.voice_rig import Rig
from tests.waiting import until
from tests.wire_server import ScriptedServer
from wavtools import OfflineDevice, WavStreamPlayer

NOISE = (np.random.default_rng(3).normal(size=24_000) * 8000).clip(-30_000, 30_000).astype(np.int16)
QUIET = np.zeros(24_000, np.int16)


class Ducking(Rig):
    """A rig whose server makes an answer of two seconds."""

    def __init__(self, server, **session: object) -> None:
        super().__init__(server, **session)
        self.client.on("interruption.false", lambda event: self.events.append(("interruption.false", event)))

    def session(self, **options: object) -> VoiceSession:
        return super().session(**{"mode": "vad", "echo": "off", "interrupt": "duck", **options})

    async def answer(self, peer, heard: int = 12_000, **ids: str) -> None:
        await peer.say(*turns.audio_begin(**ids), turns.audio_delta(turns.tone(48_000), **ids))
        await until(
            lambda: (
                (item := self.client.conversation.get_item(ids.get("item_id", "item_answer"))) is not None
                and item.received_samples
            )
        )
        self.device.render(heard)

    async def hears(self, peer, number: int = 2, start_ms: int = 200) -> None:
        """The server hears speech over the answer."""
        count = len(self.of("interrupted"))
        self.client.on_next("conversation.interrupted", lambda e: self.events.append(("interrupted", e)))
        await peer.say(turns.speech(f"item_{number}", start_ms)[0])
        await until(lambda: len(self.of("interrupted")) > count)

    async def stops(self, peer, number: int = 2, end_ms: int = 900) -> None:
        """The server hears it end, and commits it."""
        await peer.say(*turns.speech(f"item_{number}", 200, end_ms)[1:])


@contextlib.asynccontextmanager
async def heard_over_an_answer(server):
    """A rig whose server has heard speech over an answer, and the server's side."""
    rig = Ducking(server)
    async with rig.session():
        await rig.answer(server.peer)
        await rig.hears(server.peer)
        yield rig, server.peer


@pytest.fixture
async def transcribing():
    """A server that transcribes the user."""
    heard = {"transcription": {"model": "whisper-1"}, "turn_detection": {"type": "server_vad"}}
    async with ScriptedServer(audio={"input": heard}) as server:
        yield server


def detection_of(update):
    return update["session"]["audio"]["input"]["turn_detection"]


async def test_under_duck_the_server_neither_cancels_nor_answers_by_itself_and_later_it_does_again(server):
    rig = Ducking(server, turn_detection={"type": "server_vad", "threshold": 0.6})
    async with rig.session() as voice:
        detection = detection_of(await server.peer.expect("session.update"))
        assert detection == {
            "type": "server_vad",
            "threshold": 0.6,
            "interrupt_response": False,
            "create_response": False,
        }
        await voice.set_mode("manual")
        await voice.set_mode("vad")
        assert rig.client.get_turn_detection() == detection
    assert rig.client.get_turn_detection() == {"type": "server_vad", "threshold": 0.6}


async def test_a_turn_while_no_answer_is_heard_is_answered_and_nothing_is_lowered(server):
    rig = Ducking(server)
    async with rig.session():
        peer = server.peer
        await rig.hears(peer)
        assert rig.player.volume == 1.0
        await rig.stops(peer)
        await peer.expect("response.create")
        assert "conversation.item.delete" not in peer.types() and not rig.of("interruption.false")


@pytest.mark.parametrize("kind", ["while it lasts", "long before"])
async def test_speech_that_lasts_cuts_the_answer_to_the_sample_and_is_answered(server, kind):
    rig = Ducking(server)
    async with rig.session():
        peer = server.peer
        await rig.answer(peer)
        if kind == "long before":
            # The server reports it when it has lasted already: nothing is lowered first.
            await rig.speak(np.concatenate((QUIET[:4_800], NOISE[:12_000])))
            await until(lambda: rig.client.stats.input_samples_queued == 0)
            await rig.hears(peer)
        else:
            await rig.speak(QUIET[:4_800])
            await rig.hears(peer)
            assert rig.player.volume == pytest.approx(0.1)
            rig.device.render(480)
            await rig.speak(NOISE[:9_600])
        assert (await peer.expect("response.cancel"))["response_id"] == "resp_1"
        truncate = await peer.expect("conversation.item.truncate")
        heard = 12_000 if kind == "long before" else 12_480
        assert (truncate["item_id"], truncate["audio_end_ms"]) == ("item_answer", heard // 24)
        assert rig.of("voice.cut")[0].receipt.offset == heard
        assert rig.player.volume == 1.0 and not rig.device.render(2_400).any()
        await rig.stops(peer)
        await peer.say(*turns.response_done("resp_1", status="cancelled"))
        await peer.expect("response.create")
        assert "conversation.item.delete" not in peer.types() and not rig.of("interruption.false")


async def test_a_cough_costs_no_answer_and_leaves_no_turn(server):
    async with heard_over_an_answer(server) as (rig, peer):
        await rig.speak(np.concatenate((QUIET[:2_400], NOISE[:4_800], QUIET[:4_800])))
        await rig.stops(peer)
        assert (await peer.expect("conversation.item.delete"))["item_id"] == "item_2"
        await until(lambda: rig.of("interruption.false"))
        event = rig.of("interruption.false")[0]
        assert event.item_id == "item_2" and event.seconds > 0
        assert rig.player.volume == 1.0
        # The rest of the answer, at its own volume after one period.
        rig.device.render(240)
        np.testing.assert_array_equal(rig.device.render(2_400), turns.tone(2_400, 12_240))
        assert not {"response.cancel", "response.create", "conversation.item.truncate"} & set(peer.types())
        assert not rig.of("voice.cut") and not rig.of("error")


async def test_the_answer_returns_when_the_sound_is_over_though_the_server_still_listens(server):
    async with heard_over_an_answer(server) as (rig, peer):
        await rig.speak(np.concatenate((NOISE[:2_400], QUIET[:14_400])))
        await until(lambda: rig.player.volume == 1.0)
        await rig.stops(peer)
        await until(lambda: rig.of("interruption.false"))


async def test_words_of_a_transcript_cut_the_answer_before_the_turn_ends(server):
    async with heard_over_an_answer(server) as (rig, peer):
        await peer.say(turns.transcription("(co", "item_2")[0], turns.transcription("Stop", "item_other")[0])
        await peer.say(turns.transcription("Stop", "item_2")[0], turns.transcription("Stop", "item_2")[0])
        assert (await peer.expect("conversation.item.truncate"))["audio_end_ms"] == 500
        await rig.stops(peer)
        await peer.say(*turns.response_done("resp_1", status="cancelled"))
        await peer.expect("response.create")
        assert len(rig.of("voice.cut")) == 1


@pytest.mark.parametrize(
    ("ending", "words"),
    [("a word", "No."), ("no word", "(coughs)"), ("failed", None), ("never", None)],
)
async def test_a_short_turn_waits_for_its_words_where_the_server_transcribes(
    transcribing, monkeypatch, ending, words
):
    if ending == "never":
        monkeypatch.setattr(module, "TRANSCRIPT_PATIENCE", 0.01)
    async with heard_over_an_answer(transcribing) as (rig, peer):
        await rig.stops(peer)
        await until(lambda: rig.player.volume == 1.0)
        if words is not None:
            await peer.say(*turns.transcription(words, "item_2"))
        elif ending == "failed":
            kind = "conversation.item.input_audio_transcription.failed"
            await peer.say({"type": kind, "item_id": "item_2", "content_index": 0, "error": {"code": "x"}})
        if ending == "a word":
            await peer.expect("conversation.item.truncate")
            await peer.say(*turns.response_done("resp_1", status="cancelled"))
            await peer.expect("response.create")
        else:
            assert (await peer.expect("conversation.item.delete"))["item_id"] == "item_2"
            await until(lambda: rig.of("interruption.false"))
        assert bool(rig.of("voice.cut")) == (ending == "a word")


async def test_a_server_whose_times_say_that_it_lasted_is_believed(server):
    async with heard_over_an_answer(server) as (rig, peer):
        # 200 + 300 (prefix) + 400 + 200 (silence)
        await rig.stops(peer, end_ms=1_100)
        assert (await peer.expect("conversation.item.truncate"))["audio_end_ms"] == 500


async def test_a_server_that_hears_no_end_of_the_speech_is_believed(server, monkeypatch):
    monkeypatch.setattr(module, "UNHEARD_SECONDS", -0.19)
    async with heard_over_an_answer(server) as (_, peer):
        assert (await peer.expect("conversation.item.truncate"))["audio_end_ms"] == 500


async def test_semantic_turn_detection_states_no_silence_and_is_judged_by_the_microphone_alone(server):
    rig = Ducking(server, turn_detection="semantic_vad")
    async with rig.session():
        peer = server.peer
        await rig.answer(peer)
        await rig.hears(peer)
        await rig.hears(peer, 3)  # another start without an end
        await rig.stops(peer, 3, end_ms=9_000)
        await peer.expect("conversation.item.delete")


async def test_times_that_a_server_does_not_state_are_those_of_the_vendor(transcribing):
    async with heard_over_an_answer(transcribing) as (rig, peer):
        await rig.hears(peer, 3)
        await rig.stops(peer, 3, end_ms=200 + 300 + 400 + 500)
        await peer.expect("conversation.item.truncate")


async def test_an_application_that_answers_itself_still_does(server):
    rig = Ducking(server, turn_detection={"type": "server_vad", "create_response": False})
    async with rig.session():
        peer = server.peer
        await rig.hears(peer)
        await rig.stops(peer)
        rig.client.commit_input_audio()
        await peer.say(*turns.committed("item_3"))
        await peer.say(*turns.user_text("x", "marker"))
        await until(lambda: rig.client.conversation.get_item("marker") is not None)
        rig.client.create_item({"type": "message", "role": "user", "content": []})
        await peer.expect("conversation.item.create")
        assert "response.create" not in peer.types()
    assert rig.client.get_turn_detection() == {"type": "server_vad", "create_response": False}


async def test_silence_that_the_server_wants_an_answer_to_is_answered(server):
    rig = Ducking(server)
    async with rig.session():
        peer = server.peer
        kind = "input_audio_buffer.timeout_triggered"
        await peer.say({"type": kind, "item_id": "item_2", "audio_start_ms": 0, "audio_end_ms": 5_000})
        await peer.say(*turns.committed("item_2"))
        await peer.expect("response.create")


async def test_the_end_of_speech_whose_beginning_nobody_saw_is_a_turn(server):
    rig = Ducking(server)
    async with rig.session():
        await rig.stops(server.peer)
        await server.peer.expect("response.create")


async def test_a_new_session_knows_nothing_of_the_speech_before(server):
    async with heard_over_an_answer(server) as (rig, peer):
        assert rig.player.volume == pytest.approx(0.1)
        peer.drop()
        await server.wait_for_peers(2)
        await until(lambda: rig.player.volume == 1.0)
        await rig.speak(NOISE[:9_600])
        assert not rig.of("voice.cut")


async def test_manual_mode_and_the_end_return_the_volume(server):
    rig = Ducking(server)
    async with rig.session() as voice:
        await rig.answer(server.peer)
        await rig.hears(server.peer)
        await voice.set_mode("manual")
        assert rig.player.volume == 1.0
        await rig.hears(server.peer, 3)
        assert rig.player.volume == 1.0
        await voice.set_mode("vad")
        await rig.hears(server.peer, 4)
        assert rig.player.volume == pytest.approx(0.1)
    assert rig.player.volume == 1.0


async def test_a_transcript_that_is_lost_with_the_connection_ends_the_wait(transcribing):
    async with heard_over_an_answer(transcribing) as (rig, peer):
        await rig.stops(peer)
        await until(lambda: rig.player.volume == 1.0 and rig.client.conversation.get_item("item_2"))
        await rig.client.disconnect()
        await until(lambda: rig.of("interruption.false"))


async def test_a_turn_that_has_no_id_is_not_deleted(server):
    async with heard_over_an_answer(server) as (rig, peer):
        stopped = turns.speech("item_2")[1]
        await peer.say({**stopped, "audio_end_ms": None}, {"type": "input_audio_buffer.committed"})
        await until(lambda: rig.of("interruption.false"))
        assert rig.of("interruption.false")[0].item_id is None


async def test_a_volume_that_the_application_sets_meanwhile_stays(server):
    rig = Ducking(server)
    rig.player.volume = 0.5
    async with rig.session():
        await rig.answer(server.peer)
        await rig.hears(server.peer)
        assert rig.player.volume == pytest.approx(0.05)
        rig.player.volume = 0.3
        await rig.stops(server.peer)
        await until(lambda: rig.of("interruption.false"))
        assert rig.player.volume == 0.3


async def test_a_fade_ends_before_the_volume_returns(server):
    rig = Ducking(server)
    async with rig.session(fade_ms=20) as voice:
        await rig.answer(server.peer)
        await rig.hears(server.peer)
        voice.interrupt()
        assert rig.player.volume == pytest.approx(0.1)
        await until(lambda: rig.player.volume == 1.0)


class PlainPlayer:
    """A player of an application's own, without a volume and without knowing when it is idle."""

    sample_rate = 24_000

    def __init__(self) -> None:
        self._player = WavStreamPlayer(device=OfflineDevice(sample_rate=24_000))
        self.connect, self.disconnect = self._player.connect, self._player.disconnect
        self.interrupt, self.add_16bit_pcm = self._player.interrupt, self._player.add_16bit_pcm

    def get_track_sample_offset(self):
        return self._player.get_track_sample_offset()


async def test_a_player_without_a_volume_plays_on_as_it_is(server):
    rig = Ducking(server)
    rig.player = PlainPlayer()
    async with rig.session():
        peer = server.peer
        await rig.answer(peer)
        await rig.hears(peer)
        await rig.stops(peer)
        await peer.expect("conversation.item.delete")


async def test_audio_of_the_application_after_an_answer_is_no_answer_once_it_is_over(server):
    rig = Ducking(server)
    async with rig.session():
        peer = server.peer
        await peer.say(*turns.audio_answer("yes", turns.tone(4_800)))
        await until(lambda: rig.client.conversation.get_items())
        await until(lambda: rig.client.conversation.get_items()[0].status == "completed")
        rig.player.add_16bit_pcm(turns.tone(2_400), "jingle")
        rig.device.render(6_000)
        await rig.hears(peer)
        assert rig.player.volume == pytest.approx(0.1)
        await rig.stops(peer)
        await until(lambda: rig.of("interruption.false"))
        rig.device.render(4_800)
        await rig.hears(peer, 3)
        assert rig.player.volume == 1.0


async def test_what_the_microphone_finds_after_the_decision_changes_nothing(server):
    rig = Ducking(server)
    async with rig.session() as voice:
        await rig.answer(server.peer)
        voice._interruptions._found("lasts")
        await rig.hears(server.peer)
        for _ in range(2):
            voice._interruptions._found("lasts")
        assert len(rig.of("voice.cut")) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("No.", True),
        ("(speech, 0.4 s)", False),
        ("[cough] ", False),
        ("*coughs", False),
        ("...", False),
        ("はい", True),
    ],
)
def test_a_description_of_a_sound_is_no_word(text, words):
    assert has_words(text) is words


def test_an_interrupt_that_does_not_exist_is_refused(client):
    with pytest.raises(ValueError, match="'cut' or 'duck', not 'fade'"):
        VoiceSession(client, interrupt="fade")


def test_what_the_microphone_finds_after_the_loop_has_ended_is_lost_without_an_error():
    listeners = []

    async def session() -> None:
        async with ScriptedServer() as server:
            rig = Ducking(server)
            async with rig.session() as voice:
                await rig.answer(server.peer)
                await rig.hears(server.peer)
                listeners.append(voice._interruptions._watch)
                voice._interruptions._turn.stop_timer()
            listeners[0].arm()

    asyncio.run(session())
    listeners[0].hear(np.concatenate((QUIET[:4_800], NOISE)))


async def test_speech_that_has_lasted_when_the_server_reports_it_cuts_at_once(server, monkeypatch):
    monkeypatch.setattr(module.SpeechWatch, "arm", lambda watch: True)
    rig = Ducking(server)
    async with rig.session():
        await rig.answer(server.peer)
        await rig.hears(server.peer)
        await server.peer.expect("conversation.item.truncate")
        assert rig.of("voice.cut")[0].receipt.offset == 12_000


def test_speech_of_half_a_second_lasts_already():
    watch = SpeechWatch(24_000, lambda finding: None)
    for start in range(0, 24_000, 240):
        watch.hear(QUIET[start : start + 240])
    for start in range(0, 14_400, 240):
        watch.hear(NOISE[start : start + 240])
    assert watch.arm()
