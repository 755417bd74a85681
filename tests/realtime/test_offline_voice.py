"""Whole turns with real models: it hears the bundled questions, calls tools, and hears its own speech."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from realtime.offline.clips import TEXTS, clip_samples
from realtime.offline.voice import ModelError, choose_voice
from tests.offline_probe import open_probe, silence

pytestmark = pytest.mark.models


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())


async def test_spoken_question_is_heard_and_answered_in_speech(offline_voice_url: str) -> None:
    async with open_probe(offline_voice_url) as probe:
        await probe.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
        await probe.append(np.concatenate([clip_samples("hello"), silence(1.0)]))
        response = (await probe.until("response.done"))["response"]
        heard = probe.of("conversation.item.input_audio_transcription.completed")[0]["transcript"]
        speech = probe.speech()
        assert words(heard) == words(TEXTS["hello"])
        answer = response["output"][0]["content"][0]["transcript"]
        assert answer == "Hello! I am fine, thank you. How can I help you?"
        assert response["status"] == "completed"

        # Is it speech? Let it listen to itself.
        await probe.update(audio={"input": {"turn_detection": None}})
        await probe.append(speech)
        await probe.send("input_audio_buffer.commit")
        again = await probe.until("conversation.item.input_audio_transcription.completed")
    assert words(again["transcript"]) == words(answer)
    assert 8_000 < np.abs(speech.astype(int)).max() <= 32_767


async def test_transcript_runs_ahead_of_audio_sentence_by_sentence(offline_voice_url: str) -> None:
    async with open_probe(offline_voice_url) as probe:
        await probe.say_text("Hello, how are you?")
        kinds = [e["type"] for e in probe.events if e["type"].endswith(("audio.delta", "transcript.delta"))]
    folded = [kind for i, kind in enumerate(kinds) if i == 0 or kinds[i - 1] != kind]
    # Hello! - I am fine, thank you. - How can I help you?
    assert folded == ["response.output_audio_transcript.delta", "response.output_audio.delta"] * 3


async def test_spoken_weather_question_becomes_a_tool_call(offline_voice_url: str) -> None:
    parameters = {"type": "object", "properties": {"location": {"type": "string"}}}
    tool = {"type": "function", "name": "get_weather", "parameters": parameters}
    async with open_probe(offline_voice_url) as probe:
        await probe.update(tools=[tool])
        await probe.append(np.concatenate([clip_samples("weather"), silence(1.0)]))
        response = (await probe.until("response.done"))["response"]
    assert [item["type"] for item in response["output"]] == ["function_call"]
    assert json.loads(response["output"][0]["arguments"]) == {"location": "Paris"}


async def test_silence_and_noise_are_not_heard_as_words(offline_voice_url: str) -> None:
    noise = np.random.default_rng(1).normal(0.0, 300.0, 48_000).astype(np.int16)
    async with open_probe(offline_voice_url) as probe:
        input_ = {"turn_detection": None, "transcription": {"model": "whisper-1"}}
        await probe.update(audio={"input": input_})
        for sound in (silence(2.0), noise):
            await probe.append(sound)
            await probe.send("input_audio_buffer.commit")
            done = await probe.until("conversation.item.input_audio_transcription.completed")
            assert done["transcript"] == ""


async def test_silence_under_vad_starts_no_turn(offline_voice_url: str) -> None:
    async with open_probe(offline_voice_url) as probe:
        await probe.append(silence(3.0))
        await probe.append(np.random.default_rng(1).normal(0.0, 30.0, 72_000).astype(np.int16))
        assert [event["type"] for event in await probe.settled()] == ["session.created"]


async def test_speech_interrupts_the_response_it_falls_into(offline_voice_url: str) -> None:
    async with open_probe(offline_voice_url) as probe:
        content = [{"type": "input_text", "text": "Tell me a long story."}]
        item = {"type": "message", "role": "user", "content": content}
        await probe.send("conversation.item.create", item=item)
        await probe.send("response.create")
        await probe.until("response.output_audio.delta")
        await probe.append(np.concatenate([clip_samples("hello"), silence(1.0)]))
        story = (await probe.until("response.done"))["response"]
        types = [event["type"] for event in probe.events]
        answer = (await probe.until("response.done"))["response"]
    assert story["status"] == "cancelled"
    assert story["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert story["output"][0]["status"] == "incomplete"
    assert types.index("input_audio_buffer.speech_started") < types.index("response.output_audio.done")
    assert answer["output"][0]["content"][0]["transcript"].startswith("Hello!")


def test_missing_model_folder_is_a_model_error(tmp_path: object) -> None:
    with pytest.raises(ModelError, match=r"model\.bin"):
        choose_voice("auto", str(tmp_path))
