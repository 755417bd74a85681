"""Speech recognition of a session: before the commit, in items of the client, and with models that fail."""

from __future__ import annotations

import asyncio
import base64

import numpy as np
import pytest

from realtime.offline.models.interfaces import Voice
from realtime.offline.models.standin import PrerenderedSpeech
from realtime.offline.session.interim import InterimTranscript
from realtime.offline.session.recognition import Recogniser, Speech
from realtime.offline.session.turns import InputBuffer
from realtime.protocol.audio_format import PCM16
from tests.offline_models import (
    TRANSCRIPTION,
    Damaged,
    FailingEars,
    HearsSpeech,
    Missing,
    SlowEars,
    loud,
    session_with,
)
from tests.offline_probe import silence


async def test_speech_given_to_one_response_is_heard() -> None:
    audio = base64.b64encode(loud(1.5).tobytes()).decode()
    item = {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": audio}]}
    async with session_with() as (probe, _):
        await probe.send("response.create", response={"input": [item], "output_modalities": ["text"]})
        done = (await probe.until("response.done"))["response"]
    assert done["output"][0]["content"][0]["text"] == "You said: (speech, 1.5 s)"


async def test_what_was_recognised_in_a_pause_is_dropped_with_the_speech() -> None:
    async with session_with(Voice(HearsSpeech, SlowEars, PrerenderedSpeech)) as (probe, _):
        detection = {"type": "server_vad", "silence_duration_ms": 1000, "create_response": False}
        await probe.update(
            audio={"input": {"turn_detection": detection, "transcription": {"model": "whisper-1"}}}
        )
        await probe.append(np.concatenate([loud(0.5), silence(0.3)]))
        await probe.until("input_audio_buffer.speech_started")
        await probe.ask("input_audio_buffer.clear", "input_audio_buffer.cleared")
        assert not probe.of("input_audio_buffer.committed")
        await probe.append(np.concatenate([loud(0.5), silence(1.5)]))
        done = await probe.until(f"{TRANSCRIPTION}.completed")
    assert done["transcript"] == "slowly"


async def test_words_in_progress_that_cannot_be_heard_are_reported_once_at_the_end() -> None:
    async with session_with(Voice(HearsSpeech, FailingEars, PrerenderedSpeech)) as (probe, log):
        transcription = {"model": "gpt-realtime-whisper"}
        await probe.update(audio={"input": {"turn_detection": None, "transcription": transcription}})
        await probe.append(loud(1.5))
        await probe.settled()
        await asyncio.sleep(0.3)
        await probe.send("input_audio_buffer.commit")
        await probe.until(f"{TRANSCRIPTION}.failed")
        assert not probe.of(f"{TRANSCRIPTION}.delta")
    assert len(log) == 1


class Counts:
    """A speech recognition whose words are the seconds that it has heard."""

    def transcribe(self, samples: np.ndarray, sample_rate: int, prompt: str | None = None) -> str:
        return " ".join(str(second) for second in range(len(samples) // sample_rate))


@pytest.mark.parametrize("model", ["gpt-live-transcribe", "gpt-realtime-whisper"])
async def test_words_in_progress_come_without_turn_detection_only(model: str) -> None:
    async with session_with(Voice(HearsSpeech, Counts, PrerenderedSpeech)) as (probe, _):
        detection = {"type": "server_vad", "create_response": False}
        audio_input: dict[str, object] = {"turn_detection": detection, "transcription": {"model": model}}
        await probe.update(audio={"input": audio_input})

        async def speak() -> list[dict[str, object]]:
            """The deltas that came before the commit."""
            for _ in range(5):
                await probe.append(loud(1.0))
                await asyncio.sleep(0.1)
                await probe.settled()
            return probe.of(f"{TRANSCRIPTION}.delta")

        assert not await speak()
        await probe.append(silence(1.0))
        await probe.until(f"{TRANSCRIPTION}.completed")
        probe.events.clear()
        await probe.update(audio={"input": {"turn_detection": None}})
        await probe.ask("input_audio_buffer.clear", "input_audio_buffer.cleared")
        early = await speak()
        assert early
        await probe.send("input_audio_buffer.commit")
        done = await probe.until(f"{TRANSCRIPTION}.completed")
        assert done["transcript"] == "0 1 2 3 4"
        assert "".join(str(event["delta"]) for event in probe.of(f"{TRANSCRIPTION}.delta")) == "0 1 2 3 4"
        assert {event["item_id"] for event in early} == {done["item_id"]}


async def test_a_transcription_with_speakers_comes_in_segments() -> None:
    async with session_with(Voice(HearsSpeech, Counts, PrerenderedSpeech)) as (probe, _):
        audio_input = {"turn_detection": None, "transcription": {"model": "gpt-4o-transcribe-diarize"}}
        await probe.update(audio={"input": audio_input})
        await probe.append(loud(2.0))
        await probe.send("input_audio_buffer.commit")
        done = await probe.until(f"{TRANSCRIPTION}.completed")
    [segment] = probe.of(f"{TRANSCRIPTION}.segment")
    assert (segment["text"], segment["speaker"], segment["item_id"]) == ("0 1", "A", done["item_id"])
    assert (segment["start"], segment["end"], segment["content_index"]) == (0.0, 2.0, 0)


async def test_other_models_report_their_words_after_the_commit() -> None:
    async with session_with(Voice(HearsSpeech, Counts, PrerenderedSpeech)) as (probe, _):
        audio_input = {"turn_detection": None, "transcription": {"model": "whisper-1"}}
        await probe.update(audio={"input": audio_input})
        await probe.append(loud(3.0))
        await asyncio.sleep(0.2)
        await probe.settled()
        assert not probe.of(f"{TRANSCRIPTION}.delta")
        await probe.send("input_audio_buffer.commit")
        assert (await probe.until(f"{TRANSCRIPTION}.completed"))["transcript"] == "0 1 2"


@pytest.mark.parametrize(
    ("ears", "says"),
    [(Missing, "the model is missing"), (Damaged, "cannot load a model: OSError: bad magic number")],
)
async def test_a_missing_recogniser_fails_the_transcription_and_says_why(ears: type, says: str) -> None:
    async with session_with(Voice(HearsSpeech, ears, PrerenderedSpeech)) as (probe, log):
        detection = {"type": "server_vad", "create_response": False}
        await probe.update(
            audio={"input": {"turn_detection": detection, "transcription": {"model": "whisper-1"}}}
        )
        await probe.append(np.concatenate([loud(0.5), silence(1.0)]))
        failed = await probe.until(f"{TRANSCRIPTION}.failed")
    assert failed["error"]["message"] == says
    assert log[-1] == says


async def test_interim_words_of_a_long_utterance_cost_no_more_than_its_length():
    lengths: list[int] = []

    class Ears:
        async def transcribe(self, samples: np.ndarray, rate: int) -> str:
            lengths.append(len(samples))
            return "word"

    class Said:
        def emit(self, kind: str, **fields: object) -> None: ...

        def end_of_task(self, task: object) -> None: ...

    rate, buffer, speech = PCM16.sample_rate, InputBuffer(), Speech("i", 0, InterimTranscript())
    recogniser = Recogniser(Ears(), Said())
    for _ in range(10 * 120):
        buffer.append(np.zeros(rate // 10, np.int16))
        recogniser.follow(speech, buffer, PCM16)
        # The recognition is a task: it begins and ends here.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    # Every 0.6 s it would be 200 recognitions of 60 s on average, a hundred times the speech.
    assert lengths[0] == 0.6 * rate and sum(lengths) < 20 * len(buffer)
