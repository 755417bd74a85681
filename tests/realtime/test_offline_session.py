"""One session of the offline server: its limits, refused events, responses, and models that fail."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from realtime.offline import OfflineServer, SessionOptions
from realtime.offline.faults import Faults
from realtime.offline.models.interfaces import Voice
from realtime.offline.models.standin import STANDIN_TEXT, EnergyActivity, PrerenderedSpeech, StandInTranscript
from realtime.offline.replies.rules import Call, Context, Say
from realtime.offline.session import listening, session
from realtime.offline.session.outbox import Outbox
from tests.offline_models import STANDIN, HearsSpeech, Missing, loud, session_with
from tests.offline_probe import Probe, open_probe, order, silence

G711 = {"type": "audio/pcmu"}


# --- models and repliers with faults


class FailingDetector:
    """A voice detector that always fails."""

    def probabilities(self, samples: np.ndarray, state: None) -> tuple[list[float], None]:
        raise ZeroDivisionError("no frames")


class Pieces:
    """A replier that says the given pieces."""

    def __init__(self, *said: str) -> None:
        self.said = said

    async def reply(self, context: Context) -> AsyncGenerator[Say | Call, None]:
        for text in self.said:
            yield Say(text)


class Mistaken:
    """A replier that raises an exception."""

    async def reply(self, context: Context) -> AsyncGenerator[Say | Call, None]:
        yield Say("Well.")
        raise KeyError("where")


class Stubborn:
    """A replier that ends normally when it is cancelled."""

    async def reply(self, context: Context) -> AsyncGenerator[Say | Call, None]:
        yield Say("Well.")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return


# --- limits


async def test_one_append_holds_15_mib_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "APPEND_BYTES", 4800)
    async with session_with() as (probe, _):
        await probe.append(bytes(4802), 9600)
        error = await probe.error()
        await probe.append(bytes(4800))
        assert len(await probe.settled()) == 2
    assert (error["code"], error["param"]) == ("string_above_max_length", "audio")


async def test_a_conversation_holds_so_many_items_and_so_much_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "ITEMS", 2)
    monkeypatch.setattr(session, "TEXT_CHARACTERS", 1000)

    async def create(probe: Probe, text: str) -> dict[str, Any]:
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        await probe.send("conversation.item.create", item=item)
        while True:
            event = await probe.next()
            if event["type"] in ("error", "conversation.item.done"):
                return event

    async with session_with() as (probe, _):
        assert (await create(probe, "x" * 1000))["error"]["code"] == "string_above_max_length"
        for _ in range(2):
            assert (await create(probe, "short"))["type"] == "conversation.item.done"
        assert "at most 2 items" in (await create(probe, "short"))["error"]["message"]


async def test_without_turn_detection_the_buffer_holds_ten_minutes() -> None:
    async with session_with() as (probe, _):
        await probe.update(audio={"input": {"turn_detection": None, "format": G711}})
        await probe.append(bytes(8000 * listening.BUFFER_SECONDS), 1 << 23)
        await probe.append(bytes(1))
        assert (await probe.error())["code"] == "input_audio_buffer_full"
        await probe.ask("input_audio_buffer.clear", "input_audio_buffer.cleared")
        await probe.append(bytes(8000))
        await probe.ask("input_audio_buffer.commit", "input_audio_buffer.committed")


async def test_a_turn_that_does_not_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A detector may take the noise of a fan for speech."""
    monkeypatch.setattr(listening, "LONGEST_TURN_MS", 2000)
    async with session_with(Voice(HearsSpeech, StandInTranscript, PrerenderedSpeech)) as (probe, _):
        await probe.append(loud(3.5))
        started = await probe.until("input_audio_buffer.speech_started")
        stopped = await probe.until("input_audio_buffer.speech_stopped")
    assert 2000 < stopped["audio_end_ms"] - started["audio_start_ms"] <= 3000
    assert stopped["item_id"] == started["item_id"]


async def test_what_is_put_behind_a_close_is_dropped() -> None:
    async def say(connection: ServerConnection) -> None:
        outbox = Outbox(connection, print)
        outbox.put("first")
        outbox.close(1001, "bye")
        outbox.put("too late")
        await outbox.run()

    async with serve(say, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}") as client:
            assert [frame async for frame in client] == ["first"]
            assert (client.close_code, client.close_reason) == (1001, "bye")


# --- refused events


