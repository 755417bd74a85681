"""Transcriber: captions of live speech and of recordings, directly and through the relay."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any

import numpy as np
import pytest

from realtime import ConnectionLostError, ErrorEvent, LinkOptions, Segment, Transcriber, TranscriptionError
from realtime.offline import OfflineServer, SessionOptions, question_path
from realtime.offline.faults import Faults
from tests.offline_models import STANDIN
from tests.realtime.test_relay_and_offline_server import PATH, relay_to
from tests.waiting import until
from tests.wire_server import Peer, ScriptedServer, session_object
from wavtools import WavPacker, load
from wavtools.offline_device import OfflineDevice

MANUAL = {"audio": {"input": {"transcription": {"model": "m"}, "turn_detection": None}}}
SPOKEN = "conversation.item.input_audio_transcription"


def tone(seconds: float, rate: int = 24_000) -> np.ndarray:
    t = np.arange(int(seconds * rate)) / rate
    return (8_000 * np.sin(2 * np.pi * 300 * t) * (1 + np.sin(2 * np.pi * 5 * t)) / 2).astype(np.int16)


def silence(seconds: float, rate: int = 24_000) -> np.ndarray:
    return np.zeros(int(seconds * rate), np.int16)


def said(kind: str, item_id: str = "item_1", **fields: Any) -> dict[str, Any]:
    return {"type": f"{SPOKEN}.{kind}", "item_id": item_id, "content_index": 0, **fields}


def scripted(*answers: dict[str, Any], confirms: bool = True) -> ScriptedServer:
    """A server that says *answers* to each commit, and answers clears."""

    async def script(peer: Peer) -> None:
        session = session_object(type="transcription", **MANUAL)
        await peer.say({"type": "session.created", "session": session})
        listening = asyncio.ensure_future(peer.listen())
        await peer.expect("session.update")
        if confirms:
            await peer.say({"type": "session.updated", "session": session})
        seen = 0
        while not peer.ended.is_set():
            for event in peer.received[seen:]:
                seen += 1
                if event["type"] == "input_audio_buffer.commit":
                    await peer.say({"type": "input_audio_buffer.committed", "item_id": "item_1"}, *answers)
                elif event["type"] == "input_audio_buffer.clear":
                    await peer.say({"type": "input_audio_buffer.cleared"})
            await asyncio.sleep(0.005)
        await listening

    return ScriptedServer(script)


def captions_of(server: ScriptedServer, **options: Any) -> Transcriber:
    return Transcriber(url=server.url, api_key="", **options)


async def texts(captions: Transcriber, recording: Any) -> list[tuple[str, bool]]:
    return [(str(words), words.final) async for words in captions.read(recording)]


# The real server


async def test_interim_words_come_before_the_final_ones(offline_url):
    async with Transcriber(url=offline_url, api_key="k") as captions:
        heard = [words async for words in captions.read(np.tile(tone(2), 3))]
    assert [words.final for words in heard].count(True) == 1 and heard[-1].final and len(heard) > 1
    assert len({words.item_id for words in heard}) == 1 and heard[-1].text.startswith("(speech, 6")


async def test_usage_is_stated_by_the_minute(offline_url):
    async with Transcriber(url=offline_url, api_key="k") as captions:
        await texts(captions, tone(3))
    usage = captions.usage
    assert usage.sent_seconds == pytest.approx(3) and usage.seconds == pytest.approx(3, abs=0.1)
    assert usage.minutes == usage.seconds / 60 and usage.input_tokens == 0
    assert "3.0 s sent" in repr(captions)


async def test_a_file_is_transcribed_and_the_transcriber_goes_on(offline_url):
    async with Transcriber(url=offline_url, api_key="k") as captions:
        for recording in (question_path(), load(question_path())):
            heard = await texts(captions, str(recording) if recording == question_path() else recording)
            assert heard[-1][1] and heard[-1][0].startswith("(speech, 2")


async def test_a_failure_on_request_reaches_the_iteration_with_its_code():
    options = SessionOptions(pace=0, faults=Faults(failed="insufficient_quota"))
    async with (
        OfflineServer(voice=STANDIN, options=options) as server,
        Transcriber(url=server.url, api_key="k") as captions,
    ):
        with pytest.raises(TranscriptionError, match="insufficient_quota") as caught:
            await texts(captions, tone(2))
    assert (caught.value.status, caught.value.code) == ("failed", "insufficient_quota")


async def test_pauses_end_utterances_where_the_model_hears_none(offline_url):
    spoken = np.concatenate([tone(1), silence(1.2), tone(1), silence(1.2)])
    async with Transcriber(url=offline_url, api_key="k", pause=0.6) as captions:
        finals = [text for text, final in await texts(captions, spoken) if final]
    assert len(finals) == 2


async def test_segments_name_their_speakers(offline_url):
    spoken = np.concatenate([tone(1.5), silence(1)])
    async with Transcriber("gpt-4o-transcribe-diarize", url=offline_url, api_key="k") as captions:
        heard = [words async for words in captions.read(spoken)]
    [segment] = heard[-1].segments
    assert (
        segment.speaker == "A" and segment.start == 0.0 and segment.end > 1 and segment.text == heard[-1].text
    )
    # The silence behind the turn, which the end commits, gives no words.
    assert [words.final for words in heard].count(True) == 1
    assert captions.usage.input_tokens > 0


async def test_a_recorder_feeds_it_in_one_line(offline_url):
    from wavtools import WavRecorder

    device = OfflineDevice(sample_rate=24_000)
    recorder = WavRecorder(device=device)
    recorder.begin()
    async with Transcriber(url=offline_url, api_key="k") as captions:
        recorder.record(captions.append)
        device.capture(tone(2))
        recorder.pause()
        captions.end()
        heard = [words async for words in captions]
    recorder.end()
    assert heard[-1].final and heard[-1].text.startswith("(speech, 2.0")


async def test_any_thread_may_feed_and_commit(offline_url):
    async with Transcriber(url=offline_url, api_key="k") as captions:

        def speak() -> None:
            captions.append(np.concatenate([tone(1), silence(1)]))
            captions.append(tone(1))
            captions.commit()
            captions.end()

        threading.Thread(target=speak).start()
        finals = [words async for words in captions if words.final]
    assert finals and all(words.text.startswith("(speech") for words in finals)


async def test_settings_that_the_server_refuses_are_told_at_the_opening(offline_url):
    with pytest.raises(TranscriptionError, match="Turn detection is not supported") as caught:
        async with Transcriber(url=offline_url, api_key="k", turn_detection="server_vad"):
            pass
    assert caught.value.status == "refused" and caught.value.code == "invalid_value"


async def test_captions_come_through_a_relay_whose_policy_names_the_kind():
    async with (
        OfflineServer(dialect="ga") as server,
        relay_to(server.url + PATH, clients={"kinds": ("realtime", "transcription")}) as relay,
        Transcriber(url=relay.url + PATH, api_key="") as captions,
    ):
        heard = await texts(captions, str(question_path()))
    assert heard[-1][1] and heard[-1][0] and captions.usage.seconds > 1


async def test_a_relay_that_does_not_name_the_kind_says_so():
    from realtime import ConnectError

    async with OfflineServer(dialect="ga") as server, relay_to(server.url + PATH) as relay:
        with pytest.raises(ConnectError, match="intent= is not allowed here"):
            await Transcriber(url=relay.url + PATH, api_key="").connect()


# What goes wrong


async def test_a_failed_utterance_is_raised_and_the_next_one_is_read():
    failed = said(
        "failed", error={"type": "server_error", "code": "audio_unintelligible", "message": "noise"}
    )
    done = said("completed", "item_2", transcript="after it")
    commit = {"type": "input_audio_buffer.committed", "item_id": "item_2"}
    async with scripted(failed, commit, done) as server, captions_of(server) as captions:
        captions.append(tone(0.5))
        captions.end()
        with pytest.raises(TranscriptionError, match="noise") as caught:
            await anext(captions)
        assert (caught.value.status, caught.value.code) == ("failed", "audio_unintelligible")
        assert caught.value.item_id == "item_1"
        assert [str(words) async for words in captions] == ["after it"]


async def test_leaving_early_raises_nothing_for_words_that_are_due():
    async with scripted() as server:
        captions = captions_of(server)
        async with captions:
            captions.append(tone(0.5))
            captions.commit()
            await until(lambda: captions._utterances.due)
        assert [words async for words in captions] == []


async def test_an_error_of_the_server_is_raised():
    error = {"type": "error", "error": {"type": "server_error", "code": "oops", "message": "no quota"}}
    async with scripted(error, said("completed", transcript="")) as server, captions_of(server) as captions:
        captions.append(tone(0.5))
        captions.end()
        with pytest.raises(TranscriptionError, match="no quota"):
            await anext(captions)
        assert [words async for words in captions] == []


async def test_a_lost_connection_is_raised_once_and_ends_the_iteration():
    link = LinkOptions(reconnect=False)
    async with scripted() as server, captions_of(server, link=link) as captions:
        captions.append(tone(0.5))
        captions.commit()
        await server.peer.expect("input_audio_buffer.commit")
        await until(lambda: captions.client.conversation.input.uncommitted_ms == 0)
        await asyncio.sleep(0.1)
        server.peer.drop()
        raised = []
        for _ in range(5):
            try:
                async for _words in captions:
                    raise AssertionError
                break
            except (TranscriptionError, ConnectionLostError) as error:
                raised.append(type(error))
        assert raised[-1] is ConnectionLostError
        assert not captions.append(tone(0.1))
        assert [words async for words in captions.read(tone(0.1))] == []


async def test_a_restored_connection_goes_on_and_ends_what_was_ended():
    async def script(peer: Peer) -> None:
        session = session_object(type="transcription", **MANUAL)
        await peer.say({"type": "session.created", "session": session})
        await peer.say({"type": "session.updated", "session": session})
        listening = asyncio.ensure_future(peer.listen())
        await peer.expect("input_audio_buffer.append")
        if len(server.peers) == 1:
            await peer.say(said("delta", delta="lost wor"))
            await asyncio.sleep(0.05)
            peer.drop()
            return
        await peer.expect("input_audio_buffer.commit")
        await peer.say({"type": "input_audio_buffer.committed", "item_id": "item_2"})
        await peer.say(said("completed", "item_2", transcript="lost words"))
        await peer.expect("input_audio_buffer.clear")
        await peer.say({"type": "input_audio_buffer.cleared"})
        await listening

    link = LinkOptions(first_delay=0.01)
    async with ScriptedServer(script) as server, captions_of(server, link=link) as captions:
        captions.append(tone(0.5))
        assert str(await anext(captions)) == "lost wor"
        await until(lambda: captions.client.state != "connected")
        captions.end()
        assert [(str(words), words.final) async for words in captions] == [("lost words", True)]


async def test_a_server_that_confirms_nothing_may_work(monkeypatch):
    monkeypatch.setattr("realtime.captions.transcriber.CONFIRMATION_SECONDS", 0.05)
    done = said("completed", transcript="works")
    async with scripted(done, confirms=False) as server, captions_of(server) as captions:
        assert await texts(captions, tone(0.5)) == [("works", True)]


async def test_a_connection_that_ends_during_the_opening_ends_the_iteration():
    async def script(peer: Peer) -> None:
        await peer.say({"type": "session.created", "session": session_object(type="transcription", **MANUAL)})
        await peer.close(1000, "enough")

    link = LinkOptions(reconnect=False)
    async with ScriptedServer(script) as server, captions_of(server, link=link) as captions:
        with contextlib.suppress(ConnectionLostError):
            async for _ in captions:
                raise AssertionError


@pytest.mark.parametrize("benign", [True, False])
async def test_a_server_without_clear_ends_the_iteration_too(benign):
    async with scripted(said("completed", transcript="x")) as server, captions_of(server) as captions:
        captions._clears = 1
        captions._ending = True
        name = "error.benign" if benign else "error"
        captions.client.emit(name, ErrorEvent("no clear", caused_by="input_audio_buffer.clear"))
        captions.client.emit("error.benign", ErrorEvent("other"))
        assert [words async for words in captions] == []


async def test_errors_of_handlers_do_not_stop_the_captions(caplog):
    async with scripted(said("completed", transcript="fine")) as server, captions_of(server) as captions:
        captions.client.on("user.transcript", lambda event: 1 / 0)
        assert await texts(captions, tone(0.5)) == [("fine", True)]
    assert "division by zero" in caplog.text


async def test_reading_without_a_connection_says_what_to_do():
    captions = Transcriber(url="ws://127.0.0.1:1", api_key="")
    captions.client.append_input_audio = lambda samples: True
    captions._open = True
    from realtime import StateError

    with pytest.raises(StateError, match="connect"):
        async for _ in captions.read(tone(0.2)):
            pass
    captions._end_utterance("speech")


async def test_long_silence_is_dropped_and_long_speech_is_committed():
    done = said("completed", transcript="x")
    async with scripted(done) as server, captions_of(server, longest=1) as captions:
        await texts(captions, silence(2.5))
        kinds = server.peer.types()
        assert kinds.count("input_audio_buffer.clear") == 3 and kinds.count("input_audio_buffer.commit") <= 1
        await texts(captions, tone(2.5))
        assert server.peer.types().count("input_audio_buffer.commit") >= 3


async def test_without_a_pause_only_commit_ends_an_utterance():
    done = said("completed", transcript="one")
    async with scripted(done) as server, captions_of(server, pause=None) as captions:
        await texts(captions, np.concatenate([tone(1), silence(2), tone(1)]))
        assert server.peer.types().count("input_audio_buffer.commit") == 1
        captions.commit()


async def test_more_than_the_socket_takes_waits(monkeypatch):
    monkeypatch.setattr("realtime.captions.transcriber.QUEUE_SECONDS", 0.4)
    async with (
        scripted(said("completed", transcript="x")) as server,
        captions_of(server, pause=None) as captions,
    ):
        assert await texts(captions, tone(3)) == [("x", True)]
        assert captions.client.stats.input_samples_dropped == 0


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"delay": "slow"}, ValueError, "minimal, low"),
        ({"pause": -1}, ValueError, "pause"),
        ({"longest": "x"}, ValueError, "longest"),
        ({"keywords": "one text"}, TypeError, "list of texts"),
        ({"apiKey": "k"}, TypeError, "api_key"),
    ],
)
def test_a_wrong_option_is_told_at_once(options, error, match):
    with pytest.raises(error, match=match):
        Transcriber(url="ws://127.0.0.1:1", **options)


def test_options_become_the_session_of_the_vendor():
    captions = Transcriber(
        url="ws://127.0.0.1:1",
        api_key="",
        language="en",
        languages=["en", "de"],
        keywords=("Ada",),
        delay="low",
        input_audio_format="g711_ulaw",
    )
    session = captions.client.session_config
    assert session["type"] == "transcription" and captions.sample_rate == 8000
    heard = session["audio"]["input"]
    assert heard["turn_detection"] is None
    assert heard["transcription"] == {
        "model": "gpt-live-transcribe",
        "language": "en",
        "languages": ["en", "de"],
        "keywords": ["Ada"],
        "delay": "low",
    }


def test_recordings_of_other_rates_are_resampled():
    captions = Transcriber(url="ws://127.0.0.1:1", api_key="")
    recording = WavPacker.pack(tone(1, 8_000), 8_000)
    assert len(captions._samples_of(recording)) == 24_000
    assert Segment("x").speaker is None


async def test_a_file_ends_where_the_connection_does(monkeypatch):
    link, pieces = LinkOptions(reconnect=False), []
    async with scripted() as server, captions_of(server, link=link, pause=None) as captions:
        # Nobody takes audio any more.
        monkeypatch.setattr(captions, "append", pieces.append)
        reading = asyncio.ensure_future(texts(captions, tone(1)))
        await until(lambda: pieces)
        server.peer.drop()
        done, _ = await asyncio.wait({reading}, timeout=5)
        assert done and len(pieces) == 1
        assert isinstance(reading.exception(), (TranscriptionError, ConnectionLostError, type(None)))
