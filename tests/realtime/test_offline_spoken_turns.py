"""Whole spoken turns with the real models: bundled questions, tool calls, and recognition of its own speech."""

from __future__ import annotations

import asyncio
import json
import re
import sys

import numpy as np
import pytest

from realtime.offline.models.choice import choose_voice
from realtime.offline.models.clips import TEXTS, clip_samples
from realtime.offline.models.interfaces import VAD_FRAME_SAMPLES, ModelError, Voice
from realtime.offline.server import OfflineServer
from tests.offline_probe import open_probe, silence

pytestmark = pytest.mark.models
TRANSCRIPTION = "conversation.item.input_audio_transcription"


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

        # It must recognise its own speech.
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


def bare(name: str) -> np.ndarray:
    """A clip without the silence around it."""
    clip = clip_samples(name)
    loud = np.flatnonzero(np.abs(clip) > 300)
    return clip[loud[0] : loud[-1] + 1]


@pytest.mark.parametrize("chunk", [480, 9600])
async def test_what_is_said_after_a_pause_is_heard_too(offline_voice_url: str, chunk: int) -> None:
    """Recognition begins early, in the pause; its words must not be taken for the whole turn."""
    first, second = bare("hello"), bare("weather")
    both = np.concatenate([silence(0.5), first, silence(0.4), second, silence(1.5)])
    async with open_probe(offline_voice_url) as probe:
        detection = {"type": "server_vad", "silence_duration_ms": 800, "create_response": False}
        await probe.update(
            audio={"input": {"turn_detection": detection, "transcription": {"model": "whisper-1"}}}
        )
        for start in range(0, len(both), chunk):
            await probe.append(both[start : start + chunk])
            await asyncio.sleep(chunk / 24_000 / 2)
        done = await probe.until(f"{TRANSCRIPTION}.completed")
    assert words(done["transcript"]) == words(TEXTS["hello"] + TEXTS["weather"])


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
    interrupted = types[types.index("input_audio_buffer.speech_started") :]
    assert interrupted[:7] == [
        "input_audio_buffer.speech_started",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    assert answer["output"][0]["content"][0]["transcript"].startswith("Hello!")


def test_missing_model_folder_is_a_model_error(tmp_path: object) -> None:
    with pytest.raises(ModelError, match=r"model\.bin"):
        choose_voice("auto", str(tmp_path))


async def test_streaming_transcription_reports_words_while_they_are_spoken(offline_voice_url: str) -> None:
    async with open_probe(offline_voice_url) as probe:
        transcription = {"model": "gpt-realtime-whisper"}
        await probe.update(audio={"input": {"transcription": transcription, "turn_detection": None}})
        await probe.append(clip_samples("weather"))
        # Every 0.6 s of audio are recognised again; the time that takes depends on the machine.
        for _ in range(20):
            await probe.append(silence(0.7))
            await asyncio.sleep(0.3)
            await probe.settled()
            if probe.of(f"{TRANSCRIPTION}.delta"):
                break
        await probe.send("input_audio_buffer.commit")
        done = await probe.until(f"{TRANSCRIPTION}.completed")
        types = [event["type"] for event in probe.events]
        item_id = probe.of("input_audio_buffer.committed")[0]["item_id"]
        deltas = probe.of(f"{TRANSCRIPTION}.delta")
    assert types.index(f"{TRANSCRIPTION}.delta") < types.index("input_audio_buffer.committed")
    assert {event["item_id"] for event in [*deltas, done]} == {item_id}
    assert "".join(event["delta"] for event in deltas) == done["transcript"]
    assert words(done["transcript"]) == words(TEXTS["weather"])


class Parrot:
    """Own models of an application: recognise one word in everything, and speak a click."""

    def probabilities(self, samples: np.ndarray, state: int | None) -> tuple[list[float], int]:
        frames = len(samples) // VAD_FRAME_SAMPLES
        seen = state or 0
        return [1.0 if 10 <= i < 40 else 0.0 for i in range(seen, seen + frames)], seen + frames

    def transcribe(self, samples: np.ndarray, sample_rate: int, prompt: str | None = None) -> str:
        return "parrot"

    def synthesise(self, text: str, voice: str, speed: float) -> np.ndarray:
        return np.full(2400, 1000, np.int16)


class Broken:
    """A speech recognition that always fails."""

    def transcribe(self, samples: np.ndarray, sample_rate: int, prompt: str | None = None) -> str:
        raise ValueError("no idea")


async def test_models_of_the_users_own_take_part() -> None:
    voice = Voice(Parrot, Parrot, Parrot)
    async with OfflineServer(voice=voice, log=lambda line: None) as server, open_probe(server.url) as probe:
        # The parrot detects speech from 0.32 to 1.28 s.
        await probe.append(silence(2.0))
        response = (await probe.until("response.done"))["response"]
        started = probe.of("input_audio_buffer.speech_started")[0]
        speech = probe.speech()
    assert started["audio_start_ms"] == 20
    assert response["output"][0]["content"][0]["transcript"] == "You said: parrot."
    assert speech.tolist() == [1000] * 2400


async def test_failing_recognition_is_reported_and_the_session_goes_on() -> None:
    log: list[str] = []
    voice = Voice(Parrot, Broken, Parrot)
    async with OfflineServer(voice=voice, log=log.append) as server, open_probe(server.url) as probe:
        await probe.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
        await probe.append(silence(2.0))
        failed = await probe.until(f"{TRANSCRIPTION}.failed")
        response = (await probe.until("response.done"))["response"]
    assert failed["error"]["type"] == "server_error"
    assert response["output"][0]["content"][0]["transcript"] == "Sorry, I did not catch that."
    assert "ValueError('no idea')" in log[-1]


async def test_first_turn_on_a_cold_server_waits_for_the_models_and_is_answered() -> None:
    """A client connects at once; stderr names the models; audio sent meanwhile is processed when they are loaded."""
    command = [sys.executable, "-m", "realtime.offline", "--voice", "models"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    url = (await process.stdout.readline()).decode().removeprefix("listening on ").strip()
    async with open_probe(url) as probe:
        await probe.append(np.concatenate([clip_samples("hello"), silence(1.0)]))
        response = (await probe.until("response.done", 60))["response"]
    process.terminate()
    said = (await process.communicate())[1].decode().splitlines()
    assert said[0] == "loading silero, whisper tiny.en, hibari ..."
    assert response["output"][0]["content"][0]["transcript"].startswith("Hello!")
