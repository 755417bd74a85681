"""Turns on the sample clock: detector and buffer alone, then formats, settings, idle timeout on a server."""

from __future__ import annotations

import base64
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.offline.models.clips import clip_samples
from realtime.offline.session.turns import FRAME_MS, InputBuffer, Started, Stopped, TurnDetector
from tests.offline_probe import open_probe, order, silence

pcm = pytest.importorskip("wavtools.pcm", reason="build the extensions: make build")


def frames(pattern: str) -> list[float]:
    """Probabilities: x is speech, o is between the two thresholds, . is silence."""
    return [{"x": 0.9, "o": 0.4, ".": 0.1}[c] for c in pattern]


def test_speech_starts_after_two_frames_and_is_moved_back_by_the_prefix() -> None:
    detector = TurnDetector(0.5, 300, 200)
    assert list(detector.push(frames("..........x.xx"))) == [Started(12 * FRAME_MS - 300)]


def test_speech_stops_after_the_silence_and_counts_it() -> None:
    detector = TurnDetector(0.5, 0, 200)
    events = list(detector.push(frames("xxxx" + "." * 20)))
    assert events == [Started(0), Stopped(4 * FRAME_MS + 200, 4 * FRAME_MS)]


def test_doubtful_frames_keep_speech_going_but_do_not_start_it() -> None:
    detector = TurnDetector(0.5, 0, 96)
    assert list(detector.push(frames("oooo"))) == []
    events = list(detector.push(frames("xxoooo...")))
    assert events == [Started(4 * FRAME_MS), Stopped(10 * FRAME_MS + 96, 10 * FRAME_MS)]


@given(pattern=st.text("x.o", max_size=200), cuts=st.lists(st.integers(0, 200), max_size=5))
def test_chunking_does_not_change_turns(pattern: str, cuts: list[int]) -> None:
    whole = list(TurnDetector(0.5, 100, 100).push(frames(pattern)))
    detector, pieces = TurnDetector(0.5, 100, 100), []
    edges = [0, *sorted(min(cut, len(pattern)) for cut in cuts), len(pattern)]
    for first, last in itertools.pairwise(edges):
        pieces += list(detector.push(frames(pattern[first:last])))
    assert pieces == whole
    assert [type(event) for event in whole] == [Started, Stopped] * (len(whole) // 2) + [Started] * (
        len(whole) % 2
    )


@given(
    st.lists(st.tuples(st.sampled_from(["append", "drop", "read"]), st.integers(0, 300), st.integers(0, 300)))
)
def test_input_buffer_is_a_window_on_one_long_signal(steps: list[tuple[str, int, int]]) -> None:
    signal = np.arange(20_000, dtype=np.int16)
    buffer = InputBuffer()
    for step, first, second in steps:
        if step == "append":
            buffer.append(signal[buffer.end : buffer.end + first])
        elif step == "drop":
            buffer.drop_before(buffer.start + first)
        else:
            start, end = buffer.start + first, buffer.start + second
            np.testing.assert_array_equal(buffer.read(start, end), signal[start : min(end, buffer.end)])
        assert len(buffer) == buffer.end - buffer.start >= 0


