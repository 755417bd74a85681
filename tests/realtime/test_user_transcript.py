"""``user.transcript``: what the user said, or that no words will come."""

from __future__ import annotations

from realtime import RealtimeClient
from tests import wire_turns as turns
from tests.client_bench import Bench
from tests.waiting import Log, until
from tests.wire_server import ScriptedServer, session_object

TRANSCRIBES = session_object(
    audio={"input": {"transcription": {"model": "gpt-transcribe"}, "turn_detection": None}, "output": {}}
)
FAILED = {
    "type": "conversation.item.input_audio_transcription.failed",
    "item_id": "item_user",
    "error": {"type": "server_error", "code": "audio_unintelligible", "message": "no words in it"},
}


def hearing() -> tuple[Bench, Log]:
    bench = Bench(input_audio_transcription="gpt-transcribe")
    bench.say({"type": "session.updated", "session": TRANSCRIBES})
    return bench, Log(bench.client, "user.transcript", "user.transcript.failed", "usage")


def state(bench: Bench) -> str | None:
    return bench.client.conversation.get_item("item_user").transcription


async def test_the_words_of_a_turn_are_an_event_with_the_item():
    bench, log = hearing()
    bench.say(*turns.committed())
    assert state(bench) == "pending"
    bench.say(*turns.transcription("what is the weather?"))
    [event] = log.of("user.transcript")
    assert str(event) == event.transcript == event.item.formatted.transcript == "what is the weather?"
    assert (event.item_id, state(bench)) == ("item_user", "completed")
    assert not log.of("user.transcript.failed")


async def test_the_handlers_of_an_item_know_that_its_words_are_due():
    bench, _ = hearing()
    states = []
    for name in ("conversation.item.appended", "conversation.item.ended"):
        bench.client.on(name)(lambda event: states.append(event.item.transcription))
    bench.say(*turns.committed())
    assert states == ["pending", "pending"]


async def test_a_transcript_before_its_item_counts_too():
    bench, log = hearing()
    bench.say(*turns.transcription("early"), *turns.committed())
    assert str(log.of("user.transcript")[0]) == "early" and state(bench) == "completed"


async def test_a_failed_transcription_says_that_no_words_will_come():
    bench, log = hearing()
    bench.say(*turns.committed(), FAILED)
    [event] = log.of("user.transcript.failed")
    assert "no words in it" in str(event) == event.message and event.code == "audio_unintelligible"
    assert (event.item.id, state(bench)) == ("item_user", "failed")


async def test_words_that_a_lost_connection_took_will_not_come():
    bench, log = hearing()
    bench.say(*turns.committed())
    bench.session.lost(1006, "", False)
    [event] = log.of("user.transcript.failed")
    assert event.code == "connection_lost" and state(bench) == "failed"
    bench.session.lost(1006, "", False)
    assert len(log.of("user.transcript.failed")) == 1


async def test_without_transcription_nothing_is_due():
    bench = Bench()
    log = Log(bench.client, "user.transcript", "user.transcript.failed")
    bench.say(*turns.committed(), *turns.user_text("typed", "item_typed"))
    assert state(bench) is None
    bench.session.lost(1006, "", False)
    assert not log.events


async def test_malformed_events_of_a_transcription_are_no_words():
    bench, log = hearing()
    bench.say({"type": "input_audio_buffer.committed", "item_id": 5}, {**FAILED, "item_id": None})
    bench.say({"type": "conversation.item.added", "item": 5})
    bench.say({"type": "conversation.item.input_audio_transcription.completed", "item_id": "x"})
    assert not log.of("user.transcript") and log.of("user.transcript.failed")[0].item is None


async def test_the_end_of_the_connection_settles_what_is_due():
    async with ScriptedServer(audio=TRANSCRIBES["audio"]) as server:
        client = RealtimeClient(api_key="", url=server.url)
        log = Log(client, "user.transcript.failed")
        async with client:
            await server.peer.say(*turns.committed())
            await until(lambda: client.conversation.get_items())
        assert [event.code for event in log.of("user.transcript.failed")] == ["connection_lost"]


async def test_a_spoken_turn_of_the_offline_server(offline_url):
    client = RealtimeClient(
        api_key="", url=offline_url, input_audio_transcription="gpt-transcribe", turn_detection=None
    )
    log = Log(client, "user.transcript")
    async with client:
        await client.ask(turns.tone(24_000))
        await until(lambda: log.events)
    [event] = log.of("user.transcript")
    assert event.transcript and event.item.transcription == "completed" and event.usage["type"] == "tokens"