@pytest.mark.parametrize(
    ("kind", "fields", "param"),
    [
        ("session.update", {"session": {"type": "realtime", "model": "another-realtime"}}, "session.model"),
        ("session.update", {"session": {"type": "realtime", "tracing": {"a": 1}}}, "session.tracing"),
        ("response.create", {"response": {"metadata": "x"}}, "response.metadata"),
        ("offline.faults", {"faults": {"odd_audio": "yes"}}, "faults.odd_audio"),
        ("offline.faults", {"faults": {"missing": ["x"] * 51}}, "faults.missing"),
        (
            "conversation.item.create",
            {
                "item": {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_audio", "audio": "AAAA"}],
                }
            },
            "item.content[0].audio",
        ),
    ],
    ids=str,
)
async def test_what_cannot_be_is_refused(
    offline_url: str, kind: str, fields: dict[str, Any], param: str
) -> None:
    async with open_probe(offline_url) as probe:
        await probe.update(tracing="auto")
        await probe.send(kind, **fields)
        assert str((await probe.error())["param"]).startswith(param)


async def test_tracing_stays_what_it_is(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        await probe.update(tracing="auto")
        await probe.send("session.update", session={"type": "realtime", "tracing": None})
        assert (await probe.error())["code"] == "cannot_update_tracing"


def test_a_server_knows_its_dialects_and_its_address_once_it_listens() -> None:
    with pytest.raises(ValueError, match="expected 'auto', 'ga' or 'beta'"):
        OfflineServer(voice=STANDIN, dialect="klingon")
    with pytest.raises(RuntimeError, match="not listening"):
        _ = OfflineServer(voice=STANDIN).url


async def test_a_server_that_never_listened_can_be_closed() -> None:
    await OfflineServer(voice=STANDIN).close()


def test_the_package_has_what_it_names() -> None:
    import realtime.offline

    for name in realtime.offline.__all__:
        assert getattr(realtime.offline, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = realtime.offline.Nonsense


# --- faults of the command line


def test_faults_are_read_by_their_types() -> None:
    switches = ["odd_audio", "session_seconds=2.5", "drop_at=7", "missing=a,b", "failed=broken"]
    expected = Faults(odd_audio=True, session_seconds=2.5, drop_at=7, missing=("a", "b"), failed="broken")
    assert Faults.parse(switches) == expected
    with pytest.raises(ValueError, match="drop_at"):
        Faults.parse(["drop_at=0"])


async def test_a_session_expires_early_where_the_server_was_told_so() -> None:
    options = SessionOptions(faults=Faults(session_seconds=0.2))
    async with session_with(options=options) as (probe, _):
        assert (await probe.error())["code"] == "session_expired"
        with pytest.raises(ConnectionClosed):
            await probe.next()
        assert probe.connection.close_code == 1001


# --- responses


async def test_a_response_may_have_a_format_of_its_own(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        pcm = (await probe.say_text("Hello."), len(probe.speech()))
        seen = len(probe.events)
        done = await probe.say_text("Hello.", audio={"output": {"format": G711}})
        deltas = [e["delta"] for e in probe.events[seen:] if e["type"] == "response.output_audio.delta"]
    assert done["audio"]["output"]["format"]["type"] == "audio/pcmu"
    assert sum(len(base64.b64decode(delta)) for delta in deltas) == pytest.approx(pcm[1] / 3, rel=0.01)


@pytest.mark.parametrize("limit", [29, 30, 31, 32, 33])
async def test_audio_is_cut_to_the_token(offline_url: str, limit: int) -> None:
    async with open_probe(offline_url) as probe:
        response = await probe.say_text("Hello.", max_output_tokens=limit)
        spoken = len(probe.speech())
    assert response["status"] == "incomplete"
    assert spoken % 1200 == 0 and 0 < spoken <= limit * 1200


async def test_a_standin_says_its_one_text_once() -> None:
    async with session_with(replier=Pieces("One.", " Two.")) as (probe, _):
        done = await probe.say_text("Hello.")
    assert [part["transcript"] for part in done["output"][0]["content"]] == [STANDIN_TEXT]


async def test_text_that_ends_its_last_sentence_leaves_nothing_to_say() -> None:
    voice = Voice(EnergyActivity, StandInTranscript, PrerenderedSpeech)
    async with session_with(voice, replier=Pieces("One. ", "Two.\n")) as (probe, _):
        done = await probe.say_text("Hello.")
    assert done["status"] == "completed"
    assert done["output"][0]["content"][0]["transcript"] == "One. Two.\n"


async def test_a_truncated_item_forgets_its_words_though_more_are_said() -> None:
    voice = Voice(EnergyActivity, StandInTranscript, PrerenderedSpeech)
    options = SessionOptions(pace=1.0)
    async with session_with(voice, replier=Pieces("One.\n", "Two.\n"), options=options) as (probe, _):
        await probe.send("response.create")
        delta = await probe.until("response.output_audio.delta")
        await probe.ask(
            "conversation.item.truncate",
            "conversation.item.truncated",
            item_id=delta["item_id"],
            content_index=0,
            audio_end_ms=10,
        )
        while "Two" not in (await probe.until("response.output_audio_transcript.delta"))["delta"]:
            pass
        await probe.send("response.cancel")
        await probe.until("response.done")
        await probe.send("conversation.item.retrieve", item_id=delta["item_id"])
        item = (await probe.until("conversation.item.retrieved"))["item"]
    assert item["content"][0]["transcript"] is None


async def test_an_approval_is_no_part_of_what_is_answered(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        approval = {"type": "mcp_approval_response", "approval_request_id": "r1", "approve": True}
        await probe.ask("conversation.item.create", "conversation.item.done", item=approval)
        done = await probe.say_text("Thanks a lot.", output_modalities=["text"])
    assert done["output"][0]["content"][0]["text"] == "You are welcome."


async def test_the_active_response_can_be_cancelled_by_its_id() -> None:
    async with session_with(options=SessionOptions(pace=0.5)) as (probe, _):
        await probe.send("response.create")
        response_id = (await probe.until("response.created"))["response"]["id"]
        await probe.send("response.cancel", response_id=response_id)
        done = (await probe.until("response.done"))["response"]
    assert done["id"] == response_id and done["status"] == "cancelled"


async def test_a_response_ends_once_whatever_its_replier_does() -> None:
    async with session_with(replier=Stubborn()) as (probe, _):
        await probe.update(output_modalities=["text"])
        await probe.send("response.create")
        await probe.until("response.output_text.delta")
        await probe.send("response.cancel")
        events = await probe.settled()
    assert order(events).count("response.done") == 1


async def test_a_mistake_in_a_replier_fails_the_response_and_not_the_session() -> None:
    async with session_with(replier=Mistaken()) as (probe, log):
        for _ in range(2):
            done = await probe.say_text("Hello.", output_modalities=["text"])
            assert done["status"] == "failed"
            assert done["status_details"]["error"]["code"] == "internal_error"
    assert "KeyError('where')" in log[-1]


async def test_speech_that_may_not_interrupt_is_answered_after_the_response() -> None:
    voice = Voice(HearsSpeech, StandInTranscript, PrerenderedSpeech)
    async with session_with(voice, options=SessionOptions(pace=1.0)) as (probe, _):
        detection = {"type": "server_vad", "interrupt_response": False}
        await probe.update(audio={"input": {"turn_detection": detection}})
        # Starts the detector's process, which can take longer than the response.
        await probe.append(silence(0.1))
        await probe.settled()
        await probe.send("response.create")
        first = (await probe.until("response.created"))["response"]["id"]
        await probe.until("response.output_audio.delta")
        await probe.append(np.concatenate([loud(0.5), silence(1.0)]))
        await probe.until("input_audio_buffer.speech_stopped")
        assert not probe.of("response.done")
        done = (await probe.until("response.done"))["response"]
        assert (done["id"], done["status"]) == (first, "completed")
        assert (await probe.until("response.created"))["response"]["id"] != first


# --- speech in items


async def test_audio_of_a_retrieved_item_stands_in_its_audio_part_alone(offline_url: str) -> None:
    audio = base64.b64encode(loud(0.2).tobytes()).decode()
    content = [{"type": "input_text", "text": "Listen:"}, {"type": "input_audio", "audio": audio}]
    async with open_probe(offline_url) as probe:
        item = {"id": "mine", "type": "message", "role": "user", "content": content}
        await probe.ask("conversation.item.create", "conversation.item.done", item=item)
        await probe.send("conversation.item.retrieve", item_id="mine")
        parts = (await probe.until("conversation.item.retrieved"))["item"]["content"]
    assert parts[0] == content[0] and parts[1]["audio"] == audio


async def test_a_detector_with_a_mistake_in_it_is_reported_and_the_session_goes_on() -> None:
    async with session_with(Voice(FailingDetector, StandInTranscript, PrerenderedSpeech)) as (probe, log):
        await probe.append(silence(0.5))
        error = await probe.error()
        assert (await probe.say_text("Hello.", output_modalities=["text"]))["status"] == "completed"
    assert (error["type"], error["code"]) == ("server_error", "internal_error")
    assert "ZeroDivisionError('no frames')" in log[-1]


# --- models that cannot be loaded


async def test_a_missing_detector_is_answered_by_an_error_and_the_session_goes_on() -> None:
    async with session_with(Voice(Missing, StandInTranscript, PrerenderedSpeech)) as (probe, log):
        await probe.append(silence(0.5))
        error = await probe.error()
        assert (await probe.say_text("Hello.", output_modalities=["text"]))["status"] == "completed"
    assert (error["type"], error["message"]) == ("server_error", "the model is missing")
    assert log[-1] == "the model is missing"


async def test_a_missing_voice_fails_the_response_and_says_why() -> None:
    async with session_with(Voice(EnergyActivity, StandInTranscript, Missing)) as (probe, log):
        done = await probe.say_text("Hello.")
    assert done["status"] == "failed"
    assert done["status_details"]["error"]["message"] == "the model is missing"
    assert log[-1] == "the model is missing"