@pytest.mark.parametrize("law", ["pcmu", "pcma"])
async def test_g711_in_and_out(offline_url: str, law: str) -> None:
    encode = pcm.ulaw_encode if law == "pcmu" else pcm.alaw_encode
    decode = pcm.ulaw_decode if law == "pcmu" else pcm.alaw_decode
    kind = {"type": f"audio/{law}"}
    # Without a filter; that is good enough for the detector.
    question = clip_samples("hello")[::3].copy()
    async with open_probe(offline_url) as probe:
        session = await probe.update(audio={"input": {"format": kind}, "output": {"format": kind}})
        assert session["audio"]["input"]["format"] == session["audio"]["output"]["format"] == kind
        sent = encode(np.concatenate([silence(1.0, 8000), question, silence(1.0, 8000)]))
        await probe.append(bytes(sent), chunk_bytes=160)
        done = (await probe.until("response.done"))["response"]
        started = probe.of("input_audio_buffer.speech_started")[0]["audio_start_ms"]
        assert 900 <= started <= 1200
        data = b"".join(base64.b64decode(e["delta"]) for e in probe.of("response.output_audio.delta"))
        spoken = decode(np.frombuffer(data, np.uint8))
        item_id = done["output"][0]["id"]
        spoken_ms = len(spoken) // 8
        await probe.send(
            "conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=spoken_ms
        )
        await probe.until("conversation.item.truncated")
    answer = clip_samples("answer")
    assert len(spoken) == -(-len(answer) // 3)
    level = np.sqrt(np.mean(np.square(spoken.astype(float))))
    assert level == pytest.approx(np.sqrt(np.mean(np.square(answer.astype(float)))), rel=0.2)


async def test_clock_goes_on_across_a_change_of_rate(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        await probe.append(silence(2.0))
        await probe.update(audio={"input": {"format": {"type": "audio/pcmu"}}})
        loud = clip_samples("hello")[::3].copy()
        await probe.append(bytes(pcm.ulaw_encode(np.concatenate([silence(1.0, 8000), loud]))))
        started = await probe.until("input_audio_buffer.speech_started")
    assert 2900 <= started["audio_start_ms"] <= 3200


async def test_longer_silence_setting_joins_two_phrases(offline_url: str) -> None:
    phrases = np.concatenate([clip_samples("hello"), silence(0.5), clip_samples("hello"), silence(2.5)])
    turns = {}
    for name, detection in {
        "short": {"type": "server_vad", "silence_duration_ms": 200, "create_response": False},
        "long": {"type": "server_vad", "silence_duration_ms": 1800, "create_response": False},
        "eager": {"type": "semantic_vad", "eagerness": "high", "create_response": False},
        "patient": {"type": "semantic_vad", "eagerness": "low", "create_response": False},
    }.items():
        async with open_probe(offline_url) as probe:
            await probe.update(audio={"input": {"turn_detection": detection}})
            await probe.append(phrases)
            await probe.settled()
            turns[name] = len(probe.of("input_audio_buffer.committed"))
    assert turns == {"short": 2, "long": 1, "eager": 2, "patient": 1}


async def test_idle_timeout_follows_the_end_of_playback(offline_url: str) -> None:
    detection: dict[str, Any] = {"type": "server_vad", "idle_timeout_ms": 5000}
    async with open_probe(offline_url) as probe:
        await probe.update(audio={"input": {"turn_detection": detection}})
        # The timeout does not run before the first response.
        await probe.append(silence(8.0))
        await probe.say_text("Hello.")
        spoken_ms = len(probe.speech()) // 24
        seen = len(probe.events)
        await probe.append(silence((spoken_ms + 4900) / 1000))
        assert order((await probe.settled())[seen:]) == ["rate_limits.updated"]
        await probe.append(silence(0.3))
        event = await probe.until("input_audio_buffer.timeout_triggered")
        assert event["audio_end_ms"] - event["audio_start_ms"] >= 5000
        committed = await probe.until("input_audio_buffer.committed")
        assert committed["item_id"] == event["item_id"]
        await probe.until("response.created")
        assert order(probe.events[-5:]) == [
            "input_audio_buffer.timeout_triggered",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "response.created",
        ]
        await probe.until("response.done")


async def test_speech_during_an_uninterruptible_response_is_answered_after_it(offline_url: str) -> None:
    detection = {"type": "server_vad", "interrupt_response": False}
    async with open_probe(offline_url) as probe:
        await probe.update(audio={"input": {"turn_detection": detection}})
        await probe.append(np.concatenate([clip_samples("hello"), silence(1.0)] * 3))
        for _ in range(3):
            done = await probe.until("response.done")
            assert done["response"]["status"] == "completed"


async def test_commit_in_the_middle_of_speech_keeps_the_announced_item_id(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        await probe.append(clip_samples("hello")[:36_000])
        await probe.send("input_audio_buffer.commit")
        committed = await probe.until("input_audio_buffer.committed")
        started = probe.of("input_audio_buffer.speech_started")[0]
    assert committed["item_id"] == started["item_id"]


async def test_clear_forgets_what_was_appended(offline_url: str) -> None:
    async with open_probe(offline_url) as probe:
        await probe.update(audio={"input": {"turn_detection": None}})
        await probe.append(silence(1.0))
        await probe.ask("input_audio_buffer.clear", "input_audio_buffer.cleared")
        await probe.send("input_audio_buffer.commit")
        error = await probe.error()
    assert error["code"] == "input_audio_buffer_commit_empty"
    assert "0.00ms" in error["message"]


@pytest.mark.parametrize(("milliseconds", "accepted"), [(99, False), (100, True)])
async def test_commit_needs_100_ms(offline_url: str, milliseconds: int, accepted: bool) -> None:
    async with open_probe(offline_url) as probe:
        await probe.update(audio={"input": {"turn_detection": None}})
        await probe.append(silence(milliseconds / 1000))
        await probe.send("input_audio_buffer.commit")
        events = await probe.settled()
    assert (events[-1]["type"] == "conversation.item.done") is accepted
